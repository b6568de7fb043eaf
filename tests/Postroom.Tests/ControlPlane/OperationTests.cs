using System.Text.Json;
using Postroom.ControlPlane;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>What operators do over HTTP, against a whole runtime (CP-9, CP-10).</summary>
public sealed class OperationTests
{
    [Fact]
    public async Task Ac87_a_purge_touches_what_was_confirmed_only_and_each_change_is_one_audit_row()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);
        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/queues/work/pause", admin)).Status);
        for (int n = 0; n < 3; n++)
        {
            Assert.Equal(202, (await http.CallAsync("POST", "/api/v1/inject", admin, """{"queue":"work","type":"work.todo","body":{"number":"1"}}""")).Status);
        }

        Answer wrong = await http.CallAsync("POST", "/api/v1/queues/work/purge", admin, """{"confirm":2}""");
        Answer none = await http.CallAsync("POST", "/api/v1/queues/work/purge", admin);
        long waiting = (await http.Runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"].Pending;
        Answer right = await http.CallAsync("POST", "/api/v1/queues/work/purge", admin, """{"confirm":3,"reason":"twice imported"}""");
        JsonElement audit = (await http.CallAsync("GET", "/api/v1/audit?user=test-admin", admin)).Json;

        Assert.Equal((409, "confirm_count", 3), (wrong.Status, wrong.Json.GetProperty("code").GetString(), wrong.Json.GetProperty("count").GetInt32()));
        Assert.Equal((409, 3L), (none.Status, waiting));
        Assert.Equal((200, 3), (right.Status, right.Json.GetProperty("discarded").GetInt32()));
        Assert.Equal(
            ["queue.purge done", "queue.purge confirm_count", "queue.purge confirm_count", "message.inject done", "message.inject done", "message.inject done", "queue.pause done"],
            audit.GetProperty("items").EnumerateArray().Select(row => $"{row.GetProperty("action").GetString()} {row.GetProperty("result").GetString()}"));
        Assert.All(audit.GetProperty("items").EnumerateArray(), row => Assert.Equal(("admin", "127.0.0.1"), (row.GetProperty("role").GetString(), row.GetProperty("remote").GetString())));
        JournalPage discarded = await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "work", Kind = FailureKind.Discarded }, Cancel);
        Assert.All(discarded.Items, entry => Assert.Contains("twice imported", entry.Error, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Jn12_what_is_kept_of_a_contact_is_erased_once_its_messages_have_ended()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);
        async Task<MessageId> InjectAsync(string from) => MessageId.Parse((await http.CallAsync(
            "POST", "/api/v1/inject", admin, $$$"""{"queue":"work","type":"work.todo","from":"{{{from}}}","body":{"number":"my ailment"}}""")).Json.GetProperty("id").GetString()!);
        MessageId first = await InjectAsync("shop:ada/7");
        MessageId neighbour = await InjectAsync("shop:adam");
        await http.Runtime.EndedAsync(first, MessageState.Acked);
        await http.Runtime.EndedAsync(neighbour, MessageState.Acked);
        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/queues/work/pause", admin)).Status);
        MessageId second = await InjectAsync("shop:ada");

        Answer open = await http.CallAsync("DELETE", "/api/v1/contacts/shop:ada", admin, """{"confirm":2}""");
        await http.CallAsync("POST", "/api/v1/queues/work/resume", admin);
        await http.Runtime.EndedAsync(second, MessageState.Acked);
        Answer wrong = await http.CallAsync("DELETE", "/api/v1/contacts/shop:ada", admin, """{"confirm":1}""");
        Answer done = await http.CallAsync("DELETE", "/api/v1/contacts/shop:ada", admin, """{"confirm":2}""");
        int gone = (await http.CallAsync("GET", $"/api/v1/journal/{first}/body", admin)).Status;
        int kept = (await http.CallAsync("GET", $"/api/v1/journal/{neighbour}/body", admin)).Status;
        JsonElement audit = (await http.CallAsync("GET", "/api/v1/audit?action=contact.erase", admin)).Json;

        Assert.Equal((409, "conflict"), (open.Status, open.Json.GetProperty("code").GetString()));
        Assert.Equal((409, "confirm_count", 2), (wrong.Status, wrong.Json.GetProperty("code").GetString(), wrong.Json.GetProperty("count").GetInt32()));
        Assert.Equal((200, 2), (done.Status, done.Json.GetProperty("erased").GetInt32()));
        Assert.Equal((410, 200), (gone, kept));
        Assert.Equal(["done", "confirm_count", "conflict"], audit.GetProperty("items").EnumerateArray().Select(row => row.GetProperty("result").GetString()!));
        Assert.Equal(400, (await http.CallAsync("DELETE", "/api/v1/contacts/nobody", admin, """{"confirm":0}""")).Status);
    }

    [Fact]
    public async Task St23_a_copy_of_the_store_goes_to_a_new_file_in_the_data_directory_only()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);

        MessageId done = await http.Runtime.PublishAsync("7");
        await http.Runtime.EndedAsync(done, MessageState.Acked);
        using TempFolder elsewhere = new();
        Directory.CreateSymbolicLink(Path.Combine(http.Folder, "out"), elsewhere.Path);

        Answer copied = await http.CallAsync("POST", "/api/v1/store/backup", admin, """{"file":"copy.db"}""");
        Answer again = await http.CallAsync("POST", "/api/v1/store/backup", admin, """{"file":"copy.db"}""");
        string copy = Path.Combine(http.Folder, "copy.db");
        using SqliteJournalReader reader = SqliteJournalReader.Open(copy);

        Assert.Equal((200, copy, new FileInfo(copy).Length), (copied.Status, copied.Json.GetProperty("file").GetString(), copied.Json.GetProperty("bytes").GetInt64()));
        Assert.Equal(MessageState.Acked, reader.Get(done, withBody: false)?.Entry.State);
        Assert.Equal(409, again.Status);
        foreach (string file in (string[])["../copy.db", "/tmp/postroom-copy.db", "out/postroom-copy.db", ".", "", "no-folder/copy.db\u0000"])
        {
            Assert.Equal((file, 400), (file, (await http.CallAsync("POST", "/api/v1/store/backup", admin, $$"""{"file":"{{file}}"}""")).Status));
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(elsewhere.Path));
    }

    [Fact]
    public async Task Jn4_a_dry_run_says_what_the_handler_would_do_and_changes_nothing()
    {
        RecordingCommunicator chat = new("chat");
        int runs = 0;
        await using RealHttp http = await RealHttp.StartAsync(app => app
            .AddCommunicator(_ => chat, ["default"])
            .AddQueue("other")
            .AddHandler<Order>("work.other", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed), "other")
            .AddWorkers("other")
            .AddWork(async (order, context, token) =>
            {
                runs++;
                context.Signal(new Signal.Typing(Address.ForRecipient("chat", "7")));
                RemoteCallResult call = await context.CallAsync("chat", "get_me", default, null, token);
                context.Send("default", $"{order.Number} {context.IsDryRun} {call.Error?.Code}");
                context.SendOnFailure(new OutgoingMessage("default", "it failed"));
                return context.IsDryRun && order.Number == "7" ? HandlerResult.Completed : HandlerResult.Fail("no");
            })
            .SupportsDryRun("work.todo"));
        string key = await http.KeyAsync(ApiRole.Operator);
        MessageId good = await http.Runtime.PublishAsync("7");
        MessageId bad = await http.Runtime.PublishAsync("8");
        await http.Runtime.EndedAsync(good, MessageState.Failed);
        await http.Runtime.EndedAsync(bad, MessageState.Failed);
        await chat.WaitForSendsAsync(2, Cancel);
        long before = (await http.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total;
        PublishResult other = await http.Runtime.Sender.PublishAsync("other", "work.other", new Order("9"), null, Cancel);
        await http.Runtime.EndedAsync(other.Id, MessageState.Acked);

        int typing = chat.Signals.Count;

        Answer acked = await http.CallAsync("POST", $"/api/v1/journal/{good}/replay", key, """{"dryRun":"handler"}""");
        Answer failed = await http.CallAsync("POST", $"/api/v1/journal/{bad}/replay", key, """{"dryRun":"handler"}""");
        Answer unsupported = await http.CallAsync("POST", $"/api/v1/journal/{other.Id}/replay", key, """{"dryRun":"handler"}""");
        Answer wrong = await http.CallAsync("POST", $"/api/v1/journal/{good}/replay", key, """{"dryRun":"all"}""");
        long after = (await http.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total;

        Assert.Equal((200, "acked"), (acked.Status, acked.Json.GetProperty("outcome").GetString()));
        JsonElement staged = Assert.Single(acked.Json.GetProperty("staged").EnumerateArray());
        Assert.Equal(("out.chat", "notify"), (staged.GetProperty("queue").GetString(), staged.GetProperty("type").GetString()));
        Assert.Contains("7 True unavailable", staged.GetProperty("body").GetString(), StringComparison.Ordinal);
        Assert.Equal(("failed", "no"), (failed.Json.GetProperty("outcome").GetString(), failed.Json.GetProperty("error").GetString()));
        Assert.Contains("it failed", Assert.Single(failed.Json.GetProperty("staged").EnumerateArray()).GetProperty("body").GetString(), StringComparison.Ordinal);
        Assert.Equal((409, "dry_run_unsupported", 400), (unsupported.Status, unsupported.Json.GetProperty("code").GetString(), wrong.Status));
        Assert.Equal((before + 1, 4, 2), (after, runs, chat.Sends.Count));
        Assert.Equal(MessageState.Failed, (await http.Runtime.Journal.GetAsync(good, false, Cancel))!.Entry.State);
        Assert.Equal(typing, chat.Signals.Count);
    }

    [Fact]
    public async Task Ac35_a_reserved_type_is_refused_and_bad_fields_are_named()
    {
        await using RealHttp http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Operator);
        async Task<(int Status, string Detail)> InjectAsync(string body)
        {
            Answer answer = await http.CallAsync("POST", "/api/v1/inject", key, body);
            return (answer.Status, answer.Json.TryGetProperty("detail", out JsonElement detail) ? detail.GetString()! : "");
        }

        Assert.Equal(400, (await InjectAsync("""{"queue":"work","type":"_stop"}""")).Status);
        Assert.Contains("from", (await InjectAsync("""{"queue":"work","type":"work.todo","from":"nobody"}""")).Detail, StringComparison.Ordinal);
        Assert.Equal(422, (await InjectAsync("""{"queue":"wrok","type":"work.todo"}""")).Status);
        Assert.Contains("queue, type, body", (await InjectAsync("""{"que":"work"}""")).Detail, StringComparison.Ordinal);
        Assert.Equal(202, (await InjectAsync("""{"queue":"work","type":"work.todo","body":{"number":"7"},"idempotencyKey":"k"}""")).Status);
        Answer again = await http.CallAsync("POST", "/api/v1/inject", key, """{"queue":"work","type":"work.todo","body":{"number":"7"},"idempotencyKey":"k"}""");
        Assert.True(again.Json.GetProperty("duplicate").GetBoolean());
        await http.Runtime.EndedAsync(MessageId.Parse(again.Json.GetProperty("id").GetString()!), MessageState.Acked);
    }

    [Fact]
    public async Task Pools_sources_and_the_whole_are_paused_scaled_drained_and_resumed()
    {
        TaskCompletionSource go = new();
        await using RealHttp http = await StartAsync(async token => await go.Task.WaitAsync(token));
        string admin = await http.KeyAsync(ApiRole.Admin);
        await http.Runtime.PublishAsync("1");
        await UntilAsync(() => http.Runtime.Workers.GetStatus().Single(pool => pool.Name == "work").Busy == 1);

        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/workers/work/scale", admin, """{"parallelism":3}""")).Status);
        Assert.Equal(400, (await http.CallAsync("POST", "/api/v1/workers/work/scale", admin, """{"parallelism":0}""")).Status);
        Answer unknown = await http.CallAsync("POST", "/api/v1/workers/wrok/pause", admin);
        Assert.Equal((404, 3), (unknown.Status, http.Runtime.Workers.GetStatus().Single(pool => pool.Name == "work").Parallelism));
        Assert.Contains("work", unknown.Json.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/workers/work/pause", admin)).Status);
        Answer drained = await http.CallAsync("POST", "/api/v1/runtime/drain", admin, """{"timeoutSeconds":0}""");
        MessageId second = await http.Runtime.PublishAsync("2");
        go.SetResult();
        Answer whole = await http.CallAsync("POST", "/organism/drain", admin, """{"timeoutSeconds":20}""");
        Assert.Equal((202, 1, 0), (drained.Status, drained.Json.GetProperty("inWork").GetInt32(), whole.Json.GetProperty("inWork").GetInt32()));
        Assert.Equal(409, (await http.CallAsync("POST", "/api/v1/runtime/pause", admin)).Status);
        Assert.Equal(202, (await http.CallAsync("POST", "/api/v1/runtime/resume", admin)).Status);
        Assert.Equal(409, (await http.CallAsync("POST", "/api/v1/runtime/resume", admin)).Status);
        PoolStatus still = http.Runtime.Workers.GetStatus().Single(pool => pool.Name == "work");
        await http.CallAsync("POST", "/api/v1/workers/work/resume", admin);
        await http.Runtime.EndedAsync(second, MessageState.Acked);

        Assert.Equal(WorkerState.Paused, still.State); // It had been paused on its own.
        Assert.Equal(409, (await http.CallAsync("POST", "/api/v1/runtime/stop", admin)).Status); // No program waits to be asked.
    }

    [Fact]
    public async Task A_message_is_sent_tested_given_up_and_a_conversation_killed()
    {
        RecordingCommunicator chat = new("chat");
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddCommunicator(_ => chat, ["default"]).AddWork((_, _, _) => new ValueTask<HandlerResult>(HandlerResult.Completed)));
        string key = await http.KeyAsync(ApiRole.Operator);

        Answer sent = await http.CallAsync("POST", "/api/v1/send", key, """{"message":"hello","label":"default"}""");
        Answer full = await http.CallAsync(
            "POST", "/api/v1/send", key, """{"message":"<b>hi</b>","to":"chat:7","severity":"warning","subject":"S","format":"html","attachments":[{"name":"a.txt","contentType":"text/plain","data":"aGk="}],"expiresAfter":"10m","idempotencyKey":"once"}""");
        Answer nobody = await http.CallAsync("POST", "/api/v1/emit", key, """{"message":""}""");
        Answer tested = await http.CallAsync("POST", "/api/v1/communicators/chat/test", key, """{"to":"7"}""");
        Assert.Equal((202, 1), (sent.Status, sent.Json.GetProperty("routed").GetInt32()));
        await chat.WaitForSendsAsync(3, Cancel);
        OutgoingMessage received = chat.Sends.Single(send => send.Message.Subject == "S").Message;
        Assert.Equal((202, "<b>hi</b>", MessageSeverity.Warning, TextFormat.Html, "a.txt", 2), (full.Status, received.Message, received.Severity, received.Format, received.Attachments[0].Name, (int)received.Attachments[0].Length!));
        Assert.Equal(400, (await http.CallAsync("POST", "/api/v1/send", key, """{"message":"x","severity":"loud"}""")).Status);
        Assert.Equal((400, 200, "sent"), (nobody.Status, tested.Status, tested.Json.GetProperty("receipt").GetProperty("status").GetString()));

        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/queues/work/pause", key)).Status);
        MessageId waiting = await http.Runtime.PublishAsync("1", new PublishOptions { Conversation = "shop/7" });
        MessageId other = await http.Runtime.PublishAsync("2", new PublishOptions { Conversation = "shop/7" });
        Assert.Equal(200, (await http.CallAsync("POST", $"/api/v1/journal/{waiting}/discard", key, """{"reason":"wrong"}""")).Status);
        Assert.Equal(409, (await http.CallAsync("POST", $"/api/v1/journal/{sent.Json.GetProperty("ids")[0].GetString()}/discard", key)).Status);
        Assert.Equal(409, (await http.CallAsync("POST", $"/api/v1/journal/{other}/confirm", key)).Status);
        JsonElement conversations = (await http.CallAsync("GET", "/api/v1/conversations?status=active", key)).Json;
        Answer killed = await http.CallAsync("POST", "/api/v1/conversations/shop/7/kill", key, """{"reason":"spam"}""");
        JsonElement after = (await http.CallAsync("GET", "/api/v1/conversations/shop%2F7", key)).Json;

        Assert.Equal("shop/7", Assert.Single(conversations.GetProperty("items").EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal((200, 1, "killed"), (killed.Status, killed.Json.GetProperty("discarded").GetInt32(), after.GetProperty("status").GetString()));
        Assert.Equal(404, (await http.CallAsync("POST", "/api/v1/conversations/shop/8/kill", key)).Status);
        await http.Runtime.EndedAsync(other, MessageState.Failed);
    }

    [Fact]
    public async Task Jn3_failed_messages_are_replayed_by_filter_oldest_first_and_not_further_when_they_fail_again()
    {
        bool works = false;
        List<string> handled = [];
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddWork(
            (order, _, _) =>
            {
                lock (handled)
                {
                    handled.Add(order.Number);
                }

                return works ? new ValueTask<HandlerResult>(HandlerResult.Completed) : throw new InvalidOperationException("no");
            },
            queue => queue.MaxAttempts = 1));
        string key = await http.KeyAsync(ApiRole.Operator);
        MessageId[] ids = new MessageId[5];
        for (int n = 0; n < 5; n++)
        {
            ids[n] = await http.Runtime.PublishAsync($"{n}");
            await http.Runtime.EndedAsync(ids[n], MessageState.Failed);
        }

        JsonElement dry = (await http.CallAsync("POST", "/api/v1/journal/replay", key, """{"filter":{"queue":"work"},"max":4,"dryRun":true}""")).Json;
        Answer wrong = await http.CallAsync("POST", "/api/v1/journal/replay", key, """{"filter":{"queue":"work"},"confirm":2}""");
        Answer stopped = await http.CallAsync("POST", "/api/v1/journal/replay", key, """{"filter":{"queue":"work","type":"work.todo"},"rate":"5/s","confirm":5}""");
        await UntilAsync(async () => !(await http.CallAsync("GET", "/api/v1/journal/replay", key)).Json.GetProperty("running").GetBoolean());
        JsonElement early = (await http.CallAsync("GET", "/api/v1/journal/replay", key)).Json;
        (works, int before) = (true, handled.Count);
        await http.CallAsync("POST", "/api/v1/journal/replay", key, """{"filter":{"queue":"work"},"rate":"1000/s","confirm":5}""");
        await UntilAsync(async () => !(await http.CallAsync("GET", "/api/v1/journal/replay", key)).Json.GetProperty("running").GetBoolean());

        Assert.Equal((4, true, ids[0].ToString()), (dry.GetProperty("count").GetInt32(), dry.GetProperty("more").GetBoolean(), dry.GetProperty("messages")[0].GetProperty("id").GetString()));
        Assert.Equal((409, 5, 202), (wrong.Status, wrong.Json.GetProperty("count").GetInt32(), stopped.Status));
        Assert.InRange(early.GetProperty("replayed").GetInt32(), 1, 4);
        Assert.Contains("failed again", early.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(["0", "1", "2", "3", "4"], handled.Skip(before).Order(StringComparer.Ordinal));
        Assert.Equal(400, (await http.CallAsync("POST", "/api/v1/journal/replay", key, """{"filter":{"kind":"weather"}}""")).Status);
    }

    [Fact]
    public async Task A_test_message_that_fails_is_502_with_the_reason_and_a_communicator_is_stopped_and_started()
    {
        RecordingCommunicator chat = new("chat");
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddCommunicator(_ => chat, ["default"]));
        string key = await http.KeyAsync(ApiRole.Operator);
        chat.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("blocked"), "The person has blocked the bot."));

        Answer failed = await http.CallAsync("POST", "/api/v1/communicators/chat/test", key, """{"to":"7"}""");
        Answer stopped = await http.CallAsync("POST", "/api/v1/communicators/chat/stop", key);
        bool was = chat.IsStarted;
        await http.CallAsync("POST", "/api/v1/communicators/chat/start", key);

        Assert.Equal((502, "delivery_failed", 200), (failed.Status, failed.Json.GetProperty("code").GetString(), stopped.Status));
        Assert.Contains("blocked the bot", failed.Json.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.False(was);
        Assert.True(chat.IsStarted);
        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/communicators/chat/test", key, """{"to":"7"}""")).Status);
    }

    [Fact]
    public async Task Cf9_settings_are_shown_overridden_validated_and_put_back()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);

        JsonElement before = (await http.CallAsync("GET", "/api/v1/config?section=hooks", admin)).Json;
        Answer set = await http.CallAsync("PUT", "/api/v1/config/overrides/hooks.timeout", admin, """{"value":"9s"}""");
        JsonElement after = (await http.CallAsync("GET", "/api/v1/config?section=hooks", admin)).Json;
        Answer wrong = await http.CallAsync("PUT", "/api/v1/config/overrides/hooks.timeout", admin, """{"value":"soon"}""");
        Answer valid = await http.CallAsync("POST", "/api/v1/config/validate", admin, """{"document":"limits: { hops: 4 }"}""");
        Answer invalid = await http.CallAsync("POST", "/api/v1/config/validate", admin, """{"document":"limits: { hops: 0 }\nqueus: {}"}""");
        Answer removed = await http.CallAsync("DELETE", "/api/v1/config/overrides/hooks.timeout", admin);

        Assert.Equal("defaults", before.GetProperty("settings")[0].GetProperty("layer").GetString());
        Assert.Equal((200, "hooks.timeout"), (set.Status, set.Json.GetProperty("changes")[0].GetProperty("key").GetString()));
        Assert.Equal("9s", after.GetProperty("settings")[0].GetProperty("value").GetString());
        Assert.Equal((422, "invalid_config"), (wrong.Status, wrong.Json.GetProperty("code").GetString()));
        Assert.True(wrong.Json.GetProperty("errors").TryGetProperty("hooks.timeout", out _));
        Assert.True(valid.Json.GetProperty("valid").GetBoolean());
        Assert.Contains(valid.Json.GetProperty("changes").EnumerateArray(), change => change.GetProperty("key").GetString() == "limits.hops");
        Assert.Equal(2, invalid.Json.GetProperty("problems").GetArrayLength());
        Assert.Equal((200, TimeSpan.FromSeconds(2)), (removed.Status, http.Runtime.Rooms.Hooks.Timeout));
        Assert.Equal(409, (await http.CallAsync("POST", "/api/v1/config/rollback", admin)).Status);
        Assert.Equal(200, (await http.CallAsync("POST", "/api/v1/config/reload", admin)).Status);
    }

    private static Task<RealHttp> StartAsync(Func<CancellationToken, Task>? handle = null) => RealHttp.StartAsync(app => app.AddWork(async (_, _, token) =>
    {
        await (handle?.Invoke(token) ?? Task.CompletedTask);
        return HandlerResult.Completed;
    }));
}
