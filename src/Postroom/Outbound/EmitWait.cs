namespace Postroom.Outbound;

/// <summary>Waits for the end of the copies of one emitted message, by following the journal.</summary>
internal static class EmitWait
{
    public static EmitResult Result(MessageId group, IReadOnlyList<MessageId> ids, int routed, IJournal journal, TimeProvider clock)
    {
        return new EmitResult(group, ids, routed, (timeout, token) => WaitAsync(ids, journal, timeout, clock, token));
    }

    private static async Task<IReadOnlyList<EmitOutcome>> WaitAsync(IReadOnlyList<MessageId> ids, IJournal journal, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        using CancellationTokenSource time = new(timeout, clock);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
        HashSet<MessageId> open = [.. ids];

        // Followed before looking, so that an end between the two is not missed.
        IAsyncEnumerable<Transition> ends = journal.WatchAsync(
            transition => transition.To is MessageState.Acked or MessageState.Failed && open.Contains(transition.MessageId), null, limit.Token);
        try
        {
            List<EmitOutcome> outcomes = await LookAsync(ids, journal, limit.Token);
            if (outcomes.Count == ids.Count)
            {
                return outcomes;
            }

            await foreach (Transition _ in ends)
            {
                outcomes = await LookAsync(ids, journal, limit.Token);
                if (outcomes.Count == ids.Count)
                {
                    return outcomes;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The limit, not the caller.
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw new TimeoutException($"Not every copy had ended after {timeout}. Delivery goes on; look at the group in the journal.");
    }

    private static async Task<List<EmitOutcome>> LookAsync(IReadOnlyList<MessageId> ids, IJournal journal, CancellationToken cancellationToken)
    {
        List<EmitOutcome> outcomes = [];
        foreach (MessageId id in ids)
        {
            if (await journal.GetAsync(id, withBody: false, cancellationToken) is { Entry.State: MessageState.Acked or MessageState.Failed } record)
            {
                outcomes.Add(new EmitOutcome(id, record.Entry.State, record.Receipts.Count > 0 ? record.Receipts[^1] : null, record.Entry.Error));
            }
        }

        return outcomes;
    }
}
