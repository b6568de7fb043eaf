using System.Text.Json;
using Postroom.Host;
using Postroom.Sqlite;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>The whole program on a Redis server: store move, doctor, health, and a core beside its gateway.</summary>
public sealed class RedisProgramTests(RedisStoreTests.Shared shared) : IClassFixture<RedisStoreTests.Shared>, IDisposable
{
    private const int Limit = 60_000;

    static RedisProgramTests() => Environment.SetEnvironmentVariable("POSTROOM_PREVIEW", "redis");

    private readonly TempFolder _folder = new();
    private readonly string _prefix = $"p{Guid.NewGuid():n}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private HostArguments Arguments(string node, params string[] more) => new()
    {
        Settings =
        [
            "store.kind=redis", $"redis.url={shared.Server.Url}", $"redis.prefix={_prefix}", "redis.lease=2s", $"runtime.node={node}", $"runtime.dataDirectory={_folder.File(node)}",
            "server.urls.0=http://127.0.0.1:0", .. more,
        ],
        Quiet = true,
    };

    private async Task<HostedRuntime> StartAsync(string node, Action<IApplicationBuilder> configure, params string[] more)
    {
        HostedRuntime host = HostedRuntime.Create(Arguments(node, more), configure, standalone: false, output: null);
        try
        {
            await host.StartAsync(Cancel);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    [Fact(Timeout = Limit)]
    public async Task ST_28_the_command_moves_a_file_to_Redis_and_back_and_what_was_moved_does_not_start_by_mistake()
    {
        MessageId[] open;
        await using (SqliteStore store = new(new StoreOptions { Path = _folder.Store }, new RetentionOptions(), new Redactor(), TimeProvider.System))
        {
            await store.OpenAsync(new StoreOpening { Node = "n" }, Cancel);
            Envelope[] messages = [.. Enumerable.Range(0, 30).Select(i => new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray()) { OrderKey = $"k{i % 3}" })];
            await store.AppendAsync(messages, null, Cancel);
            MessageLease lease = Assert.Single(await store.LeaseAsync("orders", 1, TimeSpan.FromSeconds(30), Cancel));
            await store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
            open = [.. messages.Select(message => message.Id).Where(id => id != lease.Envelope.Id)];
            await store.CloseAsync(Cancel);
        }

        HostArguments file = new() { Settings = [$"store.path={_folder.Store}", $"redis.prefix={_prefix}"], Quiet = true };
        int there = await StoreMoveCommand.RunAsync(file, shared.Server.Url, Cancel);
        await using (HostedRuntime running = await StartAsync("node-1", static app => app.AddQueue("orders")))
        {
            JournalPage page = await running.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "orders", States = [MessageState.Pending], Ascending = true, Limit = 100 }, Cancel);
            Assert.Equal(open, page.Items.Select(entry => entry.Envelope.Id));
            StoreOpenException inUse = await Assert.ThrowsAsync<StoreOpenException>(() => StoreMoveCommand.RunAsync(Arguments("move"), $"sqlite:{_folder.File("never.db")}", Cancel));
            Assert.Contains("Node 'node-1'", inUse.Message);
        }

        int back = await StoreMoveCommand.RunAsync(Arguments("move"), $"sqlite:{_folder.File("back.db")}", Cancel);
        StoreOpenException moved = await Assert.ThrowsAsync<StoreOpenException>(() => StartAsync("node-1", static app => app.AddQueue("orders")));

