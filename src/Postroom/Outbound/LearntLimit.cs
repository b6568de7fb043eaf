namespace Postroom.Outbound;

/// <summary>
/// What the refusals of a service tell of a limit that neither its communicator nor the settings know: so many sends were taken up to the refusal, and the service names
/// the instant from which it takes more. From then on the lane keeps to that rate by itself. Safe for concurrent use.
/// </summary>
/// <remarks>
/// How long the service's window is, it does not tell. Whatever the window, the latest n sends were taken in the time from the first of them to the end of the wait; the n
/// for which that was fastest is what the service allows at least, and quiet times before it count for nothing. Waits come in whole seconds, so the first rate may be too low. While the lane uses it up it is raised towards the one that was refused, half of the way each time; a
/// raise that is refused is taken back. Sends are spread over the window, so that such a refusal meets one or two of them. A limit that was not met for
/// <see cref="Memory"/> is tried beyond what was refused, and forgotten when the lane does not use it up: the service may allow more by then.
/// </remarks>
internal sealed class LearntLimit(TimeProvider clock)
{
    /// <summary>Fewer sends before a refusal say nothing of a rate: somebody else may have used the limit up.</summary>
    private const int Fewest = 5;

    /// <summary>How many of the latest sends are looked at.</summary>
    private const int MostKept = 1_024;

    /// <summary>A window is cut into so many, so that its sends do not leave together.</summary>
    private const int Spread = 10;

    private const double SmallStep = 1.05;
    private const double LargestStep = 1.2;
    private const int WindowsPerStep = 2;

    /// <summary>The part of the rate that has to be in use to say something of it.</summary>
    private const double UsedUp = 0.8;

    /// <summary>How long a limit is kept that was not met.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Rounding = TimeSpan.FromSeconds(1);

    /// <summary>A shorter period would be no limit.</summary>
    private static readonly TimeSpan ShortestPeriod = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private IReadOnlyList<SendLimit> _current = [];
    private bool _isFirst; // those that were in flight at the first refusal are still to be counted
    private readonly long[] _sends = new long[MostKept]; // a ring of instants
    private long _taken; // since the last pause
    private long _watchedFrom;
    private int _watched; // taken since _watchedFrom
    private long _pausedUntil;
    private long _refusedAt;
    private TimeSpan _good; // the period that was never refused
    private TimeSpan _refused; // the period at which as many sends would be refused, or were

    /// <summary>The limit that was learnt; empty for none.</summary>
    public IReadOnlyList<SendLimit> Current
    {
        get
        {
            lock (_gate)
            {
                if (_current.Count > 0)
                {
                    Reconsider(_current[0].Rate);
                }

                return _current;
            }
        }
    }

    /// <summary>The service took a send.</summary>
    public void Taken()
    {
        lock (_gate)
        {
            if (clock.GetTimestamp() < _pausedUntil)
            {
                // It left before the pause, and its answer came after the refusal of another.
                if (_isFirst)
                {
                    Set(_current[0].Rate.Count + 1, _good);
                }

                return;
            }

            _isFirst = false;
            _watched++;
            _sends[_taken++ % MostKept] = clock.GetTimestamp();
        }
    }

    /// <summary>The service refused a send because there were too many.</summary>
    /// <param name="wait">How long it is left alone.</param>
    /// <param name="isTold">Whether the service said so; otherwise the wait tells nothing of its limit.</param>
    public void Refused(TimeSpan wait, bool isTold = true)
    {
        lock (_gate)
        {
            long now = clock.GetTimestamp();
            if (now < _pausedUntil)
            {
                return; // Of those in flight together the first has told it.
            }

            _pausedUntil = _refusedAt = now + (long)(wait.TotalSeconds * clock.TimestampFrequency);
            (int taken, TimeSpan period) = Fastest(isTold ? wait : TimeSpan.Zero);
            _taken = 0;
            if (_current is [{ Rate: var kept }])
            {
                _refused = kept.Period;
                if (_good <= kept.Period)
                {
                    // What was never refused is too much by now.
                    TimeSpan slower = kept.Period * SmallStep;
                    TimeSpan measured = taken >= Fewest ? period * ((double)kept.Count / taken) : TimeSpan.Zero;
                    _good = measured > slower ? measured : slower;
                }

                Set(kept.Count, _good);
            }
            else if (taken >= Fewest)
            {
                (_isFirst, _good) = (true, period);
                _refused = period > 2 * Rounding ? period - Rounding : period / 2;
                Set(taken, period);
            }
        }
    }

    /// <summary>The latest sends that were taken at the highest rate, and the time from the first of them to the end of the wait; none when there were too few.</summary>
    private (int Taken, TimeSpan Period) Fastest(TimeSpan wait)
    {
        (int taken, TimeSpan period) = (0, TimeSpan.Zero);
        for (int n = Fewest; n <= Math.Min(_taken, MostKept); n++)
        {
            TimeSpan time = clock.GetElapsedTime(_sends[(_taken - n) % MostKept]) + wait;
            time = time < Rounding ? Rounding : time; // no service counts in less
            if (taken == 0 || n * period >= taken * time)
            {
                (taken, period) = (n, time);
            }
        }

        return (taken, period);
    }

    /// <summary>Looks once in a while how the limit was used, and changes it accordingly.</summary>
    private void Reconsider(Rate kept)
    {
        TimeSpan watched = clock.GetElapsedTime(_watchedFrom);
        if (watched <= kept.Period * WindowsPerStep || clock.GetElapsedTime(_pausedUntil) <= kept.Period)
        {
            return;
        }

        bool isUsedUp = _watched >= UsedUp * kept.Count * (watched / kept.Period);
        bool isOld = clock.GetElapsedTime(_refusedAt) > Memory;
        if (!isUsedUp && isOld)
        {
            (_current, _taken, _isFirst) = ([], 0, false);
            return;
        }

        TimeSpan next = kept.Period;
        if (isUsedUp)
        {
            _refused = isOld ? TimeSpan.Zero : _refused;
            TimeSpan half = TimeSpan.FromSeconds(Math.Sqrt(kept.Period.TotalSeconds * _refused.TotalSeconds));
            next = half > kept.Period / LargestStep ? half : kept.Period / LargestStep;
            _good = kept.Period;
        }

        bool isWorthwhile = next * (SmallStep - 1) < kept.Period - next && next > ShortestPeriod;
        Set(kept.Count, isWorthwhile ? next : kept.Period);
    }

    private void Set(int sends, TimeSpan period)
    {
        (_watchedFrom, _watched) = (clock.GetTimestamp(), 0);
        _current = [new SendLimit("learnt", new Rate(sends, period), Math.Max(1, sends / Spread))];
    }
}
