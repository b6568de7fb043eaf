using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class PoolScaleTests
{
    [Fact]
    public async Task Ac25_a_pool_scaled_down_while_idle_handles_one_at_a_time()
    {
        int running = 0;
        int most = 0;
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(async (_, _, token) =>
        {
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await Task.Yield();
            await Task.Delay(5, token);
            Interlocked.Decrement(ref running);
            return HandlerResult.Completed;
        }, pool: pool => pool.Parallelism = 8));
        MessageId first = await runtime.PublishAsync("first");
        await runtime.EndedAsync(first, MessageState.Acked); // now all eight wait

        runtime.Workers.Scale("work", 1);
        most = 0;
        List<MessageId> ids = [];
        for (int i = 0; i < 16; i++)
        {
            ids.Add(await runtime.PublishAsync($"{i}"));
        }

        foreach (MessageId id in ids)
        {
            await runtime.EndedAsync(id, MessageState.Acked);
        }

        Assert.Equal(1, most);
    }

    [Fact]
    public async Task Ac25_a_pool_scaled_before_its_start_takes_nothing_before_it_and_has_as_many_workers_as_it_says_after()
    {
        int running = 0;
        int most = 0;
        MessageRuntime runtime = Create(app => app.AddWork(async (_, _, token) =>
        {
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await Task.Delay(5, token);
            Interlocked.Decrement(ref running);
            return HandlerResult.Completed;
        }, pool: pool => pool.Parallelism = 2));
        await using MessageRuntime ending = runtime;
        MessageId early = default;
        PoolStatus? before = null;
        runtime.RegisterModule(new Starting(async () =>
        {
            runtime.Workers.Scale("work", 6);
            early = await runtime.PublishAsync("early");
            before = runtime.Pool();
        }));
        await runtime.StartAsync(Cancel);
        List<MessageId> ids = [early];
        for (int i = 0; i < 60; i++)
        {
            ids.Add(await runtime.PublishAsync($"{i}"));
        }

        foreach (MessageId id in ids)
        {
            await runtime.EndedAsync(id, MessageState.Acked);
        }

        Assert.Equal((0, 6, 6), (before!.Workers.Count, runtime.Pool().Workers.Count, runtime.Pool().Parallelism));
        Assert.InRange(most, 2, 6);
    }

    private sealed class Starting(Func<Task> started) : IApplicationModule, IModuleLifecycle
    {
        public string Name => "starting";

        public string Version => "1";

        public void Configure(IApplicationBuilder app)
        {
        }

        public Task OnStartedAsync(IServiceProvider services, CancellationToken cancellationToken) => started();

        public Task OnStoppingAsync(IServiceProvider services, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Fact]
    public async Task Ac25_scaling_back_and_forth_under_load_keeps_every_slot()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(async (_, _, _) =>
        {
            await Task.Yield();
            return HandlerResult.Completed;
        }, queue => queue.HighWater = 1_000_000, pool => pool.Parallelism = 4));
        using CancellationTokenSource stop = new();
        Task publishing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await runtime.PublishAsync("x");
            }
        }, Cancel);

        for (int i = 0; i < 3_000; i++)
        {
            runtime.Workers.Scale("work", 1);
            Thread.SpinWait(i % 60);
            runtime.Workers.Scale("work", 4);
        }

        Assert.Equal(4, runtime.Pool().Workers.Count(worker => worker.Slot < 4));
        await stop.CancelAsync();
        await publishing;
    }

    private static void InterlockedMax(ref int most, int now)
    {
        int seen;
        while (now > (seen = Volatile.Read(ref most)) && Interlocked.CompareExchange(ref most, now, seen) != seen)
        {
        }
    }
}
