namespace Postroom.Redis;

/// <summary>One partition of a queue as its owner knows it. Its fields belong to the queue's reading loop unless they say otherwise.</summary>
internal sealed class RedisPartition(string queue, int number)
{
    private readonly Lock _gate = new();
    private List<(long Seq, TaskCompletionSource Reached)>? _waiting;
    private long _position;
    private string? _owner;

    public string Queue { get; } = queue;

    public int Number { get; } = number;

    /// <summary>Node and epoch while this node owns it; null otherwise. Read by anybody.</summary>
    public string? Owner
    {
        get => Volatile.Read(ref _owner);
        set => Volatile.Write(ref _owner, value);
    }

    public long Epoch { get; set; }

    /// <summary>Whether what was open when it was taken is in memory.</summary>
    public bool IsLoaded { get; set; }

    /// <summary>The number of the last message read.</summary>
    public long Position
    {
        get => Volatile.Read(ref _position);
        set
        {
            List<(long Seq, TaskCompletionSource Reached)>? reached;
            lock (_gate)
            {
                _position = value;
                reached = _waiting is null ? null : [.. _waiting.Where(waiter => waiter.Seq <= value)];
                _waiting?.RemoveAll(waiter => waiter.Seq <= value);
            }

            foreach ((_, TaskCompletionSource waiter) in reached ?? [])
            {
                waiter.TrySetResult();
            }
        }
    }

    /// <summary>Waits until a message is read; at once when this node does not read the partition.</summary>
    public ValueTask ReachAsync(long seq)
    {
        lock (_gate)
        {
            if (_position >= seq || Owner is null)
            {
                return default;
            }

            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            (_waiting ??= []).Add((seq, reached));
            return new ValueTask(reached.Task);
        }
    }

    /// <summary>This node owns it no longer; nobody waits any more.</summary>
    public void Leave()
    {
        List<(long Seq, TaskCompletionSource Reached)>? waiting;
        lock (_gate)
        {
            Owner = null;
            IsLoaded = false;
            (waiting, _waiting) = (_waiting, null);
        }

        foreach ((_, TaskCompletionSource waiter) in waiting ?? [])
        {
            waiter.TrySetResult();
        }
    }
}
