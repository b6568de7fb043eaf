using System.Globalization;

namespace Postroom.Scheduling;

/// <summary>The instants at which a schedule is due. Immutable, safe for concurrent use.</summary>
internal abstract class ScheduleTimes
{
    private ScheduleTimes(string text) => Text = text;

    /// <summary>What makes it what it is: two of the same text are due at the same instants.</summary>
    public string Text { get; }

    /// <summary>The first instant after another at which it is due; null when there is none that a calendar has.</summary>
    public abstract DateTimeOffset? Next(DateTimeOffset after);

    /// <summary>The instants of checked settings.</summary>
    public static ScheduleTimes Of(ScheduleOptions options)
    {
        return options.Every is { } every ? new Interval(every)
            : CronPattern.TryParse(options.Cron ?? "", out CronPattern? pattern, out string? problem)
                ? new Cron(pattern, new ZoneOffsets(TimeZoneInfo.FindSystemTimeZoneById(options.TimeZone)), $"{options.Cron!.Trim()} {options.TimeZone}")
                : throw new ArgumentException($"The cron pattern '{options.Cron}' cannot be read: {problem}.", nameof(options));
    }

    /// <summary>Multiples of an interval since 1970, so that neither a restart nor a second node shifts them.</summary>
    private sealed class Interval(TimeSpan every) : ScheduleTimes($"every {every.Ticks.ToString(CultureInfo.InvariantCulture)}")
    {
        public override DateTimeOffset? Next(DateTimeOffset after)
        {
            long since = (after - DateTimeOffset.UnixEpoch).Ticks;
            long left = every.Ticks - (((since % every.Ticks) + every.Ticks) % every.Ticks);
            return DateTimeOffset.MaxValue.Ticks - after.Ticks > left ? after.AddTicks(left).ToUniversalTime() : null;
        }
    }

    /// <summary>Local times of a zone (SR-20).</summary>
    private sealed class Cron(CronPattern pattern, ZoneOffsets zone, string text) : ScheduleTimes(text)
    {
        // 29 February may be eight years away, around a year such as 2100.
        private const int MostYears = 9;

        public override DateTimeOffset? Next(DateTimeOffset after)
        {
            DateTime utc = after.UtcDateTime.AddTicks(TimeSpan.TicksPerSecond - (after.UtcTicks % TimeSpan.TicksPerSecond));
            DateTime limit = utc.Year + MostYears < 9_990 ? utc.AddYears(MostYears) : new DateTime(9_990, 1, 1, 0, 0, 0, DateTimeKind.Utc);
            while (utc < limit)
            {
                ZoneStretch stretch = zone.At(utc);
                DateTime local = utc + stretch.Offset;
                if (!pattern.NamesEveryHour)
                {
                    DateTime reached = stretch.Start + stretch.Before;
                    if (utc == stretch.Start && pattern.Find(reached, stretch.Start + stretch.Offset) is not null)
                    {
                        return new DateTimeOffset(utc, TimeSpan.Zero); // What the gap left out comes right behind it.
                    }

                    local = local > reached ? local : reached; // What was reached before the clocks went back has been.
                }

                if (pattern.Find(local, stretch.End + stretch.Offset) is { } found)
                {
                    return new DateTimeOffset(found - stretch.Offset, TimeSpan.Zero);
                }

                utc = stretch.End;
            }

            return null;
        }
    }
}
