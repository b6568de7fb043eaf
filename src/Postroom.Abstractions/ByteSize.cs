using System.Globalization;

namespace Postroom;

/// <summary>Reads and writes sizes as settings write them: <c>64KiB</c>, <c>25MiB</c>, <c>1GiB</c> or bare bytes; 1 KiB is 1024 bytes.</summary>
public static class ByteSize
{
    /// <summary>What an error message tells the user to write.</summary>
    public const string Forms = "64KiB, 25MiB, 1GiB or bare bytes";

    private static readonly (string Name, long Bytes)[] Units =
    [
        ("TiB", 1L << 40),
        ("GiB", 1L << 30),
        ("MiB", 1L << 20),
        ("KiB", 1L << 10),
        ("B", 1),
    ];

    /// <summary>Reads a size in bytes, or refuses it.</summary>
    /// <param name="text">The text; blanks around it and before the unit are ignored.</param>
    /// <exception cref="FormatException">The text is no size; the message names the accepted forms.</exception>
    public static long Parse(string text) => TryParse(text, out long value)
        ? value
        : throw new FormatException($"'{text}' is not a size. Write {Forms}.");

    /// <summary>Reads a size in bytes without throwing; units in any case, decimals when they make whole bytes.</summary>
    /// <param name="text">The text; null is no size.</param>
    /// <param name="value">The size in bytes, or zero.</param>
    public static bool TryParse(string? text, out long value)
    {
        value = 0;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        long unit = 1;
        foreach ((string name, long bytes) in Units)
        {
            if (rest.EndsWith(name, StringComparison.OrdinalIgnoreCase))
            {
                unit = bytes;
                rest = rest[..^name.Length].TrimEnd();
                break;
            }
        }

        if (!decimal.TryParse(rest, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal amount)
            || amount > long.MaxValue / unit
            || decimal.Truncate(amount * unit) != amount * unit)
        {
            return false;
        }

        value = (long)(amount * unit);
        return true;
    }

    /// <summary>Writes a size in the largest unit that divides it; bare bytes otherwise.</summary>
    /// <param name="value">Bytes; not negative.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative.</exception>
    public static string Format(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        foreach ((string name, long bytes) in Units)
        {
            if (bytes > 1 && value >= bytes && value % bytes == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{value / bytes}{name}");
            }
        }

        return value.ToString(CultureInfo.InvariantCulture);
    }
}
