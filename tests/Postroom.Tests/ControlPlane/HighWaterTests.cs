using System.Collections.Concurrent;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>A queue that is too full, seen by those who fill it.</summary>
public sealed class HighWaterTests
{
    [Fact]
    public async Task Ac27_above_high_water_the_webhook_says_503_and_sources_pause_while_handlers_own_messages_flow_and_below_low_water_all_resume()
    {
        const int high = 20;
        using SemaphoreSlim gate = new(0);
        ConcurrentQueue<string> sideEffects = new();
        int offered = 0;
        await using RealHttp http = await RealHttp.StartAsync(app => app
            .AddQueue("in", queue =>
            {
                queue.HighWater = high;
                queue.LowWater = 5;
            })
            .AddPayload("side.effect", RuntimeTestJson.Default.Order)
            .AddHandler<Order>("side.effect", RuntimeTestJson.Default.Order, (order, _, _) =>
            {
                sideEffects.Enqueue(order.Number);
                return new(HandlerResult.Completed);
            }, "in")
            .AddHandler("chat.text", PostroomJson.Default.IncomingMessage, async (message, context, cancellationToken) =>
            {
                await gate.WaitAsync(cancellationToken);
                context.Publish("in", "side.effect", new Order(context.MessageId.ToString()), new PublishOptions { OrderKey = "" });
                context.Publish("in", "side.effect", new Order(context.MessageId.ToString()), new PublishOptions { OrderKey = "" });
                return HandlerResult.Completed;
            }, "in")
            .AddWorkers("in", pool => (pool.Parallelism, pool.Prefetch) = (1, 1))
            .AddSource("feed", _ => new FunctionSource("feed", async (sink, token) =>
            {
                while (true)
                {
                    await sink.AcceptAsync([new SourceMessage("in", "chat.text", "{\"text\":\"fed\"}"u8.ToArray()) { Conversation = $"feed/{++offered}" }], null, token);
                }
            })));
        MessageRuntime runtime = http.Runtime;

        // The source fills the queue and then waits with a message that is not acknowledged.
        await UntilAsync(() => Source(runtime) is { State: SourceState.Paused, Produced: >= high });
        long produced = Source(runtime).Produced;
        Assert.Equal(offered - 1, produced);
        Assert.InRange(produced, high, high + 4);
        Answer refused = await http.SayAsync("491");
        Assert.Equal(503, refused.Status);
        Assert.InRange((int)refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Contains("queues", (await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel)).Checks.Where(check => check.Result.State == HealthState.Degraded).Select(check => check.Name));

        // One message is handled: what it publishes into the full queue is taken, and the queue is fuller than before.
        long waiting = await PendingAsync(runtime);
        gate.Release();
        await UntilAsync(async () => await PendingAsync(runtime) > waiting);
        Assert.Equal(503, (await http.SayAsync("491")).Status);
        Assert.Equal(produced, Source(runtime).Produced);

        // Below low water both are taken again, and everything that was accepted is handled.
        gate.Release(100_000);
        await UntilAsync(() => Source(runtime).Produced > produced);
        await UntilAsync(async () => (await http.SayAsync("491")).Status == 200);
        runtime.Rooms.Sources.Pause("feed");
        await UntilAsync(async () => await PendingAsync(runtime) == 0 && (await runtime.Store.GetStatsAsync("in", Cancel)).Queues["in"].Dispatched == 0);
        StoreQueueStats stats = (await runtime.Store.GetStatsAsync("in", Cancel)).Queues["in"];
        Assert.Equal((0L, 2 * (stats.Acked / 3)), (stats.Failed, (long)sideEffects.Count));
        Assert.All(sideEffects.CountBy(id => id), pair => Assert.Equal(2, pair.Value));
    }

    private static SourceStatus Source(MessageRuntime runtime) => runtime.Rooms.Sources.Status()["feed"];

    private static async Task<long> PendingAsync(MessageRuntime runtime) => (await runtime.Store.GetStatsAsync("in", Cancel)).Queues["in"].Pending;
}
