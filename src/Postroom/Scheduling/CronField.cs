using System.Globalization;

namespace Postroom.Scheduling;

/// <summary>One field of a cron pattern: what it is called, its limits, and the names its values have.</summary>
internal sealed record CronField(string Name, int Min, int Max, string[] Words)
{
    private const string Forms = "a number, a range 'a-b', '*', each with a step such as '*/15', or a list of these";

    public static CronField Second { get; } = new("second", 0, 59, []);

    public static CronField Minute { get; } = new("minute", 0, 59, []);

    public static CronField Hour { get; } = new("hour", 0, 23, []);

    public static CronField DayOfMonth { get; } = new("day of month", 1, 31, []);

    public static CronField Month { get; } = new("month", 1, 12, ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]);

    /// <summary>Sunday is 0 and, as people write it, 7.</summary>
    public static CronField DayOfWeek { get; } = new("day of week", 0, 7, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);

    /// <summary>Whether <c>L</c> has a meaning here.</summary>
    private bool KnowsLast => Name is "day of month" or "day of week";

    /// <summary>Reads the field as a set of its values, and a set of those that count only as the last of their month.</summary>
    /// <exception cref="FormatException">It cannot be read; the text names field, value and limits.</exception>
    public (ulong Values, ulong Last) Read(string text)
    {
        ulong values = 0;
        ulong last = 0;
        foreach (string part in text.Split(','))
        {
            if (KnowsLast && part.EndsWith('L') && Value(part[..^1]) is { } named)
            {
                last |= 1UL << named;
            }
            else
            {
                values |= ReadPart(part, text);
            }
        }

        return (values, last);

        // In the day of month, L stands alone; in the day of week it follows a day.
        int? Value(string before) => Name == "day of month" ? (before.Length == 0 ? 0 : null) : Number(before) is { } day ? day % 7 : null;
    }

    private ulong ReadPart(string part, string text)
    {
        string[] stepped = part.Split('/');
        int step = 1;
        if (stepped.Length > 2 || (stepped.Length == 2 && (!int.TryParse(stepped[1], NumberStyles.None, CultureInfo.InvariantCulture, out step) || step < 1 || step > Max - Min)))
        {
            throw Wrong(text, $"the step of '{Names.Shorten(part)}' is 1 to {Max - Min}");
        }

        (int from, int to) = Range(stepped[0], text, openEnd: stepped.Length == 2);
        ulong values = 0;
        for (int value = from; value <= to; value += step)
        {
            values |= 1UL << (Name == "day of week" ? value % 7 : value);
        }

        return values;
    }

    private (int From, int To) Range(string range, string text, bool openEnd)
    {
        int most = Name == "day of week" ? 6 : Max;
        if (range == "*")
        {
            return (Min, most);
        }

        string[] ends = range.Split('-');
        if (ends.Length > 2 || Number(ends[0]) is not { } from || Number(ends[^1]) is not { } to)
        {
            throw Wrong(text, KnowsLast && range.EndsWith('L')
                ? Name == "day of month" ? "'L', the last day of the month, stands alone" : "'L' follows one day, such as FRIL or 5L, the last Friday of the month"
                : $"'{Names.Shorten(range)}' is none of its values, {Min} to {Max}{(Words.Length > 0 ? $" or {Words[0]} to {Words[^1]}" : "")}");
        }

        // Sunday also ends a week.
        to = Name == "day of week" && ends.Length == 2 && to == 0 && from > 0 ? 7 : to;
        if (to < from)
        {
            throw Wrong(text, $"the range '{Names.Shorten(range)}' runs backwards");
        }

        return (from, ends.Length == 1 && openEnd ? Math.Max(most, from) : to);
    }

    private int? Number(string text)
    {
        int word = Array.FindIndex(Words, known => known.Equals(text, StringComparison.OrdinalIgnoreCase));
        return word >= 0 ? word + (Name == "month" ? 1 : 0)
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= Min && number <= Max ? number : null;
    }

    private FormatException Wrong(string text, string why) => new($"the {Name} is '{Names.Shorten(text)}', but {why}. A {Name} is {Min} to {Max}: {Forms}");
}
