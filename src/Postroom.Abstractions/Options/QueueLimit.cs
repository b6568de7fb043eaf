namespace Postroom;

/// <summary>A bound on what is handled for one key at a time or per period. An entry of <c>queues.{name}.limits</c>.</summary>
public sealed record QueueLimit
{
    /// <summary>Which part of a message the bound counts by. Required.</summary>
    public LimitKey Key { get; set; }

    /// <summary>How many messages of one key may be handled at a time, over all workers of the store. At least 1; null does not bound it.</summary>
    public int? Concurrency { get; set; }

    /// <summary>How many messages of one key may begin per period: a token bucket of one period, empty after a start. Null does not bound it.</summary>
    public Rate? Rate { get; set; }
}
