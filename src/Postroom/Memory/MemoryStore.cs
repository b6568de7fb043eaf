using System.Collections.Concurrent;
using Postroom.Storage;

namespace Postroom.Memory;

/// <summary>The store for tests and volatile work: everything is in memory and lost with the process, and it says so.</summary>
/// <remarks>Beyond its bounds admission is refused and nothing is dropped; what an attempt stages is always stored.</remarks>
public sealed partial class MemoryStore : IMessageStore, IJournal, ITransitionFeed, IStoreLifecycle, IQueueControl, IInstantLeases, ILaneOwner
{
    private readonly TimeProvider _clock;
    private readonly MemoryIndex _index;
    private readonly MemoryFacts _facts;
    private readonly TransitionRing _transitions = new();
    private readonly ConcurrentDictionary<string, MemoryLane> _lanes = new(StringComparer.Ordinal);

    // Every move but a lease is made under it, so that journal moves, settlements and appends see each other whole. Taken before a lane's own lock.
    private readonly Lock _writes = new();

    private string _owner = "local/1";
    private long _seq;
    private MemoryLane? _lastLane;
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

    /// <summary>Never completes: memory does not fail.</summary>
    public Task<StoreUnavailableException> Fatal { get; } = new TaskCompletionSource<StoreUnavailableException>().Task;

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
        return new ValueTask<int>((int)Math.Min(atMost, Lane(queue).Lane.CountKey(orderKey, atMost)));
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<AppendResult>> AppendAsync(IReadOnlyList<Envelope> batch, FactChange? checkpoint, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfClosed();
        lock (_writes)
        {
            IReadOnlyList<AppendResult> results = Append(batch, admission: true, out List<OpenMessage>? stored);
            if (checkpoint is not null)
            {
                _facts.Set(checkpoint);
            }

            Admit(stored);
            return new ValueTask<IReadOnlyList<AppendResult>>(results);
        }
    }

