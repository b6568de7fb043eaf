namespace Postroom.Diagnostics;

/// <summary>Counts of the last hour, minute by minute. Safe for concurrent use.</summary>
internal sealed class HourCount
{
    private const int Minutes = 60;

    private readonly Lock _gate = new();
    private readonly (long Minute, long Count)[] _minutes = new (long, long)[Minutes];

    /// <summary>Counts one more.</summary>
    /// <param name="minute">The minute since 1970 it happened in.</param>
    public void Add(long minute)
    {
        lock (_gate)
        {
            ref (long Minute, long Count) slot = ref _minutes[minute % Minutes];
            slot = slot.Minute == minute ? (minute, slot.Count + 1) : (minute, 1);
        }
    }

    /// <summary>How many there were in the sixty minutes up to this one.</summary>
    public long Count(long now)
    {
        lock (_gate)
        {
            return _minutes.Where(slot => slot.Minute > now - Minutes && slot.Minute <= now).Sum(static slot => slot.Count);
        }
    }
}
