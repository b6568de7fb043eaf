namespace Postroom.Storage;

/// <summary>The bytes that the lanes of one store hold together. Safe for concurrent use.</summary>
internal sealed class LaneBudget(long limit)
{
    private long _used;

    public bool IsFull => Volatile.Read(ref _used) >= limit;

    public bool IsHalfFull => Volatile.Read(ref _used) >= limit / 2;

    /// <summary>Counts bytes in, or out when they are negative.</summary>
    public void Take(long bytes) => Interlocked.Add(ref _used, bytes);
}