    /// <inheritdoc/>
    public ValueTask<AppendResult> AppendAsync(Envelope message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfClosed();
        OpenMessage made = new(message); // before the lock: what is done under it keeps others waiting
        long size = MemoryIndex.Size(message);
        lock (_writes)
        {
            _index.CheckBounds(1, size);
            if (_index.FindRepeat(message) is { } repeat)
            {
                return new ValueTask<AppendResult>(repeat);
            }

            Append(made);
            Admit(made);
            return new ValueTask<AppendResult>(new AppendResult(message.Id, Duplicate: false));
        }
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(string queue, int max, TimeSpan leaseTime, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return Lane(queue).Lane.LeaseAsync(max, cancellationToken);
    }

    /// <inheritdoc/>
    public IReadOnlyList<MessageLease>? TryLease(string queue, int max) => Lane(queue).Lane.TryLease(max);

    /// <inheritdoc/>
    public ValueTask<bool> RenewAsync(MessageLease lease, LeaseProgress? progress, CancellationToken cancellationToken)
    {
        if (Entry(lease) is not { } message)
        {
            return new ValueTask<bool>(false);
        }

        QueueLane lane = Lane(message.Envelope.Queue).Lane;
        if (progress is LeaseProgress.Begin begin)
        {
            return new ValueTask<bool>(Begin(message, lane, lease.Fence, begin.Owner));
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
        Settle(lease, settlement, staged);
        return default;
    }

    /// <inheritdoc/>
    public ValueTask<StoreWriteResult> WriteAsync(StoreWrite write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfClosed();

        lock (_writes)
        {
            return new ValueTask<StoreWriteResult>(Write(write));
        }
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

    void ILaneOwner.OnExpired(QueueLane lane, OpenMessage message)
    {
        lock (_writes)
        {
            GiveUp(Lane(lane.Queue), message, FailureKind.Expired, $"Its time to live ended at {message.Envelope.ExpiresAt:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}, before it was handled.");
        }
    }

    void ILaneOwner.OnNeedFollowers(QueueLane lane, KeyChain chain)
    {
    }

    void ILaneOwner.OnRoom(QueueLane lane)
    {
    }

    private bool Begin(OpenMessage message, QueueLane lane, long fence, string owner)
    {
        if (!_transitions.IsOn)
        {
            return lane.Begin(message, fence, owner, _clock.GetUtcNow()); // the lane's own lock is enough when nobody is told
        }

        lock (_writes)
        {
            bool again = message.Begun;
            bool begins = lane.Begin(message, fence, owner, _clock.GetUtcNow());
            if (begins && !again)
            {
                Report(message, MessageState.Pending, owner, null);
            }

            return begins;
        }
    }

    /// <summary>The message of a lease; null when it is not in this store.</summary>
    private OpenMessage? Entry(MessageLease lease)
    {
        if (lease.Entry is OpenMessage message && message.Envelope.Id == lease.Envelope.Id)
        {
            return message;
        }

        lock (_writes)
        {
            return _index.Find(lease.Envelope.Id);
        }
    }

    private StoreWriteResult Write(StoreWrite write)
    {
        // Reserve every lease first: a lost one then leaves nothing behind.
        List<(StoreSettlement Settlement, OpenMessage Message, QueueLane Lane)> reserved = [];
        IReadOnlyList<AppendResult> appended;
        List<OpenMessage>? stored;
        try
        {
            foreach (StoreSettlement settlement in write.Settlements)
            {
                if (ReserveLease(settlement.Lease, settlement.Outcome, out OpenMessage message, out QueueLane lane))
                {
                    reserved.Add((settlement, message, lane));
                }
            }

            appended = Append(write.Appends, admission: write.Settlements.Count == 0, out stored);
        }
        catch (Exception e) when (e is LeaseLostException or StoreUnavailableException)
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
        return new StoreWriteResult(appended);
    }

    private AppendResult[] Append(IReadOnlyList<Envelope> batch, bool admission, out List<OpenMessage>? stored)
    {
        stored = null;
        if (batch.Count == 0)
        {
            return [];
        }

        if (admission)
        {
            _index.CheckBounds(batch.Count, batch.Sum(MemoryIndex.Size));
        }

        AppendResult[] results = new AppendResult[batch.Count];
        for (int i = 0; i < batch.Count; i++)
        {
            if (_index.FindRepeat(batch[i]) is { } repeat)
            {
                results[i] = repeat;
                continue;
            }

            OpenMessage message = new(batch[i]);
            Append(message);
            (stored ??= new List<OpenMessage>(batch.Count)).Add(message);
            results[i] = new AppendResult(batch[i].Id, Duplicate: false);
        }

        return results;
    }

    private void Append(OpenMessage message)
    {
        message.Stamp(++_seq);
        _index.Add(message);
        Lane(message.Envelope.Queue).Count(null, MessageState.Pending);
        Report(message, null, null, null); // before the end of the message that staged it
    }

    private void Admit(List<OpenMessage>? stored)
    {
        if (stored is null)
        {
            return;
        }

        foreach (OpenMessage message in stored)
        {
            Admit(message);
        }
    }

    private void Admit(OpenMessage message) => Lane(message.Envelope.Queue).Lane.Admit(message);

    private void Settle(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged)
    {
        lock (_writes)
        {
            if (ReserveLease(lease, settlement, out OpenMessage message, out QueueLane lane))
            {
                Finish(lane, message, settlement, staged, null);
            }
        }
    }

    private bool ReserveLease(MessageLease lease, Settlement settlement, out OpenMessage message, out QueueLane lane)
    {
        message = Entry(lease)
            ?? throw new LeaseLostException(lease.Envelope.Id, lease.Fence, "the message is not in this store.");
        lane = Lane(message.Envelope.Queue).Lane;
        return lane.Reserve(message, lease.Fence, settlement);
    }

    private void Finish(QueueLane lane, OpenMessage message, Settlement settlement, IReadOnlyList<Envelope> staged, DeliveryReceipt? receipt)
    {
        SettlementOutcome outcome = SettlementOutcome.Of(message, settlement, _clock.GetUtcNow());
        List<OpenMessage>? stored = null;
        if (staged.Count > 0)
        {
            Append(staged, admission: false, out stored);
        }

        if (receipt is not null)
        {
            (message.Receipts ??= []).Add(receipt);
            message.OutsideId = receipt.OutsideId ?? message.OutsideId;
        }

        bool begun = message.Begun;
        string? owner = message.Owner;
        TimeSpan? duration = begun && _transitions.IsOn ? _clock.GetElapsedTime(message.BegunAt) : null;
        if (begun && (outcome.State != MessageState.Acked || message.Attempts is not null || message.Attempt > 1))
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

        // A lease that never began was never reported as dispatched.
        if (begun || outcome.State != MessageState.Pending)
        {
            Report(message, begun ? MessageState.Dispatched : MessageState.Pending, owner, duration);
        }

        Admit(stored);
    }

    private void GiveUp(MemoryLane lane, OpenMessage message, FailureKind kind, string reason)
    {
        MessageState from = message.State == MessageState.Dispatched && message.Begun ? MessageState.Dispatched : MessageState.Pending;
        string? owner = message.Owner;
        message.State = MessageState.Failed;
        message.FailureKind = kind;
        message.Error = ErrorText.Cut(reason);
        message.FinishedAt = _clock.GetUtcNow();
        message.Owner = null;
        lane.Count(MessageState.Pending, MessageState.Failed);
        _index.Finished(message);
        Report(message, from, owner, null);
        lane.Lane.Withdrawn(message, kind == FailureKind.Expired && JournalMoves.Halts(message.Envelope, lane.Lane.Rules));
    }

    private void Report(OpenMessage message, MessageState? from, string? owner, TimeSpan? duration)
    {
        if (_transitions.IsOn)
        {
            _transitions.Add(JournalMoves.Transition(message, from, duration, _clock.GetUtcNow()) with { Owner = owner });
        }
    }

    private OpenMessage Find(MessageId id)
    {
        return _index.Find(id) ?? throw JournalMoves.NotKept(id);
    }

    private MemoryLane Lane(string queue)
    {
        MemoryLane? last = _lastLane;
        return last is not null && last.Lane.Queue == queue ? last : _lastLane = FindLane(queue);
    }

    private MemoryLane FindLane(string queue)
    {
        return _lanes.TryGetValue(queue, out MemoryLane? lane)
            ? lane
            : _lanes.GetOrAdd(queue, static (name, store) => new MemoryLane(new QueueLane(name, store, store._clock, store._owner, firstFence: 0)), this);
    }

    private void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_closed, this);
}
