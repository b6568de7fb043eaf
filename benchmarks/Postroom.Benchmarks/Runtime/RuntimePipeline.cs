using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Workers;

namespace Postroom.Benchmarks.Runtime;

/// <summary>The whole runtime: publish, store, worker pool, handler, settlement, journal.</summary>
internal sealed class RuntimePipeline : IPipeline
{
    private static readonly byte[] Body = Order.Encode(OrderMaker.Default.Make(0));

    private readonly MessageRuntime _runtime;
    private readonly MetricsReader? _metrics;
    private readonly IMessageQueue _queue;
    private readonly RuntimeShape _shape;
    private readonly OrderMaker _orders;
    private readonly PublishOptions[] _keys;
    private readonly PoolCounters _counters;
    private readonly PoolCounters? _outputs;
    private readonly IDispatchHook? _hook;
    private readonly long _commitsBefore;

    private RuntimePipeline(MessageRuntime runtime, MetricsReader? metrics, RuntimeShape shape)
    {
        _runtime = runtime;
        _metrics = metrics;
        _shape = shape;
        _orders = new OrderMaker(shape.BodyBytes);
        _queue = runtime.OpenQueue(OrderModule.Queue);
        _counters = CountersOf(OrderModule.Queue);
        _outputs = shape.Outputs > 0 ? CountersOf(OrderModule.OutputQueue) : null;
        _keys = [.. Enumerable.Range(0, shape.Keys).Select(key => new PublishOptions { OrderKey = $"customer-{key}" })];
        _hook = shape.Hook?.Invoke();
        if (_hook is not null)
        {
            _ = runtime.RegisterDispatchHook(_hook);
        }

        _commitsBefore = AllCommits;
    }

    public long Done => _outputs is null ? _counters.Processed : Math.Min(_counters.Processed, _outputs.Processed / _shape.Outputs);

    public long Commits => AllCommits - _commitsBefore;

    public IJournal Journal => _runtime.Journal;

    private long AllCommits => (_runtime.Store as SqliteStore)?.Writer.Commits ?? 0;

    public static async Task<RuntimePipeline> StartAsync(RuntimeShape shape, Counter counter)
    {
        List<string> settings = [$"store.kind={(shape.File is null ? "memory" : "sqlite")}"];
        if (shape.File is { } file)
        {
            settings.Add($"store.path={file}");
            settings.Add($"store.synchronous={(shape.Synchronous == StoreSynchronous.Full ? "full" : "normal")}");
            settings.Add($"runtime.dataDirectory={Path.GetDirectoryName(file)}");
        }

        MetricsReader? metrics = shape.Metrics ? new MetricsReader() : null;
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(settings) } } });
        runtime.RegisterModule(new OrderModule(shape, counter));
        await runtime.StartAsync();
        return new RuntimePipeline(runtime, metrics, shape);
    }

    public ValueTask PublishAsync(long number)
    {
        PublishOptions? options = _keys.Length == 0 ? null : _keys[number % _keys.Length];
        ValueTask<PublishResult> published = _shape.Typed
            ? _runtime.Sender.PublishAsync(OrderModule.Queue, Order.Type, _orders.Make(number), options, CancellationToken.None)
            : _queue.PublishAsync(new QueueMessage(Order.Type, Body), options, CancellationToken.None);
        if (published.IsCompletedSuccessfully)
        {
            _ = published.Result;
            return default;
        }

        return AwaitAsync(published);

        static async ValueTask AwaitAsync(ValueTask<PublishResult> published) => await published;
    }

    public async ValueTask DisposeAsync()
    {
        await _runtime.DisposeAsync();
        _metrics?.Dispose();
        (_hook as IDisposable)?.Dispose();
    }

    private PoolCounters CountersOf(string pool) => _runtime.Workers.Pools.Single(candidate => candidate.Name == pool).Counters;
}
