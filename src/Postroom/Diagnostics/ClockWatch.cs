using System.Globalization;
using Microsoft.Extensions.Logging;
using Postroom.Storage;

namespace Postroom.Diagnostics;

/// <summary>Remembers when the wall clock was set by more than a minute (HL-5). It looks when it is asked, and whenever retention runs: no timer of its own.</summary>
/// <remarks>Retries, leases and time limits go by the monotonic clock and are not moved; due times, expiry and schedules go by the new time. Safe for concurrent use.</remarks>
internal sealed partial class ClockWatch(TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Remembered = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly WallClock _wall = new(clock, Least);
    private TimeSpan _shift;
    private long _seenAt;

    /// <summary>Looks at both clocks, and says by how much the wall clock was set within the last hour; zero for not at all.</summary>
    public TimeSpan Look()
    {
        TimeSpan shift;
        lock (_gate)
        {
            shift = _wall.TakeShift();
            if (shift != TimeSpan.Zero)
            {
                (_shift, _seenAt) = (shift, clock.GetTimestamp());
            }
            else if (_shift != TimeSpan.Zero && clock.GetElapsedTime(_seenAt) > Remembered)
            {
                _shift = TimeSpan.Zero;
            }

            if (shift == TimeSpan.Zero)
            {
                return _shift;
            }
        }

        LogSet(Text(shift));
        return shift;
    }

    /// <summary>What it means, for people.</summary>
    public static string Text(TimeSpan shift) => string.Create(
        CultureInfo.InvariantCulture,
        $"The wall clock was set {(shift > TimeSpan.Zero ? "forward" : "back")} by {Duration.Format(TimeSpan.FromSeconds(Math.Round(shift.Duration().TotalSeconds)))}. Retries and time limits are not moved; due times, expiry, schedules and the age of signatures go by the new time. Check the machine's time service.");

    [LoggerMessage(620, LogLevel.Warning, "{Text}")]
    private partial void LogSet(string text);
}
