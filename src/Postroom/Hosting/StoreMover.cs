namespace Postroom.Hosting;

/// <summary>How far a move came.</summary>
/// <param name="Finished">Messages that had ended, with their outcome.</param>
/// <param name="Open">Open messages, in their order.</param>
/// <param name="Facts">Facts: checkpoints, keys, settings and the like.</param>
/// <param name="AlreadyThere">Messages that an earlier, interrupted move had brought.</param>
internal sealed record StoreMove(long Finished, long Open, long Facts, long AlreadyThere);

/// <summary>Carries what a store holds into another of any kind, through what every store can do (ST-28).</summary>
/// <remarks>
/// The source is only read. What has ended comes first, then facts, then what is open, in order, so that an interrupted move has nothing open in the target and
/// is simply begun again: a message that is there already is not stored twice. A send that had begun and has no outcome comes as failed (uncertain), for a person to
/// decide. Left behind: single attempts, receipts and notes, the runs of the program, and the counts of attempts of open messages, which begin anew.
/// </remarks>
/// <param name="source">The journal of a store that nobody has open.</param>
/// <param name="facts">Its facts.</param>
/// <param name="target">An open store without work of its own.</param>
/// <param name="clock">Bounds the wait for the target.</param>
internal sealed class StoreMover(IJournal source, IFacts facts, IMessageStore target, TimeProvider clock)
{
    private const int Batch = 100;
    private static readonly TimeSpan LeaseTime = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly string[] Scopes =
    [
        FactScopes.Checkpoint, FactScopes.Session, FactScopes.HandlerCheckpoint, FactScopes.Contact, FactScopes.Pause, FactScopes.Settings, FactScopes.Occurrence, FactScopes.Schedule,
        FactScopes.ApiKey, FactScopes.HandledType, FactScopes.Channel, FactScopes.Conversation,
    ];

    private StoreMove _moved = new(0, 0, 0, 0);

    private IJournal Arrived => (IJournal)target;

    /// <summary>Moves everything; returns after the last of it is committed.</summary>
    /// <param name="progress">Is told after each batch; null for nobody.</param>
    /// <param name="cancellationToken">Ends it; what is stored stays, and the next move goes on behind it.</param>
    /// <exception cref="InvalidOperationException">The target has open messages that are not of this source.</exception>
    /// <exception cref="StoreUnavailableException">The target cannot write; the source is as it was.</exception>
    public async Task<StoreMove> RunAsync(IProgress<StoreMove>? progress, CancellationToken cancellationToken)
    {
        await CheckTargetAsync(cancellationToken);
        await foreach (JournalEntry[] batch in BatchesAsync(static entry => !IsOpen(entry), cancellationToken))
        {
            await MoveFinishedAsync(batch, cancellationToken);
            progress?.Report(_moved);
        }

        foreach (string scope in Scopes)
        {
            foreach (StoredFact[] some in (await facts.ListAsync(scope, cancellationToken)).Chunk(Batch))
            {
                await target.WriteAsync(new StoreWrite { Facts = [.. some.Select(static fact => new FactChange(fact.Scope, fact.Key, fact.Value, fact.ExpiresAt))] }, cancellationToken);
                _moved = _moved with { Facts = _moved.Facts + some.Length };
            }

            progress?.Report(_moved);
        }

        await foreach (JournalEntry[] batch in BatchesAsync(IsOpen, cancellationToken))
        {
            List<Envelope> open = [];
            foreach (JournalEntry entry in batch)
            {
                JournalEntry whole = await ReadAsync(entry, cancellationToken);
                open.Add(whole.DueAt > whole.Envelope.NotBefore.GetValueOrDefault() ? whole.Envelope with { NotBefore = whole.DueAt } : whole.Envelope);
            }

            await AppendAsync(open, cancellationToken);
            _moved = _moved with { Open = _moved.Open + open.Count };
            progress?.Report(_moved);
        }

        return _moved;
    }

    /// <summary>Whether it waits for work. A send without an outcome does not: nobody knows whether it arrived.</summary>
    private static bool IsOpen(JournalEntry entry) => entry is { State: MessageState.Pending or MessageState.Dispatched, SendStartedAt: null };

    private async ValueTask CheckTargetAsync(CancellationToken cancellationToken)
    {
        JournalQuery open = new() { States = [MessageState.Pending, MessageState.Dispatched], Ascending = true, Limit = 100 };
        await foreach (JournalEntry entry in Arrived.EachAsync(open, cancellationToken))
        {
            if (await source.GetAsync(entry.Envelope.Id, withBody: false, cancellationToken) is null)
            {
                throw new InvalidOperationException($"The target has open messages of its own, such as {entry.Envelope.Id} in queue '{entry.Envelope.Queue}'. Move into a new store, or let a runtime finish that one first.");
            }
        }
    }

