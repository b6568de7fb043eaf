using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Diagnostics;

/// <summary>Checks that block, hang, fail, or are many (HL-2, HL-3, HL-5).</summary>
public sealed class HealthRegistryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Hl2_a_check_that_blocks_its_thread_delays_nobody_beyond_its_time_and_is_not_begun_again_before_it_ends()
    {
        HealthRegistry health = new(new HealthOptions { Timeout = TimeSpan.FromMilliseconds(50), Reuse = TimeSpan.Zero }, TimeProvider.System);
        using ManualResetEventSlim gate = new();
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int begun = 0;
        health.Register(new HealthProbe("blocked", HealthViews.Status, token =>
        {
            Interlocked.Increment(ref begun);
            token.Register(() => told.TrySetResult());
            gate.Wait(CancellationToken.None);
            return new(HealthResult.Healthy);
        }));
        health.Register(new HealthProbe("well", HealthViews.Status, static _ => new(HealthResult.Healthy)));

        HealthReport first = await health.CheckAsync(HealthViews.Status, Cancel);
        HealthReport second = await health.CheckAsync(HealthViews.Status, Cancel);
        await told.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        int whileBlocked = Volatile.Read(ref begun);
        gate.Set();
        HealthState after = HealthState.Unhealthy;
        while (after != HealthState.Healthy)
        {
            Cancel.ThrowIfCancellationRequested();
            after = (await health.CheckAsync(HealthViews.Status, Cancel)).State;
        }

        Assert.Equal((HealthState.Unhealthy, HealthState.Healthy), (Of(first, "blocked").State, Of(first, "well").State));
        Assert.Contains("No answer within 0.05 s", Of(first, "blocked").Text, StringComparison.Ordinal);
        Assert.Contains("It is not asked again before it answers", Of(second, "blocked").Text, StringComparison.Ordinal);
        Assert.Equal(1, whileBlocked);
    }

    [Fact]
    public async Task Hl2_two_who_ask_at_once_share_one_check_and_one_who_gives_up_does_not_end_it()
    {
        ManualClock clock = new();
        HealthRegistry health = new(new HealthOptions(), clock);
        TaskCompletionSource<HealthResult> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int begun = 0;
        health.Register(new HealthProbe("slow", HealthViews.Status, async token =>
        {
            Interlocked.Increment(ref begun);
            return await answer.Task.WaitAsync(token);
        }));
        using CancellationTokenSource impatient = new();

        Task<HealthReport> gone = health.CheckAsync(HealthViews.Status, impatient.Token).AsTask();
        Task<HealthReport> stays = health.CheckAsync(HealthViews.Status, Cancel).AsTask();
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        answer.SetResult(HealthResult.Healthy);

        Assert.Equal(HealthState.Healthy, (await stays).State);
        Assert.Equal(1, begun);
    }

    [Fact]
    public async Task Hl5_each_member_of_a_group_answers_for_itself_and_those_beyond_two_hundred_together()
    {
        HealthRegistry health = new(new HealthOptions { Reuse = TimeSpan.Zero }, TimeProvider.System);
        string[] members = [.. Enumerable.Range(0, 205).Select(static number => $"p{number:D3}")];
        health.Register(new HealthGroup("workers", HealthViews.Ready, () => members, static (name, _) => new(name is "p003" or "p204" ? new HealthResult(HealthState.Unhealthy, $"{name} has failed") : HealthResult.Healthy)));

        HealthReport report = await health.CheckAsync(HealthViews.Ready, Cancel);
        members = ["p003"];
        HealthReport later = await health.CheckAsync(HealthViews.Ready, Cancel);

        Assert.Equal(201, report.Checks.Count);
        Assert.Equal("p003 has failed", Of(report, "workers.p003").Text);
        Assert.Equal(HealthState.Healthy, Of(report, "workers.p004").State);
        Assert.Equal("1 of 5 more: p204: p204 has failed", Of(report, "workers (others)").Text);
        Assert.Equal("workers.p003", Assert.Single(later.Checks).Name);
        Assert.Empty((await health.CheckAsync(HealthViews.Live, Cancel)).Checks);
    }

    private static HealthResult Of(HealthReport report, string name) => report.Checks.Single(check => check.Name == name).Result;
}
