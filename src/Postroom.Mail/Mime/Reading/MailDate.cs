using System.Globalization;

namespace Postroom.Mail;

/// <summary>Reads the instants of mails (RFC 5322 §3.3 with the obsolete forms of §4.3).</summary>
internal static class MailDate
{
    private static readonly string[] Months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

    /// <summary>Reads an instant; null when the text has none.</summary>
    /// <param name="text">For example <c>Mon, 3 Nov 2025 10:02:00 +0100 (CET)</c>; day of the week and seconds may be absent, a year may have two digits.</param>
    public static DateTimeOffset? Read(string text)
    {
        List<string> words = Words(text);
        if (words.Count > 0 && !char.IsAsciiDigit(words[0][0]) && MonthOf(words[0]) == 0)
        {
            words.RemoveAt(0);
        }

        if (words is [var first, var second, var third, var fourth, ..] && MonthOf(first) > 0)
        {
            words = [second, first, fourth, third]; // C's asctime, in UTC as far as anyone knows: Nov 3 10:02:00 2025
        }

        if (words.Count < 3 || !int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out int day) || MonthOf(words[1]) is not (> 0 and var month)
            || YearOf(words[2]) is not { } year || TimeOf(words.Count > 3 ? words[3] : "") is not { } time || ZoneOf(words.Count > 4 ? words[4] : "") is not { } zone)
        {
            return null;
        }

        try
        {
            return new DateTimeOffset(year, month, day, 0, 0, 0, zone) + time;
        }
        catch (ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    private static List<string> Words(string text)
    {
        List<string> words = [];
        int at = 0;
        int begin = -1;
        while (at <= text.Length && words.Count < 8)
        {
            bool part = at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is ':' or '+' || (text[at] == '-' && begin < 0));
            if (part)
            {
                begin = begin < 0 ? at : begin;
            }
            else if (begin >= 0)
            {
                words.Add(text[begin..at]);
                begin = -1;
            }

            at = at < text.Length && text[at] == '(' ? HeaderScan.AfterComment(text, at) : at + 1;
        }

        return words;
    }

    private static int MonthOf(string word) => word.Length < 3 ? 0 : Array.IndexOf(Months, word[..3].ToLowerInvariant()) + 1;

    /// <summary>A year of two digits is of 1950 to 2049, one of three digits counts from 1900 (RFC 5322 §4.3).</summary>
    private static int? YearOf(string word)
    {
        return !int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int year) ? null : word.Length switch
        {
            2 => year + (year < 50 ? 2000 : 1900),
            3 => year + 1900,
            4 => year,
            _ => null,
        };
    }

    private static TimeSpan? TimeOf(string word)
    {
        string[] parts = word.Split(':');
        if (parts.Length is < 2 or > 3 || parts.Any(part => part.Length is 0 or > 2 || !part.All(char.IsAsciiDigit)))
        {
            return null;
        }

        int hour = int.Parse(parts[0], CultureInfo.InvariantCulture);
        int minute = int.Parse(parts[1], CultureInfo.InvariantCulture);
        int second = parts.Length > 2 ? int.Parse(parts[2], CultureInfo.InvariantCulture) : 0;
        return hour > 23 || minute > 59 || second > 60 ? null : new TimeSpan(hour, minute, second); // 60 is a leap second
    }

    /// <summary>An unknown or absent zone is UTC, as RFC 5322 §4.3 has it for letters; an impossible number is no zone.</summary>
    private static TimeSpan? ZoneOf(string word)
    {
        // Some programs left the first zero out: -600.
        if (word.Length == 4 && word[0] is '+' or '-' && word.AsSpan(1).ContainsAnyExceptInRange('0', '9') is false)
        {
            word = $"{word[0]}0{word[1..]}";
        }

        if (word.Length == 5 && word[0] is '+' or '-' && word.AsSpan(1).ContainsAnyExceptInRange('0', '9') is false)
        {
            int hours = int.Parse(word.AsSpan(1, 2), CultureInfo.InvariantCulture);
            int minutes = int.Parse(word.AsSpan(3, 2), CultureInfo.InvariantCulture);
            TimeSpan zone = new(hours, minutes, 0);
            return minutes > 59 || zone > TimeSpan.FromHours(14) ? null : word[0] == '-' ? -zone : zone;
        }

        return word.ToUpperInvariant() switch
        {
            "EDT" => TimeSpan.FromHours(-4),
            "EST" or "CDT" => TimeSpan.FromHours(-5),
            "CST" or "MDT" => TimeSpan.FromHours(-6),
            "MST" or "PDT" => TimeSpan.FromHours(-7),
            "PST" => TimeSpan.FromHours(-8),
            _ => TimeSpan.Zero,
        };
    }
}
