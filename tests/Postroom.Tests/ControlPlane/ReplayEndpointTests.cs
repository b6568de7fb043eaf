using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary><c>POST /journal/{id}/replay</c>.</summary>
public sealed class ReplayEndpointTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, false, 409)]
    [InlineData("", true, 409)]
    [InlineData("{}", true, 409)]
    [InlineData("""{"force":true}""", false, 202)]
    [InlineData("""{"force":true}""", true, 202)]
    [InlineData("""{"force":"yes"}""", true, 400)]
    [InlineData("""{"force":null}""", false, 400)]
    [InlineData("""{"dryRum":"handler"}""", false, 400)]
    [InlineData("[true]", true, 400)]
    [InlineData("{", true, 400)]
    public async Task A_body_is_read_with_and_without_a_declared_length_and_is_optional(string? body, bool chunked, int status)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        MessageId acked = await AckedAsync(http);

        (int answered, JsonElement answer) = await ReplayAsync(http, acked, body, chunked);

        Assert.Equal(status, answered);
        Assert.Equal(status switch { 202 => null, 409 => "conflict", _ => "bad_request" }, answer.TryGetProperty("code", out JsonElement code) ? code.GetString() : null);
    }

    [Fact]
    public async Task A_wrong_body_is_told_what_it_may_have_and_a_long_one_is_413()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        MessageId acked = await AckedAsync(http);

        (_, JsonElement wrong) = await ReplayAsync(http, acked, """{"forse":true}""", chunked: false);
        (int large, _) = await ReplayAsync(http, acked, $$"""{"forse":"{{new string('x', 5_000)}}"}""", chunked: true);

        Assert.Contains("force, keepAttempts", wrong.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(413, large);
    }

    [Fact]
    public async Task Before_the_store_is_open_it_is_503()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        MessageId acked = await AckedAsync(http);
        http.Runtime.State = RuntimeState.Recovering;

        (int status, JsonElement answer) = await ReplayAsync(http, acked, null, chunked: false);

        Assert.Equal((503, "store_unavailable"), (status, answer.GetProperty("code").GetString()));
    }

    private static async Task<MessageId> AckedAsync(HttpFixture http)
    {
        Envelope envelope = new(MessageId.New(), "q", "a.b", "{}"u8.ToArray());
        await http.Runtime.Store.AppendAsync([envelope], null, Cancel);
        MessageLease lease = await http.Runtime.LeaseAsync("q", Cancel);
        await http.Runtime.Store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        return envelope.Id;
    }

    private static async Task<(int Status, JsonElement Answer)> ReplayAsync(HttpFixture http, MessageId id, string? body, bool chunked)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, $"/api/v1/journal/{id}/replay");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await http.KeyAsync(ApiRole.Operator));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            request.Headers.TransferEncodingChunked = chunked;
        }

        using HttpResponseMessage response = await http.Client.SendAsync(request, Cancel);
        return ((int)response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Cancel)).RootElement);
    }
}
