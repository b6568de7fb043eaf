using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>Sources as an operator starts, stops, pauses and resumes them.</summary>
public sealed class SourceSupervisionTests
{
    [Fact]
    public async Task A_source_that_is_started_while_it_stops_runs_again_once_it_has_ended_and_never_twice()
    {
        int running = 0;
        int most = 0;
        int runs = 0;
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FunctionSource source = new("mailbox", async (_, token) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref running));
            Interlocked.Increment(ref runs);
            await Task.Delay(Timeout.Infinite, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await mayEnd.Task; // it finishes what it reads
            Interlocked.Decrement(ref running);
        });
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("work").AddSource("mailbox", _ => source, "work"));
        await UntilAsync(() => Volatile.Read(ref runs) == 1);

        Task stopping = runtime.Rooms.Sources.StopAsync("mailbox");
        Task stoppingToo = runtime.Rooms.Sources.StopAsync("mailbox");
        runtime.Rooms.Sources.Start("mailbox");
        bool early = stopping.IsCompleted || stoppingToo.IsCompleted;
        SourceState between = State(runtime);
        mayEnd.SetResult();
        await Task.WhenAll(stopping, stoppingToo).WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        await UntilAsync(() => State(runtime) == SourceState.Running && Volatile.Read(ref runs) == 2);

        Assert.Equal((false, SourceState.Starting, 1), (early, between, most));
        await runtime.Rooms.Sources.StopAsync("mailbox");
        Assert.Equal(SourceState.Stopped, State(runtime));
    }

    [Fact]
    public async Task A_paused_source_says_so_although_it_brings_nothing_and_runs_on_when_it_is_resumed()
    {
        FunctionSource silent = new("mailbox", (_, token) => Task.Delay(Timeout.Infinite, token));
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("work").AddSource("mailbox", _ => silent, "work"));
        await UntilAsync(() => State(runtime) == SourceState.Running);

        runtime.Rooms.Sources.Pause("mailbox");
        SourceState paused = State(runtime);
        await runtime.Rooms.Sources.StopAsync("mailbox");
        SourceState stopped = State(runtime);
        runtime.Rooms.Sources.Start("mailbox");
        await UntilAsync(() => State(runtime) == SourceState.Paused);
        runtime.Rooms.Sources.Resume("mailbox");

        Assert.Equal((SourceState.Paused, SourceState.Stopped, SourceState.Running), (paused, stopped, State(runtime)));
    }

    [Fact]
    public async Task Counts_of_a_source_that_accepts_on_many_threads_are_exact()
    {
        const int Tasks = 8;
        const int Each = 200;
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FunctionSource source = new("mailbox", async (sink, token) =>
        {
            await Task.WhenAll(Enumerable.Range(0, Tasks).Select(task => Task.Run(
                async () =>
                {
                    for (int i = 0; i < Each; i++)
                    {
                        await sink.AcceptAsync([new SourceMessage("work", "work.todo", "{}"u8.ToArray()) { DedupKey = $"{task}/{i}" }], null, token);
                    }
                },
                token)));
            done.SetResult();
            await Task.Delay(Timeout.Infinite, token);
        });
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("work").AddSource("mailbox", _ => source, "work"));

        await done.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancel);

        Assert.Equal(Tasks * Each, runtime.Rooms.Sources.Status()["mailbox"].Produced);
    }

    private static SourceState State(MessageRuntime runtime) => runtime.Rooms.Sources.Status()["mailbox"].State;
}
