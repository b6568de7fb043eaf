using Microsoft.Extensions.Logging;

namespace Postroom.Workers;

/// <summary>Watches the time limits of all pools of a runtime on a thread of its own, and sees that handlers which block their threads leave some to the rest.</summary>
/// <remarks>The thread sleeps without a time-out while nothing runs, and is there only while there are pools.</remarks>
internal sealed partial class AttemptWatch(TimeProvider clock, ILogger log)
{
    private readonly object _gate = new();
    private WorkerPool[] _pools = [];
    private Thread? _thread;
    private TimeSpan _tick;
    private int _armed;

    /// <summary>How many threads the runtime may need at once: for handlers that block theirs, those given up included, and for all the rest.</summary>
    public int NeededThreads => 16 + (2 * Environment.ProcessorCount) + Volatile.Read(ref _pools).Sum(pool => 3 * pool.Parallelism);

    /// <summary>Watches a pool from now on.</summary>
    public void Add(WorkerPool pool)
    {
        lock (_gate)
        {
            _pools = [.. _pools, pool];
            _tick = TickOf(_pools);
            if (_thread is null)
            {
                _thread = new Thread(Run) { Name = "postroom-watch", IsBackground = true };
                _thread.Start();
            }
        }

        EnsureThreads();
    }

    /// <summary>Watches a pool no more; the last one ends the thread.</summary>
    public void Remove(WorkerPool pool)
    {
        lock (_gate)
        {
            _pools = [.. _pools.Where(other => !ReferenceEquals(other, pool))];
            if (_pools.Length == 0)
            {
                _thread = null;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>Something runs: the thread looks from time to time until nothing does.</summary>
    public void OnBusy()
    {
        // What runs was written before, and the thread reads it after it has disarmed: one of the two sees the other.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _armed) == 1 || Interlocked.Exchange(ref _armed, 1) == 1)
        {
            return;
        }

        lock (_gate)
        {
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Lets the thread pool start that many at once. Called at each start and scaling.</summary>
    public void EnsureThreads()
    {
        int needed = NeededThreads;
        ThreadPool.GetMinThreads(out int workers, out int ports);
        if (workers < needed)
        {
            ThreadPool.SetMinThreads(Math.Min(needed, short.MaxValue), ports);
        }
    }

    /// <summary>A limit is kept to within a tenth of itself, between 10 ms and one second.</summary>
    private static TimeSpan TickOf(WorkerPool[] pools)
    {
        double shortest = double.MaxValue;
        foreach (WorkerPool pool in pools)
        {
            shortest = pool.HasLimit ? Math.Min(shortest, pool.Options.HandlerTimeout.TotalMilliseconds) : shortest;
        }

        return TimeSpan.FromMilliseconds(Math.Clamp(shortest / 10, 10, 1_000));
    }

    private void Run()
    {
        while (true)
        {
            bool busy = Look();
            if (!busy)
            {
                Interlocked.Exchange(ref _armed, 0);
                busy = Look();
                if (busy)
                {
                    Interlocked.Exchange(ref _armed, 1);
                }
            }

            lock (_gate)
            {
                bool waited = false;
                while (ReferenceEquals(_thread, Thread.CurrentThread) && !waited && (busy || Volatile.Read(ref _armed) == 0))
                {
                    waited = busy;
                    _ = busy ? Monitor.Wait(_gate, _tick) : Monitor.Wait(_gate);
                }

                if (!ReferenceEquals(_thread, Thread.CurrentThread))
                {
                    return;
                }
            }
        }
    }

    private bool Look()
    {
        bool busy = false;
        foreach (WorkerPool pool in Volatile.Read(ref _pools))
        {
            try
            {
                busy |= pool.HasLimit && Look(pool);
            }
            catch (Exception e)
            {
                busy = true;
                LogFailed(e, pool.Name);
            }
        }

        return busy;
    }

    private bool Look(WorkerPool pool)
    {
        bool busy = false;
        TimeSpan limit = pool.Options.HandlerTimeout;
        foreach (Worker worker in pool.Workers())
        {
            if (worker.Current is not { } attempt)
            {
                continue;
            }

            busy = true;
            TimeSpan running = clock.GetElapsedTime(attempt.StartedAt);
            if (running >= limit + pool.Options.CancelGrace)
            {
                pool.Replace(worker, attempt);
            }
            else if (running >= limit)
            {
                worker.CancelAttempt(attempt, CancelReason.Timeout);
            }
        }

        return busy;
    }

    [LoggerMessage(210, LogLevel.Error, "The watch of the time limits of pool '{Pool}' failed and goes on.")]
    private partial void LogFailed(Exception exception, string pool);
}
