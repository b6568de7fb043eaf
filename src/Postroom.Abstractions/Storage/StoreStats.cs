namespace Postroom;

/// <summary>Counts of a store at one moment.</summary>
public sealed record StoreStats
{
    /// <summary>One entry per queue that has or had messages, by name.</summary>
    public IReadOnlyDictionary<string, StoreQueueStats> Queues { get; init; } = new Dictionary<string, StoreQueueStats>();

    /// <summary>How many bytes the store uses; 0 when it cannot tell.</summary>
    public long Bytes { get; init; }

    /// <summary>All messages ever appended.</summary>
    public long Appended { get; init; }

    /// <summary>Whether the store can write now.</summary>
    public bool Writable { get; init; } = true;

    /// <summary>Why it cannot; null when it can.</summary>
    public string? Problem { get; init; }
}

/// <summary>Counts of one queue at one moment.</summary>
public sealed record StoreQueueStats
{
    /// <summary>Messages waiting, delayed and parked ones included.</summary>
    public long Pending { get; init; }

    /// <summary>Of the waiting ones, those whose instant has not come.</summary>
    public long Delayed { get; init; }

    /// <summary>Of the waiting ones, those whose type has no handler now.</summary>
    public long Parked { get; init; }

    /// <summary>Of the waiting ones, those behind a head that waits for a retry or is halted.</summary>
    public long Blocked { get; init; }

    /// <summary>Messages with a worker.</summary>
    public long Dispatched { get; init; }

    /// <summary>Messages handled, as far as they are still kept.</summary>
    public long Acked { get; init; }

    /// <summary>Messages given up, as far as they are still kept.</summary>
    public long Failed { get; init; }

    /// <summary>When the oldest waiting message was made; null when none waits.</summary>
    public DateTimeOffset? OldestPendingAt { get; init; }

    /// <summary>Messages that could be leased now: waiting, and neither delayed nor parked nor blocked.</summary>
    public long Due => Math.Max(0, Pending - Delayed - Parked - Blocked);
}
