using Postroom.Storage;

namespace Postroom.Redis;

/// <content>Its place among the nodes: beats, keeps partitions, sees which were lost, follows what others ask.</content>
internal sealed partial class RedisStore : ISharedStore
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);

    private readonly List<Action<string>> _factObservers = [];

    /// <summary>How long a node that says nothing lives, in milliseconds.</summary>
    public long LeaseMilliseconds => (long)_options.Lease.TotalMilliseconds;

    /// <summary>Whether the server has heard of this node within its lease.</summary>
    public bool IsAlive => _nodes is { IsAlive: true, Replaced: null };

    /// <summary>The nodes.</summary>
    internal NodeRegistry Nodes => _nodes ?? throw new InvalidOperationException("The store is not open. Call OpenAsync first.");

    /// <summary>Whether all nodes go by the facts of a scope, so that they are told of a change at once.</summary>
    public static bool IsShared(string scope) => scope is FactScopes.Pause;

    /// <inheritdoc/>
    public IDisposable OnFactsChanged(Action<string> observer)
    {
        lock (_factObservers)
        {
            _factObservers.Add(observer);
        }

        return new Observation(_factObservers, observer);
    }

    /// <summary>Which partitions of a queue are this node's.</summary>
    public async ValueTask<bool[]> MineOfAsync(string queue, CancellationToken cancellationToken)
    {
        if (Nodes.Serve(queue, 1))
        {
            await BeatOnceAsync(cancellationToken);
        }

        return Nodes.MineOf(queue);
    }

    /// <summary>Gives partitions up, so that whoever they fall to can take them.</summary>
    public async ValueTask GiveUpAsync(RedisQueue queue, RedisPartition[] partitions, CancellationToken cancellationToken) =>
        await CallOwnAsync("leave", queue, partitions, cancellationToken);

    /// <summary>The queue as this node takes its messages.</summary>
    private RedisQueue Taken(string queue)
    {
        if (Nodes.Serve(queue, 2))
        {
            _ = BeatNowAsync();
        }

        return Queue(queue);
    }

    private async Task BeatNowAsync()
    {
        try
        {
            await BeatOnceAsync(_closing.Token);
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException or OperationCanceledException or ObjectDisposedException)
        {
            // The next beat comes by itself.
        }
    }

    private async ValueTask BeatOnceAsync(CancellationToken cancellationToken)
    {
        if (await Nodes.BeatAsync(cancellationToken))
        {
            foreach (Lazy<RedisQueue> queue in _queues.Values.Where(static queue => queue.IsValueCreated))
            {
                queue.Value.Signal();
            }
        }

        if (Nodes.Replaced is { } replaced)
        {
            LoseAll();
            if (_fatal.TrySetResult(new StoreUnavailableException(replaced)))
            {
                Log.Replaced(_log, replaced);
            }
        }
    }

    private async Task BeatAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        while (!_closing.IsCancellationRequested)
        {
            await Task.Delay(Beat, TimeProvider.System, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await BeatOnceAsync(_closing.Token);
                await CheckLossAsync();
                foreach (Lazy<RedisQueue> queue in _queues.Values)
                {
                    await KeepAsync(queue.Value);
                }

                await ExchangeCountsAsync(_closing.Token);
            }
            catch (Exception e) when (e is RedisConnectionException or RedisException or OperationCanceledException or StoreUnavailableException)
            {
                if (!_closing.IsCancellationRequested)
                {
                    Log.BeatFailed(_log, e.Message);
                }
            }
        }
    }

    /// <summary>What this node owns is another's.</summary>
    private void LoseAll()
    {
        foreach (RedisQueue queue in _queues.Values.Where(static queue => queue.IsValueCreated).Select(static queue => queue.Value))
        {
            foreach (RedisPartition partition in queue.Partitions.Where(static partition => partition.Owner is not null))
            {
                Log.Lost(_log, queue.Name, partition.Number, partition.Epoch);
                queue.Lose(partition);
            }
        }
    }

    /// <summary>Keeps what this node owns, also what ran out while the server could not be reached, unless another node has had it since: outcomes that wait are stored then (ST-10).</summary>
    private async Task KeepAsync(RedisQueue queue)
    {
        RedisPartition[] owned = [.. queue.Partitions.Where(static partition => partition.Owner is not null)];
        if (owned.Length == 0)
        {
            return;
        }

        long[] epochs = [.. owned.Select(static partition => partition.Epoch)];
        RespValue kept = await CallOwnAsync("keep", queue, owned, _closing.Token);
        for (int i = 0; i < owned.Length; i++)
        {
            if (!kept[i].AsBoolean() && owned[i].Owner is not null && owned[i].Epoch == epochs[i])
            {
                Log.Lost(_log, queue.Name, owned[i].Number, owned[i].Epoch);
                queue.Lose(owned[i]);
            }
        }

        await queue.MarkAsync(Client, _closing.Token);
    }

    private ValueTask<RespValue> CallOwnAsync(string what, RedisQueue queue, RedisPartition[] partitions, CancellationToken cancellationToken)
    {
        RespCommand call = RedisScript.Own.Begin(Keys.Root).Add(what).Add(Node).Add(LeaseMilliseconds).Add(queue.Name);
        foreach (RedisPartition partition in partitions)
        {
            call.Add(partition.Number).Add(partition.Epoch);
        }

        return RedisScript.Own.CallAsync(Client, call, cancellationToken);
    }

    private sealed class Observation(List<Action<string>> observers, Action<string> observer) : IDisposable
    {
        public void Dispose()
        {
            lock (observers)
            {
                observers.Remove(observer);
            }
        }
    }
}
