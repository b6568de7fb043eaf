using System.Collections.Concurrent;
using Postroom.Storage;

namespace Postroom.Memory;

/// <summary>The store for tests and volatile work: everything is in memory and lost with the process, and it says so.</summary>
/// <remarks>Beyond its bounds admission is refused and nothing is dropped; what an attempt stages is always stored.</remarks>
public sealed class MemoryStore : IMessageStore, IJournal, IStoreLifecycle, IQueueControl, ILaneOwner
{
    private readonly TimeProvider _clock;
    private readonly MemoryIndex _index;
    private readonly MemoryFacts _facts;
    private readonly TransitionRing _transitions = new();
    private readonly ConcurrentDictionary<string, MemoryLane> _lanes = new(StringComparer.Ordinal);
    private readonly Lock _writes = new();
    private string _owner = "local/1";
    private long _seq;
    private bool _closed;

    /// <summary>Makes an empty store.</summary>
    /// <param name="clock">The clock; null for the system's.</param>
    /// <param name="options">The bounds; null for the defaults.</param>
    /// <param name="retention">How long dedup keys are kept; null for the defaults.</param>
    public MemoryStore(TimeProvider? clock = null, MemoryStoreOptions? options = null, RetentionOptions? retention = null)
    {
        _clock = clock ?? TimeProvider.System;
        _index = new MemoryIndex(_clock, options ?? new MemoryStoreOptions(), retention ?? new RetentionOptions());
        _facts = new MemoryFacts(_clock);
    }

    /// <inheritdoc/>
    public StoreFeatures Features { get; } = new()
    {
        Kind = "memory",
        Durable = false,
        MultiNode = false,
        LeasesExpire = false,
        SignalsArrivals = true,
        SurvivesPowerLoss = false,
        Promise = "Messages are kept in memory only and are lost when the process ends. Set store.kind to sqlite to keep them.",
    };

    /// <inheritdoc/>
    public IFacts Facts => _facts;

    /// <inheritdoc/>
    public ValueTask<RecoveryReport> OpenAsync(StoreOpening opening, CancellationToken cancellationToken)
    {
        _owner = $"{opening.Node}/1";
        return new ValueTask<RecoveryReport>(new RecoveryReport { Run = 1 });
    }

    /// <inheritdoc/>
    public ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        _closed = true;
        foreach (MemoryLane lane in _lanes.Values)
        {
            lane.Lane.Dispose();
        }

        return default;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => CloseAsync(CancellationToken.None);

    /// <inheritdoc/>
    public void SetRules(string queue, QueueRules rules) => Lane(queue).Lane.SetRules(rules);

    /// <inheritdoc/>
    public long CountDue(string queue) => Lane(queue).CountDue();

    /// <inheritdoc/>
    public ValueTask<IReadOnlyDictionary<string, long>> CountOpenByTypeAsync(string queue, CancellationToken cancellationToken) => new(Lane(queue).Lane.OpenByType());

