namespace Postroom.Testing;

/// <summary>A clock that stands still until a test moves it. Wall clock and monotonic clock move together, and the wall clock can jump alone.</summary>
/// <remarks>
/// Timers run on the monotonic clock and fire on the thread that advances it, in the order of their due times, each while the
/// clock shows its own due time. A timer that is due at once, as zero asks for, fires on the thread pool: whoever arms it may
/// hold a lock. Safe for concurrent use; one thread advances at a time.
/// </remarks>
public sealed class ManualClock : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly Lock _advancing = new();
    private readonly List<ManualTimer> _armed = [];
    private DateTimeOffset _start;
    private long _ticks;
    private long _order;

    /// <summary>Makes a clock that shows noon of 15 January 2026, UTC.</summary>
    public ManualClock()
        : this(new DateTimeOffset(2026, 1, 15, 12, 0, 0, TimeSpan.Zero))
    {
    }

    /// <summary>Makes a clock.</summary>
    /// <param name="start">What the wall clock shows first.</param>
    public ManualClock(DateTimeOffset start) => _start = start.ToUniversalTime();

    /// <summary>Ticks of 100 ns.</summary>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>UTC: no test depends on where it runs.</summary>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>How far the monotonic clock has come since the clock was made.</summary>
    public TimeSpan Elapsed => TimeSpan.FromTicks(Volatile.Read(ref _ticks));

    /// <summary>How many timers wait to fire.</summary>
    public int ArmedTimers
    {
        get
        {
            lock (_gate)
            {
                return _armed.Count;
            }
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _start.AddTicks(_ticks);
        }
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    /// <summary>Moves both clocks and fires the timers that become due, each at its due time; those they arm fire too when they are due within the time.</summary>
    /// <param name="by">How far; not negative. Zero fires what is due now.</param>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        lock (_advancing)
        {
            long end = Volatile.Read(ref _ticks) + by.Ticks;
            while (NextDue(end) is { } timer)
            {
                timer.Fire();
            }

            lock (_gate)
            {
                _ticks = end;
            }
        }
    }

    /// <summary>Moves the wall clock alone, as an operator or a time server does. No timer fires.</summary>
    /// <param name="by">How far; negative for back.</param>
    public void JumpWallClock(TimeSpan by)
    {
        lock (_gate)
        {
            _start += by;
        }
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ManualTimer timer = new(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Disarms the timer that fires next within the time, and shows its due time.</summary>
    private ManualTimer? NextDue(long end)
    {
        lock (_gate)
        {
            ManualTimer? next = _armed.Where(timer => timer.Due <= end).MinBy(timer => (timer.Due, timer.Order));
            if (next is null)
            {
                return null;
            }

            _ticks = Math.Max(_ticks, next.Due);
            _armed.Remove(next);
            if (next.Period > TimeSpan.Zero)
            {
                Arm(next, next.Period);
            }

            return next;
        }
    }

    private void Arm(ManualTimer timer, TimeSpan dueTime)
    {
        timer.Due = _ticks + dueTime.Ticks;
        timer.Order = _order++;
        _armed.Add(timer);
    }

    private sealed class ManualTimer(ManualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        public long Due { get; set; }

        public long Order { get; set; }

        public TimeSpan Period { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                if (_disposed)
                {
                    return false;
                }

                clock._armed.Remove(this);
                Period = period;
                if (dueTime == TimeSpan.Zero)
                {
                    ThreadPool.UnsafeQueueUserWorkItem(static timer => timer.Fire(), this, preferLocal: false);
                    dueTime = period > TimeSpan.Zero ? period : Timeout.InfiniteTimeSpan;
                }

                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    clock.Arm(this, dueTime);
                }

                return true;
            }
        }

        public void Dispose()
        {
            lock (clock._gate)
            {
                _disposed = true;
                clock._armed.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
