using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.RoundTripTests;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

public sealed class BacklogTests
{
    [Fact]
    public async Task A_backlog_beyond_the_window_comes_in_order_and_whole()
    {
        await using StoreFixture fixture = await OpenAsync();
        const int Count = 10_000;
        List<MessageId> sent = await AppendManyAsync(fixture, Count, _ => null);
        Assert.True(fixture.Store.Lanes.Open.Count <= LaneSet.Capacity);

        List<MessageId> got = [];
        while (got.Count < Count)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 100, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
            got.AddRange(leases.Select(lease => lease.Envelope.Id));
        }

        Assert.Equal(sent, got);
        Assert.True(await fixture.IsEmptyAsync());
        Assert.Empty(fixture.Store.Lanes.Open);
        Assert.Empty(fixture.Store.Watch.Damage);
    }

    [Fact]
    public async Task While_a_backlog_is_on_disk_a_key_is_never_counted_too_low_and_at_its_limit_exactly()
    {
        await using StoreFixture fixture = await OpenAsync();
        SqliteStore control = fixture.Store;
        await AppendManyAsync(fixture, LaneSet.Capacity + 1_000, i => $"other-{i}"); // the window is full
        await AppendManyAsync(fixture, 30, _ => "thirty");
        await AppendManyAsync(fixture, 12, i => i < 10 ? "ten" : "two");

        Assert.Equal(30, await control.CountKeyAsync("orders", "thirty", 30, Cancel));
        Assert.Equal(20, await control.CountKeyAsync("orders", "thirty", 20, Cancel));
        Assert.InRange(await control.CountKeyAsync("orders", "ten", 1_000, Cancel), 10, 999);
        Assert.InRange(await control.CountKeyAsync("orders", "two", 1_000, Cancel), 2, 999);
        Assert.InRange(await control.CountKeyAsync("orders", "nobody", 1_000, Cancel), 0, 999);
        Assert.Equal(0, await control.CountKeyAsync("orders", "nobody", 1, Cancel) + await control.CountKeyAsync("orders", "nobody at all", 1, Cancel));

        await fixture.ReopenAsync(); // nobody has counted what is there now
        control = fixture.Store;
        Assert.Equal(30, await control.CountKeyAsync("orders", "thirty", 1_000, Cancel));
        Assert.Equal(10, await control.CountKeyAsync("orders", "ten", 1_000, Cancel));
    }

    [Fact]
    public async Task Ten_thousand_behind_one_waiting_key_leave_room_for_the_others_and_follow_in_order()
    {
        await using StoreFixture fixture = await OpenAsync();
        List<MessageId> held = await AppendManyAsync(fixture, 1, _ => "held");
        MessageLease head = await fixture.LeaseAsync();
        await fixture.Store.SettleAsync(head, Settlement.RetryAt(TimeProvider.System.GetUtcNow().AddSeconds(3), "later"), [], Cancel);
        held.AddRange(await AppendManyAsync(fixture, 10_000, _ => "held"));
        List<MessageId> others = await AppendManyAsync(fixture, 50, i => $"other-{i}");

        for (int i = 0; i < 50; i++)
        {
            MessageLease lease = await fixture.LeaseAsync();
            Assert.Contains(lease.Envelope.Id, others);
            await fixture.AckAsync(lease);
        }

        Assert.True(fixture.Store.Lanes.Open.Count <= LaneSet.Capacity);
        List<MessageId> got = [];
        while (got.Count < 6_000)
        {
            MessageLease lease = await fixture.LeaseAsync();
            got.Add(lease.Envelope.Id);
            await fixture.AckAsync(lease);
        }

        Assert.Equal(held.Take(6_000), got);
    }

    [Fact]
    public async Task A_restart_with_a_backlog_starts_with_the_oldest()
    {
        await using StoreFixture fixture = await OpenAsync();
        List<MessageId> sent = await AppendManyAsync(fixture, 6_000, i => $"key-{i % 100}");
        await fixture.ReopenAsync();
        Assert.Equal(6_000, fixture.Report.Pending);
        Assert.Equal(6_000, fixture.Store.CountDue("orders"));

        HashSet<MessageId> got = [];
        while (got.Count < 6_000)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 100, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            foreach (MessageLease lease in leases)
            {
                Assert.True(got.Add(lease.Envelope.Id));
            }

            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
        }

        Assert.Equal(sent.ToHashSet(), got);
    }

    [Fact]
    public async Task Delayed_messages_that_do_not_fit_are_found_when_they_are_due()
    {
        await using StoreFixture fixture = await OpenAsync();
        DateTimeOffset due = TimeProvider.System.GetUtcNow().AddSeconds(3);
        for (int i = 0; i < 6; i++)
        {
            await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => Message() with { NotBefore = due })], null, Cancel);
        }

        Assert.True(fixture.Store.Lanes.Open.Count <= LaneSet.Capacity);
        await fixture.AppendAsync(Message());
        await fixture.AckAsync(await fixture.LeaseAsync());
        HashSet<MessageId> got = [];
        while (got.Count < 6_000)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 200, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            Assert.All(leases, lease => Assert.True(got.Add(lease.Envelope.Id)));
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
        }
    }

    [Fact]
    public async Task Delayed_messages_on_disk_are_not_counted_as_due_before_and_after_a_restart()
    {
        await using StoreFixture fixture = await OpenAsync();
        DateTimeOffset later = TimeProvider.System.GetUtcNow().AddHours(1);
        DateTimeOffset soon = TimeProvider.System.GetUtcNow().AddSeconds(6);
        for (int i = 0; i < 20; i++)
        {
            await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(n => Message() with { NotBefore = n < 900 ? later : soon })], null, Cancel);
        }

        await fixture.AppendAsync(Message());
        Assert.Equal((1L, 20_000L), (fixture.Store.CountDue("orders"), await DelayedAsync()));
        await fixture.ReopenAsync();
        await Eventually(async () => (fixture.Store.CountDue("orders"), await DelayedAsync()) == (1, 20_000)); // while the backlog is read it is off by one
        await Eventually(() => Task.FromResult(fixture.Store.CountDue("orders") == 2_001), seconds: 20);
        Assert.Equal(18_000, await DelayedAsync());
        await fixture.KillAsync();
        await Eventually(async () => (fixture.Store.CountDue("orders"), await DelayedAsync()) == (2_001, 18_000));

        async Task<long> DelayedAsync() => (await fixture.Store.GetStatsAsync("orders", Cancel)).Queues["orders"].Delayed;
    }

    [Fact]
    public async Task Delayed_messages_that_came_due_without_room_count_as_due()
    {
        await using StoreFixture fixture = await OpenAsync();
        DateTimeOffset soon = TimeProvider.System.GetUtcNow().AddSeconds(3);
        for (int i = 0; i < 12; i++)
        {
            await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => Message() with { NotBefore = soon })], null, Cancel);
        }

        Assert.Equal(0, fixture.Store.CountDue("orders"));
        await Eventually(() => Task.FromResult(fixture.Store.CountDue("orders") == 12_000), seconds: 15);
    }

    [Fact]
    public async Task Followers_on_disk_of_a_waiting_or_halted_key_count_as_blocked_before_and_after_a_restart()
    {
        await using StoreFixture fixture = await OpenAsync(made => made.Rules("halting", new QueueRules { HaltOnFailure = true }));
        await AppendManyAsync(fixture, 1, _ => "held");
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.RetryAt(TimeProvider.System.GetUtcNow().AddHours(1), "later"), [], Cancel);
        await AppendManyAsync(fixture, 6_000, i => i % 1_000 == 0 ? null : "held");
        await fixture.AppendAsync(Message("halting", key: "stopped"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync("halting"), Settlement.Fail(FailureKind.Rejected, "no"), [], Cancel);
        for (int i = 0; i < 5; i++)
        {
            await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => Message("halting", key: "stopped"))], null, Cancel);
        }

        await CountsAsync();
        await fixture.ReopenAsync();
        await CountsAsync();
        await fixture.Store.AppendAsync([Message(key: "held"), Message("halting", key: "stopped")], null, Cancel);
        await Eventually(() => Task.FromResult((fixture.Store.CountDue("orders"), fixture.Store.CountDue("halting")) == (6, 0)));

        Task CountsAsync() => Eventually(() => Task.FromResult((fixture.Store.CountDue("orders"), fixture.Store.CountDue("halting")) == (6, 0)));
    }

    [Fact]
    public async Task A_blocked_key_behind_a_full_window_is_counted_although_its_followers_were_not_reached()
    {
        await using StoreFixture fixture = await OpenAsync();
        await AppendManyAsync(fixture, 1, _ => "held");
        MessageLease head = await fixture.LeaseAsync();
        await AppendManyAsync(fixture, 6_000, _ => null);
        await AppendManyAsync(fixture, 3_000, _ => "held");
        Assert.Equal(9_000, fixture.Store.CountDue("orders"));
        await fixture.Store.SettleAsync(head, Settlement.RetryAt(TimeProvider.System.GetUtcNow().AddHours(1), "later"), [], Cancel);

        await Eventually(() => Task.FromResult(fixture.Store.CountDue("orders") == 6_000));
        await AppendManyAsync(fixture, 100, _ => "held");
        await Eventually(() => Task.FromResult(fixture.Store.CountDue("orders") == 6_000));
    }

    private static async Task<List<MessageId>> AppendManyAsync(StoreFixture fixture, int count, Func<int, string?> key)
    {
        List<MessageId> ids = [];
        for (int done = 0; done < count; done += 1_000)
        {
            Envelope[] batch = [.. Enumerable.Range(done, Math.Min(1_000, count - done)).Select(i => Message(key: key(i)))];
            await fixture.Store.AppendAsync(batch, null, Cancel);
            ids.AddRange(batch.Select(envelope => envelope.Id));
        }

        return ids;
    }
}
