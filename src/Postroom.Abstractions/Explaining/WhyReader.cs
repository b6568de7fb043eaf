namespace Postroom.Explaining;

/// <summary>What a text names.</summary>
/// <param name="Id">The message; null when there is none, or more than one.</param>
/// <param name="Several">Whether there is more than one.</param>
internal readonly record struct FoundMessage(MessageId? Id, bool Several)
{
    /// <summary>What to tell somebody whose text named no message.</summary>
    public string Complain(string text) => Several
        ? $"Several messages begin with '{Names.Shorten(text)}' or are known outside by it. Ids of the same minutes share their first characters: give more of them. 'postroom journal list --text {Names.Shorten(text)}' shows which."
        : $"No message has the id or outside id '{Names.Shorten(text)}', and none begins with it. 'postroom journal list --text {Names.Shorten(text)}' searches; it may be past its retention.";
}

/// <summary>Gathers from a journal what <see cref="Why"/> needs. Works on a stopped store as well, where no status is known.</summary>
internal sealed class WhyReader(IJournal journal, IFacts facts, TimeProvider clock)
{
    private const int MostLookedAt = 100;
    private const int MostPages = 20; // of a queue whose keys are no conversations; a message further back is not named
    private const int ShortestPrefix = 4;

    /// <summary>Whether no runtime has the store open.</summary>
    public bool Stopped { get; init; }

    /// <summary>Finds a message by its id, an id outside, or a unique beginning of its id.</summary>
    public async ValueTask<FoundMessage> FindAsync(string text, CancellationToken cancellationToken)
    {
        if (MessageId.TryParse(text, out MessageId exact))
        {
            return new FoundMessage(exact, Several: false);
        }

        // One page: a text that nothing has is not looked for in a whole store.
        JournalPage looked = await journal.QueryAsync(new JournalQuery { Text = text, Limit = MostLookedAt, WithTotal = false }, cancellationToken);
        IEnumerable<JournalEntry> similar = looked.Items.Where(entry =>
            IsArrivalOf(entry, text) || (text.Length >= ShortestPrefix && entry.Envelope.Id.ToString().StartsWith(text, StringComparison.OrdinalIgnoreCase)));
        JournalPage delivered = await journal.QueryAsync(new JournalQuery { OutsideId = text, Limit = 2 }, cancellationToken);
        MessageId[] found = [.. delivered.Items.Concat(similar).Select(entry => entry.Envelope.Id).Distinct().Take(2)];
        return found.Length == 1 ? new FoundMessage(found[0], Several: false) : new FoundMessage(null, found.Length > 1);
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
        int receivers = status?.Receivers.GetValueOrDefault(envelope.Queue) ?? 0;
        PoolStatus[]? pools = status is null ? null : [.. status.Pools.Where(pool => pool.Queue == envelope.Queue)];
        JournalEntry? ahead = record.Entry.State == MessageState.Pending ? await AheadAsync(envelope, cancellationToken) : null;
        return Why.Explain(record, new WhyFacts
        {
            Now = clock.GetUtcNow(),
            Ahead = ahead,
            QueuePaused = await IsPausedAsync(envelope.Queue, cancellationToken),
            Stopped = Stopped,
            Parked = IsParked(envelope, status),
            AheadParked = ahead is { State: MessageState.Pending } && IsParked(ahead.Envelope, status),
            Pools = pools,
            Receivers = receivers,
            Communicator = OutboundQueue.CommunicatorOf(envelope.Queue) is { } lane ? status?.Communicators.FirstOrDefault(communicator => communicator.Name == lane) : null,
            Limit = (journal as IQueueControl)?.FindLimit(id),
            Waiting = counts?.Pending ?? 0,
        });
    }

    /// <summary>Whether the service from which a message came knows it by this id.</summary>
    private static bool IsArrivalOf(JournalEntry entry, string text) => entry.Envelope.Header(HeaderNames.ChannelMessageId) == text;

    private static bool IsParked(Envelope envelope, RuntimeStatus? status) =>
        status?.ParkedTypes.GetValueOrDefault(envelope.Queue)?.Contains(envelope.Type, StringComparer.Ordinal) == true;

    private async ValueTask<bool> IsPausedAsync(string queue, CancellationToken cancellationToken) =>
        await facts.GetAsync(FactScopes.Pause, queue, cancellationToken) is not null;

    /// <summary>The message that keeps another one waiting: one of its key that is in work, else the first that waits, or failed and holds the line.</summary>
    private async ValueTask<JournalEntry?> AheadAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        if (envelope.OrderKey is not { Length: > 0 } key)
        {
            return null;
        }

        JournalQuery query = new()
        {
            Queue = envelope.Queue,
            Conversation = key == envelope.Conversation ? envelope.Conversation : null,
            States = [MessageState.Pending, MessageState.Dispatched, MessageState.Failed],
            Ascending = true,
            Limit = MostLookedAt,
            WithTotal = false,
        };
        JournalEntry? first = null;
        for (int page = 0; page < MostPages; page++)
        {
            JournalPage looked = await journal.QueryAsync(query, cancellationToken);
            foreach (JournalEntry entry in looked.Items.Where(entry => entry.Envelope.OrderKey == key && entry.Envelope.Seq < envelope.Seq))
            {
                if (entry.State == MessageState.Dispatched)
                {
                    return entry;
                }

                if (first is null && (entry.State == MessageState.Pending || await HoldsAsync(entry.Envelope, cancellationToken)))
                {
                    first = entry;
                }
            }

            if (looked.Next is not { } next || looked.Items is [.., { Envelope.Seq: var last }] && last >= envelope.Seq)
            {
                break;
            }

            query = query with { Cursor = next };
        }

        return first;
    }

    /// <summary>Whether a failed message holds its key until somebody decides.</summary>
    private async ValueTask<bool> HoldsAsync(Envelope failed, CancellationToken cancellationToken) =>
        await facts.GetAsync(FactScopes.Halt, FactScopes.HaltKey(failed), cancellationToken) is not null;
}
