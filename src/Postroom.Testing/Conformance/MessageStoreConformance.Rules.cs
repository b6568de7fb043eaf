using Xunit;

namespace Postroom.Testing;

/// <content>Rules of queues and what is counted.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>A paused queue leases nothing and accepts everything.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_paused_queue_leases_nothing_and_accepts_everything()
    {
        Control.SetRules(Orders, new QueueRules { Paused = true });
        Task<IReadOnlyList<MessageLease>> waiting = LeaseUpToAsync(10).AsTask();
        Envelope plain = await AppendAsync();
        Envelope delayed = await AppendAsync(Message() with { NotBefore = Clock.GetUtcNow().AddSeconds(1) });
        Clock.Advance(TimeSpan.FromSeconds(1));
        Envelope elsewhere = await AppendAsync(Message(queue: "invoices"));
        await HandleAsync(elsewhere);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(2, (await StatsAsync()).Pending);

        Control.SetRules(Orders, new QueueRules());

        Assert.Equal([plain.Id, delayed.Id], (await waiting).Select(lease => lease.Envelope.Id));
    }

    /// <summary>What is with a worker when a queue is paused may still end.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_lease_of_a_queue_that_was_paused_is_settled()
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);
        Control.SetRules(Orders, new QueueRules { Paused = true });

        await SettleAsync(lease, Settlement.Release);

        Assert.Equal(MessageState.Pending, (await EntryAsync(message)).State);
        Control.SetRules(Orders, new QueueRules());
        await HandleAsync(message);
    }

    /// <summary>A parked type waits, keeps its key, and does not count as load; the others go on.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_parked_type_waits_keeps_its_key_and_does_not_count_as_load(bool rulesFirst)
    {
        QueueRules rules = new() { ParkedTypes = new HashSet<string> { "order.cancelled" } };
        if (rulesFirst)
        {
            Control.SetRules(Orders, rules);
        }

        Envelope parked = await AppendAsync(Message("a", type: "order.cancelled"));
        Envelope follower = await AppendAsync("a");
        Envelope unordered = await AppendAsync(Message(type: "order.cancelled"));
        Envelope other = await AppendAsync("b");
        if (!rulesFirst)
        {
            Control.SetRules(Orders, rules);
        }

        await HandleAsync(other);
        await NothingIsDueAsync();
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((3, 2), (stats.Pending, stats.Parked));

        Control.SetRules(Orders, new QueueRules());

        Assert.Equal([parked.Id, unordered.Id], (await LeaseUpToAsync(10)).Select(lease => lease.Envelope.Id));
        await NothingIsDueAsync();
        Assert.Equal(MessageState.Pending, (await EntryAsync(follower)).State);
    }

    /// <summary>A parked message that gets its handler back does not overtake an older one of its key that is with a worker.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_parked_message_does_not_overtake_a_replayed_head()
    {
        Envelope head = await AppendAsync("a");
        await FailAsync(head);
        Control.SetRules(Orders, new QueueRules { ParkedTypes = new HashSet<string> { "order.cancelled" } });
        Envelope parked = await AppendAsync(Message("a", type: "order.cancelled"));
        await Journal.ReplayAsync(head.Id, new ReplayOptions(), Cancel);
        MessageLease running = await BeginAsync(head);

        Control.SetRules(Orders, new QueueRules());

        await NothingIsDueAsync();
        await SettleAsync(running, Settlement.Acknowledge);
        await HandleAsync(parked);
    }

    /// <summary>Due is what a worker could lease now: neither delayed nor parked nor behind a waiting or halted head.</summary>
    [Fact(Timeout = Limit)]
    public async Task CountDue_leaves_out_what_is_delayed_parked_or_behind_a_waiting_head()
    {
        Control.SetRules(Orders, new QueueRules { HaltOnFailure = true, ParkedTypes = new HashSet<string> { "order.cancelled" } });
        Envelope waiting = await AppendAsync("waits");
        Envelope halted = await AppendAsync("halted");
        await SettleAsync(await BeginAsync(waiting), RetryIn(TimeSpan.FromMinutes(1)));
        await FailAsync(halted);
        await Store.AppendAsync(
            [Message("waits"), Message("waits"), Message("halted"), Message(type: "order.cancelled"), Message() with { NotBefore = Clock.GetUtcNow().AddHours(1) }], null, Cancel);
        long withoutDue = Control.CountDue(Orders);
        await Store.AppendAsync([Message(), Message("b"), Message("b")], null, Cancel);
        long due = Control.CountDue(Orders);
        Clock.Advance(TimeSpan.FromMinutes(1));
        long afterRetry = Control.CountDue(Orders);
        await Journal.DiscardAsync(halted.Id, "go on", force: false, Cancel);
        long afterDiscard = Control.CountDue(Orders);
        StoreQueueStats stats = await StatsAsync();

        Assert.Equal((0, 3, 6, 7), (withoutDue, due, afterRetry, afterDiscard));
        Assert.Equal(stats.Due, afterDiscard);
        Assert.Equal((9, 1, 1, 0, 1), (stats.Pending, stats.Delayed, stats.Parked, stats.Blocked, stats.Failed));
    }

    /// <summary>Open messages by type and by key, those with a worker included.</summary>
    [Fact(Timeout = Limit)]
    public async Task Open_messages_are_counted_by_type_and_by_key()
    {
        await Store.AppendAsync([Message("a"), Message("a"), Message("a", type: "order.cancelled"), Message("b"), Message(), Message("a", "invoices")], null, Cancel);
        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(1);

        IReadOnlyDictionary<string, long> types = await Control.CountOpenByTypeAsync(Orders, Cancel);
        int all = await Control.CountKeyAsync(Orders, "a", 100, Cancel);
        int some = await Control.CountKeyAsync(Orders, "a", 2, Cancel);
        int none = await Control.CountKeyAsync(Orders, "nobody", 100, Cancel);
        await SettleAsync(leases[0], Settlement.Acknowledge);
        IReadOnlyDictionary<string, long> after = await Control.CountOpenByTypeAsync(Orders, Cancel);

        Assert.Equal([("order.cancelled", 1L), (OrderReceived, 4L)], types.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)));
        Assert.Equal((3, 0), (all, none));
        Assert.InRange(some, 2, 3);
        Assert.Equal(3, after[OrderReceived]);
        Assert.Equal(2, await Control.CountKeyAsync(Orders, "a", 100, Cancel));
    }

    /// <summary>Counts follow a message through its life, per queue.</summary>
    [Fact(Timeout = Limit)]
    public async Task Stats_follow_messages_through_their_lives()
    {
        DateTimeOffset start = Clock.GetUtcNow();
        Envelope first = await AppendAsync();
        Clock.Advance(TimeSpan.FromMinutes(1));
        await Store.AppendAsync([Message(), Message(), Message()], null, Cancel);
        await AppendAsync(Message(queue: "invoices"));
        StoreQueueStats waiting = await StatsAsync();
        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(4);
        StoreQueueStats running = await StatsAsync();
        await SettleAsync(leases[0], Settlement.Acknowledge);
        await SettleAsync(leases[1], Settlement.Fail(FailureKind.Rejected, "no"));
        await SettleAsync(leases[2], RetryIn(TimeSpan.FromMinutes(1)));
        await SettleAsync(leases[3], Settlement.Release);
        StoreQueueStats settled = await StatsAsync();
        StoreStats all = await Store.GetStatsAsync(null, Cancel);

        Assert.Equal((4, 0, start), (waiting.Pending, waiting.Dispatched, waiting.OldestPendingAt));
        Assert.Equal((0, 4, null), (running.Pending, running.Dispatched, running.OldestPendingAt));
        Assert.Equal((2, 1, 0, 1, 1), (settled.Pending, settled.Delayed, settled.Dispatched, settled.Acked, settled.Failed));
        Assert.Equal(1, settled.Due);
        Assert.Equal(["invoices", Orders], all.Queues.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(5, all.Appended);
        Assert.True(all.Writable);
        Assert.Equal(MessageState.Acked, (await EntryAsync(first)).State);
    }

    /// <summary>A queue nobody has written to has zero of everything.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_unknown_queue_has_empty_counts()
    {
        Assert.Equal(new StoreQueueStats(), await StatsAsync("nobody"));
        Assert.Equal(0, Control.CountDue("nobody"));
        Assert.Empty(await Control.CountOpenByTypeAsync("nobody", Cancel));
    }

    /// <summary>A store says what it is.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_store_declares_what_it_promises()
    {
        StoreFeatures features = Store.Features;

        Assert.NotEmpty(features.Kind);
        Assert.EndsWith(".", features.Promise, StringComparison.Ordinal);
        Assert.True(features.Durable || !features.SurvivesPowerLoss);
        await Task.CompletedTask;
    }
}
