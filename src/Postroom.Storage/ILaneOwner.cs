namespace Postroom.Storage;

/// <summary>What a lane asks of its store. Called outside the lane's lock.</summary>
internal interface ILaneOwner
{
    /// <summary>The time to live of a waiting message is over; it is out of the lane and shall be failed.</summary>
    void OnExpired(QueueLane lane, OpenMessage message);

    /// <summary>The messages of a key that are in memory have ended, and followers were left on disk.</summary>
    void OnNeedFollowers(QueueLane lane, KeyChain chain);

    /// <summary>The lane has room again and messages were left on disk.</summary>
    void OnRoom(QueueLane lane);

    /// <summary>Parked messages that were left on disk may be leased now; the store goes through its backlog from the start.</summary>
    void OnUnparked(QueueLane lane)
    {
    }

    /// <summary>A message whose body was let go while it waited is due; the store hands the body to <see cref="QueueLane.Loaded"/>.</summary>
    void OnNeedBody(QueueLane lane, OpenMessage message)
    {
    }

    /// <summary>A key is blocked and nobody knows how many followers it has on disk; the store hands their number to <see cref="QueueLane.Counted"/>.</summary>
    void OnNeedCount(QueueLane lane, KeyChain chain)
    {
    }
}
