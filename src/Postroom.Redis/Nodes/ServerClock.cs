namespace Postroom.Redis;

/// <summary>The system's clock, moved to what the Redis server says: all nodes of a store have one time for due messages, whatever is wrong with their own (RD-10).</summary>
/// <remarks>Safe for concurrent use. Before the first beat it is the clock beneath. Waits run on the monotonic clock beneath, which nobody sets.</remarks>
/// <param name="beneath">The clock beneath.</param>
internal sealed class ServerClock(TimeProvider beneath) : TimeProvider
{
    private static readonly long Jitter = TimeSpan.FromMilliseconds(5).Ticks;

    private long _offset;

    /// <summary>How far the server is ahead of this machine; negative when it is behind.</summary>
    public TimeSpan Offset => new(Interlocked.Read(ref _offset));

    /// <inheritdoc/>
    public override long TimestampFrequency => beneath.TimestampFrequency;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => beneath.LocalTimeZone;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => beneath.GetUtcNow() + Offset;

    /// <inheritdoc/>
    public override long GetTimestamp() => beneath.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => beneath.CreateTimer(callback, state, dueTime, period);

    /// <summary>Takes the server's time.</summary>
    /// <param name="server">What it said.</param>
    /// <param name="trip">How long the question and its answer took; half of it is taken for the way back.</param>
    public void Set(DateTimeOffset server, TimeSpan trip)
    {
        long offset = (server + (trip / 2) - beneath.GetUtcNow()).Ticks;
        long before = Interlocked.Read(ref _offset);

        // A slow answer says little, and what the network makes of it is no change of a clock.
        if (before == 0 || Math.Abs(offset - before) > Jitter + (trip / 2).Ticks)
        {
            Interlocked.Exchange(ref _offset, offset);
        }
    }
}
