using Xunit;

namespace Postroom.Testing;

/// <content>Order per key: a head that is with a worker, waits or is halted holds its key, and only its own.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>Of one key one message is with a worker, the oldest first.</summary>
    [Fact(Timeout = Limit)]
    public async Task Messages_of_one_key_are_leased_one_after_the_other()
    {
        Envelope[] batch = [Message("a"), Message("a"), Message("a")];
        await Store.AppendAsync(batch, null, Cancel);

        foreach (Envelope next in batch)
        {
            MessageLease lease = Assert.Single(await LeaseUpToAsync(10));
            Assert.Equal(next.Id, lease.Envelope.Id);
            await NothingIsDueAsync();
            await SettleAsync(lease, Settlement.Acknowledge);
        }
    }

    /// <summary>Other keys, other queues and unordered messages do not wait.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_leased_message_holds_its_own_key_only()
    {
        Envelope[] batch = [Message("a"), Message("a"), Message("b"), Message(), Message(""), Message("A")];
        await Store.AppendAsync([.. batch, Message("a", "invoices")], null, Cancel);

        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(10);

        Assert.Equal(((Envelope[])[batch[0], .. batch[2..]]).Select(envelope => envelope.Id), leases.Select(lease => lease.Envelope.Id));
        Assert.Single(await LeaseUpToAsync(10, "invoices"));
    }

    /// <summary>A retry with a delay holds its key, and only its own.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_retry_with_a_delay_holds_its_key_and_only_its_own()
    {
        Envelope head = await AppendAsync("a");
        Envelope follower = await AppendAsync("a");
        Envelope other = await AppendAsync("b");
        await SettleAsync(await BeginAsync(head), RetryIn(TimeSpan.FromMinutes(5)));

        await HandleAsync(other);
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromMilliseconds(1));
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMilliseconds(1));

        await HandleAsync(head);
        await HandleAsync(follower);
    }

    /// <summary>A worker that already waits gets the head when its retry is due.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_retry_that_becomes_due_wakes_a_waiting_lease()
    {
        Envelope head = await AppendAsync("a");
        await AppendAsync("a");
        await SettleAsync(await BeginAsync(head), RetryIn(TimeSpan.FromSeconds(10)));
        Task<IReadOnlyList<MessageLease>> waiting = LeaseUpToAsync(10).AsTask();

        Clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(head.Id, Assert.Single(await waiting).Envelope.Id);
    }

    /// <summary>An explicit zero delay, and a release, return a message to the head of its key.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_given_back_at_once_is_the_head_of_its_key(bool retry)
    {
        Envelope head = await AppendAsync("a");
        await AppendAsync("a");
        Envelope unordered = await AppendAsync();
        MessageLease lease = await BeginAsync(head);

        await SettleAsync(lease, retry ? Settlement.RetryAt(Clock.GetUtcNow(), "at once") : Settlement.Release);

        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(10);
        Assert.Equal([head.Id, unordered.Id], leases.Select(next => next.Envelope.Id));
    }

    /// <summary>A message appended with a delay holds nothing and joins its key when it becomes due, at its place by age.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delayed_append_holds_nothing_and_joins_its_key_when_it_is_due()
    {
        Envelope delayed = await AppendAsync(Message("a") with { NotBefore = Clock.GetUtcNow().AddMinutes(1) });
        Envelope first = await AppendAsync("a");
        Envelope second = await AppendAsync("a");

        MessageLease lease = await BeginAsync(first);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await NothingIsDueAsync();
        await SettleAsync(lease, Settlement.Acknowledge);

        await HandleAsync(delayed);
        await HandleAsync(second);
    }

    /// <summary>A delayed message that becomes due takes the place of a younger one that nobody has leased yet.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delayed_append_that_is_due_goes_before_a_younger_one_of_its_key()
    {
        Envelope delayed = await AppendAsync(Message("a") with { NotBefore = Clock.GetUtcNow().AddMinutes(1) });
        Envelope younger = await AppendAsync("a");

        Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(delayed.Id, Assert.Single(await LeaseUpToAsync(10)).Envelope.Id);
        await NothingIsDueAsync();
        Assert.Equal(MessageState.Pending, (await EntryAsync(younger)).State);
    }

    /// <summary>A message delayed on top of a waiting key comes after it.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delayed_append_that_is_due_waits_behind_an_older_retry()
    {
        Envelope head = await AppendAsync("a");
        Envelope delayed = await AppendAsync(Message("a") with { NotBefore = Clock.GetUtcNow().AddMinutes(1) });
        await SettleAsync(await BeginAsync(head), RetryIn(TimeSpan.FromMinutes(10)));

        Clock.Advance(TimeSpan.FromMinutes(1));
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMinutes(9));

        await HandleAsync(head);
        await HandleAsync(delayed);
    }

    /// <summary>A failed message lets its key go on.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_failed_message_lets_its_key_go_on()
    {
        Envelope head = await AppendAsync("a");
        Envelope follower = await AppendAsync("a");

        await FailAsync(head);

        await HandleAsync(follower);
    }

    /// <summary>With haltOnFailure a key waits until an operator replays the failed message; it is the head then, even for a worker that already waits.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ac13_a_halted_key_waits_for_a_replay_which_goes_first(bool workerWaits)
    {
        Control.SetRules(Orders, new QueueRules { HaltOnFailure = true });
        Envelope head = await AppendAsync("a");
        Envelope follower = await AppendAsync("a");
        Envelope other = await AppendAsync("b");
        await FailAsync(head);
        await HandleAsync(other);
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromDays(1));
        await NothingIsDueAsync();
        Task<IReadOnlyList<MessageLease>>? waiting = workerWaits ? LeaseUpToAsync(10).AsTask() : null;

        await Journal.ReplayAsync(head.Id, new ReplayOptions(), Cancel);

        MessageLease lease = Assert.Single(await (waiting ?? LeaseUpToAsync(10).AsTask()));
        Assert.Equal(head.Id, lease.Envelope.Id);
        await NothingIsDueAsync();
        await SettleAsync(lease, Settlement.Acknowledge);
        await HandleAsync(follower);
    }

    /// <summary>A halted key goes on when an operator discards the failed message, not when he discards a follower.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_halted_key_goes_on_when_its_failed_message_is_discarded()
    {
        Control.SetRules(Orders, new QueueRules { HaltOnFailure = true });
        Envelope head = await AppendAsync("a");
        Envelope given = await AppendAsync("a");
        Envelope follower = await AppendAsync("a");
        await FailAsync(head);

        await Journal.DiscardAsync(given.Id, "typo", force: false, Cancel);
        await NothingIsDueAsync();
        await Journal.DiscardAsync(head.Id, "not wanted", force: false, Cancel);

        await HandleAsync(follower);
        JournalEntry entry = await EntryAsync(head);
        Assert.Equal((MessageState.Failed, FailureKind.Discarded), (entry.State, entry.FailureKind));
    }

    /// <summary>Each failed message holds its key for itself: a decision on one that does not, or does no more, frees nothing.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac13_a_halted_key_goes_on_only_when_the_message_that_halts_it_is_decided()
    {
        Control.SetRules(Orders, new QueueRules { HaltOnFailure = true });
        Envelope given = await AppendAsync("a");
        Envelope head = await AppendAsync("a");
        Envelope follower = await AppendAsync("a");
        await Journal.DiscardAsync(given.Id, "typo", force: false, Cancel);
        await FailAsync(head);

        await Journal.DiscardAsync(given.Id, "a better reason", force: false, Cancel);
        await NothingIsDueAsync();
        await Journal.ReplayAsync(given.Id, new ReplayOptions(), Cancel);
        await NothingIsDueAsync();
        await Journal.ReplayAsync(head.Id, new ReplayOptions(), Cancel);

        await HandleAsync(given);
        await HandleAsync(head);
        await HandleAsync(follower);
    }

    /// <summary>Expiry is a failure like any other to a queue that halts; the message that halts its key is kept until it is decided.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac13_a_message_that_expires_halts_its_key_and_is_kept()
    {
        Control.SetRules(Orders, new QueueRules { HaltOnFailure = true });
        Envelope head = await AppendAsync(Message("a") with { ExpiresAt = Clock.GetUtcNow().AddMinutes(1) });
        Envelope follower = await AppendAsync("a");
        Task<Transition> expired = ComesToAsync(head, MessageState.Failed);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await expired;
        await NothingIsDueAsync();

        Clock.Advance(TimeSpan.FromDays(100));
        await Journal.CompactAsync(new JournalRetention(TimeSpan.FromDays(7), TimeSpan.FromDays(30)), Cancel);
        await NothingIsDueAsync();
        Assert.Equal(FailureKind.Expired, (await EntryAsync(head)).FailureKind);

        await Journal.DiscardAsync(head.Id, "too late indeed", force: false, Cancel);
        await HandleAsync(follower);
        await Journal.CompactAsync(new JournalRetention(TimeSpan.FromDays(7), TimeSpan.FromDays(30)), Cancel);
        Assert.Null(await Journal.GetAsync(head.Id, false, Cancel));
    }

    /// <summary>A replayed message is the head of its key, before followers that were due all the time.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replayed_message_goes_before_its_followers_once_nothing_of_its_key_is_dispatched(bool followerIsLeased)
    {
        Envelope head = await AppendAsync("a");
        Envelope second = await AppendAsync("a");
        Envelope third = await AppendAsync("a");
        await FailAsync(head);
        MessageLease? running = followerIsLeased ? await BeginAsync(second) : null;

        await Journal.ReplayAsync(head.Id, new ReplayOptions(), Cancel);
        if (running is not null)
        {
            await NothingIsDueAsync();
            await SettleAsync(running, Settlement.Acknowledge);
        }

        await HandleAsync(head);
        if (!followerIsLeased)
        {
            await HandleAsync(second);
        }

        await HandleAsync(third);
    }

    /// <summary>A replayed message goes before a younger one that waits for its retry.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_replayed_message_goes_before_a_younger_retry()
    {
        Envelope head = await AppendAsync("a");
        Envelope second = await AppendAsync("a");
        await FailAsync(head);
        await SettleAsync(await BeginAsync(second), RetryIn(TimeSpan.FromMinutes(5)));

        await Journal.ReplayAsync(head.Id, new ReplayOptions(), Cancel);
        MessageLease lease = await BeginAsync(head);
        Clock.Advance(TimeSpan.FromMinutes(5));
        await NothingIsDueAsync();
        await SettleAsync(lease, Settlement.Acknowledge);

        await HandleAsync(second);
    }

    /// <summary>A discarded head lets its key go on, wherever it stood.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_discarded_head_lets_its_key_go_on()
    {
        Envelope waiting = await AppendAsync("a");
        Envelope second = await AppendAsync("a");
        await SettleAsync(await BeginAsync(waiting), RetryIn(TimeSpan.FromMinutes(5)));
        await Journal.DiscardAsync(waiting.Id, "not wanted", force: false, Cancel);
        MessageLease running = await BeginAsync(second);
        Envelope third = await AppendAsync("a");

        await Journal.DiscardAsync(second.Id, "stop it", force: true, Cancel);

        await HandleAsync(third);
        await Assert.ThrowsAsync<LeaseLostException>(async () => await SettleAsync(running, Settlement.Acknowledge));
    }

    /// <summary>A long key goes on quickly, also when it is the only one.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_long_key_is_handled_in_order()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 1_000).Select(_ => Message("a"))];
        await Store.AppendAsync(batch, null, Cancel);

        foreach (Envelope next in batch)
        {
            await SettleAsync(await LeaseAsync(next), Settlement.Acknowledge);
        }

        Assert.Equal(1_000, (await StatsAsync()).Acked);
    }

    /// <summary>A retry may be further away than a timer reaches; other messages go on.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_retry_in_sixty_days_is_due_after_sixty_days()
    {
        Envelope head = await AppendAsync("a");
        Envelope delayed = await AppendAsync(Message("b") with { NotBefore = Clock.GetUtcNow().AddDays(59) });
        await SettleAsync(await BeginAsync(head), RetryIn(TimeSpan.FromDays(60)));

        await NothingIsDueAsync();
        for (int day = 0; day < 59; day++)
        {
            Clock.Advance(TimeSpan.FromDays(1));
        }

        await HandleAsync(delayed);
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromDays(1));
        await HandleAsync(head);
    }

    /// <summary>Instants follow the wall clock, also when it is set forward while somebody waits (or the machine slept).</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delayed_message_is_due_a_minute_after_the_wall_clock_was_set_past_its_instant()
    {
        Envelope delayed = await AppendAsync(Message() with { NotBefore = Clock.GetUtcNow().AddHours(2) });
        ValueTask<IReadOnlyList<MessageLease>> waiting = LeaseUpToAsync(1);

        Clock.JumpWallClock(TimeSpan.FromHours(3));
        Clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(delayed.Id, Assert.Single(await waiting).Envelope.Id);
    }

    /// <summary>A message that has expired can be replayed, and then does not expire at once again.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_replayed_message_has_no_time_to_live()
    {
        Envelope expiring = await AppendAsync(Message() with { ExpiresAt = Clock.GetUtcNow().AddMinutes(1) });
        Task<Transition> expired = ComesToAsync(expiring, MessageState.Failed);
        Clock.Advance(TimeSpan.FromMinutes(2));
        await expired;

        await Journal.ReplayAsync(expiring.Id, new ReplayOptions(), Cancel);

        Assert.Null((await EntryAsync(expiring)).Envelope.ExpiresAt);
        await HandleAsync(expiring);
        Assert.Equal(MessageState.Acked, (await EntryAsync(expiring)).State);
    }
}
