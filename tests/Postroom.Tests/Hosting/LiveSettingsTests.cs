using Postroom.Configuration;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>CF-7, CF-8: what is written into the settings file of a running program is in force soon, and what cannot be used changes nothing.</summary>
public sealed class LiveSettingsTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Cf7_an_edited_file_is_in_force_soon_and_a_broken_one_shows_in_health_and_changes_nothing()
    {
        await using MessageRuntime runtime = await StartAsync("workers: { work: { parallelism: 2 } }\n");

        await EditAsync("workers: { work: { parallelism: 5 } }\n");
        await UntilAsync(() => Pool(runtime).Parallelism == 5);
        await EditAsync("workers: { work: { parallelism: 0 } }\nqueus: {}\n");
        await UntilAsync(() => runtime.Configuration.Problems.Count == 2);
        HealthCheck check = (await runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks.Single(check => check.Name == "configuration");
        int kept = Pool(runtime).Parallelism;
        await EditAsync("workers: { work: { parallelism: 3 } }\n");
        await UntilAsync(() => Pool(runtime).Parallelism == 3 && runtime.Configuration.Problems.Count == 0);

        Assert.Equal(5, kept);
        Assert.Equal(HealthState.Degraded, check.Result.State);
        Assert.Contains("Configuration rejected", check.Result.Text, StringComparison.Ordinal);
        Assert.Contains("postroom.yaml:1:", check.Result.Text, StringComparison.Ordinal);
        Assert.Contains("queues", check.Result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cf8_limits_are_in_force_at_once_and_what_is_not_says_that_it_needs_a_restart()
    {
        await using MessageRuntime runtime = await StartAsync("limits: { body: 1MiB }\n");
        await runtime.PublishAsync(new string('x', 2_000));

        ReloadResult body = await runtime.Configuration.SetOverrideAsync("limits.body", "1000", persist: false, Cancel);
        ReloadResult incoming = await runtime.Configuration.SetOverrideAsync("communications.incoming", "publish", persist: false, Cancel);
        ReloadResult outbound = await runtime.Configuration.SetOverrideAsync("outbound.drainTimeout", "3s", persist: false, Cancel);
        await runtime.Configuration.SetOverrideAsync("limits.hops", "3", persist: false, Cancel);
        await runtime.Configuration.SetOverrideAsync("limits.contacts", "9", persist: false, Cancel);

        ArgumentException refused = await Assert.ThrowsAsync<ArgumentException>(() => runtime.PublishAsync(new string('x', 2_000)));
        Assert.Contains("the limit is 1000 (limits.body)", refused.Message, StringComparison.Ordinal);
        Assert.Equal((3, 9), (runtime.Rooms.Limits.Hops, runtime.Rooms.Limits.Contacts));
        Assert.Equal(["communications.incoming"], incoming.NeedsRestart);
        Assert.Empty(body.NeedsRestart.Concat(outbound.NeedsRestart));
    }

    [Fact]
    public async Task Cf8_queues_workers_and_hooks_change_while_messages_flow()
    {
        List<string> handled = [];
        await using MessageRuntime runtime = await StartAsync("queues: { work: { maxAttempts: 1 } }\n", (order, _, token) =>
        {
            lock (handled)
            {
                handled.Add(order.Number);
            }

            return order.Number == "slow" ? new ValueTask<HandlerResult>(SlowAsync(token)) : throw new InvalidOperationException("no");
        });
        MessageId once = await runtime.PublishAsync("first");
        await runtime.EndedAsync(once, MessageState.Failed);

        await EditAsync("queues: { work: { maxAttempts: 3 } }\nworkers: { work: { handlerTimeout: 200ms, retryTimeouts: false, cancelGrace: 1s } }\nhooks: { timeout: 7s }\n");
        await UntilAsync(() => runtime.Rooms.Hooks.Timeout == TimeSpan.FromSeconds(7));
        MessageId thrice = await runtime.PublishAsync("second");
        MessageId slow = await runtime.PublishAsync("slow");
        JournalRecord timedOut = await runtime.EndedAsync(slow, MessageState.Failed);
        await runtime.EndedAsync(thrice, MessageState.Failed);

        Assert.Equal(3, handled.Count(number => number == "second"));
        Assert.Equal(FailureKind.Timeout, timedOut.Entry.FailureKind);
    }

    [Fact]
    public async Task Jn9_what_is_kept_no_longer_is_removed_every_ten_minutes_by_the_settings_in_force()
    {
        ManualClock clock = new();
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory", "retention.acked=1h"]) } }, Clock = clock });
        runtime.RegisterModule(new TestModule(app => app.AddWork((_, _, _) => new ValueTask<HandlerResult>(HandlerResult.Completed))));
        await runtime.StartAsync(Cancel);
        MessageId id = await runtime.PublishAsync("a");
        await runtime.EndedAsync(id, MessageState.Acked);

        clock.Advance(TimeSpan.FromMinutes(30));
        JournalRecord? kept = await runtime.Journal.GetAsync(id, withBody: false, Cancel);
        for (int round = 0; round < 6 && await runtime.Journal.GetAsync(id, withBody: false, Cancel) is not null; round++)
        {
            clock.Advance(TimeSpan.FromMinutes(10));
            await UntilAsync(async () => round < 4 || await runtime.Journal.GetAsync(id, withBody: false, Cancel) is null);
        }

        Assert.NotNull(kept);
        Assert.Null(await runtime.Journal.GetAsync(id, withBody: false, Cancel));
        await runtime.DisposeAsync();
    }

    private static async Task<HandlerResult> SlowAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        return HandlerResult.Completed;
    }

    private static PoolStatus Pool(MessageRuntime runtime) => runtime.Workers.GetStatus().Single(pool => pool.Name == "work");

    private static async Task UntilAsync(Func<bool> condition) => await UntilAsync(() => Task.FromResult(condition()));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        long begun = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < Patience, "It did not come into force in time.");
            await Task.Delay(20, Cancel);
        }
    }

    private async Task<MessageRuntime> StartAsync(string settings, Func<Order, HandlerContext, CancellationToken, ValueTask<HandlerResult>>? handle = null)
    {
        string file = Path.Combine(_folder.Path, "postroom.yaml");
        await File.WriteAllTextAsync(file, settings, Cancel);
        ConfigurationSources sources = ConfigurationSources.Standard(file, null, ["store.kind=memory"], new Dictionary<string, string>(), TimeProvider.System);
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = sources });
        runtime.RegisterModule(new TestModule(app => app.AddWork(handle ?? ((_, _, _) => new ValueTask<HandlerResult>(HandlerResult.Completed)))));
        await runtime.StartAsync(Cancel);
        return runtime;
    }

    private async Task EditAsync(string settings)
    {
        // As an editor does: written elsewhere and moved into place.
        string file = Path.Combine(_folder.Path, "postroom.yaml");
        await File.WriteAllTextAsync(file + "~", settings, Cancel);
        File.Move(file + "~", file, overwrite: true);
    }
}
