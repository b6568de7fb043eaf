using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Testing;

public sealed class ManualClockTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly ManualClock _clock = new();

    [Fact]
    public void It_stands_still_until_it_is_moved()
    {
        DateTimeOffset start = _clock.GetUtcNow();
        long timestamp = _clock.GetTimestamp();

        _clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(start.AddMinutes(1), _clock.GetUtcNow());
        Assert.Equal(TimeSpan.FromMinutes(1), _clock.GetElapsedTime(timestamp));
        Assert.Throws<ArgumentOutOfRangeException>(() => _clock.Advance(-Second));
    }

    [Fact]
    public void Timers_fire_in_the_order_of_their_due_times_each_at_its_own()
    {
        DateTimeOffset start = _clock.GetUtcNow();
        List<(string Name, TimeSpan At)> fired = [];
        ITimer Timer(string name, int due, int period = -1) => _clock.CreateTimer(
            _ => fired.Add((name, _clock.GetUtcNow() - start)), null, due * Second, period < 0 ? Timeout.InfiniteTimeSpan : period * Second);
        using ITimer late = Timer("late", 5);
        using ITimer early = Timer("early", 1);
        using ITimer alsoEarly = Timer("also early", 1);
        using ITimer periodic = Timer("periodic", 2, 2);
        using ITimer later = Timer("later", 6);
        using ITimer gone = Timer("gone", 1);
        gone.Dispose();

        _clock.Advance(5 * Second);

        Assert.Equal([("early", Second), ("also early", Second), ("periodic", 2 * Second), ("periodic", 4 * Second), ("late", 5 * Second)], fired);
        Assert.Equal(2, _clock.ArmedTimers);
    }

    [Fact]
    public void A_timer_armed_by_a_timer_fires_within_the_same_advance_when_it_is_due()
    {
        List<TimeSpan> fired = [];
        ITimer? chained = null;
        chained = _clock.CreateTimer(
            _ =>
            {
                fired.Add(_clock.Elapsed);
                chained!.Change(Second, Timeout.InfiniteTimeSpan);
            },
            null,
            Second,
            Timeout.InfiniteTimeSpan);

        _clock.Advance(3.5 * Second);

        Assert.Equal([Second, 2 * Second, 3 * Second], fired);
        Assert.Equal(3.5 * Second, _clock.Elapsed);
    }

    [Fact]
    public void A_wall_clock_jump_moves_no_timer()
    {
        DateTimeOffset start = _clock.GetUtcNow();
        int fired = 0;
        using ITimer timer = _clock.CreateTimer(_ => fired++, null, 10 * Second, Timeout.InfiniteTimeSpan);

        _clock.JumpWallClock(TimeSpan.FromHours(1));
        _clock.Advance(9 * Second);
        int before = fired;
        _clock.JumpWallClock(TimeSpan.FromHours(-2));
        _clock.Advance(Second);

        Assert.Equal((0, 1), (before, fired));
        Assert.Equal(start.AddHours(-1).AddSeconds(10), _clock.GetUtcNow());
        Assert.Equal(10 * Second, _clock.Elapsed);
    }

    [Fact]
    public async Task A_timer_that_is_due_at_once_fires_without_an_advance()
    {
        TaskCompletionSource fired = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ITimer timer = _clock.CreateTimer(_ => fired.TrySetResult(), null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);

        await fired.Task.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Delays_and_cancellation_run_on_it()
    {
        using CancellationTokenSource late = new(10 * Second, _clock);
        Task delay = Task.Delay(5 * Second, _clock, TestContext.Current.CancellationToken);

        _clock.Advance(5 * Second);
        await delay;
        bool before = late.IsCancellationRequested;
        _clock.Advance(5 * Second);

        Assert.False(before);
        Assert.True(late.IsCancellationRequested);
    }
}
