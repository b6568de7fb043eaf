using Xunit;

namespace Postroom.Testing;

/// <summary>What every message store keeps, as tests. A store is ready when a class that inherits this one passes.</summary>
/// <remarks>
/// Stores differ in their declared <see cref="StoreFeatures"/> only. The suite moves a <see cref="ManualClock"/> and waits for
/// signals, never for time. The store of <see cref="CreateAsync"/> also is <see cref="IJournal"/> and <see cref="IQueueControl"/>,
/// is open, empty, and is disposed of after each test.
/// </remarks>
public abstract partial class MessageStoreConformance : IAsyncLifetime
{
    /// <summary>The longest time one test may take, in milliseconds of the real clock.</summary>
    protected const int Limit = 60_000;

    /// <summary>The queue most tests use.</summary>
    protected const string Orders = "orders";

    private const string OrderReceived = "order.received";
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);
    private IMessageStore? _store;
    private TransitionLog? _moves;
    private int _sentinels;

    /// <summary>The clock of the store.</summary>
    protected ManualClock Clock { get; } = new();

    /// <summary>The store under test.</summary>
    protected IMessageStore Store => _store ?? throw new InvalidOperationException("The store is made in InitializeAsync.");

    /// <summary>The store's journal.</summary>
    protected IJournal Journal => (IJournal)Store;

    /// <summary>The store's view of queue rules.</summary>
    protected IQueueControl Control => (IQueueControl)Store;

    /// <summary>Ends with the test or its time limit.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private TransitionLog Moves => _moves ?? throw new InvalidOperationException("The log is made in InitializeAsync.");

    /// <summary>Makes an empty, opened store on the clock.</summary>
    protected abstract ValueTask<IMessageStore> CreateAsync(ManualClock clock);

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _store = await CreateAsync(Clock);
        _moves = new TransitionLog(Journal);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_moves is not null)
        {
            await _moves.DisposeAsync();
        }

        if (_store is IAsyncDisposable store)
        {
            await store.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>A message of the test queue, made now.</summary>
    /// <param name="key">Its order key; null for unordered.</param>
    /// <param name="queue">Its queue.</param>
    /// <param name="type">Its payload type.</param>
    protected Envelope Message(string? key = null, string queue = Orders, string type = OrderReceived)
    {
        return new Envelope(MessageId.New(), queue, type, "{}"u8.ToArray()) { OrderKey = key, CreatedAt = Clock.GetUtcNow() };
    }

    private async Task<Envelope> AppendAsync(Envelope envelope)
    {
        AppendResult result = Assert.Single(await Store.AppendAsync([envelope], null, Cancel));
        Assert.Equal(new AppendResult(envelope.Id, Duplicate: false), result);
        return envelope;
    }

    private Task<Envelope> AppendAsync(string? key = null) => AppendAsync(Message(key));

    private ValueTask<IReadOnlyList<MessageLease>> LeaseUpToAsync(int max, string queue = Orders) => Store.LeaseAsync(queue, max, LeaseTime, Cancel);

    private async Task<MessageLease> LeaseAsync(string queue = Orders) => Assert.Single(await LeaseUpToAsync(1, queue));

    /// <summary>Leases the next message, which has to be this one.</summary>
    private async Task<MessageLease> LeaseAsync(Envelope expected)
    {
        MessageLease lease = await LeaseAsync(expected.Queue);
        Assert.Equal(expected.Id, lease.Envelope.Id);
        return lease;
    }

    private async Task<MessageLease> BeginAsync(Envelope expected, string owner = "pool/1")
    {
        MessageLease lease = await LeaseAsync(expected);
        Assert.True(await Store.RenewAsync(lease, new LeaseProgress.Begin(owner), Cancel));
        return lease;
    }

    private ValueTask SettleAsync(MessageLease lease, Settlement settlement, params Envelope[] staged) => Store.SettleAsync(lease, settlement, staged, Cancel);

    private async Task HandleAsync(Envelope expected) => await SettleAsync(await BeginAsync(expected), Settlement.Acknowledge);

    private async Task FailAsync(Envelope expected, FailureKind kind = FailureKind.Rejected)
    {
        await SettleAsync(await BeginAsync(expected), Settlement.Fail(kind, "no such article"));
    }

    /// <summary>A retry this long from now.</summary>
    private Settlement RetryIn(TimeSpan delay) => Settlement.RetryAt(Clock.GetUtcNow() + delay, "busy");

    private async Task<JournalRecord> RecordAsync(MessageId id)
    {
        JournalRecord? record = await Journal.GetAsync(id, withBody: true, Cancel);
        Assert.NotNull(record);
        return record;
    }

    private async Task<JournalEntry> EntryAsync(Envelope envelope) => (await RecordAsync(envelope.Id)).Entry;

    private async Task<StoreQueueStats> StatsAsync(string queue = Orders) => (await Store.GetStatsAsync(queue, Cancel)).Queues[queue];

    /// <summary>Waits until a message has come to a state.</summary>
    private Task<Transition> ComesToAsync(Envelope envelope, MessageState state)
    {
        return Moves.FirstAsync(move => move.MessageId == envelope.Id && move.To == state, Cancel);
    }

    /// <summary>Proves that nothing of a queue is due: the youngest message, appended now, is all that can be leased.</summary>
    private async Task NothingIsDueAsync(string queue = Orders)
    {
        Envelope sentinel = await AppendAsync(Message(queue: queue, type: "test.sentinel") with { DedupKey = $"sentinel-{++_sentinels}" });
        MessageLease lease = Assert.Single(await LeaseUpToAsync(100, queue));
        Assert.Equal(sentinel.Id, lease.Envelope.Id);
        await SettleAsync(lease, Settlement.Acknowledge);
    }
}
