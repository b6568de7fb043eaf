using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Workers;

namespace Postroom.Benchmarks.Runtime;

/// <summary>How the runtime of a measure is composed.</summary>
internal sealed record RuntimeShape
{
    /// <summary>The store's file; null for the memory store.</summary>
    public string? File { get; init; }

    public StoreSynchronous Synchronous { get; init; }

    public int Workers { get; init; } = 8;

    /// <summary>Whether the handler takes the payload as its type; otherwise the body stays bytes.</summary>
    public bool Typed { get; init; } = true;

    /// <summary>How many order keys the messages have; 0 gives each a conversation of its own.</summary>
    public int Keys { get; init; }
}

/// <summary>The whole runtime: publish, store, worker pool, handler, settlement, journal; hooks off, metrics on.</summary>
internal sealed class RuntimePipeline : IPipeline
{
    private const string Queue = "orders";
    private static readonly byte[] Body = Order.Encode(Order.Make(0));

    private readonly MessageRuntime _runtime;
    private readonly MetricsReader _metrics;
    private readonly IMessageQueue _queue;
    private readonly RuntimeShape _shape;
    private readonly PublishOptions[] _keys;
    private readonly PoolCounters _counters;
    private readonly long _commitsBefore;

    private RuntimePipeline(MessageRuntime runtime, MetricsReader metrics, RuntimeShape shape)
    {
        _runtime = runtime;
        _metrics = metrics;
        _shape = shape;
        _queue = runtime.OpenQueue(Queue);
        _counters = runtime.Workers.Pools.Single(pool => pool.Name == Queue).Counters;
        _keys = [.. Enumerable.Range(0, shape.Keys).Select(key => new PublishOptions { OrderKey = $"customer-{key}" })];
        _commitsBefore = AllCommits;
    }

    public long Done => _counters.Processed;

    public long Commits => AllCommits - _commitsBefore;

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

        MetricsReader metrics = new();
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(settings) } } });
        runtime.RegisterModule(new OrderModule(shape, counter));
        await runtime.StartAsync();
        return new RuntimePipeline(runtime, metrics, shape);
    }

    public ValueTask PublishAsync(long number)
    {
        PublishOptions? options = _keys.Length == 0 ? null : _keys[number % _keys.Length];
        ValueTask<PublishResult> published = _shape.Typed
            ? _runtime.Sender.PublishAsync(Queue, Order.Type, Order.Make(number), options, CancellationToken.None)
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
        _metrics.Dispose();
    }

    private sealed class OrderModule(RuntimeShape shape, Counter counter) : IApplicationModule
    {
        public string Name => "orders";

        public string Version => "1";

        public void Configure(IApplicationBuilder app)
        {
            app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
            app.Services.AddSingleton(counter);
            app.AddQueue(Queue).AddWorkers(Queue, workers => workers.Parallelism = shape.Workers);
            if (shape.Typed)
            {
                app.AddHandler<Order, CountOrder>(Order.Type, OrderJson.Default.Order, Queue);
            }
            else
            {
                app.AddFallbackHandler<CountBytes>(Queue);
            }
        }
    }

    private sealed class CountOrder(Counter counter) : IMessageHandler<Order>
    {
        public ValueTask<HandlerResult> HandleAsync(Order message, HandlerContext context, CancellationToken cancellationToken)
        {
            counter.Count(message);
            return new ValueTask<HandlerResult>(HandlerResult.Completed);
        }
    }

    private sealed class CountBytes(Counter counter) : IFallbackHandler
    {
        public ValueTask<HandlerResult> HandleAsync(Envelope message, HandlerContext context, CancellationToken cancellationToken)
        {
            counter.Count();
            return new ValueTask<HandlerResult>(HandlerResult.Completed);
        }
    }
}
