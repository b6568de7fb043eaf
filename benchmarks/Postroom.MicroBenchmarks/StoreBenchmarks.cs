using BenchmarkDotNet.Attributes;
using Postroom.Benchmarks.Runtime;

namespace Postroom.MicroBenchmarks;

/// <summary>What do append, lease and settle cost a message, when many come at once? Each iteration has a new store; figures are per message.</summary>
public class StoreBenchmarks
{
    // All are leased before one is settled, and the SQLite store holds no more than 4,096 open messages of a queue in memory.
    private const int Messages = 4_000;
    private const int Batch = 1_000;
    private const string Queue = "orders";
    private static readonly byte[] Body = Order.Encode(OrderMaker.Default.Make(0));
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private readonly List<MessageLease> _leases = new(Messages);
    private OpenedStore? _opened;
    private Envelope[] _envelopes = [];

    [Params(StoreKind.Memory, StoreKind.SqliteNormal, StoreKind.SqliteFull)]
    public StoreKind Kind { get; set; }

    private IMessageStore Store => _opened!.Store;

    [IterationSetup(Targets = [nameof(AppendBatch), nameof(AppendAtOnce)])]
    public void OpenEmpty() => OpenAsync().GetAwaiter().GetResult();

    [IterationSetup(Target = nameof(Lease))]
    public void OpenFilled() => OpenFilledAsync().GetAwaiter().GetResult();

    [IterationSetup(Targets = [nameof(Settle), nameof(SettleStaged)])]
    public void OpenLeased() => OpenLeasedAsync().GetAwaiter().GetResult();

    [IterationCleanup]
    public void Close() => _opened!.DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>A thousand in a call, one call after the other.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task AppendBatch()
    {
        foreach (Envelope[] batch in _envelopes.Chunk(Batch))
        {
            await Store.AppendAsync(batch, checkpoint: null, CancellationToken.None);
        }
    }

    /// <summary>A call for each, all at the same time.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public Task AppendAtOnce() => AllAsync(_envelopes, async envelope => await Store.AppendAsync([envelope], checkpoint: null, CancellationToken.None));

    /// <summary>A hundred at a time.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public Task Lease() => LeaseAsync();

    /// <summary>A call for each, all at the same time.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public Task Settle() => AllAsync(_leases, async lease => await Store.SettleAsync(lease, Settlement.Acknowledge, [], CancellationToken.None));

    /// <summary>The same, and each appends a message.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public Task SettleStaged() => AllAsync(_leases, async lease => await Store.SettleAsync(lease, Settlement.Acknowledge, [Make()], CancellationToken.None));

    private static Task AllAsync<T>(IEnumerable<T> items, Func<T, Task> step) => Task.WhenAll(items.Select(step));

    private static Envelope Make() => new(MessageId.New(), Queue, Order.Type, Body);

    private async Task OpenAsync()
    {
        _opened = await OpenedStore.OpenAsync(Kind);
        _envelopes = [.. Enumerable.Range(0, Messages).Select(static _ => Make())];
    }

    private async Task OpenFilledAsync()
    {
        await OpenAsync();
        await AppendBatch();
    }

    private async Task OpenLeasedAsync()
    {
        await OpenFilledAsync();
        await LeaseAsync();
    }

    private async Task LeaseAsync()
    {
        _leases.Clear();
        while (_leases.Count < Messages)
        {
            _leases.AddRange(await Store.LeaseAsync(Queue, Math.Min(100, Messages - _leases.Count), LeaseTime, CancellationToken.None));
        }
    }
}
