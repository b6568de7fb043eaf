using Postroom.Sqlite;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>The time to live of messages that no lane has in memory.</summary>
public sealed class ExpiryOnDiskTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    public async Task Followers_of_a_waiting_head_expire_in_time(int window)
    {
        using TempFolder folder = new();
        await using MessageRuntime runtime = await StartAsync(folder, window, (order, _, _) => new(order.Number == "head" ? HandlerResult.RetryAfter(TimeSpan.FromMinutes(1), "wait") : HandlerResult.Completed));
        MessageId head = await runtime.PublishAsync("head", new PublishOptions { OrderKey = "k" });
        await UntilAsync(async () => (await runtime.Journal.GetAsync(head, false, Cancel))!.Entry.Attempt == 1);
        for (int i = 0; i < 60; i++)
        {
            await runtime.PublishAsync($"{i}", new PublishOptions { OrderKey = "k", TimeToLive = TimeSpan.FromMilliseconds(300) });
        }

        await UntilAsync(async () => await FailedAsync(runtime) == 60);
        Assert.Equal(1, (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"].Pending);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    public async Task Messages_of_a_paused_queue_expire_in_time_also_after_a_restart(int window)
    {
        using TempFolder folder = new();
        await using (MessageRuntime runtime = await StartAsync(folder, window, Completes))
        {
            await runtime.PauseQueueAsync("work", Cancel);
            for (int i = 0; i < 600; i++)
            {
                await runtime.PublishAsync($"{i}", new PublishOptions { TimeToLive = i < 30 ? null : i < 400 ? TimeSpan.FromMilliseconds(300) : TimeSpan.FromSeconds(3) });
            }

            await UntilAsync(async () => await FailedAsync(runtime) == 370);
        }

        if (window > 0)
        {
            await using MessageRuntime again = await StartAsync(folder, window, Completes);
            await UntilAsync(async () => await FailedAsync(again) == 570);
            await again.ResumeQueueAsync("work", Cancel);
            await UntilAsync(() => again.Pool().Processed == 30);
        }

        static ValueTask<HandlerResult> Completes(Order order, HandlerContext context, CancellationToken cancellationToken) => new(HandlerResult.Completed);
    }

    private static async Task<long> FailedAsync(MessageRuntime runtime) => (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"].Failed;

    private static Task<MessageRuntime> StartAsync(TempFolder folder, int window, Func<Order, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle)
    {
        return window == 0 ? RuntimeHarness.StartAsync(app => app.AddWork(handle)) : RuntimeHarness.StartAsync(
            app =>
            {
                app.AddStore("sqlite", (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock) { Window = window });
                app.AddWork(handle);
            }, "store.kind=sqlite", $"store.path={folder.Store}", $"runtime.dataDirectory={folder.Path}", "store.reserve=0");
    }
}
