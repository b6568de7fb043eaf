using System.Diagnostics;
using Postroom.ControlPlane;
using Postroom.Tests.Hosting;
using Postroom.Tests.Testing;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>What probes get while every slot is blocked.</summary>
[Collection(nameof(AloneInTheProcess))] // 500 of its threads block
public sealed class BlockedHandlerHealthTests
{
    private const int Handlers = 500;

    [Fact]
    public async Task Ac77_live_ready_and_health_answer_within_a_second_with_500_blocked_handlers_and_a_check_that_blocks()
    {
        using ManualResetEventSlim gate = new();
        using CountdownEvent blocked = new(Handlers);
        await using RealHttp http = await RealHttp.StartAsync(
            app => app.AddWork(
                (_, _, _) =>
                {
                    blocked.Signal();
                    gate.Wait(CancellationToken.None); // a thread of the pool, as bad code does it
                    return new(HandlerResult.Completed);
                },
                pool: options => options.Parallelism = Handlers),
            "health.timeout=500ms");
        string key = await http.KeyAsync(ApiRole.Viewer);
        _ = await http.CallAsync("GET", "/health/live", null); // the client has its connection
        try
        {
            await Task.WhenAll(Enumerable.Range(0, Handlers).Select(number => http.Runtime.PublishAsync($"{number}")));
            Assert.True(blocked.Wait(TimeSpan.FromSeconds(30), RuntimeHarness.Cancel));

            (Answer Answer, TimeSpan Time)[] well = [await TimedAsync("/health/live", null), await TimedAsync("/health/ready", null), await TimedAsync("/health", key)];
            http.Runtime.Health.Register(new HealthProbe("bad", HealthViews.Ready | HealthViews.Status, _ =>
            {
                gate.Wait(CancellationToken.None);
                return new(HealthResult.Healthy);
            }));
            (Answer live, TimeSpan liveTime) = await TimedAsync("/health/live", null);
            (Answer ready, TimeSpan readyTime) = await TimedAsync("/health/ready", null);
            (Answer all, TimeSpan allTime) = await TimedAsync("/health", key);

            Assert.Equal((200, 503, 503), (live.Status, ready.Status, all.Status));
            Assert.Equal([200, 200, 200], well.Select(static one => one.Answer.Status));
            Assert.All([.. well.Select(static one => one.Time), liveTime, readyTime, allTime], time => Assert.InRange(time, TimeSpan.Zero, TimeSpan.FromSeconds(1)));
            Assert.Contains("No answer", all.Json.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("name").GetString() == "bad").GetProperty("text").GetString(), StringComparison.Ordinal);
        }
        finally
        {
            gate.Set();
        }

        async Task<(Answer Answer, TimeSpan Time)> TimedAsync(string path, string? withKey)
        {
            long begun = Stopwatch.GetTimestamp();
            return (await http.CallAsync("GET", path, withKey), Stopwatch.GetElapsedTime(begun));
        }
    }
}