    /// <inheritdoc/>
    public ValueTask<int> CountKeyAsync(string queue, string orderKey, int atMost, CancellationToken cancellationToken)
    {
        return new ValueTask<int>((int)Math.Min(atMost, Lane(queue).Lane.CountKey(orderKey)));
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<AppendResult>> AppendAsync(IReadOnlyList<Envelope> batch, FactChange? checkpoint, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfClosed();
        IReadOnlyList<AppendResult> results = Append(batch, admission: true, out List<OpenMessage>? stored);
        if (checkpoint is not null)
        {
            _facts.Set(checkpoint);
        }

        Admit(stored);
        return new ValueTask<IReadOnlyList<AppendResult>>(results);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(string queue, int max, TimeSpan leaseTime, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return Lane(queue).Lane.LeaseAsync(max, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> RenewAsync(MessageLease lease, LeaseProgress? progress, CancellationToken cancellationToken)
    {
        if (_index.Find(lease.Envelope.Id) is not { } message)
        {
            return new ValueTask<bool>(false);
        }

        QueueLane lane = Lane(message.Envelope.Queue).Lane;
        if (progress is LeaseProgress.Begin begin)
        {
            bool begins = lane.Begin(message, lease.Fence, begin.Owner);
            if (begins)
            {
                message.DispatchedAt = _clock.GetUtcNow();
                Report(message, MessageState.Pending, null);
            }

            return new ValueTask<bool>(begins);
        }

        if (!lane.Holds(message, lease.Fence))
        {
            return new ValueTask<bool>(false);
        }

        switch (progress)
        {
            case LeaseProgress.Claim claim:
                message.SendStartedAt = claim.At;
                break;
            case LeaseProgress.Unclaim:
                message.SendStartedAt = null;
                break;
            case LeaseProgress.Parts parts:
                message.Progress = parts.OutsideIds;
                break;
        }

        return new ValueTask<bool>(true);
    }

    /// <inheritdoc/>
    public ValueTask SettleAsync(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
    {
        Settle(lease, settlement, staged, null);
        return default;
    }

    /// <inheritdoc/>
    public ValueTask<StoreWriteResult> WriteAsync(StoreWrite write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfClosed();

        // Reserve every lease first: a lost one then leaves nothing behind.
        List<(StoreSettlement Settlement, OpenMessage Message, QueueLane Lane)> reserved = [];
        try
        {
            foreach (StoreSettlement settlement in write.Settlements)
            {
                if (ReserveLease(settlement.Lease, out OpenMessage message, out QueueLane lane))
                {
                    reserved.Add((settlement, message, lane));
                }
            }
        }
        catch (LeaseLostException)
        {
            foreach ((_, OpenMessage message, QueueLane lane) in reserved)
            {
                lane.Unreserve(message);
            }

            throw;
        }

        IReadOnlyList<AppendResult> appended;
        List<OpenMessage>? stored;
        try
        {
            appended = Append(write.Appends, admission: write.Settlements.Count == 0, out stored);
        }
        catch (StoreUnavailableException)
        {
            foreach ((_, OpenMessage message, QueueLane lane) in reserved)
            {
                lane.Unreserve(message);
            }

            throw;
        }

        foreach (FactChange fact in write.Facts)
        {
            _facts.Set(fact);
        }

        foreach (StoreNote note in write.Notes)
        {
            _index.AddNote(note);
        }

        foreach ((StoreSettlement settlement, OpenMessage message, QueueLane lane) in reserved)
        {
            Finish(lane, message, settlement.Outcome, settlement.Staged, settlement.Receipt);
        }

        Admit(stored);
        return new ValueTask<StoreWriteResult>(new StoreWriteResult(appended));
    }

    /// <inheritdoc/>
    public ValueTask<StoreStats> GetStatsAsync(string? queue, CancellationToken cancellationToken)
    {
        Dictionary<string, StoreQueueStats> queues = [];
        foreach ((string name, MemoryLane lane) in _lanes)
        {
            if (queue is null || queue == name)
            {
                queues[name] = lane.Stats();
            }
        }

        if (queue is not null && queues.Count == 0)
        {
            queues[queue] = new StoreQueueStats();
        }

        return new ValueTask<StoreStats>(new StoreStats { Queues = queues, Bytes = _index.Bytes, Appended = Volatile.Read(ref _seq) });
    }

    /// <inheritdoc/>
    public ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken) => new(_index.Query(query));

    /// <inheritdoc/>
    public ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken) => new(_index.Record(id, withBody));

    /// <inheritdoc/>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken)
    {
        return _transitions.WatchAsync(filter, afterNumber, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken)
    {
        OpenMessage message = Find(id);
        if (message.State == MessageState.Acked && options.Force)
        {
            Envelope copy = JournalMoves.Copy(message.Envelope, _clock);
            Append([copy], admission: false, out List<OpenMessage>? stored);
            Admit(stored);
            return new ValueTask<MessageId>(copy.Id);
        }

        MemoryLane lane = Lane(message.Envelope.Queue);
        lock (_writes)
        {
            JournalMoves.CheckReplay(id, message.State);
            JournalMoves.Reopen(message, options.KeepAttempts);
            _index.Reopen(message);
            lane.Count(MessageState.Failed, MessageState.Pending);
        }

        Report(message, MessageState.Failed, null);
        lane.Lane.Resume(message.Envelope.OrderKey ?? "");
        lane.Lane.Admit(message);
        return new ValueTask<MessageId>(id);
    }

    /// <inheritdoc/>
    public ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken)
    {
        OpenMessage message = Find(id);
        MemoryLane lane = Lane(message.Envelope.Queue);
        if (message.State == MessageState.Failed)
        {
            message.FailureKind = FailureKind.Discarded;
            message.Error = reason;
            lane.Lane.Resume(message.Envelope.OrderKey ?? "");
            return default;
        }

        if (message.State == MessageState.Acked || !lane.Lane.Withdraw(message, force))
        {
            throw JournalMoves.CannotDiscard(id, message.State);
        }

        GiveUp(lane, message, FailureKind.Discarded, reason);
        return default;
    }

    /// <inheritdoc/>
    public ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken)
    {
        OpenMessage message = Find(id);
        lock (_writes)
        {
            JournalMoves.CheckConfirm(id, message.State, message.FailureKind);
            DateTimeOffset now = _clock.GetUtcNow();
            message.State = MessageState.Acked;
            message.FailureKind = null;
            message.SendStartedAt = null;
            message.FinishedAt = now;
            (message.Receipts ??= []).Add(JournalMoves.Confirmed(now));
            (message.Attempts ??= []).Add(JournalMoves.ConfirmedAttempt(message.Attempt, now, user));
            Lane(message.Envelope.Queue).Count(MessageState.Failed, MessageState.Acked);
        }

        Report(message, MessageState.Failed, null);
        Lane(message.Envelope.Queue).Lane.Resume(message.Envelope.OrderKey ?? "");
        return default;
    }

    /// <inheritdoc/>
    public ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken)
    {
        long removed = _index.Compact(retention, (queue, state) => Lane(queue).Count(state, null));
        return new ValueTask<long>(removed);
    }

    void ILaneOwner.OnExpired(QueueLane lane, OpenMessage message)
    {
        GiveUp(Lane(lane.Queue), message, FailureKind.Expired, $"Its time to live ended at {message.Envelope.ExpiresAt:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}, before it was handled.");
    }

    void ILaneOwner.OnNeedFollowers(QueueLane lane, KeyChain chain)
    {
    }

    void ILaneOwner.OnRoom(QueueLane lane)
    {
    }

    private AppendResult[] Append(IReadOnlyList<Envelope> batch, bool admission, out List<OpenMessage>? stored)
    {
        stored = null;
        if (batch.Count == 0)
        {
            return [];
        }

        AppendResult[] results = new AppendResult[batch.Count];
        lock (_writes)
        {
            if (admission)
            {
                _index.CheckBounds(batch);
            }

            for (int i = 0; i < batch.Count; i++)
            {
                Envelope envelope = batch[i];
                if (_index.FindRepeat(envelope) is { } repeat)
                {
                    results[i] = repeat;
                    continue;
                }

                OpenMessage message = new(envelope.Stamp(++_seq));
                _index.Add(message);
                Lane(envelope.Queue).Count(null, MessageState.Pending);
                (stored ??= new List<OpenMessage>(batch.Count)).Add(message);
                results[i] = new AppendResult(envelope.Id, Duplicate: false);
            }
        }

        return results;
    }

    private void Admit(List<OpenMessage>? stored)
    {
        if (stored is null)
        {
            return;
        }

        foreach (OpenMessage message in stored)
        {
            Report(message, null, null);
            Lane(message.Envelope.Queue).Lane.Admit(message);
        }
    }

    private void Settle(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, DeliveryReceipt? receipt)
    {
        if (ReserveLease(lease, out OpenMessage message, out QueueLane lane))
        {
            Finish(lane, message, settlement, staged, receipt);
        }
    }

    private bool ReserveLease(MessageLease lease, out OpenMessage message, out QueueLane lane)
    {
        message = _index.Find(lease.Envelope.Id)
            ?? throw new LeaseLostException(lease.Envelope.Id, lease.Fence, "the message is not in this store.");
        lane = Lane(message.Envelope.Queue).Lane;
        return lane.Reserve(message, lease.Fence);
    }

    private void Finish(QueueLane lane, OpenMessage message, Settlement settlement, IReadOnlyList<Envelope> staged, DeliveryReceipt? receipt)
    {
        SettlementOutcome outcome = SettlementOutcome.Of(message, settlement, _clock.GetUtcNow());
        Append(staged, admission: false, out List<OpenMessage>? stored);
        if (receipt is not null)
        {
            (message.Receipts ??= []).Add(receipt);
            message.OutsideId = receipt.OutsideId ?? message.OutsideId;
        }

        TimeSpan duration = message.Begun ? _clock.GetElapsedTime(message.BegunAt) : TimeSpan.Zero;
        if (message.Begun && (outcome.State != MessageState.Acked || message.Attempt > 1))
        {
            (message.Attempts ??= []).Add(new AttemptRecord
            {
                Attempt = message.Attempt,
                StartedAt = message.DispatchedAt,
                EndedAt = outcome.At,
                Outcome = outcome.Word,
                Kind = outcome.Kind,
                Error = outcome.Error,
                Owner = message.Owner,
            });
        }

        Lane(message.Envelope.Queue).Count(MessageState.Dispatched, outcome.State);
        lane.Settle(message, outcome);
        if (outcome.State != MessageState.Pending)
        {
            _index.Finished(message);
        }

        Report(message, MessageState.Dispatched, duration);
        Admit(stored);
    }

    private void GiveUp(MemoryLane lane, OpenMessage message, FailureKind kind, string reason)
    {
        MessageState from = message.State;
        message.State = MessageState.Failed;
        message.FailureKind = kind;
        message.Error = reason;
        message.FinishedAt = _clock.GetUtcNow();
        message.Owner = null;
        lane.Count(from, MessageState.Failed);
        lane.Lane.Withdrawn(message);
        _index.Finished(message);
        Report(message, from, null);
    }

    private void Report(OpenMessage message, MessageState? from, TimeSpan? duration)
    {
        if (_transitions.IsOn)
        {
            _transitions.Add(JournalMoves.Transition(message, from, duration, _clock.GetUtcNow()));
        }
    }

    private OpenMessage Find(MessageId id)
    {
        return _index.Find(id) ?? throw JournalMoves.NotKept(id);
    }

    private MemoryLane Lane(string queue)
    {
        return _lanes.TryGetValue(queue, out MemoryLane? lane)
            ? lane
            : _lanes.GetOrAdd(queue, static (name, store) => new MemoryLane(new QueueLane(name, store, store._clock, store._owner, firstFence: 0)), this);
    }

    private void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_closed, this);
}
