using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.ControlPlane;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>What the audit keeps of what people do (CP-9, ST-21, CL-7, AC-87).</summary>
public sealed class AuditTests
{
    [Fact]
    public async Task Ac87_what_was_begun_goes_on_when_its_caller_leaves_and_has_its_row()
    {
        TaskCompletionSource begun = new(), release = new();
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddWork(async (_, _, token) =>
        {
            begun.TrySetResult();
            await release.Task.WaitAsync(token);
            return HandlerResult.Completed;
        }));
        string admin = await http.KeyAsync(ApiRole.Admin);
        await http.Runtime.PublishAsync("1");
        await begun.Task;
        using CancellationTokenSource leave = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task call = DrainAsync(http.Client, admin, leave.Token);
        await UntilAsync(() => http.Runtime.View.Control.IsPaused);
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        IReadOnlyList<AuditEntry> before = (await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { Action = "runtime." }, Cancel)).Items;
        release.SetResult();
        await UntilAsync(async () => (await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { Action = "runtime." }, Cancel)).Items.Count > 0);

        Assert.Empty(before);
        AuditRecord row = Assert.Single((await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { Action = "runtime." }, Cancel)).Items).Record;
        Assert.Equal(("test-admin", "done", """{"reason":"night","timeoutSeconds":60,"inWork":0}"""), (row.User, row.Result, row.Detail?.GetRawText()));
    }

    private static async Task DrainAsync(HttpClient client, string admin, CancellationToken cancellationToken)
    {
        using HttpRequestMessage drain = new(HttpMethod.Post, "/api/v1/runtime/drain") { Content = new StringContent("""{"timeoutSeconds":60,"reason":"night"}""", Encoding.UTF8, "application/json") };
        drain.Headers.TryAddWithoutValidation("Authorization", $"Bearer {admin}");
        using HttpResponseMessage answer = await client.SendAsync(drain, cancellationToken);
    }

    [Fact]
    public async Task Ac87_what_fails_or_is_broken_off_by_the_stop_has_its_row_and_what_is_done_stays_done_without_one()
    {
        RuntimeDouble runtime = new(TimeProvider.System);
        LogLines lines = new();
        using ILoggerFactory loggers = LoggerFactory.Create(logging => logging.AddProvider(lines));
        OperatorAction action = new(new AuditTrail(runtime, new Redactor(), TimeProvider.System, loggers.CreateLogger<AuditTrail>()), TimeProvider.System, NullLogger<OperatorAction>.Instance);
        TaskCompletionSource begun = new();

        HttpContext failed = Context();
        await action.DoAsync(failed, "a.fails", "x", _ => Task.FromException(new InvalidDataException("inner")));
        runtime.NotesFailure = new StoreUnavailableException("The disk is full.");
        HttpContext unwritten = Context();
        await action.DoAsync(unwritten, "a.unwritten", "x", _ => Task.CompletedTask, detail: new JsonObject { ["note"] = "Bearer abcdefghijkl" });
        runtime.NotesFailure = null;
        HttpContext aborted = Context();
        Task running = action.DoAsync(aborted, "a.long", "x", token =>
        {
            begun.SetResult();
            return Task.Delay(Timeout.Infinite, token);
        });
        await begun.Task;
        await action.StopAsync(TimeSpan.FromSeconds(30));
        await running;

        Assert.Equal((500, 200, 503), (failed.Response.StatusCode, unwritten.Response.StatusCode, aborted.Response.StatusCode));
        Assert.Equal(
            ["a.fails internal_error", "a.long aborted"],
            runtime.Notes.Select(note => JsonSerializer.Deserialize(note.Data.Span, PostroomJson.Default.AuditRecord)!).Select(row => $"{row.Action} {row.Result}"));
        string line = Assert.Single(lines.Texts);
        Assert.Contains("a.unwritten", line, StringComparison.Ordinal);
        Assert.Contains("disk is full", line, StringComparison.Ordinal);
        Assert.DoesNotContain("abcdefghijkl", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task St21_rows_say_why_how_many_and_what_was_and_is_without_secrets()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);
        await http.CallAsync("POST", "/api/v1/queues/work/pause", admin);
        string[] ids = new string[3];
        for (int n = 0; n < 3; n++)
        {
            ids[n] = (await http.CallAsync("POST", "/api/v1/inject", admin, """{"queue":"work","type":"work.todo","body":{"number":"1"}}""")).Json.GetProperty("id").GetString()!;
        }

        await http.CallAsync("POST", $"/api/v1/journal/{ids[0]}/discard", admin, """{"reason":"asked by Ann, Bearer abcdefghijkl"}""");
        await http.CallAsync("POST", "/api/v1/queues/work/purge", admin, """{"confirm":2,"reason":"twice"}""");
        await http.CallAsync("PUT", "/api/v1/config/overrides/hooks.timeout", admin, """{"value":"9s"}""");
        await http.CallAsync("DELETE", "/api/v1/config/overrides/hooks.timeout", admin);
        await http.CallAsync("PUT", "/api/v1/config/overrides/intake.webhook.token", admin, """{"value":"hunter2-is-no-token"}""");
        await http.CallAsync("POST", "/api/v1/schedules/none/run", admin);
        await http.CallAsync("POST", "/api/v1/communicators/none/call", admin, """{"method":"look"}""");
        Answer audit = await http.CallAsync("GET", "/api/v1/audit?user=test-admin&limit=7", admin);
        JsonElement[] rows = [.. audit.Json.GetProperty("items").EnumerateArray()];
        JsonElement record = (await http.CallAsync("GET", $"/api/v1/journal/{ids[0]}", admin)).Json;
        Answer why = await http.CallAsync("GET", $"/api/v1/journal/{ids[0]}/why", admin);

        Assert.Equal(
            ["communicator.call done", "schedule.run not_found", "config.override done", "config.override.remove done", "config.override done", "queue.purge done", "journal.discard done"],
            rows.Select(row => $"{row.GetProperty("action").GetString()} {row.GetProperty("result").GetString()}"));
        Assert.False(rows[0].GetProperty("detail").GetProperty("ok").GetBoolean());
        Assert.Contains("There is no schedule", rows[1].GetProperty("detail").GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal("***", rows[2].GetProperty("detail").GetProperty("changes")[0].GetProperty("new").GetString());
        Assert.Equal(("9s", "2s"), (rows[3].GetProperty("detail").GetProperty("changes")[0].GetProperty("old").GetString(), rows[3].GetProperty("detail").GetProperty("changes")[0].GetProperty("new").GetString()));
        Assert.Equal("hooks.timeout", rows[4].GetProperty("detail").GetProperty("changes")[0].GetProperty("key").GetString());
        Assert.Equal("""{"reason":"twice","confirm":2,"discarded":2}""", rows[5].GetProperty("detail").GetRawText());
        Assert.Equal("""{"reason":"asked by Ann, Bearer ***"}""", record.GetProperty("audit")[1].GetProperty("detail").GetRawText());
        Assert.Contains("discarded by test-admin: asked by Ann", why.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", audit.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cl7_a_message_that_was_replayed_by_filter_or_confirmed_names_who_did_it_and_why()
    {
        RecordingCommunicator chat = new("chat");
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddWork((_, _, _) => throw new InvalidOperationException("no"), queue => queue.MaxAttempts = 1).AddCommunicator(_ => chat, ["default"]));
        string key = await http.KeyAsync(ApiRole.Operator);
        chat.Next(new SendOutcome.Fails(new DeliveryFailure.Uncertain(), "The line broke."));
        MessageId failed = await http.Runtime.PublishAsync("1");
        await http.Runtime.EndedAsync(failed, MessageState.Failed);

        Assert.Equal(202, (await http.CallAsync("POST", "/api/v1/journal/replay", key, """{"filter":{"queue":"work"},"confirm":1}""")).Status);
        await UntilAsync(async () => !(await http.CallAsync("GET", "/api/v1/journal/replay", key)).Json.GetProperty("running").GetBoolean());
        Answer replayed = await http.CallAsync("GET", $"/api/v1/journal/{failed}/why", key);
        string sent = (await http.CallAsync("POST", "/api/v1/send", key, """{"message":"hello","to":"chat:7"}""")).Json.GetProperty("ids")[0].GetString()!;
        await http.Runtime.EndedAsync(MessageId.Parse(sent), MessageState.Failed);
        Answer confirm = await http.CallAsync("POST", $"/api/v1/journal/{sent}/confirm", key, """{"reason":"Ann has it"}""");
        Answer confirmed = await http.CallAsync("GET", $"/api/v1/journal/{sent}/why", key);

        Assert.Contains("replayed by test-operator", replayed.Text, StringComparison.Ordinal);
        Assert.Equal(200, confirm.Status);
        Assert.Contains("confirmed by test-operator: Ann has it", confirmed.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cp8_lists_tell_how_many_there_are_and_not_how_many_are_on_the_page()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);
        for (int n = 0; n < 5; n++)
        {
            await http.Runtime.EndedAsync(MessageId.Parse((await http.CallAsync("POST", "/api/v1/inject", admin, $$$"""{"queue":"work","type":"work.todo","conversation":"shop/{{{n}}}","body":{"number":"1"}}""")).Json.GetProperty("id").GetString()!), MessageState.Acked);
            await http.Runtime.View.WriteFactsAsync([new FactChange(FactScopes.Occurrence, ScheduleOccurrence.KeyOf("daily", DateTimeOffset.UnixEpoch.AddDays(n)), JsonSerializer.SerializeToUtf8Bytes(new ScheduleOccurrence("daily", DateTimeOffset.UnixEpoch.AddDays(n), OccurrenceState.Enqueued), PostroomJson.Default.ScheduleOccurrence))], Cancel);
        }

        foreach (string list in (string[])["audit?action=message.", "traces?queue=work", "conversations?status=complete", "threads", "schedules/daily/occurrences?state=enqueued"])
        {
            string path = $"/api/v1/{list}{(list.Contains('?', StringComparison.Ordinal) ? '&' : '?')}limit=2";
            JsonElement first = (await http.CallAsync("GET", path, admin)).Json;
            JsonElement second = (await http.CallAsync("GET", $"{path}&cursor={first.GetProperty("next").GetInt64()}", admin)).Json;
            Assert.True((first.GetProperty("count").GetInt32(), first.GetProperty("total").GetInt32(), second.GetProperty("total").GetInt32(), first.TryGetProperty("atLeast", out _)) == (2, 5, 5, false), $"{list}: {first} {second}");
        }
    }

    [Fact]
    public async Task Cp10_a_queue_shows_its_options_and_the_journal_its_rates_and_several_kinds_are_found()
    {
        await using RealHttp http = await StartAsync(queue => queue.MaxAttempts = 7);
        string key = await http.KeyAsync(ApiRole.Admin);
        await http.CallAsync("POST", "/api/v1/queues/work/pause", key);
        MessageId discarded = await http.Runtime.PublishAsync("1");
        await http.CallAsync("POST", $"/api/v1/journal/{discarded}/discard", key);

        JsonElement queue = (await http.CallAsync("GET", "/api/v1/queues/work", key)).Json;
        JsonElement stats = (await http.CallAsync("GET", "/api/v1/journal/stats?queue=work", key)).Json;
        JsonElement kinds = (await http.CallAsync("GET", "/api/v1/journal?kind=rejected,discarded&kind=poison", key)).Json;
        JsonElement others = (await http.CallAsync("GET", "/api/v1/journal?kind=rejected,exhausted", key)).Json;

        Assert.Equal((7, "conversation", true), (queue.GetProperty("options").GetProperty("maxAttempts").GetInt32(), queue.GetProperty("options").GetProperty("order").GetString(), queue.GetProperty("paused").GetBoolean()));
        Assert.Equal([60, 300, 3_600], stats.GetProperty("rates").EnumerateArray().Select(rate => rate.GetProperty("seconds").GetInt32()));
        Assert.Equal((discarded.ToString(), 0), (Assert.Single(kinds.GetProperty("items").EnumerateArray()).GetProperty("id").GetString(), others.GetProperty("count").GetInt32()));
        Assert.Equal(400, (await http.CallAsync("GET", "/api/v1/journal?kind=rejected,weather", key)).Status);
    }

    [Fact]
    public async Task Cp10_a_compaction_with_vacuum_gives_all_room_back()
    {
        await using RealHttp http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Admin);
        await http.CallAsync("POST", "/api/v1/queues/work/pause", key);
        Envelope[] large = [.. Enumerable.Range(0, 300).Select(_ => new Envelope(MessageId.New(), "work", "work.todo", new byte[64 * 1024]))];
        await http.Store.AppendAsync(large, null, Cancel);
        double before = await FlushesAsync();
        await http.CallAsync("POST", "/api/v1/queues/work/purge", key, """{"confirm":300}""");
        double flushes = await FlushesAsync() - before;

        Answer plain = await http.CallAsync("POST", "/api/v1/journal/compact", key, """{"olderThan":"0s"}""");
        long free = FreePages(http);
        Answer whole = await http.CallAsync("POST", "/api/v1/journal/compact", key, """{"olderThan":"0s","vacuum":true}""");

        Assert.Equal((200, 300, 200), (plain.Status, plain.Json.GetProperty("removed").GetInt32(), whole.Status));
        Assert.True(free > 1_000, $"{free} free pages");
        Assert.Equal(0, FreePages(http));
        Assert.InRange(flushes, 1, 100); // a page of 100 messages goes together: alone they would be 300

        async Task<double> FlushesAsync()
        {
            const string Name = "postroom_store_fsyncs_total{store=\"sqlite\"} ";
            string metrics = await http.Runtime.View.WriteMetricsAsync(Cancel);
            return double.Parse(metrics.Split('\n').Single(static line => line.StartsWith(Name, StringComparison.Ordinal))[Name.Length..], CultureInfo.InvariantCulture);
        }
    }

    private static long FreePages(RealHttp http)
    {
        using Postroom.Sqlite.SqliteConnection connection = Postroom.Sqlite.SqliteConnection.Open(Path.Combine(http.Folder, "store.db"), Postroom.Sqlite.SqliteAccess.ReadOnly);
        using Postroom.Sqlite.SqliteStatement count = connection.Prepare("free pages", "pragma freelist_count");
        return count.Step() ? count.GetInt64(0) : 0;
    }

    private static Task<RealHttp> StartAsync(Action<QueueOptions>? queue = null) => RealHttp.StartAsync(app => app.AddWork((_, _, _) => new ValueTask<HandlerResult>(HandlerResult.Completed), queue));

    private static DefaultHttpContext Context() => new() { Response = { Body = new MemoryStream() } };
}
