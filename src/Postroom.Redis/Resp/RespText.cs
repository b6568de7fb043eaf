using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Postroom.Redis;

/// <summary>Numbers and texts as the protocol writes them.</summary>
internal static class RespText
{
    private const int MostShown = 200;

    /// <summary>Reads a whole number with an optional sign and nothing behind it.</summary>
    public static bool TryInteger(ReadOnlySpan<byte> text, out long number)
    {
        if (text.Length > 1 && text[0] == '+' && text[1] is >= (byte)'0' and <= (byte)'9')
        {
            text = text[1..];
        }

        return Utf8Parser.TryParse(text, out number, out int used) && used == text.Length;
    }

    /// <summary>Reads a floating-point number; <c>inf</c>, <c>-inf</c> and <c>nan</c> too, as servers write them.</summary>
    public static bool TryDouble(ReadOnlySpan<byte> text, out double number)
    {
        Span<byte> lower = stackalloc byte[4];
        if (text.Length is >= 3 and <= 4)
        {
            for (int i = 0; i < text.Length; i++)
            {
                lower[i] = (byte)(text[i] | 0x20);
            }

            number = lower[..text.Length] switch
            {
                [(byte)'i', (byte)'n', (byte)'f'] => double.PositiveInfinity,
                [(byte)'+', (byte)'i', (byte)'n', (byte)'f'] => double.PositiveInfinity,
                [(byte)'-', (byte)'i', (byte)'n', (byte)'f'] => double.NegativeInfinity,
                [.., (byte)'n', (byte)'a', (byte)'n'] => double.NaN,
                _ => 0,
            };
            if (number != 0)
            {
                return text.Length == 3 || text[0] is (byte)'-' or (byte)'+';
            }
        }

        return double.TryParse(text, NumberStyles.Float & ~NumberStyles.AllowLeadingWhite & ~NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out number);
    }

    /// <summary>Whether bytes are the digits of a whole number of any length.</summary>
    public static bool IsBigNumber(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> digits = text.Length > 0 && text[0] is (byte)'-' or (byte)'+' ? text[1..] : text;
        return digits.Length > 0 && !digits.ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    /// <summary>A server's text for a message: short, and without characters that could forge a line.</summary>
    public static string Show(string text)
    {
        StringBuilder shown = new(Math.Min(text.Length, MostShown) + 1);
        foreach (char c in text)
        {
            if (shown.Length == MostShown)
            {
                return shown.Append('…').ToString();
            }

            shown.Append(char.IsControl(c) ? ' ' : c);
        }

        return shown.ToString();
    }
}
