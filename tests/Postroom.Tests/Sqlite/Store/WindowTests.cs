using Postroom.Sqlite;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Sqlite.Store.RoundTripTests;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>What waits, follows or is parked never keeps the rest of its queue from being handled, however much of it there is.</summary>
public sealed class WindowTests
{
    private static DateTimeOffset Later => TimeProvider.System.GetUtcNow().AddHours(1);

    [Fact]
    public async Task Followers_of_a_waiting_key_do_not_keep_a_longer_backlog_on_disk()
    {
        await using StoreFixture fixture = await OpenAsync();
        await AppendManyAsync(fixture, 1, _ => "held");
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.RetryAt(Later, "later"), [], Cancel);
        await AppendManyAsync(fixture, 6_000, _ => "held");
        await AppendManyAsync(fixture, 9_000, _ => null);

        Assert.Equal(9_000, await DrainAsync(fixture, 9_000));
    }

    [Fact]
    public async Task Parked_messages_do_not_keep_a_longer_backlog_on_disk_and_are_found_when_their_handler_comes()
    {
        await using StoreFixture fixture = await OpenAsync(made => made.Rules("orders", new QueueRules { ParkedTypes = new HashSet<string> { "order.odd" } }));
        await AppendManyAsync(fixture, 6_000, i => i % 2 == 0 ? null : $"k{i % 500}", "order.odd");
        await AppendManyAsync(fixture, 9_000, i => i % 2 == 0 ? null : $"n{i % 500}");

        Assert.Equal(9_000, await DrainAsync(fixture, 9_000));
        Assert.InRange(fixture.Store.Lanes.Open.Count, 0, LaneSet.Capacity);

        fixture.Store.SetRules("orders", new QueueRules());
        Assert.Equal(6_000, await DrainAsync(fixture, 6_000));
    }

    [Fact]
    public async Task Keys_that_wait_for_retries_leave_the_memory_and_come_back_in_order()
    {
        const int Count = 10_000;
        await using StoreFixture fixture = await OpenAsync();
        await AppendManyAsync(fixture, Count, i => $"c{i}");
        await AppendManyAsync(fixture, Count, i => $"c{i}");
        DateTimeOffset due = TimeProvider.System.GetUtcNow().AddSeconds(8);
        for (int retried = 0; retried < Count;)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 256, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            await Task.WhenAll(leases.Select(lease => fixture.Store.SettleAsync(lease, Settlement.RetryAt(due, "service down"), [], Cancel).AsTask()));
            retried += leases.Count;
        }

        Assert.InRange(fixture.Store.Lanes.Open.Count, 0, 2 * LaneSet.Capacity);

        Dictionary<string, long> last = [];
        for (int done = 0; done < 2 * Count;)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 256, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Cancel);
            foreach (MessageLease lease in leases)
            {
                Assert.True(lease.Envelope.Seq > last.GetValueOrDefault(lease.Envelope.OrderKey!), $"{lease.Envelope.OrderKey} went backwards");
                last[lease.Envelope.OrderKey!] = lease.Envelope.Seq;
            }

            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
            done += leases.Count;
        }

        Assert.Empty(fixture.Store.Lanes.Open);
        Assert.Equal(0, fixture.Store.CountDue("orders"));
    }

    [Fact]
    public async Task A_delayed_message_that_comes_due_on_disk_does_not_overtake_its_key_further_down_the_backlog()
    {
        await using StoreFixture fixture = await OpenAsync();
        DateTimeOffset soon = TimeProvider.System.GetUtcNow().AddSeconds(2);
        await fixture.Store.AppendAsync([.. Enumerable.Range(0, LaneSet.Capacity).Select(_ => Message() with { NotBefore = Later })], null, Cancel);
        await fixture.AppendAsync(Message() with { NotBefore = soon }); // on disk, and watched
        await AppendManyAsync(fixture, LaneSet.Capacity + 500, _ => null);
        MessageId early = await fixture.AppendAsync(Message(key: "k"));
        await AppendManyAsync(fixture, 2_000, _ => null);
        MessageId delayed = await fixture.AppendAsync(Message(key: "k") with { NotBefore = soon });
        await fixture.AckAsync(await fixture.LeaseAsync()); // room for one
        await Eventually(() => Task.FromResult(TimeProvider.System.GetUtcNow() > soon));

        List<MessageId> order = [];
        while (order.Count < 2)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 100, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            order.AddRange(leases.Where(lease => lease.Envelope.OrderKey == "k").Select(lease => lease.Envelope.Id));
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
        }

        Assert.Equal([early, delayed], order);
    }

    [Fact]
    public async Task A_head_that_waits_on_disk_lets_its_key_go_on_when_it_is_discarded()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.Store.AppendAsync([.. Enumerable.Range(0, LaneSet.Capacity).Select(_ => Message() with { NotBefore = Later })], null, Cancel);
        MessageId head = await fixture.AppendAsync(Message(key: "k"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.RetryAt(Later, "later"), [], Cancel);
        MessageId follower = await fixture.AppendAsync(Message(key: "k"));
        Assert.DoesNotContain(head, fixture.Store.Lanes.Open.Keys);
        Assert.True(await fixture.IsEmptyAsync());
        Assert.Equal(0, fixture.Store.CountDue("orders"));

        await fixture.Store.DiscardAsync(head, "enough", force: false, Cancel);

        Assert.Equal(follower, (await fixture.LeaseAsync()).Envelope.Id);
    }

    [Fact]
    public async Task An_older_message_that_is_replayed_goes_before_the_head_that_waits_on_disk()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.Store.AppendAsync([.. Enumerable.Range(0, LaneSet.Capacity).Select(_ => Message() with { NotBefore = Later })], null, Cancel);
        MessageId failed = await fixture.AppendAsync(Message(key: "k"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.Fail(FailureKind.Rejected, "no"), [], Cancel);
        MessageId head = await fixture.AppendAsync(Message(key: "k"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.RetryAt(TimeProvider.System.GetUtcNow().AddSeconds(2), "later"), [], Cancel);
        await fixture.Store.ReplayAsync(failed, new ReplayOptions(), Cancel);

        MessageLease first = await fixture.LeaseAsync();
        Assert.Equal(failed, first.Envelope.Id);
        await fixture.AckAsync(first);
        MessageLease second = Assert.Single(await fixture.Store.LeaseAsync("orders", 1, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.Equal(head, second.Envelope.Id);
    }

    [Fact]
    public async Task A_delayed_message_that_comes_due_behind_a_counted_head_is_not_forgotten()
    {
        using TempFolder folder = new();
        ManualClock clock = new();
        await using SqliteStore store = new(new StoreOptions { Path = folder.Store, Reserve = 0 }, new RetentionOptions(), new Redactor(), clock) { Window = 4 };
        await store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
        await store.AppendAsync([.. Enumerable.Range(0, 4).Select(_ => Message() with { NotBefore = clock.GetUtcNow().AddHours(5) })], null, Cancel);
        Envelope head = Message(key: "k");
        Envelope delayed = Message(key: "k") with { NotBefore = clock.GetUtcNow().AddSeconds(10) };
        await store.AppendAsync([head, delayed, Message(), Message(), Message(), Message()], null, Cancel);
        MessageLease first = Assert.Single(await store.LeaseAsync("orders", 1, LeaseTime, Cancel));
        await store.SettleAsync(first, Settlement.RetryAt(clock.GetUtcNow().AddSeconds(60), "later"), [], Cancel);
        await Eventually(() => Task.FromResult(store.Lanes.Open.Count < 10 && !store.Lanes.Open.ContainsKey(head.Id)));
        await store.Writer.FlushAsync();
        clock.Advance(TimeSpan.FromSeconds(11));

        List<MessageId> handled = [];
        while (handled.Count < 6)
        {
            Task<IReadOnlyList<MessageLease>> due = store.LeaseAsync("orders", 4, LeaseTime, Cancel).AsTask();
            await Eventually(() =>
            {
                clock.Advance(TimeSpan.FromSeconds(handled.Count < 4 ? 0 : 10));
                return Task.FromResult(due.IsCompleted);
            });
            foreach (MessageLease lease in await due)
            {
                handled.Add(lease.Envelope.Id);
                await store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
            }
        }

        Assert.Equal([head.Id, delayed.Id], handled.Where(id => id == head.Id || id == delayed.Id));
    }

    [Fact]
    public async Task A_queue_that_is_full_of_large_messages_does_not_make_another_one_serial()
    {
        await using StoreFixture fixture = await OpenAsync(made => made.Rules("paused", new QueueRules { Paused = true }));
        for (int i = 0; i < 70; i++)
        {
            await fixture.AppendAsync(Message("paused", size: 1 << 20));
        }

        await AppendManyAsync(fixture, 10, _ => null);

        int together = 0;
        await Eventually(async () => (together += (await fixture.Store.LeaseAsync("orders", 8, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel)).Count) >= 8);
    }

    private static async Task<int> DrainAsync(StoreFixture fixture, int expected)
    {
        int done = 0;
        while (done < expected)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 256, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
            done += leases.Count;
        }

        return done;
    }

    private static async Task AppendManyAsync(StoreFixture fixture, int count, Func<int, string?> key, string type = "order.received")
    {
        foreach (int[] batch in Enumerable.Range(0, count).Chunk(1_000))
        {
            await fixture.Store.AppendAsync([.. batch.Select(i => new Envelope(MessageId.New(), "orders", type, new byte[32]) { Conversation = key(i) })], null, Cancel);
        }
    }
}
