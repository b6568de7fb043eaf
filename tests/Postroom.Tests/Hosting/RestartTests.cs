using Postroom.Configuration;
using Postroom.Hosting;
using Postroom.Sqlite;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>Restarts as the runtime sees them: the process is replaced by a test.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task Ac78_a_restart_with_a_thousand_messages_in_flight_loses_none_and_the_next_generation_tells_what_it_did()
    {
        using TempFolder folder = new();
        TaskCompletionSource endless = new();
        int begun = 0;
        MessageRuntime old = CreateRuntime(folder, new TestReplacer(), new RestartOrigin(), app => app.AddWork(
            async (order, _, token) =>
            {
                Interlocked.Increment(ref begun);
                await (order.Number.StartsWith("slow", StringComparison.Ordinal) ? endless.Task.WaitAsync(token) : Task.Delay(50, token));
                return HandlerResult.Completed;
            },
            pool: options => options.Parallelism = 1_000));
        await old.StartAsync(Cancel);
        MessageId[] ids = [.. await Task.WhenAll(Enumerable.Range(0, 1_000).Select(number => old.PublishAsync(number % 100 == 0 ? $"slow {number}" : $"{number}")))];
        await UntilAsync(() => Volatile.Read(ref begun) == 1_000);

        RestartStatus status = await old.View.Control.RestartAsync(new RestartRequest { Reason = "a release", DrainTimeout = TimeSpan.FromSeconds(2) }, Cancel);
        Assert.Equal(RestartState.Draining, status.State);
        Assert.InRange(status.InFlight, 10, 1_000);
        RestartOrder order = await old.ReplacementOrdered.WaitAsync(Cancel);
        (RestartStatistics statistics, System.Runtime.InteropServices.SafeHandle? ownership) = await old.StopForReplacementAsync(order, keepsOwnership: true);
        await old.DisposeAsync();

        // The lock was never free in between.
        Assert.True(OwnerLock.IsHeld(folder.Store));
        Assert.NotNull(ownership);
        RestartOrigin origin = new() { Generation = 2, Statistics = statistics, Recent = order.Recent, Ownership = ownership };
        await using MessageRuntime next = CreateRuntime(folder, new TestReplacer(), origin, app => app.AddWork((_, _, _) => ValueTask.FromResult(HandlerResult.Completed)));
        await next.StartAsync(Cancel);
        foreach (MessageId id in ids)
        {
            await next.EndedAsync(id, MessageState.Acked);
        }

        IReadOnlyList<RuntimeRun> runs = await next.View.Control.GetRunsAsync(10, Cancel);
        Assert.Equal([2, 1], runs.Select(run => run.Run));
        Assert.Equal((true, "restart: a release"), (runs[1].Clean, runs[1].Reason));
        Assert.Equal((2, null, status.Id), (runs[0].Generation, runs[0].Clean, runs[0].Restart?.Id));

        // Counters are read one after the other while messages end.
        Assert.InRange(runs[0].Restart!.InFlight + runs[0].Restart!.Before.Acked, 1_000, 2_000);
        Assert.InRange(runs[0].Restart!.Finished + runs[0].Restart!.Abandoned, runs[0].Restart!.InFlight - 100, runs[0].Restart!.InFlight + 100);
        Assert.InRange(runs[0].Restart!.Downtime, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(30));
        Assert.NotNull(runs[0].Restart!.After);
        Assert.Equal(2, (await next.View.GetStatusAsync(Cancel)).Generation);
    }

    [Fact]
    public async Task Ac80_of_two_requests_one_begins_and_one_is_refused_and_a_cancelled_one_lets_everything_go_on()
    {
        TestReplacer replacer = new();
        TaskCompletionSource held = new();
        await using MessageRuntime runtime = CreateMemory(replacer, app => app.AddWork(async (_, _, _) =>
        {
            await held.Task;
            return HandlerResult.Completed;
        }));
        await runtime.StartAsync(Cancel);
        MessageId first = await runtime.PublishAsync("first");
        await UntilAsync(() => runtime.Pool().Busy == 1);

        RestartStatus asked = await runtime.View.Control.RestartAsync(new RestartRequest(), Cancel);
        RestartRefusedException refused = await Assert.ThrowsAsync<RestartRefusedException>(() => runtime.View.Control.RestartAsync(new RestartRequest(), Cancel));
        Assert.Equal((RestartRefusal.Running, RuntimeState.Draining), (refused.Refusal, runtime.State));
        Assert.Contains(asked.Id, refused.Message, StringComparison.Ordinal);
        RestartStatus cancelled = await runtime.View.Control.CancelRestartAsync(Cancel);
        Assert.Equal((RestartState.Aborted, RuntimeState.Running), (cancelled.State, runtime.State));
        Assert.Equal(HealthState.Healthy, (await RestartCheckAsync(runtime)).State);

        held.SetResult();
        await runtime.EndedAsync(first, MessageState.Acked);
        await runtime.EndedAsync(await runtime.PublishAsync("second"), MessageState.Acked);
        await Assert.ThrowsAsync<RuntimeConflictException>(() => runtime.View.Control.CancelRestartAsync(Cancel));
    }

    [Fact]
    public async Task Rs6_what_a_memory_store_would_lose_keeps_it_from_restarting_unless_it_is_forced()
    {
        await using MessageRuntime runtime = CreateMemory(new TestReplacer(), app => app.AddWork((_, _, _) => ValueTask.FromResult(HandlerResult.Completed)));
        await runtime.StartAsync(Cancel);
        await runtime.PauseQueueAsync("work", Cancel);
        await runtime.PublishAsync("waits");

        await runtime.View.Control.RestartAsync(new RestartRequest { DrainTimeout = TimeSpan.Zero }, Cancel);
        await UntilAsync(() => runtime.View.Control.Restart.State == RestartState.Aborted);
        Assert.Contains("1 messages are left in the memory store", runtime.View.Control.Restart.Why, StringComparison.Ordinal);
        Assert.Equal(RuntimeState.Running, runtime.State);
        Assert.Contains("1 messages are left in the memory store", (await RestartCheckAsync(runtime)).Text, StringComparison.Ordinal);

        await runtime.View.Control.RestartAsync(new RestartRequest { DrainTimeout = TimeSpan.Zero, Force = true }, Cancel);
        await runtime.ReplacementOrdered.WaitAsync(Cancel);
    }

    [Fact]
    public async Task Rs4_a_problem_that_is_found_before_changes_nothing_and_is_listed()
    {
        TestReplacer replacer = new() { Problems = ["the program is gone", "the settings are wrong"] };
        await using MessageRuntime runtime = CreateMemory(replacer, app => app.AddWork((_, _, _) => ValueTask.FromResult(HandlerResult.Completed)));
        await runtime.StartAsync(Cancel);

        RestartRefusedException refused = await Assert.ThrowsAsync<RestartRefusedException>(() => runtime.View.Control.RestartAsync(new RestartRequest(), Cancel));

        Assert.Equal(RestartRefusal.Preflight, refused.Refusal);
        Assert.Equal(replacer.Problems, refused.Problems);
        Assert.Equal((RuntimeState.Running, RestartState.Aborted), (runtime.State, runtime.View.Control.Restart.State));
        Assert.Equal(HealthState.Healthy, (await RestartCheckAsync(runtime)).State); // who asked was told
        replacer.Problems = [];
        RestartStatus could = await runtime.View.Control.RestartAsync(new RestartRequest { DryRun = true }, Cancel);
        Assert.Equal((RestartState.Idle, RuntimeState.Running), (could.State, runtime.State));
        await runtime.EndedAsync(await runtime.PublishAsync("goes on"), MessageState.Acked);
        Assert.Contains((await runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks, check => check.Name == "restart" && check.Result.State == HealthState.Healthy);
    }

    [Fact]
    public async Task Rs13_more_restarts_than_allowed_are_refused_until_the_window_has_passed()
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        RestartOrigin origin = new() { Generation = 3, Recent = [now.AddMinutes(-20), now.AddMinutes(-2), now.AddMinutes(-1)] };
        await using MessageRuntime runtime = CreateMemory(new TestReplacer(), _ => { }, origin, "restart.maxPerWindow=2");
        await runtime.StartAsync(Cancel);

        RestartRefusedException refused = await Assert.ThrowsAsync<RestartRefusedException>(() => runtime.View.Control.RestartAsync(new RestartRequest(), Cancel));

        Assert.Equal(RestartRefusal.TooMany, refused.Refusal);
        Assert.InRange(refused.RetryAfter!.Value, TimeSpan.FromMinutes(7), TimeSpan.FromMinutes(8));
        Assert.Contains("restart.maxPerWindow", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rs13_sources_that_are_distrusted_wait_until_somebody_resumes_the_runtime()
    {
        RestartOrigin origin = new() { Distrust = "Three generations ended too soon." };
        TaskCompletionSource ran = new();
        await using MessageRuntime runtime = CreateMemory(new TestReplacer(), app => app.AddQueue("work").AddSource("shop", _ => new FunctionSource("shop", async (sink, token) =>
        {
            await sink.AcceptAsync([], null, token);
            ran.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        }), "work").AddHandler("work.todo", RuntimeTestJson.Default.Order, (_, _, _) => ValueTask.FromResult(HandlerResult.Completed), "work").AddWorkers("work"), origin);
        await runtime.StartAsync(Cancel);

        Assert.True(runtime.Rooms.Sources.IsPaused("shop"));
        Assert.Contains((await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel)).Checks, check => check is { Name: "restart", Result.State: HealthState.Degraded });
        Assert.False(ran.Task.IsCompleted);
        await runtime.View.Control.ResumeAsync(Cancel);

        await ran.Task.WaitAsync(Cancel);
        Assert.Null(runtime.Origin.Distrust);
    }

    [Fact]
    public async Task A_stop_that_comes_while_it_drains_takes_its_place()
    {
        TaskCompletionSource held = new();
        await using MessageRuntime runtime = CreateMemory(new TestReplacer(), app => app.AddWork(async (_, _, _) =>
        {
            await held.Task;
            return HandlerResult.Completed;
        }));
        await runtime.StartAsync(Cancel);
        await runtime.PublishAsync("held");
        await UntilAsync(() => runtime.Pool().Busy == 1);
        await runtime.View.Control.RestartAsync(new RestartRequest(), Cancel);

        await runtime.Restarts.TurnIntoStopAsync();
        held.SetResult();
        await runtime.StopAsync(Cancel);

        Assert.Equal((RuntimeState.Stopped, RestartState.Aborted, false), (runtime.State, runtime.Restarts.Status.State, runtime.ReplacementOrdered.IsCompleted));
    }

    private static MessageRuntime CreateMemory(TestReplacer replacer, Action<IApplicationBuilder> configure, RestartOrigin? origin = null, params string[] settings) =>
        Make(["store.kind=memory", .. settings], replacer, origin ?? new RestartOrigin(), configure);

    [Fact]
    public async Task Jn9_the_last_runs_are_kept_whatever_their_age_and_older_ones_go()
    {
        using TempFolder folder = new();
        for (int run = 1; run <= 4; run++)
        {
            await using MessageRuntime runtime = await StartDurableAsync(folder.Path, app => app.AddQueue("work"), "retention.runs=3");
        }

        await using MessageRuntime last = await StartDurableAsync(folder.Path, app => app.AddQueue("work"), "retention.runs=3");

        Assert.Equal([5, 4, 3], (await last.View.Control.GetRunsAsync(10, Cancel)).Select(run => run.Run));
        Assert.All(await last.Store.Facts.ListAsync(FactScopes.Run, Cancel), fact => Assert.Null(fact.ExpiresAt));
    }

    private static async Task<HealthResult> RestartCheckAsync(MessageRuntime runtime) =>
        (await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel)).Checks.Single(check => check.Name == "restart").Result;

    private static MessageRuntime CreateRuntime(TempFolder folder, TestReplacer replacer, RestartOrigin origin, Action<IApplicationBuilder> configure) => Make(
        ["store.kind=sqlite", $"store.path={folder.Store}", $"runtime.dataDirectory={folder.Path}", "store.reserve=0", "runtime.cancelGrace=1s"],
        replacer,
        origin,
        app =>
        {
            app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
            configure(app);
        });

    private static MessageRuntime Make(string[] settings, TestReplacer replacer, RestartOrigin origin, Action<IApplicationBuilder> configure)
    {
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(settings) } }, Replacer = replacer, Origin = origin });
        runtime.RegisterModule(new TestModule(configure));
        return runtime;
    }

    private sealed class TestReplacer : IProcessReplacer
    {
        public IReadOnlyList<string> Problems { get; set; } = [];

        public RestartMode ModeFor(RestartOptions options) => RestartMode.Exec;

        public bool HandsSocketsOver(RestartMode mode) => true;

        public Task<IReadOnlyList<string>> CheckAsync(RestartMode mode, CancellationToken cancellationToken) => Task.FromResult(Problems);
    }
}
