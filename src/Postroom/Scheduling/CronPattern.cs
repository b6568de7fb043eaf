using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Postroom.Scheduling;

/// <summary>The local times that a cron pattern names (SR-18). Knows nothing of zones. Immutable, safe for concurrent use.</summary>
internal sealed class CronPattern
{
    private const ulong EveryHour = (1UL << 24) - 1;
    private const ulong EveryDay = (1UL << 32) - 2;
    private const ulong EveryWeekday = (1UL << 7) - 1;

    private static readonly (string Word, string Pattern)[] Words = [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@weekly", "0 0 * * SUN"), ("@monthly", "0 0 1 * *")];

    private readonly ulong _seconds = 1;
    private readonly ulong _minutes;
    private readonly ulong _hours;
    private readonly ulong _days;
    private readonly ulong _lastDay;
    private readonly ulong _months;
    private readonly ulong _weekdays;
    private readonly ulong _lastWeekdays;
    private readonly bool _either;

    private CronPattern(string text)
    {
        string pattern = text.Trim();
        if (pattern.StartsWith('@'))
        {
            pattern = Array.Find(Words, known => known.Word.Equals(pattern, StringComparison.OrdinalIgnoreCase)).Pattern
                ?? throw new FormatException($"it is none of the words {string.Join(", ", Words.Select(known => known.Word))}");
        }

        string[] fields = pattern.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length is not (5 or 6))
        {
            throw new FormatException($"it has {fields.Length} fields. A pattern has 5 (minute, hour, day of month, month, day of week), or 6 with seconds first");
        }

        int at = fields.Length - 5;
        _seconds = at == 1 ? CronField.Second.Read(fields[0]).Values : 1;
        _minutes = CronField.Minute.Read(fields[at]).Values;
        _hours = CronField.Hour.Read(fields[at + 1]).Values;
        (_days, _lastDay) = CronField.DayOfMonth.Read(fields[at + 2]);
        _months = CronField.Month.Read(fields[at + 3]).Values;
        (_weekdays, _lastWeekdays) = CronField.DayOfWeek.Read(fields[at + 4]);
        _either = _days != EveryDay && _weekdays != EveryWeekday;
        if (!Comes())
        {
            throw new FormatException("it never comes: none of its months has that day");
        }
    }

    /// <summary>Whether it names every hour, so that it follows real time through a change of the clocks (SR-20).</summary>
    public bool NamesEveryHour => _hours == EveryHour;

    /// <summary>Reads a pattern.</summary>
    /// <param name="text">5 fields, 6 with seconds first, or a word such as <c>@daily</c>.</param>
    /// <param name="pattern">The pattern, when it could be read.</param>
    /// <param name="problem">What is wrong, when it could not: field, value, limits; no sentence of its own.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out CronPattern? pattern, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            (pattern, problem) = (new CronPattern(text), null);
            return true;
        }
        catch (FormatException e)
        {
            (pattern, problem) = (null, e.Message);
            return false;
        }
    }

    /// <summary>The first time it names.</summary>
    /// <param name="from">The first local time to consider, in whole seconds.</param>
    /// <param name="before">The first one that is too late.</param>
    public DateTime? Find(DateTime from, DateTime before)
    {
        DateTime day = from.Date;
        long seconds = (long)from.TimeOfDay.TotalSeconds;
        while (day < before)
        {
            if ((_months >> day.Month & 1) == 0)
            {
                day = new DateTime(day.Year, day.Month, 1).AddMonths(1);
                seconds = 0;
                continue;
            }

            if (IsDay(day) && FindInDay(seconds) is { } time)
            {
                DateTime found = day.AddSeconds(time);
                return found < before ? found : null;
            }

            day = day.AddDays(1);
            seconds = 0;
        }

        return null;
    }

    /// <summary>The next value of a set, from one on; -1 for none.</summary>
    private static int Next(ulong values, int from) => from > 63 || values >> from == 0 ? -1 : from + BitOperations.TrailingZeroCount(values >> from);

    private bool IsDay(DateTime day)
    {
        int length = DateTime.DaysInMonth(day.Year, day.Month);
        bool byMonth = (_days >> day.Day & 1) != 0 || (_lastDay != 0 && day.Day == length);
        bool byWeek = (_weekdays >> (int)day.DayOfWeek & 1) != 0 || ((_lastWeekdays >> (int)day.DayOfWeek & 1) != 0 && day.Day > length - 7);
        return _either ? byMonth || byWeek : byMonth && byWeek;
    }

    private int? FindInDay(long from)
    {
        int hour = (int)(from / 3_600);
        int minute = (int)(from / 60 % 60);
        int second = (int)(from % 60);
        for (int h = Next(_hours, hour); h >= 0; h = Next(_hours, h + 1))
        {
            for (int m = Next(_minutes, h == hour ? minute : 0); m >= 0; m = Next(_minutes, m + 1))
            {
                if (Next(_seconds, h == hour && m == minute ? second : 0) is >= 0 and int s)
                {
                    return (h * 3_600) + (m * 60) + s;
                }
            }
        }

        return null;
    }

    /// <summary>Whether any month has such a day; a leap year has every day there is.</summary>
    private bool Comes() => Find(new DateTime(2024, 1, 1), new DateTime(2025, 1, 1)) is not null || Find(new DateTime(2025, 1, 1), new DateTime(2032, 1, 1)) is not null;
}
