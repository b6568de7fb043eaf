using Microsoft.Extensions.Logging;

namespace Postroom.Workers;

/// <summary>One clock for the time limits of a pool's attempts. Its timer runs only while something runs.</summary>
internal sealed partial class AttemptWatch : IDisposable
{
    private readonly WorkerPool _pool;
    private readonly ILogger _log;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _limit;
    private readonly TimeSpan _grace;
    private readonly TimeSpan _tick;
    private ITimer? _timer;
    private int _armed;

    public AttemptWatch(WorkerPool pool, TimeProvider clock, ILogger log)
    {
        _log = log;
        _pool = pool;
        _clock = clock;
        _limit = pool.Options.HandlerTimeout;
        _grace = pool.Options.CancelGrace;

        // A limit is kept to within a tenth of itself, between 10 ms and one second.
        _tick = TimeSpan.FromMilliseconds(Math.Clamp(_limit.TotalMilliseconds / 10, 10, 1_000));
    }

    /// <summary>Something runs: the timer is armed unless it is.</summary>
    public void OnBusy()
    {
        // Read before written: all workers of the pool come here for every message.
        if (_limit == Timeout.InfiniteTimeSpan || Volatile.Read(ref _armed) == 1 || Interlocked.Exchange(ref _armed, 1) == 1)
        {
            return;
        }

        if (_timer is null)
        {
            _timer = _clock.CreateTimer(static watch => ((AttemptWatch)watch!).Look(), this, _tick, Timeout.InfiniteTimeSpan);
        }
        else
        {
            _timer.Change(_tick, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        bool busy = true;
        try
        {
            busy = LookAtAll();
        }
        catch (Exception e)
        {
            LogFailed(e); // A timer's exception would end the process.
        }
        finally
        {
            Volatile.Write(ref _armed, 0);
            if (busy)
            {
                OnBusy();
            }
        }
    }

    private bool LookAtAll()
    {
        bool busy = false;
        foreach (Worker worker in _pool.Workers())
        {
            if (worker.Current is not { } attempt)
            {
                continue;
            }

            busy = true;
            TimeSpan running = _clock.GetElapsedTime(attempt.StartedAt);
            if (running >= _limit + _grace)
            {
                _pool.Replace(worker, attempt);
            }
            else if (running >= _limit)
            {
                worker.CancelAttempt(attempt, CancelReason.Timeout);
            }
        }

        return busy;
    }

    [LoggerMessage(210, LogLevel.Error, "The watch of time limits failed and goes on.")]
    private partial void LogFailed(Exception exception);
}
