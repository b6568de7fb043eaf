namespace Postroom.Storage;

/// <summary>Notices that the wall clock was set: it went on by more or less than the monotonic clock did. Used by one thread at a time.</summary>
/// <param name="clock">Has both.</param>
/// <param name="least">What counts as set; null for 2 s, for a clock that is slewed is not one that was set.</param>
internal sealed class WallClock(TimeProvider clock, TimeSpan? least = null)
{
    private readonly TimeSpan _least = least ?? TimeSpan.FromSeconds(2);
    private DateTimeOffset _wall = clock.GetUtcNow();
    private long _monotonic = clock.GetTimestamp();

    /// <summary>By how much it was set since the last call that noticed something; zero for not at all.</summary>
    public TimeSpan TakeShift()
    {
        DateTimeOffset wall = clock.GetUtcNow();
        long monotonic = clock.GetTimestamp();
        TimeSpan shift = wall - _wall - clock.GetElapsedTime(_monotonic, monotonic);
        if (shift.Duration() < _least)
        {
            return TimeSpan.Zero;
        }

        (_wall, _monotonic) = (wall, monotonic);
        return shift;
    }
}
