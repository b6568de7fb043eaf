using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>The embedded store: one SQLite file, one writer, group commit, leases from memory.</summary>
/// <remarks>
/// Queue, journal and outbox in one. Every change is an operation that the writer's thread runs with whoever else waits, in one transaction;
/// what may be leased is in memory, and the backlog is read from disk as there is room.
/// </remarks>
public sealed partial class SqliteStore : IMessageStore, IJournal, ITransitionFeed, IStoreLifecycle, IQueueControl, IInstantLeases, IStoreBackup, ICommitFeed
{
    private readonly StoreOptions _options;
    private readonly RetentionOptions _retention;
    private readonly Redactor _redactor;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly StoreWatch _watch;
    private readonly LaneSet _lanes;
    private readonly StoreFacts _facts;
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource<StoreUnavailableException> _fatal = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private OwnerLock? _lock;
    private MarkFile? _mark;
    private InFlightTable? _inFlight;
    private StoreWriter? _writer;
    private ReaderPool? _readers;
    private NameTable _names = new();
    private Totals _totals = new();
    private Task _scrub = Task.CompletedTask;
    private bool _closed;

    /// <summary>Makes a store that is opened by <see cref="OpenAsync"/>.</summary>
    /// <param name="options">Where it is and what a commit survives.</param>
    /// <param name="retention">How long what is finished stays.</param>
    /// <param name="redactor">Masks error texts before they are stored.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="logger">Null for none.</param>
    public SqliteStore(StoreOptions options, RetentionOptions retention, Redactor redactor, TimeProvider clock, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _retention = retention with { }; // changed in place, for the writer has it as well
        _redactor = redactor;
        _clock = clock;
        _logger = logger ?? NullLogger.Instance;
        _watch = new StoreWatch(options, clock);
        _lanes = new LaneSet(clock, _watch);
        _facts = new StoreFacts(() => Readers, clock);
        Features = new StoreFeatures
        {
            Kind = "sqlite",
            Durable = true,
            MultiNode = false,
            LeasesExpire = false,
            SignalsArrivals = true,
            SurvivesPowerLoss = options.Synchronous == StoreSynchronous.Full,
            Promise = options.Synchronous == StoreSynchronous.Full
                ? "An accepted message survives a crash of the process and a power cut."
                : "An accepted message survives a crash of the process; the last commits may be lost when the machine fails (store.synchronous normal).",
        };
    }

    /// <inheritdoc/>
    public StoreFeatures Features { get; }

    /// <inheritdoc/>
    public IFacts Facts => _facts;

    /// <inheritdoc/>
    public Task<StoreUnavailableException> Fatal => _fatal.Task;

    /// <summary>The version and origin of the SQLite library in use, for the start line.</summary>
    public static string LibraryVersion => $"{SqliteLibrary.Current.Version} ({SqliteLibrary.Current.Origin})";

    /// <summary>The version of the tables that this build writes; it opens those up to it.</summary>
    internal static int SchemaVersion => StoreSchema.Version;

    internal StoreWriter Writer => _writer ?? throw NotOpen();

    internal LaneSet Lanes => _lanes;

    internal StoreWatch Watch => _watch;

    /// <summary>The schema to bring the file to; null for this build's.</summary>
    internal SchemaPlan? SchemaPlan { get; init; }

    /// <summary>How many messages of a queue are in memory, for tests that look at its edges.</summary>
    internal int Window
    {
        init => _lanes.Window = value;
    }

    internal Task Scrubbing => _scrub;

