using Postroom.Redis;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>What a node has no room for stays on the server, whatever it waits for, and comes in its turn (ST-18, RD-11).</summary>
public sealed class RedisBacklogTests(RedisStoreTests.Shared shared) : IClassFixture<RedisStoreTests.Shared>
{
    private const string Orders = "orders";
    private const int Limit = 30_000;
    private const int Window = 64;
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private readonly string _prefix = $"b{Guid.NewGuid():n}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private async Task<RedisStore> OpenAsync(string node = "node-1")
    {
        RedisOptions options = new() { Url = new Secret(shared.Server.Url), Prefix = _prefix };
        RedisStore store = new(options, new RetentionOptions(), new Redactor(), TimeProvider.System) { Window = Window };
        await store.OpenAsync(new StoreOpening { Node = node }, Cancel);
        return store;
    }

    private static Envelope Message(string? key = null, DateTimeOffset? notBefore = null, string type = "order.received") =>
        new(MessageId.New(), Orders, type, "{}"u8.ToArray()) { OrderKey = key, NotBefore = notBefore };

    /// <summary>Handles everything there is, one after the other.</summary>
    private static async Task<List<Envelope>> HandleAsync(RedisStore store, int count)
    {
        List<Envelope> handled = [];
        while (handled.Count < count)
        {
            foreach (MessageLease lease in await store.LeaseAsync(Orders, Math.Min(32, count - handled.Count), LeaseTime, Cancel))
            {
                Assert.True(await store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
                await store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
                handled.Add(lease.Envelope);
            }
        }

        return handled;
    }

    [Fact(Timeout = Limit)]
    public async Task ST_18_memory_does_not_grow_with_the_backlog_and_all_of_it_comes_in_order()
    {
        Envelope[] messages = [.. Enumerable.Range(0, 3_000).Select(i => Message(i % 3 == 0 ? $"k{i % 60}" : null))];
        await using (RedisStore first = await OpenAsync())
        {
            foreach (Envelope[] batch in messages.Chunk(500))
            {
                await first.AppendAsync(batch, null, Cancel);
            }

            Assert.InRange(first.Queue(Orders).Open.Count, Window / 2, 3 * Window);
            Assert.Equal((3_000, 3_000), ((await first.GetStatsAsync(Orders, Cancel)).Queues[Orders].Pending, (await first.CountOpenByTypeAsync(Orders, Cancel))["order.received"]));
            await RuntimeHarness.UntilAsync(() => first.CountDue(Orders) > 2_500); // QU-4: what feeds the queue is told
            _ = await HandleAsync(first, 200);
        }

        await using RedisStore second = await OpenAsync();
        Assert.InRange(second.Queue(Orders).Open.Count, Window / 2, 3 * Window);
        List<Envelope> handled = await HandleAsync(second, 2_800);

        Assert.Equal(3_000, (await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Acked);
        Assert.All(handled.Where(message => message.OrderKey is not null).GroupBy(message => message.OrderKey), key => Assert.Equal(key.Select(message => message.Seq).Order(), key.Select(message => message.Seq)));
        Assert.Equal(0, await second.CountKeyAsync(Orders, "k3", 100, Cancel));
        Assert.Empty(second.Queue(Orders).Open);
    }

    [Fact(Timeout = Limit)]
    public async Task ST_18_a_thousand_messages_behind_one_key_that_waits_leave_room_for_every_other_key()
    {
        await using RedisStore store = await OpenAsync();
        Envelope[] behind = [.. Enumerable.Range(0, 1_000).Select(_ => Message("busy"))];
        await store.AppendAsync([behind[0]], null, Cancel);
        MessageLease head = Assert.Single(await store.LeaseAsync(Orders, 1, LeaseTime, Cancel));
        await store.AppendAsync([.. behind.Skip(1)], null, Cancel);
        Envelope[] others = [.. Enumerable.Range(0, 200).Select(i => Message($"other-{i}"))];
        await store.AppendAsync(others, null, Cancel);

        List<Envelope> first = await HandleAsync(store, 200);
        Assert.Equal(1_000, await store.CountKeyAsync(Orders, "busy", 2_000, Cancel));
        await store.SettleAsync(head, Settlement.Acknowledge, [], Cancel);
        List<Envelope> second = await HandleAsync(store, 999);

        Assert.Equal(others.Select(message => message.Id).ToHashSet(), first.Select(message => message.Id).ToHashSet());
        Assert.Equal(behind.Skip(1).Select(message => message.Id), second.Select(message => message.Id));
        Assert.Equal(0, (await shared.Server.AskAsync("EXISTS", store.Keys.Behind(Orders, store.Keys.PartitionOf("busy")), store.Keys.Held(Orders, store.Keys.PartitionOf("busy")))).AsInteger());
    }

    [Fact(Timeout = Limit)]
    public async Task ST_18_what_waits_for_its_instant_beyond_the_window_is_there_when_that_comes_also_after_a_restart()
    {
        DateTimeOffset due = TimeProvider.System.GetUtcNow().AddSeconds(2);
        Envelope[] delayed = [.. Enumerable.Range(0, 300).Select(_ => Message(notBefore: due))];
        await using (RedisStore first = await OpenAsync())
        {
            await first.AppendAsync(delayed, null, Cancel);
            await first.AppendAsync([Message()], null, Cancel);
            _ = await HandleAsync(first, 1);
            Assert.True(first.Queue(Orders).Open.Count <= Window);
            Assert.Equal(300, (await first.GetStatsAsync(Orders, Cancel)).Queues[Orders].Delayed);
            await first.DiscardAsync(delayed[299].Id, "not wanted", force: false, Cancel); // one that is on the server only
        }

        await using RedisStore second = await OpenAsync();
        List<Envelope> handled = await HandleAsync(second, 299);

        Assert.True(TimeProvider.System.GetUtcNow() >= due);
        Assert.Equal(delayed.Take(299).Select(message => message.Id).ToHashSet(), handled.Select(message => message.Id).ToHashSet());
        Assert.Equal((0, 1), ((await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Pending, (await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Failed));
    }

    [Fact(Timeout = Limit)]
    public async Task JN_7_parked_messages_beyond_the_window_come_when_their_type_has_a_handler()
    {
        await using RedisStore store = await OpenAsync();
        store.SetRules(Orders, new QueueRules { ParkedTypes = new HashSet<string> { "old.type" } });
        Envelope[] parked = [.. Enumerable.Range(0, 300).Select(_ => Message(type: "old.type"))];
        await store.AppendAsync(parked, null, Cancel);
        await store.AppendAsync([Message()], null, Cancel);
        _ = await HandleAsync(store, 1);
        int inMemory = store.Queue(Orders).Open.Count;

        store.SetRules(Orders, new QueueRules());
        List<Envelope> handled = await HandleAsync(store, 300);

        Assert.True(inMemory <= Window);
        Assert.Equal(parked.Select(message => message.Id).ToHashSet(), handled.Select(message => message.Id).ToHashSet());
    }

    [Fact(Timeout = Limit)]
    public async Task ST_18_retries_beyond_the_window_wait_on_the_server_and_hold_their_keys()
    {
        await using RedisStore store = await OpenAsync();
        Envelope[] messages = [.. Enumerable.Range(0, 200).SelectMany(i => new[] { Message($"k{i}"), Message($"k{i}") })];
        await store.AppendAsync(messages, null, Cancel);
        DateTimeOffset due = TimeProvider.System.GetUtcNow().AddSeconds(3);
        for (int left = 200; left > 0;)
        {
            foreach (MessageLease lease in await store.LeaseAsync(Orders, 32, LeaseTime, Cancel))
            {
                Assert.True(await store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
                await store.SettleAsync(lease, Settlement.RetryAt(due, "the service is down"), [], Cancel);
                left--;
            }
        }

        List<Envelope> handled = await HandleAsync(store, 400);

        Assert.True(TimeProvider.System.GetUtcNow() >= due);
        Assert.All(handled.GroupBy(message => message.OrderKey), key => Assert.Equal(key.Select(message => message.Seq).Order(), key.Select(message => message.Seq)));
        Assert.Equal(400, handled.DistinctBy(message => message.Id).Count());
    }
}
