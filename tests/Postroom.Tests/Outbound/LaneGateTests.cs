using Postroom.Outbound;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Outbound;

/// <summary>How long a lane waits.</summary>
public sealed class LaneGateTests
{
    private readonly ManualClock _clock = new();

    [Fact]
    public async Task Failures_of_sends_in_flight_together_lengthen_the_pause_once()
    {
        LaneGate gate = new(_clock);
        gate.Open();
        for (int i = 0; i < 6; i++)
        {
            gate.Suspend(null, "down", random: 0.5);
        }

        Task waiting = gate.WaitAsync(RuntimeHarness.Cancel).AsTask();
        _clock.Advance(TimeSpan.FromSeconds(1.3));

        await waiting.WaitAsync(TimeSpan.FromSeconds(10), RuntimeHarness.Cancel);
        Assert.False(gate.IsSuspended);
    }

    [Fact]
    public async Task A_pause_without_end_is_a_week_and_a_negative_one_is_none()
    {
        LaneGate gate = new(_clock);
        gate.Suspend(TimeSpan.FromDays(-1), "odd", random: 0.5);
        await gate.WaitSuspensionAsync(RuntimeHarness.Cancel);
        gate.Suspend(TimeSpan.MaxValue, "odd", random: 0.5);

        Task waiting = gate.WaitSuspensionAsync(RuntimeHarness.Cancel).AsTask();

        Assert.False(waiting.IsCompleted);
        _clock.Advance(TimeSpan.FromDays(7.01));
        Assert.False(gate.IsSuspended);
        await waiting.WaitAsync(TimeSpan.FromSeconds(10), RuntimeHarness.Cancel);
    }
}
