using Postroom.Redis;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>The store over restarts of its node and of the server, and with a second node that takes over (RD-2, RD-4, RD-9, RD-11).</summary>
public sealed class RedisStoreFaultTests
{
    private const string Orders = "orders";
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<RedisStore> OpenAsync(RedisServer server, string node = "node-1", Action<RedisOptions>? change = null)
    {
        RedisOptions options = new() { Url = new Secret(server.Url) };
        change?.Invoke(options);
        RedisStore store = new(options, new RetentionOptions(), new Redactor(), TimeProvider.System);
        try
        {
            await store.OpenAsync(new StoreOpening { Node = node }, Cancel);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    private static Envelope Message(string? key = null) => new(MessageId.New(), Orders, "order.received", "{}"u8.ToArray()) { OrderKey = key };

    private static async Task<MessageLease> LeaseAsync(RedisStore store) => Assert.Single(await store.LeaseAsync(Orders, 1, LeaseTime, Cancel));

    private static async Task<MessageLease> BeginAsync(RedisStore store)
    {
        MessageLease lease = await LeaseAsync(store);
        Assert.True(await store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
        return lease;
    }

    [Fact]
    public async Task RD_11_what_is_open_is_there_after_a_clean_end_with_its_order_its_retries_and_no_death()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        Envelope[] messages = [.. Enumerable.Range(0, 40).Select(i => Message(i % 2 == 0 ? "a" : null))];
        await using (RedisStore first = await OpenAsync(server))
        {
            await first.AppendAsync(messages, null, Cancel);
            MessageLease done = await BeginAsync(first);
            await first.SettleAsync(done, Settlement.Acknowledge, [], Cancel);
            MessageLease retried = await BeginAsync(first);
            await first.SettleAsync(retried, Settlement.RetryAt(DateTimeOffset.UnixEpoch, "again"), [], Cancel);
            await BeginAsync(first);
        }

        await using RedisStore second = await OpenAsync(server);
        IReadOnlyList<MessageLease> leases = await second.LeaseAsync(Orders, 100, LeaseTime, Cancel);
        JournalRecord? again = await second.GetAsync(messages[1].Id, withBody: false, Cancel);
        StoreQueueStats stats = (await second.GetStatsAsync(Orders, Cancel)).Queues[Orders];

        Assert.Equal(messages.Where((_, i) => i % 2 == 1 || i == 2).Select(message => message.Id), leases.Select(lease => lease.Envelope.Id)); // of a key the head alone
        Assert.Equal((3, 1), (leases[0].Attempt, leases[0].Failures));
        Assert.All(leases, lease => Assert.Equal(0, second.Entry(lease)!.Deaths));
        Assert.Equal(["retry", "released"], again!.Attempts.Take(2).Select(attempt => attempt.Outcome));
        Assert.Equal((39, 1), (stats.Pending + stats.Dispatched, stats.Acked));
    }

    [Fact]
    public async Task RD_11_a_node_that_comes_back_under_its_name_takes_its_work_back_at_once_and_its_former_run_settles_nothing()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisStore former = await OpenAsync(server);
        Envelope message = Message("a");
        await former.AppendAsync([message, Message("a")], null, Cancel);
        MessageLease lost = await BeginAsync(former);
        await RuntimeHarness.UntilAsync(async () => (await server.AskAsync("HLEN", former.Keys.Fly("node-1"))).AsInteger() == 1);

        await using RedisStore later = await OpenAsync(server);
        MessageLease lease = await BeginAsync(later);
        Envelope staged = Message();
        await Assert.ThrowsAsync<LeaseLostException>(() => former.SettleAsync(lost, Settlement.Acknowledge, [staged], Cancel).AsTask());
        await Assert.ThrowsAsync<StoreUnavailableException>(() => former.AppendAsync([Message()], null, Cancel).AsTask());
        await later.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        JournalRecord? record = await later.GetAsync(message.Id, withBody: false, Cancel);

        Assert.Equal((message.Id, 2, true), (lease.Envelope.Id, lease.Attempt, lease.Redelivered));
        Assert.Equal(["died", "acked"], record!.Attempts.Select(attempt => attempt.Outcome));
        Assert.Equal((MessageState.Acked, 1), (record.Entry.State, record.Entry.Deaths));
        Assert.Null(await later.GetAsync(staged.Id, withBody: false, Cancel));
    }

    [Fact]
    public async Task F42_with_AOF_always_nothing_that_was_accepted_is_lost_when_the_server_is_killed_under_load()
    {
        await using RedisServer server = await RedisServer.StartAsync("--appendonly", "yes", "--appendfsync", "always");
        await using RedisStore store = await OpenAsync(server);
        List<MessageId> accepted = [];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task[] publishers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                Envelope message = Message();
                for (bool done = false; !done;)
                {
                    try
                    {
                        await store.AppendAsync([message], null, Cancel);
                        done = true;
                    }
                    catch (StoreUnavailableException)
                    {
                        // Nobody knows: the same message is sent again.
                    }
                }

                lock (accepted)
                {
                    accepted.Add(message.Id);
                }
            }
        }))];
        await RuntimeHarness.UntilAsync(() => Count() > 100);

        server.Kill();
        await server.RestartAsync();
        int before = Count();
        await RuntimeHarness.UntilAsync(() => Count() > before + 100);
        await stop.CancelAsync();
        await Task.WhenAll(publishers);
        HashSet<MessageId> leased = [];
        while (leased.Count < accepted.Count)
        {
            foreach (MessageLease lease in await store.LeaseAsync(Orders, 1_000, LeaseTime, Cancel))
            {
                Assert.True(leased.Add(lease.Envelope.Id)); // once each
            }
        }

        Assert.Equal(accepted.ToHashSet(), leased);
        Assert.Equal(accepted.Count, (await store.GetStatsAsync(null, Cancel)).Appended);

        int Count()
        {
            lock (accepted)
            {
                return accepted.Count;
            }
        }
    }

    [Fact]
    public async Task F43_a_server_that_comes_back_empty_is_reported_as_loss_with_the_number_and_used_again()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisStore store = await OpenAsync(server);
        await store.AppendAsync([Message("a"), Message(), Message()], null, Cancel);
        MessageLease lease = await LeaseAsync(store);
        await RuntimeHarness.UntilAsync(async () => (await server.AskAsync("HLEN", store.Keys.Low)).AsInteger() > 0); // its first beat

        await server.AskAsync("FLUSHALL");
        await RuntimeHarness.UntilAsync(() => store.Loss is not null);
        Envelope later = Message("a");
        await store.AppendAsync([later], null, Cancel);
        IReadOnlyList<MessageLease> leases = await store.LeaseAsync(Orders, 10, LeaseTime, Cancel);

        Assert.Contains("3 of 3 messages", store.Loss);
        Assert.Equal(later.Id, Assert.Single(leases).Envelope.Id);
        await Assert.ThrowsAsync<LeaseLostException>(() => store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel).AsTask());
        Assert.Equal(later.Id, Assert.Single((await store.QueryAsync(new JournalQuery(), Cancel)).Items).Envelope.Id);
    }

    [Fact]
    public async Task RD_11_an_old_open_message_does_not_hold_up_where_reading_begins_and_is_not_forgotten()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        Envelope old = Message() with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1) };
        await using (RedisStore first = await OpenAsync(server))
        {
            await first.AppendAsync([old], null, Cancel);
            for (int i = 0; i < 6; i++)
            {
                await first.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => Message())], null, Cancel);
            }
        }

        await using RedisStore second = await OpenAsync(server);

        Assert.Equal(old.Id, MessageId.FromBytes(Assert.Single((await server.AskAsync("ZRANGE", second.Keys.Held(Orders, second.Keys.PartitionOf(old)), 0, 0)).Items).Bytes.Span));
        Assert.Equal((6_001, 1), ((await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Pending, (await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Delayed));
        await second.DiscardAsync(old.Id, "too old", force: false, Cancel);
        Assert.True((await server.AskAsync("ZSCORE", second.Keys.Held(Orders, second.Keys.PartitionOf(old)), BatchWriter.Bytes16(old.Id))).IsNull);
    }

    [Fact]
    public async Task F47_an_append_that_too_few_replicas_confirm_is_told_so_and_its_repeat_is_stored_once()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisStore store = await OpenAsync(server, change: options => (options.WaitReplicas, options.Timeout) = (1, TimeSpan.FromMilliseconds(600)));
        Envelope message = Message();

        StoreUnavailableException alone = await Assert.ThrowsAsync<StoreUnavailableException>(() => store.AppendAsync([message], null, Cancel).AsTask());
        await using RedisServer replica = await RedisServer.StartAsync("--replicaof", $"127.0.0.1 {server.Port}");
        AppendResult? repeated = null;
        await RuntimeHarness.UntilAsync(async () =>
        {
            await Record.ExceptionAsync(async () => repeated = (await store.AppendAsync([message], null, Cancel))[0]);
            return repeated is not null;
        });

        Assert.Contains("0 of 1 replicas", alone.Message);
        Assert.Equal(new AppendResult(message.Id, Duplicate: true), repeated);
        Assert.Equal(1, (await store.GetStatsAsync(null, Cancel)).Appended);
    }

    [Fact]
    public async Task F45_a_server_whose_memory_is_full_accepts_nothing_and_settles_go_on()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisStore store = await OpenAsync(server);
        await store.AppendAsync([Message(), Message()], null, Cancel);
        IReadOnlyList<MessageLease> leases = await store.LeaseAsync(Orders, 2, LeaseTime, Cancel);

        await server.AskAsync("CONFIG", "SET", "maxmemory", 1);
        StoreUnavailableException refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => store.AppendAsync([Message()], null, Cancel).AsTask());
        Envelope staged = Message();
        await store.SettleAsync(leases[0], Settlement.Acknowledge, [staged], Cancel);
        bool writable = (await store.GetStatsAsync(Orders, Cancel)).Writable;
        await server.AskAsync("CONFIG", "SET", "maxmemory", 0);
        await store.AppendAsync([Message()], null, Cancel);

        Assert.Contains("maxmemory", refused.Message);
        Assert.False(writable);
        Assert.Equal((3, 1), ((await store.GetStatsAsync(Orders, Cancel)).Queues[Orders].Pending + 1, (await store.GetStatsAsync(Orders, Cancel)).Queues[Orders].Acked));
        Assert.True((await store.GetStatsAsync(Orders, Cancel)).Writable);
    }

    [Fact]
    public async Task RD_4_a_batch_that_is_sent_again_under_its_number_is_done_once_and_an_older_one_not_at_all()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = server.Connect();
        RedisKeys keys = new("p", 16);
        BatchWriter batch = new(keys);
        batch.Begin();
        batch.Append(Message("a"));
        batch.End();
        RespCommand call = batch.ToCommand(RedisScript.Admit, "node-1", 7, DateTimeOffset.UnixEpoch);

        RespValue first = await RedisScript.Admit.CallAsync(client, call, Cancel);
        await client.CallAsync(new RespCommand("SCRIPT", "FLUSH"), Cancel);
        RespValue second = await RedisScript.Admit.CallAsync(client, call, Cancel);
        RespValue older = await RedisScript.Admit.CallAsync(client, batch.ToCommand(RedisScript.Admit, "node-1", 6, DateTimeOffset.UnixEpoch), Cancel);

        Assert.Equal(["A1", "."], first.Items.Select(item => item.AsText()));
        Assert.Equal(["A1", "."], second.Items.Select(item => item.AsText()));
        Assert.Equal(["S"], older.Items.Select(item => item.AsText()));
        Assert.Equal(1, (await client.CallAsync(new RespCommand("GET", "{p}:seq"), Cancel)).AsInteger());
    }

    [Theory]
    [InlineData("yes", "always", "", "noeviction", true, true, null, "survive a power loss")]
    [InlineData("yes", "everysec", "", "noeviction", true, false, null, "last second")]
    [InlineData("no", "everysec", "3600 1", "noeviction", true, false, null, "snapshot")]
    [InlineData("no", "everysec", "", "noeviction", false, false, "appendonly yes", "memory only")]
    [InlineData("yes", "always", "", "allkeys-lru", true, false, "maxmemory-policy noeviction", "power loss")]
    [InlineData(null, null, null, null, null, false, null, "unknown")]
    public void RD_2_the_promise_is_what_the_server_is_configured_for(
        string? aof, string? flush, string? save, string? eviction, bool? persistent, bool survives, string? weakness, string promise)
    {
        RedisDurability durability = RedisDurability.Judge(aof, flush, save, eviction, "It has 0 replicas.");

        Assert.Equal((persistent, survives), (durability.IsPersistent, durability.SurvivesPowerLoss));
        Assert.Contains(promise, durability.Promise);
        Assert.Equal(weakness is null, durability.Weakness is null);
        Assert.Contains(weakness ?? "", durability.Weakness ?? "");
    }

    [Fact]
    public async Task RD_2_a_store_that_must_be_durable_does_not_open_on_a_server_that_keeps_nothing()
    {
        await using RedisServer server = await RedisServer.StartAsync();

        StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(() => OpenAsync(server, change: options => options.RequireDurable = true));

        Assert.Contains("redis.requireDurable", refused.Message);
    }

    [Fact]
    public async Task RD_11_a_store_is_not_opened_with_another_number_of_partitions_than_it_was_made_with()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using (await OpenAsync(server))
        {
        }

        StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(() => OpenAsync(server, change: options => options.Partitions = 4));

        Assert.Contains("Set redis.partitions to 16", refused.Message);
    }
}
