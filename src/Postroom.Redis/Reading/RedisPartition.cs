using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>One partition of a queue as its owner knows it. Its fields belong to the queue's loop unless they say otherwise.</summary>
internal sealed class RedisPartition(string queue, int number)
{
    private readonly Lock _gate = new();
    private List<(long Seq, TaskCompletionSource Reached)>? _waiting;
    private long _position;
    private string? _owner;
    private bool _stands;

    public string Queue { get; } = queue;

    public int Number { get; } = number;

    /// <summary>Node and epoch while this node owns it; null otherwise. Read by anybody; changed under the queue's lock.</summary>
    public string? Owner
    {
        get => Volatile.Read(ref _owner);
        set => Volatile.Write(ref _owner, value);
    }

    public long Epoch { get; set; }

    /// <summary>It is another node's next: nothing of it is taken any more, and it is given up once nothing of it is in work. Read by anybody; changed under the queue's lock.</summary>
    public volatile bool IsLeaving;

    /// <summary>When it began to leave, on the monotonic clock.</summary>
    public long LeavingSince { get; set; }

    /// <summary>When it may leave again after it could not, on the monotonic clock; 0 for at once.</summary>
    public long LeavesAgainAt { get; set; }

    /// <summary>How often it could not.</summary>
    public int Refusals { get; set; }

    /// <summary>The number of the last message that was read, or left on the server; what waits for it goes on.</summary>
    public long Position
    {
        get => Volatile.Read(ref _position);
        set
        {
            lock (_gate)
            {
                _position = value;
            }

            Release(waiter => waiter.Seq <= value);
        }
    }

    /// <summary>The number of the last message in <see cref="Page"/>, or of the last that was read when that is empty.</summary>
    public long ReadTo { get; set; }

    /// <summary>The number of the last message that was held when the partition was taken and has been read since.</summary>
    public long HeldTo { get; set; }

    /// <summary>Whether all that was held when the partition was taken has been read.</summary>
    public bool IsHeldRead { get; set; }

    /// <summary>The number that reading the stream began with: what is held is older.</summary>
    public long Start { get; set; }

    /// <summary>What was read and not offered yet, oldest first.</summary>
    public Queue<OpenMessage> Page { get; } = new();

    /// <summary>Whether the stream had nothing more when it was read last in this round.</summary>
    public bool IsAtEnd { get; set; }

    /// <summary>Messages behind this number are new, so that nothing is known of them but themselves: everything before was read.</summary>
    public long FreshFrom { get; set; } = long.MaxValue;

    /// <summary>Messages behind this number were stored since the partition is this node's, and are told of.</summary>
    public long ToldFrom { get; set; }

    /// <summary>Where reading would have to begin, as it was noted last.</summary>
    public long Low { get; set; }

    /// <summary>Reading stands still because there is no room, or because it leaves; nobody waits for it then. May be set by anybody.</summary>
    public bool Stands
    {
        get => Volatile.Read(ref _stands);
        set
        {
            Volatile.Write(ref _stands, value);
            if (value)
            {
                Release(static _ => true);
            }
        }
    }

    /// <summary>Waits until a message is read; at once when this node does not read the partition now.</summary>
    public ValueTask ReachAsync(long seq)
    {
        lock (_gate)
        {
            if (_position >= seq || Owner is null || Stands)
            {
                return default;
            }

            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            (_waiting ??= []).Add((seq, reached));
            return new ValueTask(reached.Task);
        }
    }

    /// <summary>Begins to read it, as its owner.</summary>
    /// <param name="owner">Node and epoch.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="low">Nothing open is older, but for what is held.</param>
    /// <param name="last">The number of the last message of the store.</param>
    public void Begin(string owner, long epoch, long low, long last)
    {
        Epoch = epoch;
        Refusals = 0;
        LeavesAgainAt = 0;
        ToldFrom = last;
        Low = 0;
        Rewind(low);
        Owner = owner;
    }

    /// <summary>Reads everything open again, from the start.</summary>
    public void Rewind(long low)
    {
        Page.Clear();
        Start = low;
        ReadTo = low - 1;
        HeldTo = 0;
        IsHeldRead = false;
        FreshFrom = long.MaxValue;
        IsAtEnd = false;
        IsLeaving = false;
        Stands = false;
        Position = low - 1;
    }

    /// <summary>This node owns it no longer; nobody waits any more.</summary>
    public void Leave()
    {
        Owner = null;
        IsLeaving = false;
        Page.Clear();
        Release(static _ => true);
    }

    private void Release(Func<(long Seq, TaskCompletionSource Reached), bool> which)
    {
        List<(long Seq, TaskCompletionSource Reached)> released = [];
        lock (_gate)
        {
            if (_waiting is null)
            {
                return;
            }

            for (int i = _waiting.Count - 1; i >= 0; i--)
            {
                if (which(_waiting[i]))
                {
                    released.Add(_waiting[i]);
                    _waiting.RemoveAt(i);
                }
            }
        }

        foreach ((_, TaskCompletionSource reached) in released)
        {
            reached.TrySetResult();
        }
    }
}
