using System.Globalization;

namespace Postroom.Tests.Scheduling;

/// <summary>Cron as its words say, minute by minute, without a thought for speed.</summary>
internal sealed class SlowCron
{
    private readonly string[] _fields;
    private readonly bool[] _minutes;
    private readonly bool[] _hours;
    private readonly bool[] _days;
    private readonly bool[] _months;
    private readonly bool[] _weekdays;
    private readonly bool _everyHour;
    private readonly bool _anyDay;
    private readonly bool _anyWeekday;

    public SlowCron(string cron)
    {
        _fields = cron.Split(' ');
        _minutes = Named(0, 0, 59);
        _hours = Named(1, 0, 23);
        _days = Named(2, 1, 31);
        _months = Named(3, 1, 12);
        _weekdays = Named(4, 0, 6);
        _everyHour = _hours.All(named => named);
        _anyDay = _days.Skip(1).All(named => named);
        _anyWeekday = _weekdays.All(named => named);

        bool[] Named(int field, int min, int max) => [.. Enumerable.Range(0, max + 1).Select(value => value >= min && In(_fields[field], value, min, max))];
    }

    /// <summary>A pattern of five fields; about half of them name every hour.</summary>
    public static string Random(Random random)
    {
        string hour = random.Next(2) == 0 ? "*" : Field(random, 0, 23);
        string day = random.Next(3) switch { 0 => "*", 1 => Field(random, 1, 28), _ => random.Next(2) == 0 ? "L" : $"{random.Next(1, 28)},L" };
        string weekday = random.Next(3) switch { 0 => "*", 1 => Field(random, 0, 6), _ => $"{random.Next(0, 6)}L" };
        return $"{Field(random, 0, 59)} {hour} {day} {(random.Next(3) == 0 ? Field(random, 1, 12) : "*")} {weekday}";
    }

    /// <summary>The numbers of the minutes that are due.</summary>
    /// <param name="local">The local time of each minute; the first one tells what was before.</param>
    /// <param name="isFirst">Whether that local time had not been before.</param>
    public IEnumerable<int> Due(DateTime[] local, bool[] isFirst)
    {
        for (int minute = 1; minute < local.Length; minute++)
        {
            bool due = Names(local[minute]) && (_everyHour || isFirst[minute]);
            for (DateTime left = local[minute - 1].AddMinutes(1); !_everyHour && left < local[minute]; left = left.AddMinutes(1))
            {
                due |= Names(left); // It does not exist: the first instant after the gap.
            }

            if (due)
            {
                yield return minute;
            }
        }
    }

    private static string Field(Random random, int min, int max)
    {
        int one = random.Next(min, max);
        return random.Next(5) switch
        {
            0 => one.ToString(CultureInfo.InvariantCulture),
            1 => $"{one}-{random.Next(one, max + 1)}",
            2 => $"*/{random.Next(2, max - min)}",
            3 => $"{one},{random.Next(min, max + 1)},{random.Next(min, max + 1)}",
            _ => $"{one}-{random.Next(one, max + 1)}/{random.Next(1, 5)}",
        };
    }

    private static bool In(string field, int value, int min, int max)
    {
        foreach (string part in field.Split(','))
        {
            if (part.EndsWith('L'))
            {
                continue;
            }

            string[] stepped = part.Split('/');
            string[] ends = stepped[0] == "*" ? [min.ToString(CultureInfo.InvariantCulture), max.ToString(CultureInfo.InvariantCulture)] : stepped[0].Split('-');
            int from = int.Parse(ends[0], CultureInfo.InvariantCulture);
            int to = int.Parse(ends[^1], CultureInfo.InvariantCulture);
            int step = stepped.Length == 2 ? int.Parse(stepped[1], CultureInfo.InvariantCulture) : 1;
            for (int named = from; named <= to; named += step)
            {
                if (named == value)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private bool Names(DateTime at)
    {
        if (!_minutes[at.Minute] || !_hours[at.Hour] || !_months[at.Month])
        {
            return false;
        }

        bool isLast = at.AddDays(1).Month != at.Month;
        bool isLastOfWeekday = at.AddDays(7).Month != at.Month;
        bool day = _days[at.Day] || (isLast && _fields[2].Split(',').Contains("L"));
        bool weekday = _weekdays[(int)at.DayOfWeek]
            || (isLastOfWeekday && _fields[4].Split(',').Contains($"{((int)at.DayOfWeek).ToString(CultureInfo.InvariantCulture)}L"));
        return _anyDay || _anyWeekday ? day && weekday : day || weekday;
    }
}
