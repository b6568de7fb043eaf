namespace Postroom.Scheduling;

/// <summary>The stretches of time in which a zone keeps one offset. Safe for concurrent use.</summary>
internal sealed class ZoneOffsets(TimeZoneInfo zone)
{
    // No zone has changed its clocks and changed them back within this time.
    private static readonly TimeSpan Step = TimeSpan.FromHours(6);

    private readonly Lock _gate = new();
    private readonly Dictionary<int, DateTime[]> _changes = [];

    public TimeZoneInfo Zone { get; } = zone;

    /// <summary>The stretch that an instant is in, as far as it reaches into the year before and the year after.</summary>
    public ZoneStretch At(DateTime utc)
    {
        DateTime start = new DateTime(utc.Year - 1, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        DateTime end = new DateTime(utc.Year + 2, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        for (int year = utc.Year - 1; year <= utc.Year + 1; year++)
        {
            foreach (DateTime change in ChangesIn(year))
            {
                if (change <= utc)
                {
                    start = change;
                }
                else
                {
                    return Stretch(start, change);
                }
            }
        }

        return Stretch(start, end);

        ZoneStretch Stretch(DateTime from, DateTime to) => new(from, to, Zone.GetUtcOffset(from), Zone.GetUtcOffset(from.AddSeconds(-1)));
    }

    private DateTime[] ChangesIn(int year)
    {
        lock (_gate)
        {
            if (!_changes.TryGetValue(year, out DateTime[]? changes))
            {
                if (_changes.Count > 64)
                {
                    _changes.Clear();
                }

                changes = _changes[year] = [.. Look(year)];
            }

            return changes;
        }
    }

    private IEnumerable<DateTime> Look(int year)
    {
        DateTime end = new(year + 1, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        TimeSpan offset = Zone.GetUtcOffset(new DateTime(year, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(-1));
        DateTime known = new DateTime(year, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(-1);
        for (DateTime at = known.AddSeconds(1); at < end; at += Step)
        {
            if (Zone.GetUtcOffset(at) != offset)
            {
                DateTime change = Between(known, at, offset);
                yield return change;
                offset = Zone.GetUtcOffset(change);
            }

            known = at;
        }

        if (Zone.GetUtcOffset(end.AddSeconds(-1)) != offset)
        {
            yield return Between(known, end.AddSeconds(-1), offset);
        }
    }

    /// <summary>The first second with another offset.</summary>
    private DateTime Between(DateTime with, DateTime without, TimeSpan offset)
    {
        while (without - with > TimeSpan.FromSeconds(1))
        {
            DateTime middle = with.AddSeconds(Math.Floor((without - with).TotalSeconds / 2));
            (with, without) = Zone.GetUtcOffset(middle) == offset ? (middle, without) : (with, middle);
        }

        return without;
    }
}

/// <summary>A stretch of time with one offset.</summary>
/// <param name="Start">Its first instant.</param>
/// <param name="End">The first instant behind it.</param>
/// <param name="Offset">Local time is UTC and this.</param>
/// <param name="Before">The offset just before the stretch.</param>
internal readonly record struct ZoneStretch(DateTime Start, DateTime End, TimeSpan Offset, TimeSpan Before);
