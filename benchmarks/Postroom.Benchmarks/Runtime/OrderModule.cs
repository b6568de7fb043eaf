using Microsoft.Extensions.DependencyInjection;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Runtime;

/// <summary>The application of the measures: orders are counted, and may stage more orders.</summary>
internal sealed class OrderModule(RuntimeShape shape, Counter counter) : IApplicationModule
{
    public const string Queue = "orders";

    /// <summary>Where staged messages go.</summary>
    public const string OutputQueue = "parts";

    private const string OutputType = "order.part";

    public string Name => "orders";

    public string Version => "1";

    public void Configure(IApplicationBuilder app)
    {
        app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
        app.Services.AddSingleton(counter);
        app.Services.AddSingleton(shape);
        app.AddQueue(Queue).AddWorkers(Queue, workers => workers.Parallelism = shape.Workers);
        if (!shape.Typed)
        {
            app.AddFallbackHandler<CountBytes>(Queue);
            return;
        }

        app.AddHandler<Order, CountOrder>(Order.Type, OrderJson.Default.Order, Queue);
        if (shape.Outputs > 0)
        {
            app.AddQueue(OutputQueue).AddWorkers(OutputQueue, workers => workers.Parallelism = shape.Workers);
            app.AddHandler<Order, CountOutput>(OutputType, OrderJson.Default.Order, OutputQueue);
        }
    }

    private sealed class CountOrder(Counter counter, RuntimeShape shape) : IMessageHandler<Order>
    {
        public ValueTask<HandlerResult> HandleAsync(Order message, HandlerContext context, CancellationToken cancellationToken)
        {
            counter.Count(message);
            for (int i = 0; i < shape.Outputs; i++)
            {
                context.Publish(OutputQueue, OutputType, message);
            }

            return new ValueTask<HandlerResult>(HandlerResult.Completed);
        }
    }

    private sealed class CountOutput(Counter counter) : IMessageHandler<Order>
    {
        public ValueTask<HandlerResult> HandleAsync(Order message, HandlerContext context, CancellationToken cancellationToken)
        {
            counter.Count();
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
