using Xunit;

namespace Postroom.Testing;

/// <content>Leases: they wait, wake, and count attempts.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>Nothing polls: an arrival wakes who waits.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_lease_waits_until_a_message_arrives()
    {
        Task<IReadOnlyList<MessageLease>> waiting = LeaseUpToAsync(10).AsTask();
        Assert.False(waiting.IsCompleted);

        Envelope message = await AppendAsync();

        Assert.Equal(message.Id, Assert.Single(await waiting).Envelope.Id);
    }

    /// <summary>Every waiting worker gets its message.</summary>
    [Fact(Timeout = Limit)]
    public async Task Waiting_leases_share_what_arrives()
    {
        Task<IReadOnlyList<MessageLease>>[] waiting = [.. Enumerable.Range(0, 4).Select(_ => LeaseUpToAsync(1).AsTask())];
        Envelope[] batch = [.. Enumerable.Range(0, 4).Select(_ => Message())];

        await Store.AppendAsync(batch, null, Cancel);

        IReadOnlyList<MessageLease>[] leases = await Task.WhenAll(waiting);
        Assert.Equal(batch.Select(envelope => envelope.Id).Order(), leases.Select(taken => Assert.Single(taken).Envelope.Id).Order());
    }

    /// <summary>A wait that was cancelled takes nothing with it.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_cancelled_lease_leases_nothing()
    {
        using CancellationTokenSource stopping = new();
        Task<IReadOnlyList<MessageLease>> waiting = Store.LeaseAsync(Orders, 10, LeaseTime, stopping.Token).AsTask();

        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.LeaseAsync(Orders, 10, LeaseTime, stopping.Token));

        Envelope message = await AppendAsync();
        await LeaseAsync(message);
    }

    /// <summary>Oldest first, up to what is asked for.</summary>
    [Fact(Timeout = Limit)]
    public async Task Leases_are_given_oldest_first_and_no_more_than_asked_for()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 25).Select(_ => Message())];
        await Store.AppendAsync(batch, null, Cancel);

        List<MessageId> taken = [];
        while (taken.Count < batch.Length)
        {
            IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(10);
            Assert.InRange(leases.Count, 1, 10);
            taken.AddRange(leases.Select(lease => lease.Envelope.Id));
        }

        Assert.Equal(batch.Select(envelope => envelope.Id), taken);
        await NothingIsDueAsync();
    }

    /// <summary>Queues do not see each other's messages.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_queue_leases_its_own_messages_only()
    {
        Envelope order = await AppendAsync();
        Envelope invoice = await AppendAsync(Message(queue: "invoices"));

        await LeaseAsync(invoice);
        await LeaseAsync(order);
    }

    /// <summary>An attempt counts when a worker begins it, not when the lease is taken.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_attempt_counts_when_it_begins_not_when_it_is_leased()
    {
        Envelope message = await AppendAsync();

        MessageLease untouched = await LeaseAsync(message);
        int leased = (await EntryAsync(message)).Attempt;
        await SettleAsync(untouched, Settlement.Release);
        MessageLease begun = await BeginAsync(message, "pool/3");
        JournalEntry running = await EntryAsync(message);

        Assert.Equal(1, untouched.Attempt);
        Assert.Equal(0, leased);
        Assert.Equal(1, begun.Attempt);
        Assert.Equal(1, running.Attempt);
        Assert.Equal(MessageState.Dispatched, running.State);
        Assert.Equal(Clock.GetUtcNow(), running.DispatchedAt);
        Assert.Contains("pool/3", running.Owner, StringComparison.Ordinal);
    }

    /// <summary>A worker that says it twice has begun once.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_repeated_begin_counts_once()
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);

        Assert.True(await Store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), Cancel));

        Assert.Equal(1, (await EntryAsync(message)).Attempt);
        await ComesToAsync(message, MessageState.Dispatched);
        await SettleAsync(lease, Settlement.Acknowledge);
        await ComesToAsync(message, MessageState.Acked);
        Assert.Equal([MessageState.Pending, MessageState.Dispatched, MessageState.Acked], Moves.Of(message.Id).Select(move => move.To));
    }

    /// <summary>A release gives the attempt back; a retry counts it unless it says otherwise.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_release_gives_the_attempt_back_and_a_retry_says_whether_it_counts()
    {
        Envelope message = await AppendAsync();

        await SettleAsync(await BeginAsync(message), Settlement.Release);
        MessageLease afterRelease = await BeginAsync(message);
        await SettleAsync(afterRelease, Settlement.RetryAt(Clock.GetUtcNow(), "rate limit", countsAttempt: false));
        MessageLease afterFree = await BeginAsync(message);
        await SettleAsync(afterFree, Settlement.RetryAt(Clock.GetUtcNow(), "broken"));
        MessageLease afterCounted = await BeginAsync(message);

        Assert.Equal([(1, 0), (1, 0), (2, 1)], new[] { afterRelease, afterFree, afterCounted }.Select(lease => (lease.Attempt, lease.Failures)));
        JournalEntry entry = await EntryAsync(message);
        Assert.Equal((2, 1), (entry.Attempt, entry.Failures));
    }

    /// <summary>Fences rise with every lease of a message; that is how a late worker is known.</summary>
    [Fact(Timeout = Limit)]
    public async Task The_fence_rises_with_every_lease()
    {
        Envelope message = await AppendAsync();
        long last = 0;
        for (int i = 0; i < 5; i++)
        {
            MessageLease lease = await LeaseAsync(message);
            Assert.True(lease.Fence > last);
            last = lease.Fence;
            await SettleAsync(lease, i % 2 == 0 ? Settlement.Release : Settlement.RetryAt(Clock.GetUtcNow(), "again"));
        }
    }

    /// <summary>A claim and the parts that are done are seen by the journal and by the next lease.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_claim_and_parts_done_are_kept_for_the_next_lease()
    {
        Envelope message = await AppendAsync();
        DateTimeOffset claimedAt = Clock.GetUtcNow();
        MessageLease lease = await BeginAsync(message);

        Assert.True(await Store.RenewAsync(lease, new LeaseProgress.Claim(claimedAt), Cancel));
        Assert.True(await Store.RenewAsync(lease, new LeaseProgress.Parts(["out-1", "out-2"]), Cancel));
        DateTimeOffset? shown = (await EntryAsync(message)).SendStartedAt;
        await SettleAsync(lease, Settlement.Release);
        MessageLease next = await LeaseAsync(message);

        Assert.Equal(claimedAt, shown);
        Assert.Equal(claimedAt, next.SendStartedAt);
        Assert.Equal(["out-1", "out-2"], next.Progress);
    }

    /// <summary>A send that certainly did not leave is not a question any more.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_claim_is_taken_back_by_unclaim_and_by_a_plain_retry()
    {
        Envelope message = await AppendAsync();
        MessageLease first = await BeginAsync(message);
        await Store.RenewAsync(first, new LeaseProgress.Claim(Clock.GetUtcNow()), Cancel);
        await Store.RenewAsync(first, new LeaseProgress.Unclaim(), Cancel);
        DateTimeOffset? unclaimed = (await EntryAsync(message)).SendStartedAt;
        await Store.RenewAsync(first, new LeaseProgress.Claim(Clock.GetUtcNow()), Cancel);
        await SettleAsync(first, Settlement.RetryAt(Clock.GetUtcNow(), "no connection"));

        MessageLease second = await BeginAsync(message);
        await Store.RenewAsync(second, new LeaseProgress.Claim(Clock.GetUtcNow()), Cancel);
        await SettleAsync(second, new Settlement.Retried(Clock.GetUtcNow(), "no answer", CountsAttempt: true) { KeepsClaim = true });
        MessageLease third = await LeaseAsync(message);

        Assert.Null(unclaimed);
        Assert.Null(second.SendStartedAt);
        Assert.Equal(Clock.GetUtcNow(), third.SendStartedAt);
    }

    /// <summary>How many sends left no answer is kept with the claim, and ends with it.</summary>
    [Fact(Timeout = Limit)]
    public async Task The_count_of_sends_without_an_answer_is_kept_as_long_as_the_claim()
    {
        Envelope message = await AppendAsync();
        MessageLease first = await BeginAsync(message);
        await Store.RenewAsync(first, new LeaseProgress.Claim(Clock.GetUtcNow()), Cancel);
        await SettleAsync(first, new Settlement.Retried(Clock.GetUtcNow(), "no answer", CountsAttempt: false) { KeepsClaim = true });
        MessageLease second = await BeginAsync(message);
        await Store.RenewAsync(second, new LeaseProgress.Claim(Clock.GetUtcNow()) { UnansweredSends = 2 }, Cancel);
        await SettleAsync(second, Settlement.Release);
        MessageLease third = await BeginAsync(message);
        await SettleAsync(third, Settlement.RetryAt(Clock.GetUtcNow(), "answered"));
        MessageLease fourth = await BeginAsync(message);

        Assert.Equal([0, 1, 2, 0], new[] { first, second, third, fourth }.Select(static lease => lease.UnansweredSends));
    }

    /// <summary>A lease that is over cannot be renewed, and nothing of the renewal is recorded.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_lost_lease_is_not_renewed()
    {
        Envelope message = await AppendAsync();
        MessageLease lost = await LeaseAsync(message);
        await SettleAsync(lost, Settlement.Release);
        MessageLease current = await LeaseAsync(message);

        Assert.False(await Store.RenewAsync(lost, null, Cancel));
        Assert.False(await Store.RenewAsync(lost, new LeaseProgress.Begin("pool/1"), Cancel));
        Assert.False(await Store.RenewAsync(lost, new LeaseProgress.Claim(Clock.GetUtcNow()), Cancel));
        Assert.True(await Store.RenewAsync(current, null, Cancel));
        JournalEntry entry = await EntryAsync(message);
        Assert.Equal(0, entry.Attempt);
        Assert.Null(entry.SendStartedAt);
    }

    /// <summary>
    /// Where leases end by time, an ended one passes the message on and is refused afterwards; where they do not, a slow worker
    /// keeps its message however long it takes. Which of the two holds is the store's declared feature.
    /// </summary>
    [Fact(Timeout = Limit)]
    public async Task A_lease_ends_by_time_where_the_store_says_so_and_nowhere_else()
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);

        Clock.Advance(Store.Features.LeasesExpire ? LeaseTime : TimeSpan.FromDays(3));

        if (Store.Features.LeasesExpire)
        {
            MessageLease current = await LeaseAsync(message);
            Assert.True(current.Fence > lease.Fence);
            Assert.True(current.Redelivered);
            await Assert.ThrowsAsync<LeaseLostException>(async () => await SettleAsync(lease, Settlement.Acknowledge));
        }
        else
        {
            Assert.Null(lease.ExpiresAt);
            await NothingIsDueAsync();
            Assert.True(await Store.RenewAsync(lease, null, Cancel));
            await SettleAsync(lease, Settlement.Acknowledge);
        }
    }
}