    private ReaderPool Readers => _readers ?? throw NotOpen();

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<AppendResult>> AppendAsync(IReadOnlyList<Envelope> batch, FactChange? checkpoint, CancellationToken cancellationToken)
    {
        return WriteAsync(new WriteOperation(_lanes, batch, [], checkpoint is null ? [] : [checkpoint], [], admission: true), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(string queue, int max, TimeSpan leaseTime, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        _ = Writer;
        _lanes.Suspects?.Asked(queue);
        return _lanes.Lane(queue).Lane.LeaseAsync(max, cancellationToken);
    }

    /// <inheritdoc/>
    public IReadOnlyList<MessageLease>? TryLease(string queue, int max) => _lanes.Lane(queue).Lane.TryLease(max);

    /// <inheritdoc/>
    public ValueTask<bool> RenewAsync(MessageLease lease, LeaseProgress? progress, CancellationToken cancellationToken)
    {
        if (!_lanes.Open.TryGetValue(lease.Envelope.Id, out OpenMessage? message))
        {
            return new ValueTask<bool>(false);
        }

        QueueLane lane = _lanes.Lane(message.Envelope.Queue).Lane;
        switch (progress)
        {
            case LeaseProgress.Begin begin:
                return new ValueTask<bool>(Begin(lane, message, lease.Fence, begin.Owner));
            case null:
                return new ValueTask<bool>(lane.Holds(message, lease.Fence));
            default:
                return lane.Holds(message, lease.Fence)
                    ? ProgressAsync(new ProgressOperation(_lanes, message, lease.Fence, progress), cancellationToken)
                    : new ValueTask<bool>(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask SettleAsync(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
    {
        if (!_lanes.Open.TryGetValue(lease.Envelope.Id, out OpenMessage? message))
        {
            return RepeatAsync(lease, settlement, cancellationToken);
        }

        SettleItem? item;
        try
        {
            item = Reserve(message, lease, settlement, staged, receipt: null);
        }
        catch (LeaseLostException lost)
        {
            return ValueTask.FromException(lost);
        }

        // Once reserved it goes to its end: a settle that was handed over is not taken back.
        return item is null ? default : SettledAsync(new WriteOperation(_lanes, [], [item], [], [], admission: false));
    }

    /// <inheritdoc/>
    public async ValueTask<StoreWriteResult> WriteAsync(StoreWrite write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        List<SettleItem> items = [];
        try
        {
            foreach (StoreSettlement settlement in write.Settlements)
            {
                if (await ReserveAsync(settlement, cancellationToken) is { } item)
                {
                    items.Add(item);
                }
            }
        }
        catch
        {
            foreach (SettleItem item in items)
            {
                item.Lane.Lane.Unreserve(item.Message);
            }

            throw;
        }

        var operation = new WriteOperation(_lanes, write.Appends, items, write.Facts, write.Notes, admission: write.Settlements.Count == 0 && write.Appends.Count > 0);
        return new StoreWriteResult(await WriteAsync(operation, CancellationToken.None));
    }

    /// <inheritdoc/>
    public ValueTask<StoreStats> GetStatsAsync(string? queue, CancellationToken cancellationToken)
    {
        Dictionary<string, StoreQueueStats> queues = [];
        foreach ((long number, long[] counts) in _totals.Queues)
        {
            string name = _names.Queue(number);
            if (queue is null || queue == name)
            {
                queues[name] = Stats(name, counts);
            }
        }

        if (queue is not null && queues.Count == 0)
        {
            queues[queue] = new StoreQueueStats();
        }

        string? problem = _watch.Problem ?? _writer?.Problem;
        return new ValueTask<StoreStats>(new StoreStats
        {
            Queues = queues,
            Bytes = File.Exists(_options.Path) ? new FileInfo(_options.Path).Length : 0,
            Appended = _writer?.Appended ?? 0,
            Writable = problem is null && _writer is not null,
            Problem = problem,
        });
    }

    /// <inheritdoc/>
    public void SetRules(string queue, QueueRules rules) => _lanes.SetRules(queue, rules);

    /// <inheritdoc/>
    public long CountDue(string queue) => Stats(queue, CountsOf(queue)).Due;

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyDictionary<string, long>> CountOpenByTypeAsync(string queue, CancellationToken cancellationToken)
    {
        return _names.Find(NameTable.QueueKind, queue) is { } number
            ? await HandOverAsync(
                new DelegateOperation<IReadOnlyDictionary<string, long>>(
                    session => session.Totals.OpenByType(number).ToDictionary(entry => _names.Type(entry.Key), entry => entry.Value)),
                cancellationToken)
            : new Dictionary<string, long>();
    }

    /// <inheritdoc/>
    public async ValueTask<int> CountKeyAsync(string queue, string orderKey, int atMost, CancellationToken cancellationToken)
    {
        long known = _lanes.Lane(queue).Lane.CountKey(orderKey, atMost);
        if (known < 0)
        {
            known = await Readers.ReadAsync(session => new JournalReader(session, InMemory).CountKey(queue, orderKey, atMost), cancellationToken);
        }

        return (int)Math.Min(atMost, known);
    }

    /// <inheritdoc/>
    public LimitWait? FindLimit(MessageId id) => _lanes.Open.TryGetValue(id, out OpenMessage? message) ? _lanes.Lane(message.Envelope.Queue).Lane.FindLimit(message) : null;

    private bool Begin(QueueLane lane, OpenMessage message, long fence, string owner)
    {
        // One step with its report: an operator may take the message away at the same moment.
        lock (message)
        {
            return lane.Begin(message, fence, owner, _clock.GetUtcNow()) && Note(message);
        }
    }

    private bool Note(OpenMessage message)
    {
        if (message.Slot < 0)
        {
            try
            {
                Span<byte> id = stackalloc byte[16];
                message.Envelope.Id.WriteBytes(id);
                message.Slot = _inFlight!.Begin(message.Seq, new Guid(id, bigEndian: true), message.Attempt);
            }
            catch (Exception failure) when (failure is IOException or InvalidOperationException)
            {
                throw new StoreUnavailableException($"The begin of message {message.Envelope.Id} cannot be noted: {failure.Message}", failure);
            }

            _lanes.Suspects?.Began(message.Envelope.Id);
            _lanes.Report(message, MessageState.Pending, MessageState.Dispatched, null);
        }

        return true;
    }

    private async ValueTask<SettleItem?> ReserveAsync(StoreSettlement settlement, CancellationToken cancellationToken)
    {
        MessageLease lease = settlement.Lease;
        if (!_lanes.Open.TryGetValue(lease.Envelope.Id, out OpenMessage? message))
        {
            await RepeatAsync(lease, settlement.Outcome, cancellationToken);
            return null;
        }

        return Reserve(message, lease, settlement.Outcome, settlement.Staged, settlement.Receipt);
    }

    /// <summary>Succeeds when a message that is not open was ended by this very settle, else says that the lease is lost.</summary>
    private async ValueTask RepeatAsync(MessageLease lease, Settlement settlement, CancellationToken cancellationToken)
    {
        if (!await Readers.ReadAsync(session => new JournalReader(session, InMemory).WasSettledBy(lease.Envelope.Id, lease.Fence, settlement), cancellationToken))
        {
            throw new LeaseLostException(lease.Envelope.Id, lease.Fence, "it is not open any more.");
        }
    }

    private SettleItem? Reserve(OpenMessage message, MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, DeliveryReceipt? receipt)
    {
        SqliteLane lane = _lanes.Lane(message.Envelope.Queue);
        if (!lane.Lane.Reserve(message, lease.Fence, settlement))
        {
            return null;
        }

        SettlementOutcome outcome = SettlementOutcome.Of(message, settlement, _clock.GetUtcNow());
        return new SettleItem(message, lane, outcome.Error is null ? outcome : outcome with { Error = _redactor.ErrorText(outcome.Error) }, staged, receipt)
        {
            Duration = message.Begun ? _clock.GetElapsedTime(message.BegunAt) : TimeSpan.Zero,
        };
    }

    private ValueTask SettledAsync(WriteOperation operation)
    {
        ValueTask placed = PlaceAsync(operation, CancellationToken.None);
        return placed.IsCompletedSuccessfully ? operation.Done : WaitAsync(placed, operation);

        static async ValueTask WaitAsync(ValueTask placed, WriteOperation operation)
        {
            await placed;
            await operation.Done;
        }
    }

    private ValueTask<IReadOnlyList<AppendResult>> WriteAsync(WriteOperation operation, CancellationToken cancellationToken)
    {
        return HandOverAsync(operation, cancellationToken);
    }

    private ValueTask<bool> ProgressAsync(ProgressOperation operation, CancellationToken cancellationToken) => HandOverAsync(operation, cancellationToken);

    private ValueTask<T> HandOverAsync<T>(StoreOperation<T> operation, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ValueTask placed = PlaceAsync(operation, cancellationToken);
        return placed.IsCompletedSuccessfully ? operation.Answer : WaitAsync(placed, operation);

        static async ValueTask<T> WaitAsync(ValueTask placed, StoreOperation<T> operation)
        {
            await placed;
            return await operation.Answer;
        }
    }

    private ValueTask PlaceAsync(StoreOperation operation, CancellationToken cancellationToken)
    {
        try
        {
            return Writer.PlaceAsync(operation, cancellationToken);
        }
        catch (ObjectDisposedException closed)
        {
            operation.Refuse(closed);
            return default;
        }
    }

    private StoreQueueStats Stats(string queue, long[] counts)
    {
        SqliteLane onDisk = _lanes.Lane(queue);
        QueueLane lane = onDisk.Lane;
        int dispatched = lane.Dispatched;
        return new StoreQueueStats
        {
            Pending = Math.Max(0, Interlocked.Read(ref counts[0]) - dispatched),
            Delayed = lane.Delayed + onDisk.DelayedOnDisk,
            Parked = lane.Parked,
            Blocked = lane.Blocked,
            Dispatched = dispatched,
            Acked = Interlocked.Read(ref counts[2]),
            Failed = Interlocked.Read(ref counts[3]),
            OldestPendingAt = lane.OldestPendingAt(),
        };
    }

    private long[] CountsOf(string queue) => _names.Find(NameTable.QueueKind, queue) is { } number ? _totals.Of(number) : [0, 0, 0, 0];

    private OpenMessage? InMemory(MessageId id) => _lanes.Open.GetValueOrDefault(id);

    private static InvalidOperationException NotOpen() => new("The store is not open. Call OpenAsync first.");
}
