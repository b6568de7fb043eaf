using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>The store on Redis Streams. Each queue is spread over partitions, and each partition has one owner among the nodes, whose memory orders it (RD-11).</summary>
internal sealed partial class RedisStore : IMessageStore, IJournal, ITransitionFeed, IStoreLifecycle, IQueueControl, IInstantLeases, ILaneOwner
{
    private readonly RedisOptions _options;
    private readonly Redactor _redactor;
    private readonly ILogger _log;
    private readonly Func<double> _random;
    private readonly TransitionRing _transitions = new();
    private readonly ConcurrentDictionary<string, Lazy<RedisQueue>> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, QueueRules> _rules = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _closing = new();
    private readonly LaneBudget _budget = new(64L << 20);
    private readonly TaskCompletionSource<StoreUnavailableException> _fatal = new(TaskCreationOptions.RunContinuationsAsynchronously);
#pragma warning disable CA2213 // DisposeAsync ends it; the rule does not look behind the wait before it.
    private RedisClient? _client;
#pragma warning restore CA2213
    private RedisWriter? _writer;
    private MessageReader? _messages;
    private NodeRegistry? _nodes;
    private CommandReader? _commands;
    private Task _beating = Task.CompletedTask;
    private long _run;
    private bool _closed;

    /// <summary>Makes the store; <see cref="OpenAsync"/> connects it.</summary>
    /// <param name="options">The server.</param>
    /// <param name="retention">How long what is finished stays.</param>
    /// <param name="redactor">Masks error texts before they are stored.</param>
    /// <param name="clock">The clock of messages; connections run on the system's.</param>
    /// <param name="logger">Is told of connects and failures; null for nobody.</param>
    /// <param name="random">A number from 0 to 1 for the jitter of waits; null for a fixed one.</param>
    public RedisStore(RedisOptions options, RetentionOptions retention, Redactor redactor, TimeProvider clock, ILogger? logger = null, Func<double>? random = null)
    {
        _options = options;
        Retention = retention with { };
        _redactor = redactor;
        Clock = clock;
        _log = logger ?? NullLogger.Instance;
        _random = random ?? (static () => 0.5);
        Keys = new RedisKeys(options.Prefix, options.Partitions);
        Facts = new RedisFacts(this);
    }

    /// <inheritdoc/>
    public StoreFeatures Features => new()
    {
        Kind = "redis",
        Durable = Durability is not { IsPersistent: false },
        MultiNode = true,
        LeasesExpire = false,
        SignalsArrivals = true,
        SurvivesPowerLoss = Durability is { SurvivesPowerLoss: true },
        Promise = Durability?.Promise ?? "Accepted messages are kept as the Redis server is configured to keep them.",
    };

    /// <summary>What the server promises; null before the store is open.</summary>
    public RedisDurability? Durability { get; private set; }

    /// <inheritdoc/>
    public IFacts Facts { get; }

    /// <summary>Completes when another node has this one's name. A server that is away may come back.</summary>
    public Task<StoreUnavailableException> Fatal => _fatal.Task;

    /// <summary>The keys.</summary>
    public RedisKeys Keys { get; }

    /// <summary>How long what is finished stays.</summary>
    public RetentionOptions Retention { get; }

    /// <summary>The clock of messages.</summary>
    public TimeProvider Clock { get; }

    /// <summary>The wall clock, in whole milliseconds as everything is stored.</summary>
    public DateTimeOffset Now => DateTimeOffset.FromUnixTimeMilliseconds(Clock.GetUtcNow().ToUnixTimeMilliseconds());

    /// <summary>The node's id.</summary>
    public string Node { get; private set; } = "local";

    /// <summary>Node and run.</summary>
    public string Owner { get; private set; } = "";

    /// <summary>How many messages of a queue are in memory at most; what is set before the first one counts.</summary>
    public int Window { get; init; } = RedisQueue.Window;

    /// <summary>Whether the last run of this node ended as it should.</summary>
    public bool IsPreviousRunClean { get; private set; } = true;

    /// <summary>The connection that everything but blocking reads shares.</summary>
    public RedisClient Client => _client ?? throw new InvalidOperationException("The store is not open. Call OpenAsync first.");

    private RedisWriter Writer => _writer ?? throw new InvalidOperationException("The store is not open. Call OpenAsync first.");

    private MessageReader Messages => _messages ?? throw new InvalidOperationException("The store is not open. Call OpenAsync first.");

    /// <inheritdoc/>
    public void SetRules(string queue, QueueRules rules)
    {
        _rules[queue] = rules;
        if (_nodes is not null)
        {
            Queue(queue).Lane.SetRules(rules);
        }
    }

