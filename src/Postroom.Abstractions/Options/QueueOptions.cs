namespace Postroom;

/// <summary>How the messages of one queue are leased, ordered and tried. Bound from <c>queues.{name}</c>.</summary>
public sealed record QueueOptions
{
    /// <summary>Where leases expire: how long a dead worker's messages stay out of reach of the others. At least 1 second; 30 seconds unless set.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Where leases expire: how often a running attempt renews its lease. At most half of <see cref="Lease"/>; 10 seconds unless set.</summary>
    public TimeSpan Renew { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How many attempts may fail before a message is Failed (exhausted). 1 to 1,000; 5 unless set.</summary>
    public int MaxAttempts { get; set; } = 5;

    /// <summary>The waits between attempts.</summary>
    public BackoffOptions Backoff { get; set; } = new();

    /// <summary>What keeps messages in order. By conversation unless set.</summary>
    public QueueOrder Order { get; set; } = new(QueueOrderKind.Conversation);

    /// <summary>Whether a Failed message holds its order key until an operator replays or discards it. False unless set.</summary>
    public bool HaltOnFailure { get; set; }

    /// <summary>How often a message may end the process before it is Failed (poison). 1 to 100; 3 unless set.</summary>
    public int PoisonDeaths { get; set; } = 3;

    /// <summary>Due messages above which sources pause and webhooks answer 503. At least 1; 10,000 unless set.</summary>
    public int HighWater { get; set; } = 10_000;

    /// <summary>Due messages below which they resume. At most <see cref="HighWater"/>; 8,000 unless set.</summary>
    public int LowWater { get; set; } = 8_000;

    /// <summary>
    /// Pending messages of one order key above which a caller who waits for an answer gets 429, on <c>/webhook</c> and <c>/hooks</c>, and health names the key. Sources and
    /// channels that read from a line take them on, since a message that was refused there would keep all behind it out. At least 1; 1,000 unless set.
    /// </summary>
    public int MaxPerKey { get; set; } = 1_000;

    /// <summary>How long a message may wait before it is Failed (expired). Null, the default, never expires one.</summary>
    public TimeSpan? TimeToLive { get; set; }

    /// <summary>Bounds per key. None unless set; at most 16.</summary>
    public IReadOnlyList<QueueLimit> Limits { get; set; } = [];
}