    private async IAsyncEnumerable<JournalEntry[]> BatchesAsync(Func<JournalEntry, bool> wanted, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<JournalEntry> batch = [];
        await foreach (JournalEntry entry in source.EachAsync(new JournalQuery { Ascending = true, Limit = Batch }, cancellationToken))
        {
            if (wanted(entry))
            {
                batch.Add(entry);
            }

            if (batch.Count == Batch)
            {
                yield return [.. batch];
                batch.Clear();
            }
        }

        if (batch.Count > 0)
        {
            yield return [.. batch];
        }
    }

    private async ValueTask<JournalEntry> ReadAsync(JournalEntry entry, CancellationToken cancellationToken) =>
        (await source.GetAsync(entry.Envelope.Id, withBody: true, cancellationToken))?.Entry
        ?? throw new InvalidOperationException($"Message {entry.Envelope.Id} went out of the source while it was moved. Stop whatever has that store open, and move again.");

    private async Task MoveFinishedAsync(JournalEntry[] batch, CancellationToken cancellationToken)
    {
        Dictionary<MessageId, Settlement> outcomes = [];
        List<Envelope> stored = [];
        foreach (JournalEntry entry in batch)
        {
            if ((await Arrived.GetAsync(entry.Envelope.Id, withBody: false, cancellationToken))?.Entry is { State: MessageState.Acked or MessageState.Failed })
            {
                _moved = _moved with { AlreadyThere = _moved.AlreadyThere + 1 };
                continue;
            }

            // Its time to begin, and its time to end, are over.
            stored.Add((await ReadAsync(entry, cancellationToken)).Envelope with { NotBefore = null, ExpiresAt = null });
            outcomes[entry.Envelope.Id] = entry.State == MessageState.Acked ? Settlement.Acknowledge
                : entry.State == MessageState.Failed ? Settlement.Fail(entry.FailureKind ?? FailureKind.Exception, entry.Error ?? "")
                : Settlement.Fail(FailureKind.Uncertain, "A send had begun when the store was moved, and its outcome is not known.");
        }

        await AppendAsync(stored, cancellationToken);
        foreach (IGrouping<string, Envelope> queue in stored.GroupBy(static envelope => envelope.Queue, StringComparer.Ordinal))
        {
            await EndAsync(queue.Key, [.. queue.Select(static envelope => envelope.Id)], outcomes, cancellationToken);
        }

        _moved = _moved with { Finished = _moved.Finished + stored.Count };
    }

    /// <summary>Leases what was just stored, a key's messages one after the other, and ends it as it had ended.</summary>
    private async Task EndAsync(string queue, HashSet<MessageId> left, Dictionary<MessageId, Settlement> outcomes, CancellationToken cancellationToken)
    {
        while (left.Count > 0)
        {
            IReadOnlyList<MessageLease> leases;
            try
            {
                leases = await target.LeaseAsync(queue, left.Count, LeaseTime, cancellationToken).AsTask().WaitAsync(Patience, clock, cancellationToken);
            }
            catch (TimeoutException)
            {
                throw new InvalidOperationException($"{left.Count} messages of queue '{queue}' could not be ended in the target: it gave none of them for {Patience.TotalSeconds:0} s. Let nothing else use that store while messages are moved.");
            }

            await target.WriteAsync(new StoreWrite { Settlements = [.. leases.Select(lease => new StoreSettlement(lease, outcomes.TryGetValue(lease.Envelope.Id, out Settlement? outcome) ? outcome : Settlement.Release))] }, cancellationToken);
            int before = left.Count;
            left.ExceptWith(leases.Select(static lease => lease.Envelope.Id));
            if (left.Count == before)
            {
                throw new InvalidOperationException($"Queue '{queue}' of the target has messages that are not of this move. Move into a new store.");
            }
        }
    }

    private async Task AppendAsync(List<Envelope> envelopes, CancellationToken cancellationToken)
    {
        if (envelopes.Count == 0)
        {
            return;
        }

        IReadOnlyList<AppendResult> results = await target.AppendAsync(envelopes, null, cancellationToken);
        for (int i = 0; i < envelopes.Count; i++)
        {
            if (results[i].Id != envelopes[i].Id)
            {
                // Its key was used again after it had expired; the later message has it.
                await target.AppendAsync(envelopes[i] with { DedupKey = null }, cancellationToken);
            }
            else if (results[i].Duplicate)
            {
                _moved = _moved with { AlreadyThere = _moved.AlreadyThere + 1 };
            }
        }
    }
}
