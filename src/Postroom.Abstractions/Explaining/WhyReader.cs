namespace Postroom.Explaining;

/// <summary>Gathers from a journal what <see cref="Why"/> needs. Works on a stopped store as well, where no status is known.</summary>
internal sealed class WhyReader(IJournal journal, IFacts facts, TimeProvider clock)
{
    private const int MostLookedAt = 100;

    /// <summary>Finds a message by its id, a unique beginning of it, or its id outside; null when none or several match.</summary>
    public async ValueTask<MessageId?> FindAsync(string text, CancellationToken cancellationToken)
    {
        if (MessageId.TryParse(text, out MessageId exact))
        {
            return exact;
        }

        if (text.Length < 4)
        {
            return null;
        }

        List<MessageId> found = await journal.EachAsync(new JournalQuery { Text = text, Limit = MostLookedAt }, cancellationToken)
            .Take(MostLookedAt)
            .Where(entry => entry.Envelope.Id.ToString().StartsWith(text, StringComparison.OrdinalIgnoreCase)
                || entry.OutsideId == text
                || entry.Envelope.Header(HeaderNames.ChannelMessageId) == text)
            .Select(entry => entry.Envelope.Id)
            .Take(2)
            .ToListAsync(cancellationToken);
        return found is [var only] ? only : null;
    }

    /// <summary>Explains a message; null when it is not kept.</summary>
    /// <param name="id">The message.</param>
    /// <param name="status">The running runtime; null for a stopped store.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<WhyReport?> ReadAsync(MessageId id, RuntimeStatus? status, CancellationToken cancellationToken)
    {
        if (await journal.GetAsync(id, withBody: false, cancellationToken) is not { } record)
        {
            return null;
        }

        Envelope envelope = record.Entry.Envelope;
        StoreQueueStats? counts = status?.Counts?.Queues.GetValueOrDefault(envelope.Queue);
        PoolStatus[]? pools = status is null ? null : [.. status.Pools.Where(pool => pool.Queue == envelope.Queue)];
        return Why.Explain(record, new WhyFacts
        {
            Now = clock.GetUtcNow(),
            Ahead = record.Entry.State == MessageState.Pending ? await AheadAsync(envelope, cancellationToken) : null,
            QueuePaused = await IsPausedAsync(envelope.Queue, cancellationToken),
            Parked = counts is { Parked: > 0 } && pools is [],
            Pools = pools,
            Communicator = Why.LaneOf(envelope.Queue) is { } lane ? status?.Communicators.FirstOrDefault(communicator => communicator.Name == lane) : null,
            Waiting = counts?.Pending ?? 0,
        });
    }

    private async ValueTask<bool> IsPausedAsync(string queue, CancellationToken cancellationToken) =>
        await facts.GetAsync(FactScopes.Pause, queue, cancellationToken) is not null;

    private async ValueTask<JournalEntry?> AheadAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        if (envelope.OrderKey is not { Length: > 0 } key)
        {
            return null;
        }

        JournalPage open = await journal.QueryAsync(
            new JournalQuery
            {
                Queue = envelope.Queue,
                Conversation = key == envelope.Conversation ? envelope.Conversation : null,
                States = [MessageState.Pending, MessageState.Dispatched],
                Ascending = true,
                Limit = MostLookedAt,
            },
            cancellationToken);
        return open.Items.LastOrDefault(entry => entry.Envelope.Seq < envelope.Seq && entry.Envelope.OrderKey == key && entry.State == MessageState.Dispatched)
            ?? open.Items.FirstOrDefault(entry => entry.Envelope.Seq < envelope.Seq && entry.Envelope.OrderKey == key);
    }
}