    /// <inheritdoc/>
    public LimitWait? FindLimit(MessageId id)
    {
        foreach (Lazy<RedisQueue> queue in _queues.Values)
        {
            if (queue.Value.Open.TryGetValue(id, out OpenMessage? message))
            {
                return queue.Value.Lane.FindLimit(message);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<AppendResult>> AppendAsync(IReadOnlyList<Envelope> batch, FactChange? checkpoint, CancellationToken cancellationToken)
    {
        StoreWrite write = new() { Appends = batch, Facts = checkpoint is null ? [] : [checkpoint] };
        return (await WriteAsync(write, cancellationToken)).Appended;
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(string queue, int max, TimeSpan leaseTime, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return Taken(queue).Lane.LeaseAsync(max, cancellationToken);
    }

    /// <inheritdoc/>
    public IReadOnlyList<MessageLease>? TryLease(string queue, int max) => Taken(queue).Lane.TryLease(max);

    /// <inheritdoc/>
    public async ValueTask<bool> RenewAsync(MessageLease lease, LeaseProgress? progress, CancellationToken cancellationToken)
    {
        if (Entry(lease) is not { } message)
        {
            return false;
        }

        RedisQueue queue = Queue(message.Envelope.Queue);
        if (progress is LeaseProgress.Begin begin)
        {
            // A node that was paused for too long begins nothing more of what others have by now.
            if (!IsAlive || queue.PartitionOf(message.Envelope).Owner is null)
            {
                return false;
            }

            bool again = message.Begun;
            bool begins = queue.Lane.Begin(message, lease.Fence, begin.Owner, Now);
            if (begins && !again)
            {
                Report(message, MessageState.Pending, begin.Owner, null);
                await Writer.AddAsync(new BeginOperation(this, message, lease.Fence, begin.Owner), cancellationToken);
            }

            return begins;
        }

        if (!queue.Lane.Holds(message, lease.Fence) || queue.PartitionOf(message.Envelope).Owner is null)
        {
            return false;
        }

        return progress is null || await DoAsync(new ProgressOperation(this, queue, message, lease.Fence, progress), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask SettleAsync(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
    {
        StoreWrite write = new() { Settlements = [new StoreSettlement(lease, settlement) { Staged = staged }] };
        await WriteAsync(write, CancellationToken.None);
    }

    /// <inheritdoc/>
    public async ValueTask<StoreWriteResult> WriteAsync(StoreWrite write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfClosed();
        foreach (Envelope envelope in write.Appends.Concat(write.Settlements.SelectMany(settlement => settlement.Staged)))
        {
            await Queue(envelope.Queue).Loaded.WaitAsync(cancellationToken);
        }

        WriteOperation operation = new(this, write, admission: write.Settlements.Count == 0 && write.Appends.Count > 0);
        operation.Reserve();
        StoreWriteResult result = await DoAsync(operation, write.Settlements.Count == 0 ? cancellationToken : CancellationToken.None);
        return result.Appended.Any(appended => appended.Duplicate) ? await CompareAsync(write, result, cancellationToken) : result;
    }

    void ILaneOwner.OnExpired(QueueLane lane, OpenMessage message) =>
        GiveUp(Queue(lane.Queue), message, FailureKind.Expired, $"Its time to live ended at {message.Envelope.ExpiresAt:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}, before it was handled.");

    void ILaneOwner.OnNeedFollowers(QueueLane lane, KeyChain chain) => Queue(lane.Queue).AskForFollowers(chain);

    void ILaneOwner.OnNeedCount(QueueLane lane, KeyChain chain) => Queue(lane.Queue).AskForCount(chain);

    void ILaneOwner.OnRoom(QueueLane lane) => Queue(lane.Queue).Signal();

    void ILaneOwner.OnUnparked(QueueLane lane) => Queue(lane.Queue).AskForParked();

    void ILaneOwner.OnNeedBody(QueueLane lane, OpenMessage message) => Queue(lane.Queue).AskForBody(message);

    /// <summary>The queue as this node serves it; it begins to when it is first asked for.</summary>
    public RedisQueue Queue(string name) => _queues.GetOrAdd(name, static (name, store) => new Lazy<RedisQueue>(() => store.Serve(name)), this).Value;

    /// <summary>The message of a lease; null when this node does not have it.</summary>
    public OpenMessage? Entry(MessageLease lease) => lease.Entry is OpenMessage message && message.Envelope.Id == lease.Envelope.Id ? message
        : Queue(lease.Envelope.Queue).Open.GetValueOrDefault(lease.Envelope.Id);

    private async ValueTask<T> DoAsync<T>(RedisOperation<T> operation, CancellationToken cancellationToken)
    {
        await Writer.AddAsync(operation, cancellationToken);
        return await operation.Answer;
    }

    private ValueTask<RespValue> ReadAsync(RespCommand command, CancellationToken cancellationToken) => ReachAsync(() => Client.CallAsync(command, cancellationToken));

    /// <summary>Reads, and says in the store's words when the server cannot be reached.</summary>
    internal static async ValueTask<T> ReachAsync<T>(Func<ValueTask<T>> read)
    {
        try
        {
            return await read();
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException)
        {
            throw new StoreUnavailableException(e.Message, e);
        }
    }

    /// <summary>A message that repeats an id is compared with the one that is stored.</summary>
    private async ValueTask<StoreWriteResult> CompareAsync(StoreWrite write, StoreWriteResult result, CancellationToken cancellationToken)
    {
        List<AppendResult> compared = [];
        for (int i = 0; i < result.Appended.Count; i++)
        {
            AppendResult appended = result.Appended[i];
            bool byId = appended.Duplicate && appended.Id == write.Appends[i].Id && appended.SameBody;
            compared.Add(byId && await Messages.ReadAsync(appended.Id, cancellationToken) is { } stored
                ? appended with { SameBody = MessageContent.IsSame(stored.Envelope, write.Appends[i]) }
                : appended);
        }

        return new StoreWriteResult(compared);
    }

    private void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_closed, this);
}
