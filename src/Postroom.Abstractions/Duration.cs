using System.Buffers;
using System.Globalization;
using System.Text;

namespace Postroom;

/// <summary>Reads and writes durations as settings write them: <c>250ms</c>, <c>30s</c>, <c>1h30m</c>, <c>7d</c>.</summary>
/// <remarks>A bare number is seconds; <c>hh:mm:ss</c> is read too. <c>infinite</c> is <see cref="Timeout.InfiniteTimeSpan"/> where the caller allows it.</remarks>
public static class Duration
{
    /// <summary>What an error message tells the user to write.</summary>
    public const string Forms = "250ms, 30s, 5m, 1h30m, 7d, a bare number of seconds or hh:mm:ss";

    private static readonly SearchValues<char> NumberChars = SearchValues.Create("0123456789.");

    private static readonly (string Name, long Ticks)[] Units =
    [
        ("d", TimeSpan.TicksPerDay),
        ("h", TimeSpan.TicksPerHour),
        ("m", TimeSpan.TicksPerMinute),
        ("s", TimeSpan.TicksPerSecond),
        ("ms", TimeSpan.TicksPerMillisecond),
    ];

    /// <summary>Reads a duration, or refuses it.</summary>
    /// <param name="text">The text; blanks around it are ignored.</param>
    /// <param name="allowInfinite">Whether <c>infinite</c> is a duration here.</param>
    /// <exception cref="FormatException">The text is no duration; the message names the accepted forms.</exception>
    public static TimeSpan Parse(string text, bool allowInfinite = false) => TryParse(text, allowInfinite, out TimeSpan value)
        ? value
        : throw new FormatException($"'{text}' is not a duration. Write {Forms}{(allowInfinite ? " or infinite" : "")}.");

    /// <summary>Reads a duration without throwing; negative and overflowing ones are refused.</summary>
    /// <param name="text">The text; blanks around it are ignored, null is no duration.</param>
    /// <param name="allowInfinite">Whether <c>infinite</c> is a duration here.</param>
    /// <param name="value">The duration, or zero.</param>
    public static bool TryParse(string? text, bool allowInfinite, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        if (rest.Equals("infinite", StringComparison.OrdinalIgnoreCase))
        {
            value = Timeout.InfiniteTimeSpan;
            return allowInfinite;
        }

        return rest.Contains(':') ? TryParseClock(rest, out value) : TryParseUnits(rest, out value);
    }

    /// <summary>Writes the shortest text that <see cref="Parse"/> reads back as the same duration.</summary>
    /// <param name="value">Zero, positive, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The duration is negative.</exception>
    public static string Format(TimeSpan value)
    {
        if (value == Timeout.InfiniteTimeSpan)
        {
            return "infinite";
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
        var text = new StringBuilder();
        long ticks = value.Ticks;
        if (ticks % TimeSpan.TicksPerMillisecond != 0)
        {
            // Finer than a millisecond: seconds with decimals say it exactly.
            return (ticks / (decimal)TimeSpan.TicksPerSecond).ToString("0.#######", CultureInfo.InvariantCulture) + "s";
        }

        foreach ((string name, long size) in Units)
        {
            if (ticks >= size)
            {
                text.Append(CultureInfo.InvariantCulture, $"{ticks / size}{name}");
                ticks %= size;
            }
        }

        return text.Length == 0 ? "0s" : text.ToString();
    }

    private static bool TryParseUnits(ReadOnlySpan<char> rest, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        decimal total = 0;
        int lastUnit = -1;
        if (rest.IsEmpty)
        {
            return false;
        }

        while (!rest.IsEmpty)
        {
            int digits = rest.IndexOfAnyExcept(NumberChars);
            ReadOnlySpan<char> number = digits < 0 ? rest : rest[..digits];
            if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal amount))
            {
                return false;
            }

            int unit;
            if (digits < 0)
            {
                // A bare number is seconds, and only when it stands alone.
                unit = lastUnit < 0 ? 3 : -1;
                rest = default;
            }
            else
            {
                rest = rest[digits..];
                int letters = rest.IndexOfAny(NumberChars);
                ReadOnlySpan<char> name = letters < 0 ? rest : rest[..letters];
                rest = letters < 0 ? default : rest[letters..];
                unit = FindUnit(name);
            }

            // Units come once each, largest first.
            if (unit <= lastUnit || amount > (decimal)long.MaxValue / Units[unit].Ticks)
            {
                return false;
            }

            total += amount * Units[unit].Ticks;
            lastUnit = unit;
        }

        return TryFromTicks(total, out value);
    }

    private static int FindUnit(ReadOnlySpan<char> name)
    {
        for (int i = 0; i < Units.Length; i++)
        {
            if (name.SequenceEqual(Units[i].Name))
            {
                return i;
            }
        }

        return -1;
    }

    private static bool TryParseClock(ReadOnlySpan<char> text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        Span<Range> parts = stackalloc Range[4];
        if (text.Split(parts, ':') != 3
            || !int.TryParse(text[parts[0]], NumberStyles.None, CultureInfo.InvariantCulture, out int hours)
            || !int.TryParse(text[parts[1]], NumberStyles.None, CultureInfo.InvariantCulture, out int minutes)
            || !decimal.TryParse(text[parts[2]], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal seconds)
            || minutes > 59 || seconds >= 60)
        {
            return false;
        }

        return TryFromTicks((((hours * 60m) + minutes) * 60 + seconds) * TimeSpan.TicksPerSecond, out value);
    }

    private static bool TryFromTicks(decimal ticks, out TimeSpan value)
    {
        bool fits = ticks <= long.MaxValue && decimal.Truncate(ticks) == ticks;
        value = fits ? TimeSpan.FromTicks((long)ticks) : TimeSpan.Zero;
        return fits;
    }
}
