using System.Collections.Concurrent;
using Postroom.Storage;

namespace Postroom.Memory;

/// <summary>The store for tests and volatile work: everything is in memory and lost with the process, and it says so.</summary>
/// <remarks>Beyond its bounds admission is refused and nothing is dropped; what an attempt stages is always stored.</remarks>
public sealed partial class MemoryStore : IMessageStore, IJournal, ITransitionFeed, IStoreLifecycle, IQueueControl, IInstantLeases, ILaneOwner
{
    private readonly TimeProvider _clock;
    private readonly MemoryIndex _index;
    private readonly RetentionOptions _retention; // changed in place, for the index has it as well
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
        _retention = retention is null ? new RetentionOptions() : retention with { };
        _index = new MemoryIndex(_clock, options ?? new MemoryStoreOptions(), _retention);
        _facts = new MemoryFacts(_clock, FindHalted);
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
    public LimitWait? FindLimit(MessageId id)
    {
        OpenMessage? message;
        lock (_writes)
        {
            message = _index.Find(id);
        }

        return message is null ? null : Lane(message.Envelope.Queue).Lane.FindLimit(message);
    }

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

        lock (_writes)
        {
            if (!lane.Holds(message, lease.Fence))
            {
                return new ValueTask<bool>(false);
            }

            message.Record(progress);

            return new ValueTask<bool>(true);
        }
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

    private void Report(OpenMessage message, MessageState? from, string? owner, TimeSpan? duration)
    {
        if (_transitions.Wants(message.State))
        {
            _transitions.Add(JournalMoves.Transition(message, from, duration, _clock.GetUtcNow()) with { Owner = owner });
        }
    }

    private StoredFact? FindHalted(string key)
    {
        lock (_writes)
        {
            return MessageId.TryParse(key[(key.LastIndexOf('/') + 1)..], out MessageId id) && _index.Find(id) is { Halts: true } message && FactScopes.HaltKey(message.Envelope) == key
                ? new StoredFact(FactScopes.Halt, key, System.Text.Encoding.UTF8.GetBytes(message.Envelope.OrderKey ?? ""), null, message.FinishedAt ?? _clock.GetUtcNow())
                : null;
        }
    }

    private OpenMessage Find(MessageId id)
    {
        return _index.Find(id) ?? throw JournalMoves.NotKept(id);
    }

    internal MemoryLane Lane(string queue)
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
