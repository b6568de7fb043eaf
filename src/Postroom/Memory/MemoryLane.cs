using Postroom.Storage;

namespace Postroom.Memory;

/// <summary>One queue of the memory store: its lane and its counts.</summary>
internal sealed class MemoryLane(QueueLane lane)
{
    private readonly long[] _counts = new long[4];

    public QueueLane Lane { get; } = lane;

    /// <summary>Moves one message from a count to another; null stands for outside the store. Called under the store's lock of moves.</summary>
    public void Count(MessageState? from, MessageState? to)
    {
        // A lease is not counted here: the lane knows what is dispatched.
        MessageState? left = from == MessageState.Dispatched ? MessageState.Pending : from;
        if (left is { } leaving)
        {
            Volatile.Write(ref _counts[(int)leaving], _counts[(int)leaving] - 1);
        }

        if (to is { } entering)
        {
            Volatile.Write(ref _counts[(int)entering], _counts[(int)entering] + 1);
        }
    }

    /// <summary>Messages that could be leased now.</summary>
    public long CountDue() => Math.Max(0, Volatile.Read(ref _counts[0]) - Lane.Dispatched - Lane.Delayed - Lane.Parked - Lane.Blocked);

    public StoreQueueStats Stats()
    {
        int dispatched = Lane.Dispatched;
        return new StoreQueueStats
        {
            Pending = Math.Max(0, Volatile.Read(ref _counts[0]) - dispatched),
            Delayed = Lane.Delayed,
            Parked = Lane.Parked,
            Blocked = Lane.Blocked,
            Dispatched = dispatched,
            Acked = Volatile.Read(ref _counts[2]),
            Failed = Volatile.Read(ref _counts[3]),
            OldestPendingAt = Lane.OldestPendingAt(),
        };
    }
}
