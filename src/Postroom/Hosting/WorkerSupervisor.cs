using System.Collections.Concurrent;
using Postroom.Workers;

namespace Postroom;

/// <summary>Owns the worker pools: pauses, resumes, scales and restarts them while messages flow.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed class WorkerSupervisor
{
    private readonly ConcurrentDictionary<string, WorkerPool> _pools = new(StringComparer.Ordinal);

    internal WorkerSupervisor()
    {
    }

    /// <summary>How every pool stands, by name.</summary>
    public IReadOnlyList<PoolStatus> GetStatus() => [.. _pools.Values.OrderBy(pool => pool.Name, StringComparer.Ordinal).Select(pool => pool.Status())];

    /// <summary>Leases nothing new for a pool; what runs goes on.</summary>
    /// <exception cref="KeyNotFoundException">There is no such pool; the text names those there are.</exception>
    public void Pause(string pool) => Find(pool).Pause();

    /// <summary>Lets a paused pool lease again.</summary>
    /// <exception cref="KeyNotFoundException">There is no such pool.</exception>
    public void Resume(string pool) => Find(pool).Resume();

    /// <summary>Changes how many messages a pool handles at a time, from 1 to 1,024; scaling down finishes what runs.</summary>
    /// <exception cref="KeyNotFoundException">There is no such pool.</exception>
    public void Scale(string pool, int parallelism) => Find(pool).Scale(parallelism);

    /// <summary>Clears the failure of a pool whose workers died too often.</summary>
    /// <exception cref="KeyNotFoundException">There is no such pool.</exception>
    public void Restart(string pool) => Find(pool).Restart();

    /// <summary>Whether a pool has failed.</summary>
    internal bool AnyFaulted => _pools.Values.Any(pool => pool.IsFaulted);

    internal IEnumerable<WorkerPool> Pools => _pools.Values;

    internal void Register(WorkerPool pool)
    {
        if (!_pools.TryAdd(pool.Name, pool))
        {
            throw new InvalidOperationException($"Worker pool '{pool.Name}' exists already. Give the new one another name.");
        }
    }

    internal void StartAll()
    {
        foreach (WorkerPool pool in _pools.Values)
        {
            pool.Start();
        }
    }

    /// <summary>Stops every pool within the drain limit. True when no work was left.</summary>
    internal async Task<bool> StopAllAsync(TimeSpan drain, TimeSpan cancelGrace, CancellationToken cancellationToken)
    {
        bool[] clean = await Task.WhenAll(_pools.Values.Select(pool => pool.StopAsync(drain, cancelGrace, cancellationToken)));
        return Array.TrueForAll(clean, ended => ended);
    }

    /// <summary>Asks the attempt of a message to end.</summary>
    internal bool Cancel(MessageId id) => _pools.Values.Any(pool => pool.Cancel(id));

    private WorkerPool Find(string pool)
    {
        return _pools.TryGetValue(pool, out WorkerPool? found)
            ? found
            : throw new KeyNotFoundException($"There is no worker pool '{pool}'. Pools are {string.Join(", ", _pools.Keys.Order(StringComparer.Ordinal))}.");
    }
}
