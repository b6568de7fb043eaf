using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>Retries wait by the monotonic clock (GN-2), those that were left on disk too.</summary>
public sealed class WallClockTests
{
    [Theory]
    [InlineData(0, -2)]
    [InlineData(16, -2)]
    [InlineData(0, 72)]
    [InlineData(16, 72)]
    public async Task A_wall_clock_that_is_set_neither_delays_nor_hastens_a_retry(int window, int hours)
    {
        using TempFolder folder = new();
        ManualClock clock = new();
        int tried = 0;
        int done = 0;
        await using MessageRuntime runtime = new(new RuntimeSetup
        {
            Clock = clock,
            Configuration = new ConfigurationSources
            {
                Layers = { new CommandLineConfigurationLayer([$"store.kind={(window == 0 ? "memory" : "sqlite")}", $"store.path={folder.Store}", $"runtime.dataDirectory={folder.Path}", "store.reserve=0"]) },
            },
        });
        runtime.RegisterModule(new TestModule(app =>
        {
            app.AddStore("sqlite", (options, retention, redactor, time, _) => new SqliteStore(options, retention, redactor, time) { Window = Math.Max(1, window) });
            app.AddWork((_, context, _) =>
            {
                Interlocked.Increment(ref context.Attempt == 1 ? ref tried : ref done);
                return new(context.Attempt == 1 ? HandlerResult.RetryAfter(TimeSpan.FromSeconds(100), "later") : HandlerResult.Completed);
            });
        }));
        await runtime.StartAsync(Cancel);
        for (int i = 0; i < 60; i++)
        {
            await runtime.PublishAsync($"{i}");
        }

        await UntilAsync(() => tried == 60 && runtime.Pool() is { Busy: 0, Settling: 0 });
        clock.JumpWallClock(TimeSpan.FromHours(hours));
        for (int second = 0; second < 90; second += 10)
        {
            clock.Advance(TimeSpan.FromSeconds(10));
            await runtime.Store.GetStatsAsync("work", Cancel);
        }

        await Task.Delay(200, Cancel); // a retry that came early would be handled by now
        Assert.Equal(0, done);
        for (int look = 0; look < 200 && done < 60; look++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(20, Cancel);
        }

        Assert.Equal(60, done);
    }
}
