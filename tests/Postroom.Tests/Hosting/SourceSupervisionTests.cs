using Microsoft.Extensions.DependencyInjection;
using Postroom.Testing;
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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_source_that_ignores_its_token_is_left_to_itself_after_5_s_and_what_it_brings_is_refused(bool removed)
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<Exception?> answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FunctionSource source = new("mailbox", async (sink, token) =>
        {
            await using CancellationTokenRegistration _ = token.Register(() => asked.TrySetResult());
            await go.Task;
            answered.SetResult(await Record.ExceptionAsync(async () => await sink.AcceptAsync([new SourceMessage("work", "order.received", "{}"u8.ToArray())], null, CancellationToken.None)));
        });
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddQueue("work").AddSource("mailbox", _ => source, "work"));
        await UntilAsync(() => State(test.Runtime) == SourceState.Running);

        Task ending = removed ? test.Runtime.Rooms.Sources.RemoveAsync("mailbox") : test.Runtime.Rooms.Sources.StopAsync("mailbox");
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await UntilAsync(() => ending.IsCompleted || test.Clock.ArmedTimers > 0);
        bool early = ending.IsCompleted;
        await UntilAsync(() =>
        {
            test.Clock.Advance(TimeSpan.FromSeconds(1));
            return ending.IsCompleted;
        });
        go.SetResult();

        Assert.False(early);
        Assert.IsType<IntakeClosedException>(await answered.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel));
        Assert.Equal(0, (await test.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "work" }, Cancel)).Total);
    }

    [Fact]
    public async Task Hl5_a_source_is_degraded_while_its_last_error_is_later_than_its_last_success_also_while_it_tries_again()
    {
        int runs = 0;
        TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FunctionSource source = new("mailbox", async (sink, token) =>
        {
            if (Interlocked.Increment(ref runs) == 1)
            {
                throw new InvalidOperationException("the mailbox cannot be reached");
            }

            await reached.Task.WaitAsync(token);
            await sink.AcceptAsync([new SourceMessage("work", "order.received", "{}"u8.ToArray())], null, token);
            await Task.Delay(Timeout.Infinite, token);
        });
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("work").AddSource("mailbox", _ => source, "work"));
        await UntilAsync(() => Volatile.Read(ref runs) == 2 && State(runtime) == SourceState.Running);

        IReadOnlyList<string> trying = runtime.Rooms.Sources.Problems();
        reached.SetResult();
        await UntilAsync(() => runtime.Rooms.Sources.Status()["mailbox"].Produced == 1);

        Assert.Equal("mailbox: the mailbox cannot be reached", Assert.Single(trying));
        Assert.Empty(runtime.Rooms.Sources.Problems());
        Assert.Equal("the mailbox cannot be reached", runtime.Rooms.Sources.Status()["mailbox"].LastError);
    }

    [Fact]
    public async Task Hl5_a_source_that_has_no_success_for_three_intervals_is_degraded()
    {
        await using TestRuntime runtime = await TestRuntime.StartAsync(app => app.AddQueue("work").AddSource("mailbox", services => new SilentSource(services.GetRequiredService<TimeProvider>()), "work"));
        HealthCheck early = await CheckAsync(runtime);

        runtime.Clock.Advance(TimeSpan.FromSeconds(31));
        HealthCheck late = await CheckAsync(runtime);

        Assert.Equal(HealthState.Healthy, early.Result.State);
        Assert.Equal(HealthState.Degraded, late.Result.State);
        Assert.Contains("mailbox: it had no success since 2026-01-15 12:00:00 UTC, more than three times its interval of 10s", late.Result.Text, StringComparison.Ordinal);

        static async Task<HealthCheck> CheckAsync(TestRuntime runtime) => (await runtime.Runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks.Single(check => check.Name == "sources");
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

    /// <summary>Its origin takes the connection and says nothing.</summary>
    private sealed class SilentSource(TimeProvider clock) : PollingSource("mailbox", TimeSpan.FromSeconds(10), clock)
    {
        protected override async ValueTask<int> PollAsync(IMessageSink sink, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }
}
