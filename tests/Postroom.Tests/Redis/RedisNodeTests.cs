using Postroom.Redis;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>Several nodes on one server: they come, go, are cut off and die, and what one of them has is done once and in order (RD-6, RD-10, RD-11, GW-2).</summary>
public sealed class RedisNodeTests(RedisStoreTests.Shared shared) : IClassFixture<RedisStoreTests.Shared>
{
    private const string Orders = "orders";
    private const int Limit = 30_000;
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private readonly string _prefix = $"n{Guid.NewGuid():n}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private async Task<RedisStore> OpenAsync(string node, string? url = null, string? home = null, TimeProvider? clock = null, int window = RedisQueue.Window)
    {
        RedisOptions options = new() { Url = new Secret(url ?? shared.Server.Url), Prefix = _prefix, Lease = TimeSpan.FromSeconds(1), Timeout = TimeSpan.FromSeconds(1) };
        RedisStore store = new(options, new RetentionOptions(), new Redactor(), clock ?? TimeProvider.System) { Window = window };
        try
        {
            await store.OpenAsync(new StoreOpening { Node = node, Home = home }, Cancel);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    private static Envelope Message(string? key = null) => new(MessageId.New(), Orders, "order.received", "{}"u8.ToArray()) { OrderKey = key };

    private static int Owned(RedisStore store) => store.Queue(Orders).Partitions.Count(static partition => partition.Owner is not null);

    /// <summary>A node takes messages of the queue from now on.</summary>
    private static void Serve(RedisStore store) => store.TryLease(Orders, 1);

    private static Task UntilOwnedAsync(RedisStore store, int partitions) => RuntimeHarness.UntilAsync(() => Owned(store) == partitions);

    [Fact(Timeout = Limit)]
    public async Task RD_11_partitions_are_spread_over_the_nodes_that_live_and_move_when_one_comes_or_goes()
    {
        await using RedisStore first = await OpenAsync("node-1");
        Serve(first);
        await UntilOwnedAsync(first, 16);

        long joined = TimeProvider.System.GetTimestamp();
        RedisStore second = await OpenAsync("node-2");
        Serve(second);
        await UntilOwnedAsync(second, 8);
        TimeSpan moved = TimeProvider.System.GetElapsedTime(joined);
        Assert.Equal(8, Owned(first));
        await second.DisposeAsync();
        await UntilOwnedAsync(first, 16);

        Assert.True(moved < TimeSpan.FromSeconds(2), $"A node that came got its partitions after {moved}.");
    }

    [Theory]
    [InlineData(1, 16)]
    [InlineData(3, 16)]
    [InlineData(20, 16)]
    [InlineData(7, 100)]
    public void RD_11_each_node_has_the_same_number_of_partitions_or_one_more_and_few_move_when_one_goes(int nodes, int partitions)
    {
        string[] names = [.. Enumerable.Range(0, nodes).Select(i => $"node-{i}")];

        string?[] before = PartitionSpread.Of(names, Orders, partitions);
        string?[] after = PartitionSpread.Of([.. names.Skip(1)], Orders, partitions);
        int[] shares = [.. names.Select(name => before.Count(owner => owner == name))];

        Assert.True(shares.Max() - shares.Min() <= 1);
        Assert.Equal(partitions, shares.Sum());
        Assert.All(after, owner => Assert.NotEqual("node-0", owner));
        int moved = before.Zip(after).Count(pair => pair.First != pair.Second);
        Assert.True(moved <= partitions * 2 / nodes + nodes, $"{moved} of {partitions} partitions moved.");
    }

    [Fact(Timeout = Limit)]
    public async Task RD_11_a_partition_is_given_up_once_nothing_of_it_is_in_work_and_the_order_of_each_key_is_kept()
    {
        await using RedisStore first = await OpenAsync("node-1");
        Serve(first);
        await UntilOwnedAsync(first, 16);
        string[] keys = [.. Enumerable.Range(0, 32).Select(i => $"key-{i}")];
        Envelope[] messages = [.. Enumerable.Range(0, 4).SelectMany(_ => keys.Select(Message))];
        await first.AppendAsync(messages, null, Cancel);
        IReadOnlyList<MessageLease> inWork = await first.LeaseAsync(Orders, 32, LeaseTime, Cancel);
        foreach (MessageLease lease in inWork)
        {
            Assert.True(await first.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
        }

        await using RedisStore second = await OpenAsync("node-2");
        Serve(second);
        await RuntimeHarness.UntilAsync(() => first.Queue(Orders).Partitions.Count(static partition => partition.IsLeaving) == 8);
        Assert.Null(second.TryLease(Orders, 100)); // each partition has a key in work
        foreach (MessageLease lease in inWork)
        {
            await first.SettleAsync(lease, lease == inWork[0] ? Settlement.RetryAt(DateTimeOffset.UnixEpoch, "again") : Settlement.Acknowledge, [], Cancel);
        }

        await UntilOwnedAsync(second, 8);
        Dictionary<string, List<MessageId>> handled = keys.ToDictionary(key => key, _ => new List<MessageId>());
        HashSet<RedisStore> by = [];
        for (int left = 97; left > 0;)
        {
            foreach (RedisStore store in (RedisStore[])[first, second])
            {
                foreach (MessageLease lease in store.TryLease(Orders, 100) ?? [])
                {
                    Assert.True(await store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
                    await store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
                    handled[lease.Envelope.OrderKey!].Add(lease.Envelope.Id);
                    by.Add(store);
                    left--;
                }
            }
        }

        Assert.Equal(2, by.Count);
        MessageLease[] repeated = [inWork[0]];
        Assert.All(keys, key => Assert.Equal(
            messages.Where(message => message.OrderKey == key && (inWork.All(lease => lease.Envelope.Id != message.Id) || repeated.Any(lease => lease.Envelope.Id == message.Id))).Select(message => message.Id), handled[key]));
        Assert.Equal((128, 0), ((await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Acked, (await second.GetStatsAsync(Orders, Cancel)).Queues[Orders].Pending));
    }

    [Fact(Timeout = Limit)]
    public async Task F56_F52_a_node_that_is_cut_off_begins_nothing_more_and_its_late_result_is_refused_while_another_has_taken_over()
    {
        await using CutConnection cable = new(shared.Server.Port);
        await using RedisStore first = await OpenAsync("node-1", cable.Url);
        Serve(first);
        await UntilOwnedAsync(first, 16);
        Envelope[] messages = [Message("a"), Message("b")];
        await first.AppendAsync(messages, null, Cancel);
        IReadOnlyList<MessageLease> leases = await first.LeaseAsync(Orders, 2, LeaseTime, Cancel);
        Assert.True(await first.RenewAsync(leases[0], new LeaseProgress.Begin("pool/1"), Cancel));
        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("HLEN", first.Keys.Fly("node-1"))).AsInteger() == 1);
        await using RedisStore second = await OpenAsync("node-2");

        cable.Cut();
        long cut = TimeProvider.System.GetTimestamp();
        List<MessageLease> taken = [];
        while (taken.Count < 2)
        {
            taken.AddRange(await second.LeaseAsync(Orders, 2, LeaseTime, Cancel));
        }

        TimeSpan resumed = TimeProvider.System.GetElapsedTime(cut);
        bool begins = await first.RenewAsync(leases[1], new LeaseProgress.Begin("pool/1"), Cancel);
        foreach (MessageLease lease in taken)
        {
            Assert.True(await second.RenewAsync(lease, new LeaseProgress.Begin("pool/2"), Cancel));
            await second.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        }

        cable.Heal();
        Envelope staged = Message();
        await Assert.ThrowsAsync<LeaseLostException>(() => first.SettleAsync(leases[0], Settlement.Acknowledge, [staged], Cancel).AsTask());
        JournalRecord? record = await second.GetAsync(messages[0].Id, withBody: false, Cancel);
        await RuntimeHarness.UntilAsync(() => Owned(first) == 8 && Owned(second) == 8); // it is back

        Assert.True(resumed < TimeSpan.FromSeconds(3), $"Work was resumed after {resumed}."); // lease + 2 s
        Assert.False(begins);
        Assert.Equal(["died", "acked"], record!.Attempts.Select(attempt => attempt.Outcome));
        Assert.Null(await second.GetAsync(staged.Id, withBody: false, Cancel));
    }

    [Fact(Timeout = Limit)]
    public async Task AC_66_a_send_that_takes_long_is_nobody_elses_and_one_whose_node_dies_is_taken_with_its_claim_once_the_lease_is_over()
    {
        await using CutConnection cable = new(shared.Server.Port);
        await using RedisStore first = await OpenAsync("gateway-1", cable.Url);
        Serve(first);
        await UntilOwnedAsync(first, 16);
        await first.AppendAsync([Message("a")], null, Cancel);
        MessageLease lease = (await LeaseAsync(first, 1))[0];
        Assert.True(await first.RenewAsync(lease, new LeaseProgress.Begin("lane/1"), Cancel));
        Assert.True(await first.RenewAsync(lease, new LeaseProgress.Claim(first.Now), Cancel));
        await using RedisStore second = await OpenAsync("gateway-2");
        ValueTask<IReadOnlyList<MessageLease>> waiting = second.LeaseAsync(Orders, 1, LeaseTime, Cancel);

        // Three leases long, in which it keeps saying that it lives.
        await RuntimeHarness.UntilAsync(() => Owned(second) >= 7);
        long begun = TimeProvider.System.GetTimestamp();
        await RuntimeHarness.UntilAsync(() => TimeProvider.System.GetElapsedTime(begun) > TimeSpan.FromSeconds(3));
        bool held = !waiting.IsCompleted && await first.RenewAsync(lease, null, Cancel);
        cable.Cut();
        MessageLease taken = Assert.Single(await waiting);

        Assert.True(held);
        Assert.Equal((lease.Envelope.Id, true, 1), (taken.Envelope.Id, taken.Redelivered, taken.UnansweredSends));
        Assert.NotNull(taken.SendStartedAt);
    }

    [Fact(Timeout = Limit)]
    public async Task AC_68_GW_7_what_a_node_that_stops_has_read_and_not_begun_is_anothers_uncharged()
    {
        Envelope[] messages = [.. Enumerable.Range(0, 20).Select(_ => Message())];
        await using RedisStore second = await OpenAsync("gateway-2");
        await using (RedisStore first = await OpenAsync("gateway-1"))
        {
            Serve(first);
            await UntilOwnedAsync(first, 16);
            await first.AppendAsync(messages, null, Cancel);
            Assert.Equal(20, (await LeaseAsync(first, 20)).Count);
        }

        List<MessageLease> leases = await LeaseAsync(second, 20);

        Assert.Equal(messages.Select(message => message.Id).ToHashSet(), leases.Select(lease => lease.Envelope.Id).ToHashSet());
        Assert.All(leases, lease => Assert.Equal((1, false), (lease.Attempt, lease.Redelivered)));
    }

    [Fact(Timeout = Limit)]
    public async Task AC_70_ST_10_an_outcome_that_could_not_be_written_while_the_server_was_away_is_written_later_and_its_handler_does_not_run_again()
    {
        await using CutConnection cable = new(shared.Server.Port);
        await using RedisStore store = await OpenAsync("node-1", cable.Url);
        Envelope[] messages = [Message("a"), Message("a")];
        await store.AppendAsync(messages, null, Cancel);
        MessageLease lease = (await LeaseAsync(store, 1))[0];
        Assert.True(await store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));
        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("HLEN", store.Keys.Fly("node-1"))).AsInteger() == 1);

        cable.Cut();
        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("EXISTS", store.Keys.Node("node-1"))).AsInteger() == 0); // its lease is over
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel).AsTask());
        cable.Heal();
        await RuntimeHarness.UntilAsync(async () => await Record.ExceptionAsync(() => store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel).AsTask()) is null);
        MessageLease next = (await LeaseAsync(store, 1))[0];
        JournalRecord? record = await store.GetAsync(messages[0].Id, withBody: false, Cancel);

        Assert.Equal(messages[1].Id, next.Envelope.Id);
        Assert.Equal((MessageState.Acked, 1, 0), (record!.Entry.State, record.Entry.Attempt, record.Entry.Deaths));
    }

    [Fact(Timeout = Limit)]
    public async Task GW_2_a_second_node_with_the_name_of_one_that_lives_is_refused_and_an_earlier_run_of_the_same_folder_is_not()
    {
        RedisStore first = await OpenAsync("node-1", home: "a");

        StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(() => OpenAsync("node-1", home: "b"));
        await using RedisStore again = await OpenAsync("node-1", home: "a");
        StoreUnavailableException replaced = await first.Fatal.WaitAsync(Cancel);
        await first.DisposeAsync();
        await again.Nodes.BeatAsync(Cancel);

        Assert.Equal(StoreOpenFailure.InUse, refused.Failure);
        Assert.Contains("runtime.node", refused.Message);
        Assert.Contains("later run of node 'node-1'", replaced.Message);
        Assert.Equal(["node-1"], again.Nodes.Live.Select(node => node.Name));
    }

    [Fact(Timeout = Limit)]
    public async Task F68_RD_10_a_node_whose_clock_is_wrong_goes_by_the_servers()
    {
        ManualClock wrong = new(TimeProvider.System.GetUtcNow().AddMinutes(-10));
        ServerClock clock = new(wrong);
        await using RedisStore store = await OpenAsync("node-1", clock: clock);

        RespValue time = await shared.Server.AskAsync("TIME");
        DateTimeOffset now = DateTimeOffset.FromUnixTimeSeconds(time[0].AsInteger());
        TimeSpan offset = clock.GetUtcNow() - now;
        Envelope due = Message() with { NotBefore = now.AddSeconds(-1) };
        Envelope later = Message() with { NotBefore = now.AddMinutes(5) };
        await store.AppendAsync([due, later], null, Cancel);

        Assert.True(offset.Duration() < TimeSpan.FromSeconds(2), $"The clock is {offset} off.");
        Assert.Equal(due.Id, Assert.Single(await store.LeaseAsync(Orders, 2, LeaseTime, Cancel)).Envelope.Id);
    }

    [Fact(Timeout = Limit)]
    public async Task RD_11_what_an_operator_does_on_one_node_is_done_to_the_message_of_another()
    {
        await using RedisStore owner = await OpenAsync("node-1");
        Serve(owner);
        await UntilOwnedAsync(owner, 16);
        await using RedisStore other = await OpenAsync("node-2"); // knows the queue and takes nothing of it
        owner.SetRules(Orders, new QueueRules { HaltOnFailure = true });
        Envelope[] messages = [Message("a"), Message("a"), Message("b"), Message("c")];
        await other.AppendAsync(messages, null, Cancel);
        List<MessageLease> leases = await LeaseAsync(owner, 3);
        await owner.SettleAsync(leases[0], Settlement.Fail(FailureKind.Rejected, "no"), [], Cancel);

        JournalConflictException dispatched = await Assert.ThrowsAsync<JournalConflictException>(() => other.DiscardAsync(messages[2].Id, "gone", force: false, Cancel).AsTask());
        await other.DiscardAsync(messages[2].Id, "gone", force: true, Cancel);
        await Assert.ThrowsAsync<LeaseLostException>(() => owner.SettleAsync(leases[1], Settlement.Acknowledge, [], Cancel).AsTask());
        Assert.Null(owner.TryLease(Orders, 1)); // key a is halted
        await other.ReplayAsync(messages[0].Id, new ReplayOptions(), Cancel);
        MessageLease replayed = (await LeaseAsync(owner, 1))[0];
        await owner.SettleAsync(replayed, Settlement.Fail(FailureKind.Rejected, "no"), [], Cancel);
        await other.DiscardAsync(messages[0].Id, "enough", force: false, Cancel);
        MessageLease follower = (await LeaseAsync(owner, 1))[0];
        await owner.SettleAsync(follower, Settlement.Release, [], Cancel);
        await owner.SettleAsync(leases[2], Settlement.Release, [], Cancel);
        await other.DiscardAsync(messages[3].Id, "waits", force: false, Cancel);
        StoreQueueStats stats = (await other.GetStatsAsync(Orders, Cancel)).Queues[Orders];

        Assert.Equal(MessageState.Dispatched, dispatched.State);
        Assert.Equal((messages[0].Id, messages[1].Id), (replayed.Envelope.Id, follower.Envelope.Id));
        Assert.Equal((1, 3, 0), (stats.Pending + stats.Dispatched, stats.Failed, stats.Acked));
    }

    [Fact(Timeout = Limit)]
    public async Task QU_6_a_pause_that_is_stored_by_one_node_is_told_to_the_others()
    {
        await using RedisStore first = await OpenAsync("node-1");
        await using RedisStore second = await OpenAsync("node-2");
        TaskCompletionSource<string> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using IDisposable observing = second.OnFactsChanged(scope => told.TrySetResult(scope));

        await first.WriteAsync(new StoreWrite { Facts = [new FactChange(FactScopes.Pause, Orders, "paused"u8.ToArray())] }, Cancel);

        Assert.Equal(FactScopes.Pause, await told.Task.WaitAsync(Cancel));
    }

    private static async Task<List<MessageLease>> LeaseAsync(RedisStore store, int count)
    {
        List<MessageLease> leases = [];
        while (leases.Count < count)
        {
            leases.AddRange(await store.LeaseAsync(Orders, count - leases.Count, LeaseTime, Cancel));
        }

        return leases;
    }
}
