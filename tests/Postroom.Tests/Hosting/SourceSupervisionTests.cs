using Microsoft.Extensions.DependencyInjection;
using Postroom.Host;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
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
    public async Task QU_4_SR_6_one_sender_whose_messages_wait_keeps_no_other_out_of_a_source_or_a_channel_and_health_names_it()
    {
        TaskCompletionSource brought = new(TaskCreationOptions.RunContinuationsAsynchronously);
        FunctionSource source = new("mailbox", async (sink, token) =>
        {
            await sink.AcceptAsync([Of("a"), Of("a"), Of("a")], null, token);
            await sink.AcceptAsync([Of("a"), Of("b")], null, token);
            brought.SetResult();
            await Task.Delay(Timeout.Infinite, token);
        });
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("work", queue => queue.MaxPerKey = 2).AddQueue("in", queue => queue.MaxPerKey = 2).AddSource("mailbox", _ => source, "work"));

        await brought.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        RecordingCommunicator chat = new("chat");
        runtime.Dispatcher.Register(chat, ["chat"]);
        await UntilAsync(() => chat.IsStarted);
        for (int i = 0; i < 4; i++)
        {
            await chat.ReceiveAsync(new IncomingMessage { Text = "text", SenderId = i < 3 ? "busy" : "other" }, Cancel);
        }

        IntakeClosedException refused = await Assert.ThrowsAsync<IntakeClosedException>(async () => await runtime.View.OpenSink("webhook").AcceptAsync([Of("a")], null, Cancel));
        HealthResult health = await QueuesAsync();
        Assert.Equal((5, 4), ((await runtime.Journal.QueryAsync(new JournalQuery { Queue = "work" }, Cancel)).Total, (await runtime.Journal.QueryAsync(new JournalQuery { Queue = "in" }, Cancel)).Total));
        Assert.Equal((IntakeRefusal.TooManyPerKey, HealthState.Degraded), (refused.Refusal, health.State));
        Assert.Equal("2 or more messages of 'chat/busy' wait in queue 'in' (maxPerKey); look at the first of them. 2 or more messages of 'a' wait in queue 'work' (maxPerKey); look at the first of them.", health.Text);
        Assert.Equal(SourceState.Running, State(runtime));

        foreach (JournalEntry waiting in (await runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Items)
        {
            await runtime.Journal.DiscardAsync(waiting.Envelope.Id, "test", force: false, Cancel);
        }

        Assert.Empty(await runtime.Rooms.Intake.BusyKeys.ReadAsync(Cancel));

        SourceMessage Of(string key) => new("work", "order.received", "{}"u8.ToArray()) { Conversation = key };

        async Task<HealthResult> QueuesAsync() => (await runtime.Rooms.Health.CheckAsync(HealthViews.Status, Cancel)).Checks.Single(check => check.Name == "queues").Result;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_source_that_is_replaced_by_a_reload_stays_paused_or_stopped_as_an_operator_left_it(bool paused)
    {
        using TempFolder folder = new();
        await using MessageRuntime runtime = await StartAsync(app =>
        {
            app.AddChannels();
            app.AddQueue("work");
        }, "sources.mailbox.type=folder", $"sources.mailbox.path={folder.Path}", "sources.mailbox.into=work");
        await UntilAsync(() => State(runtime) == SourceState.Running);
        if (paused)
        {
            runtime.Rooms.Sources.Pause("mailbox");
        }
        else
        {
            await runtime.Rooms.Sources.StopAsync("mailbox");
        }

        foreach (string settle in (string[])["3s", "4s"])
        {
            IMessageSource before = runtime.Rooms.Sources.SourceOf("mailbox");
            Assert.Empty((await runtime.Configuration.SetOverrideAsync("sources.mailbox.settle", settle, persist: false, Cancel)).Problems);
            await UntilAsync(() => runtime.Rooms.Sources.Status().ContainsKey("mailbox") && runtime.Rooms.Sources.SourceOf("mailbox") != before);
            await UntilAsync(() => State(runtime) == (paused ? SourceState.Paused : SourceState.Stopped));
        }

        if (paused)
        {
            runtime.Rooms.Sources.Resume("mailbox");
        }
        else
        {
            runtime.Rooms.Sources.Start("mailbox");
        }

        await UntilAsync(() => State(runtime) == SourceState.Running);
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
        Assert.Contains("it had no success since 2026-01-15 12:00:00 UTC, more than three times its interval of 10s", late.Result.Text, StringComparison.Ordinal);

        static async Task<HealthCheck> CheckAsync(TestRuntime runtime) => (await runtime.Runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks.Single(check => check.Name == "sources.mailbox");
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
