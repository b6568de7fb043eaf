using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Calls at the earliest of the instants of the wall clock that were set, and when that clock was set meanwhile. Safe for concurrent use.</summary>
internal sealed class Alarm(TimeProvider clock) : IDisposable
{
    // The wall clock may be set, and goes on while the machine sleeps: an instant is looked at again at least so often.
    private static readonly TimeSpan LookInterval = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private ITimer? _timer;
    private readonly WallClock _wall = new(clock);
    private long? _next;
    private Action? _then;

    /// <summary>Calls at an instant, in milliseconds, unless it calls earlier; an instant that is over is now.</summary>
    public void Set(long at, Action then)
    {
        lock (_gate)
        {
            if (_next is { } next && next <= at)
            {
                return;
            }

            (_next, _then) = (at, then);
            TimeSpan wait = TimeSpan.FromMilliseconds(Math.Clamp(at - clock.GetUtcNow().ToUnixTimeMilliseconds(), 0, (long)LookInterval.TotalMilliseconds));
            if (_timer is null)
            {
                _timer = clock.CreateTimer(static state => ((Alarm)state!).OnTimer(), this, wait, Timeout.InfiniteTimeSpan);
            }
            else
            {
                _timer.Change(wait, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _timer?.Dispose();
        }
    }

    private void OnTimer()
    {
        long? early;
        Action? then;
        lock (_gate)
        {
            early = _next > clock.GetUtcNow().ToUnixTimeMilliseconds() && _wall.TakeShift() == TimeSpan.Zero ? _next : null;
            (then, _next) = (_then, null);
        }

        if (then is null)
        {
            return;
        }

        if (early is { } at)
        {
            Set(at, then);
        }
        else
        {
            then();
        }
    }
}