        Assert.Equal((ExitCodes.Done, ExitCodes.Done), (there, back));
        Assert.True(File.Exists(_folder.Store + ".moved"));
        Assert.Contains("was moved to sqlite:", moved.Message);
        using SqliteJournalReader arrived = SqliteJournalReader.Open(_folder.File("back.db"));
        Assert.Equal((29, 1), (arrived.Query(new JournalQuery { States = [MessageState.Pending] }).Total, arrived.Query(new JournalQuery { States = [MessageState.Acked] }).Total));
    }

    [Fact(Timeout = Limit)]
    public async Task RD_2_what_the_server_promises_is_in_health_and_doctor_tells_it_with_the_nodes_that_live()
    {
        await using HostedRuntime running = await StartAsync("node-1", static app => app.AddQueue("orders"));

        HealthReport health = await running.Runtime.Health.CheckAsync(HealthViews.Status, Cancel);
        IReadOnlyList<Finding> findings = await DoctorRedis.LookAsync(Arguments("node-2"), new RuntimeOptions(), Cancel);

        HealthResult store = health.Checks.Single(static check => check.Name == "store").Result;
        Assert.Equal(HealthState.Degraded, store.State);
        Assert.Contains("appendonly yes", store.Text);
        Assert.Contains(findings, finding => !finding.Good && finding.Text.Contains("writes nothing to a disk", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Good && finding.Text.StartsWith("Redis 7", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Text.StartsWith("Node 'node-1' lives", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task GW_12_AC_69_a_core_calls_a_method_of_a_communicator_that_the_gateway_has_and_a_foreign_call_is_answered()
    {
        Calling atGateway = new();
        await using HostedRuntime gateway = await StartAsync("gateway", app => app.AddCommunicator(_ => atGateway), "runtime.role=gateway");
        Calling atCore = new();
        await using HostedRuntime core = await StartAsync("core", app => app.AddCommunicator(_ => atCore), "runtime.role=core");
        JsonElement arguments = JsonElement.Parse("""{ "chat": "42" }""");

        RemoteCallResult result = await core.Runtime.Dispatcher.CallAsync("calling", "members", arguments, cancellationToken: Cancel);
        RemoteCallResult refused = await core.Runtime.Dispatcher.CallAsync("calling", "wrong", arguments, cancellationToken: Cancel);
        RemoteCallResult unknown = await core.Runtime.Dispatcher.CallAsync("calling", "none", arguments, cancellationToken: Cancel);
        RemoteCallResult late = await core.Runtime.Dispatcher.CallAsync("calling", "deaf", arguments, TimeSpan.FromMilliseconds(200), Cancel);
        await shared.Server.AskAsync(
            "XADD", $"{{{_prefix}}}:out:calling", "*", "v", "1", "id", "their-1", "kind", "rpc", "method", "members", "args", """{ "chat": "7" }""", "replyQueue", $"{{{_prefix}}}:rpc:their-1");
        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("LLEN", $"{{{_prefix}}}:rpc:their-1")).AsInteger() == 1);
        string foreign = (await shared.Server.AskAsync("LPOP", $"{{{_prefix}}}:rpc:their-1")).AsText();

        Assert.Equal("42", result.Result?.GetProperty("of").GetString());
        Assert.Equal(("bad_args", "unknown_method", "timeout"), (refused.Error?.Code, unknown.Error?.Code, late.Error?.Code));
        Assert.Equal((4, 0), (atGateway.Calls, atCore.Calls)); // one of them for the other program
        Assert.Contains("\"id\":\"their-1\",\"ok\":true,\"result\":{ \"of\": \"7\" }".Replace(" ", "", StringComparison.Ordinal), foreign.Replace(" ", "", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task QU_6_JN_5_a_pause_and_a_cancel_on_one_node_hold_on_the_node_that_works()
    {
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        void Configure(IApplicationBuilder app) => app.AddQueue("orders").AddWorkers("orders").AddHandler("order.received", PostroomJson.Default.StringArray, async (string[] _, HandlerContext _, CancellationToken token) =>
        {
            begun.TrySetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                cancelled.TrySetResult();
            }

            return HandlerResult.Completed;
        }, "orders");
        await using HostedRuntime worker = await StartAsync("worker", Configure, "runtime.role=core");
        await using HostedRuntime other = await StartAsync("other", Configure, "runtime.role=gateway");
        PublishResult published = await other.Runtime.OpenQueue("orders").PublishAsync(new QueueMessage("order.received", "[]"u8.ToArray()), null, Cancel);
        await begun.Task.WaitAsync(Cancel);

        await other.Runtime.DiscardAsync(published.Id, "not wanted", force: true, Cancel);
        await cancelled.Task.WaitAsync(Cancel);
        await other.Runtime.PauseQueueAsync("orders", Cancel);
        await RuntimeHarness.UntilAsync(async () => (await worker.Runtime.OpenQueue("orders").GetStatsAsync(Cancel)).Paused);
        JournalRecord? record = await other.Runtime.Journal.GetAsync(published.Id, withBody: false, Cancel);

        Assert.Equal((MessageState.Failed, FailureKind.Discarded), (record!.Entry.State, record.Entry.FailureKind));
    }

    [Fact(Timeout = Limit)]
    public async Task AC_42_F67_a_schedule_on_two_nodes_has_one_message_for_each_occurrence()
    {
        static void Configure(IApplicationBuilder app) => app.AddQueue("ticks").AddWorkers("ticks")
            .AddHandler("schedule.tick", PostroomJson.Default.ScheduleDue, static (_, _, _) => new(HandlerResult.Completed), "ticks");
        string[] schedule = ["schedules.tick.every=1s", "schedules.tick.queue=ticks", "schedules.tick.type=schedule.tick"];
        await using HostedRuntime first = await StartAsync("node-1", Configure, schedule);
        await using HostedRuntime second = await StartAsync("node-2", Configure, schedule);

        IReadOnlyList<JournalEntry> ticks = [];
        await RuntimeHarness.UntilAsync(async () => (ticks = (await second.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "ticks", States = [MessageState.Acked] }, Cancel)).Items).Count >= 4);

        Assert.Equal(ticks.Count, ticks.Select(entry => entry.Envelope.DedupKey).Distinct().Count());
    }

    public void Dispose() => _folder.Dispose();

    private sealed class Calling() : Communicator("calling"), IRemoteCalls
    {
        private int _calls;

        public int Calls => Volatile.Read(ref _calls);

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public IReadOnlyCollection<string> Methods { get; } = ["members", "wrong", "deaf"];

        public async ValueTask<JsonElement> InvokeAsync(string method, JsonElement arguments, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _calls);
            switch (method)
            {
                case "members":
                    return JsonElement.Parse($$"""{ "of": "{{arguments.GetProperty("chat").GetString()}}" }""");
                case "wrong":
                    throw new ArgumentException("'chat' is no number.");
                default:
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                    return default;
            }
        }

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => new(new DeliveryReceipt { Status = DeliveryStatus.Sent });
    }
}
