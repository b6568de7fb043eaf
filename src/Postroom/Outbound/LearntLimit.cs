namespace Postroom.Outbound;

/// <summary>
/// What the refusals of a service tell of a limit that neither its communicator nor the settings know: so many sends were taken from the end of the last pause to the
/// refusal, and the service names the instant from which it takes more. From then on the lane keeps to that rate by itself. Safe for concurrent use.
/// </summary>
/// <remarks>
/// Waits come in whole seconds, so the first rate may be too low. It is raised in small steps while nothing is refused, and stays below the one that was refused
/// again. A limit that was not met for <see cref="Memory"/> is forgotten: the service may allow more by then.
/// </remarks>
internal sealed class LearntLimit(TimeProvider clock)
{
    /// <summary>Fewer sends before a refusal say nothing of a rate: somebody else may have used the limit up.</summary>
    private const int Fewest = 5;

    private const int MostCounted = 100_000;
    private const double Step = 1.05;
    private const int WindowsPerStep = 2;

    /// <summary>How long a limit is kept that was not met.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Rounding = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private IReadOnlyList<SendLimit> _current = [];
    private long _begun;
    private int _taken;
    private long _pausedUntil;
    private long _changedAt;
    private long _refusedAt;
    private TimeSpan _shortest; // the period at which as many sends would be refused, or were

    /// <summary>The limit that was learnt; empty for none.</summary>
    public IReadOnlyList<SendLimit> Current
    {
        get
        {
            lock (_gate)
            {
                if (_current.Count > 0)
                {
                    Reconsider();
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
            if (_taken == 0 || _taken == MostCounted)
            {
                (_begun, _taken) = (clock.GetTimestamp(), 0);
            }

            _taken++;
        }
    }

    /// <summary>The service refused a send because there were too many.</summary>
    /// <param name="wait">How long it wants to be left alone.</param>
    public void Refused(TimeSpan wait)
    {
        lock (_gate)
        {
            long now = clock.GetTimestamp();
            if (now < _pausedUntil)
            {
                return; // Of those in flight together the first has told it.
            }

            _pausedUntil = _refusedAt = now + (long)(wait.TotalSeconds * clock.TimestampFrequency);
            (int taken, TimeSpan period) = (_taken, clock.GetElapsedTime(_begun) + wait);
            _taken = 0;
            if (_current is [var kept])
            {
                // It was kept to and is too much all the same.
                TimeSpan slower = kept.Rate.Period * Step;
                TimeSpan measured = taken >= Fewest ? period * ((double)kept.Burst / taken) : TimeSpan.Zero;
                _shortest = kept.Rate.Period;
                Set(kept.Burst, measured > slower ? measured : slower);
            }
            else if (taken >= Fewest)
            {
                _shortest = period > 2 * Rounding ? period - Rounding : period / 2;
                Set(taken, period);
            }
        }
    }

    private void Reconsider()
    {
        SendLimit limit = _current[0];
        if (clock.GetElapsedTime(_refusedAt) > Memory)
        {
            (_current, _taken) = ([], 0);
        }
        else if (clock.GetElapsedTime(_changedAt) > limit.Rate.Period * WindowsPerStep && clock.GetElapsedTime(_pausedUntil) > limit.Rate.Period && limit.Rate.Period / Step > _shortest)
        {
            Set(limit.Burst, limit.Rate.Period / Step);
        }
    }

    private void Set(int sends, TimeSpan period)
    {
        _changedAt = clock.GetTimestamp();
        _current = [new SendLimit("learnt", new Rate(sends, period), sends)];
    }
}
