using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class SupervisionTests
{
    [Fact]
    public async Task Ac25_scaling_pausing_and_resuming_under_load_loses_and_doubles_nothing()
    {
        const int count = 3_000;
        int[] handled = new int[count];
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(
            async (order, _, _) =>
            {
                Interlocked.Increment(ref handled[int.Parse(order.Number)]);
                await Task.Yield();
                return HandlerResult.Completed;
            },
            queue => queue.HighWater = 100_000));

        Task publishing = Task.Run(async () =>
        {
            for (int i = 0; i < count; i++)
            {
                await runtime.PublishAsync($"{i}");
            }
        }, Cancel);
        Random random = new(7);
        while (!publishing.IsCompleted)
        {
            runtime.Workers.Scale("work", random.Next(1, 12));
            runtime.Workers.Pause("work");
            await Task.Yield();
            runtime.Workers.Resume("work");
        }

        await publishing;
        await UntilAsync(async () => (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"].Acked == count);
        Assert.All(handled, times => Assert.Equal(1, times));
    }

    [Fact]
    public async Task The_thread_pool_has_room_for_the_handlers_of_all_pools_and_lanes_and_for_those_given_up()
    {
        RecordingCommunicator service = new("service");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddCommunicator(_ => service, config: new CommunicatorBackendConfig { Type = "test", MaxInFlight = 50 })
            .AddWork((_, _, _) => new(HandlerResult.Completed), pool: pool => pool.Parallelism = 30));
        int rest = 16 + (2 * Environment.ProcessorCount);

        // The router of unrouted messages is a pool of one.
        Assert.Equal(rest + (3 * (30 + 50 + 1)), Needed());
        runtime.StartRouter((_, _) => ValueTask.CompletedTask);
        Assert.Equal(rest + (3 * (30 + 50 + 1 + 8)), Needed());
        runtime.Workers.Scale("work", 100);
        Assert.Equal(rest + (3 * (100 + 50 + 1 + 8)), Needed());

        int Needed()
        {
            int needed = runtime.Rooms.Pools.Watch.NeededThreads;
            ThreadPool.GetMinThreads(out int least, out _);
            Assert.True(least >= needed, $"{least} threads, {needed} needed");
            return needed;
        }
    }

    [Fact]
    public async Task Handlers_that_block_every_thread_of_a_pool_are_given_up_in_time()
    {
        const int parallelism = 32;
        using ManualResetEventSlim release = new();
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(
            (_, context, _) =>
            {
                if (context.Attempt == 1)
                {
                    release.Wait(CancellationToken.None);
                }

                return new(HandlerResult.Completed);
            },
            pool: pool =>
            {
                pool.Parallelism = parallelism;
                pool.HandlerTimeout = TimeSpan.FromMilliseconds(100);
                pool.CancelGrace = TimeSpan.FromMilliseconds(50);
            }));

        MessageId[] ids = await Task.WhenAll(Enumerable.Range(0, parallelism).Select(i => runtime.PublishAsync($"{i}")));

        foreach (MessageId id in ids)
        {
            await runtime.EndedAsync(id, MessageState.Acked);
        }

        Assert.Equal(parallelism, runtime.Pool().Stuck);
        release.Set();
        await UntilAsync(() => runtime.Pool().Stuck == 0);
    }

    [Fact]
    public async Task A_paused_pool_leases_nothing_and_goes_on_when_resumed()
    {
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddWork((_, _, _) => new(HandlerResult.Completed))
            .AddQueue("other")
            .AddHandler("work.todo", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed), "other")
            .AddWorkers("other"));
        runtime.Workers.Pause("work");
        await UntilAsync(() => runtime.Pool().State == WorkerState.Paused);

        MessageId id = await runtime.PublishAsync("x");
        MessageId later = (await runtime.Sender.PublishAsync("other", "work.todo", new Order("y"), null, Cancel)).Id;
        await runtime.EndedAsync(later, MessageState.Acked); // by then a pool that is not paused would have taken the first
        Assert.Equal(MessageState.Pending, (await runtime.Journal.GetAsync(id, false, Cancel))!.Entry.State);

        runtime.Workers.Resume("work");
        await runtime.EndedAsync(id, MessageState.Acked);
    }

    [Fact]
    public async Task Ac72_a_stop_waits_for_what_runs_and_leaves_what_hangs_for_recovery()
    {
        TaskCompletionSource began = new();
        TaskCompletionSource hanging = new();
        MessageRuntime runtime = await StartAsync(app => app.AddWork(
            async (order, _, cancellationToken) =>
            {
                (order.Number == "hang" ? hanging : began).TrySetResult();
                await Task.Delay(order.Number == "hang" ? Timeout.Infinite : 50, order.Number == "hang" ? CancellationToken.None : cancellationToken);
                return HandlerResult.Completed;
            }), "runtime.drainTimeout=300ms", "runtime.cancelGrace=100ms");
        MessageId quick = await runtime.PublishAsync("quick");
        await began.Task.WaitAsync(Cancel);
        MessageId hang = await runtime.PublishAsync("hang");
        await hanging.Task.WaitAsync(Cancel);

        await runtime.StopAsync(Cancel);

        Assert.Equal(MessageState.Acked, (await runtime.Journal.GetAsync(quick, false, Cancel))!.Entry.State);
        Assert.NotEqual(MessageState.Acked, (await runtime.Journal.GetAsync(hang, false, Cancel))!.Entry.State);
        Assert.True(runtime.AbandonedWork);
        Assert.Equal(RuntimeState.Stopped, runtime.State);
    }

    [Fact]
    public async Task A_stop_that_cancels_a_yielding_handler_gives_its_attempt_back()
    {
        TaskCompletionSource began = new();
        MessageRuntime runtime = await StartAsync(app => app.AddWork(
            async (_, _, cancellationToken) =>
            {
                began.TrySetResult();
                await Task.Delay(Timeout.Infinite, cancellationToken);
                return HandlerResult.Completed;
            }), "runtime.drainTimeout=200ms", "runtime.cancelGrace=150ms");
        MessageId id = await runtime.PublishAsync("x");
        await began.Task.WaitAsync(Cancel);

        await runtime.StopAsync(Cancel);

        JournalEntry entry = (await runtime.Journal.GetAsync(id, false, Cancel))!.Entry;
        Assert.Equal(MessageState.Pending, entry.State);
        Assert.Equal(0, entry.Attempt);
        Assert.False(runtime.AbandonedWork);
    }
}
