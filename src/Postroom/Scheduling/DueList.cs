namespace Postroom.Scheduling;

/// <summary>The occurrences of a stretch of time: the last ones one by one, those before them as a number.</summary>
/// <param name="Last">The last ones, oldest first; empty when nothing was due.</param>
/// <param name="Earlier">How many there were before.</param>
/// <param name="EarlierFrom">The first of those; meaningless for none.</param>
/// <param name="EarlierUntil">The last of those.</param>
internal sealed record DueList(IReadOnlyList<DateTimeOffset> Last, long Earlier, DateTimeOffset EarlierFrom, DateTimeOffset EarlierUntil)
{
    /// <summary>The most that are named one by one: as rows they are about 2 MB.</summary>
    public const int Most = 10_000;

    /// <summary>How many are looked at before those that retention would have removed are passed over.</summary>
    private const int Patience = 100_000;

    /// <summary>Lists what was due.</summary>
    /// <param name="times">The schedule.</param>
    /// <param name="after">Nothing up to this instant.</param>
    /// <param name="until">Nothing after this one.</param>
    /// <param name="horizon">Of a schedule that was due very often, nothing before this one is looked at.</param>
    public static DueList Between(ScheduleTimes times, DateTimeOffset after, DateTimeOffset until, DateTimeOffset horizon)
    {
        Queue<DateTimeOffset> last = new();
        long earlier = 0;
        DateTimeOffset from = default;
        DateTimeOffset to = default;
        for (DateTimeOffset? due = times.Next(after); due is { } at && at <= until; due = times.Next(at))
        {
            last.Enqueue(at);
            if (last.Count > Most)
            {
                to = last.Dequeue();
                from = earlier++ == 0 ? to : from;
                at = earlier == Patience && at < horizon ? horizon : at;
            }
        }

        return new DueList([.. last], earlier, from, to);
    }
}
