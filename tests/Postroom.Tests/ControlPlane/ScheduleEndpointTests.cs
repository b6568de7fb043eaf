using System.Net.Http.Headers;
using System.Text.Json;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>Schedules over HTTP (CP-10, SR-21).</summary>
public sealed class ScheduleEndpointTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CP_10_schedules_and_their_occurrences_are_listed_newest_first_page_by_page()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        string key = await http.KeyAsync(ApiRole.Viewer);
        DateTimeOffset first = new(2026, 1, 15, 0, 0, 0, TimeSpan.Zero);
        await http.Runtime.WriteFactsAsync(
            [.. Enumerable.Range(0, 5).Select(day => Row("daily", first.AddDays(day), day == 2 ? OccurrenceState.Missed : OccurrenceState.Enqueued)), Row("daily2", first, OccurrenceState.Missed)], Cancel);

        JsonElement all = (await http.GetAsync("/api/v1/schedules", key)).Json;
        JsonElement page = (await http.GetAsync("/api/v1/schedules/daily/occurrences?limit=2", key)).Json;
        JsonElement next = (await http.GetAsync($"/api/v1/schedules/daily/occurrences?limit=9&cursor={page.GetProperty("next").GetInt64()}", key)).Json;
        JsonElement missed = (await http.GetAsync("/api/v1/schedules/daily/occurrences?state=missed", key)).Json;
        JsonElement between = (await http.GetAsync("/api/v1/schedules/daily/occurrences?since=2026-01-16T00:00:00Z&until=2026-01-18T00:00:00Z", key)).Json;

        Assert.Equal("2070-01-01T00:00:00.000Z", all.GetProperty("items")[0].GetProperty("nextAt").GetString());
        Assert.Equal(["19", "18"], Days(page));
        Assert.Equal(["17", "16", "15"], Days(next));
        Assert.False(next.TryGetProperty("next", out _));
        Assert.Equal(["17"], Days(missed));
        Assert.Equal(["18", "17", "16"], Days(between));
        Assert.Equal(400, (await http.GetAsync("/api/v1/schedules/daily/occurrences?state=late", key)).Status);
        Assert.Equal(200, (await http.GetAsync("/api/v1/schedules/daily/occurrences?until=9999-12-31T23:59:59.9999999Z", key)).Status);
        Assert.Equal(404, (await http.GetAsync("/api/v1/schedules/weekly", key)).Status);
        Assert.Empty(Days((await http.GetAsync("/api/v1/schedules/weekly/occurrences", key)).Json));
    }

    [Fact]
    public async Task SR_21_a_run_by_hand_takes_an_operator_and_is_written_down()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Assert.Equal(401, (await RunAsync(http, "daily", null)).Status);
        Assert.Equal(403, (await RunAsync(http, "daily", ApiRole.Viewer)).Status);
        (int status, JsonElement answer) = await RunAsync(http, "daily", ApiRole.Operator);
        (int none, JsonElement why) = await RunAsync(http, "weekly", ApiRole.Operator);

        Assert.Equal((202, 404), (status, none));
        Assert.Contains("Schedules are daily.", why.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(["done", "not_found"], http.Runtime.Notes.Select(static note => JsonSerializer.Deserialize(note.Data.Span, PostroomJson.Default.AuditRecord)!.Result));
        StoreNote audit = http.Runtime.Notes[0];
        Assert.Equal(answer.GetProperty("id").GetString(), audit.MessageId.ToString());
        Assert.Contains("schedule.run", System.Text.Encoding.UTF8.GetString(audit.Data.Span), StringComparison.Ordinal);
    }

    private static string[] Days(JsonElement list) => [.. list.GetProperty("items").EnumerateArray().Select(row => row.GetProperty("dueAt").GetString()![8..10])];

    private static FactChange Row(string schedule, DateTimeOffset due, OccurrenceState state) => new(
        FactScopes.Occurrence, ScheduleOccurrence.KeyOf(schedule, due), JsonSerializer.SerializeToUtf8Bytes(new ScheduleOccurrence(schedule, due, state), PostroomJson.Default.ScheduleOccurrence));

    private static async Task<(int Status, JsonElement Answer)> RunAsync(HttpFixture http, string schedule, ApiRole? role)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, $"/api/v1/schedules/{schedule}/run");
        request.Headers.Authorization = role is { } named ? new AuthenticationHeaderValue("Bearer", await http.KeyAsync(named)) : null;
        using HttpResponseMessage response = await http.Client.SendAsync(request, Cancel);
        return ((int)response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Cancel)).RootElement);
    }
}
