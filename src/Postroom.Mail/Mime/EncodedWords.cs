using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>Writes text of any kind as encoded words of RFC 2047: UTF-8, as B or Q, whichever is shorter.</summary>
internal static class EncodedWords
{
    /// <summary>The longest encoded word (RFC 2047 §2).</summary>
    public const int MaxLength = 75;

    private const int Overhead = 12; // =?utf-8?B? and ?=

    /// <summary>Cuts a text into encoded words that a reader joins to the same text again; no word ends inside a character.</summary>
    /// <param name="text">The text, with any characters; a lone surrogate becomes U+FFFD.</param>
    /// <param name="first">How long the first word may be, so that it still fits its line; under 24 it is written on a line of its own.</param>
    public static IEnumerable<string> Encode(string text, int first)
    {
        bool quoted = LengthOfQ(text) <= (Encoding.UTF8.GetByteCount(text) + 2) / 3 * 4;
        int room = (first < 24 ? MaxLength : Math.Min(first, MaxLength)) - Overhead;
        StringBuilder word = new();
        List<byte> bytes = [];
        byte[] octets = new byte[4];
        foreach (Rune rune in text.EnumerateRunes())
        {
            ReadOnlySpan<byte> utf8 = octets.AsSpan(0, rune.EncodeToUtf8(octets));
            string q = quoted ? Q(utf8) : "";
            if (quoted ? word.Length + q.Length > room : (bytes.Count + utf8.Length + 2) / 3 * 4 > room)
            {
                yield return Word(quoted, word, bytes);
                word.Clear();
                bytes.Clear();
                room = MaxLength - Overhead;
            }

            word.Append(q);
            bytes.AddRange(octets.AsSpan(0, rune.Utf8SequenceLength));
        }

        yield return Word(quoted, word, bytes);
    }

    private static string Word(bool quoted, StringBuilder word, List<byte> bytes) => quoted ? $"=?utf-8?Q?{word}?=" : $"=?utf-8?B?{Convert.ToBase64String([.. bytes])}?=";

    private static int LengthOfQ(string text)
    {
        int length = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            length += rune.IsAscii && IsSafe((byte)rune.Value) ? 1 : 3 * rune.Utf8SequenceLength;
        }

        return length;
    }

    private static string Q(ReadOnlySpan<byte> utf8)
    {
        StringBuilder text = new();
        foreach (byte octet in utf8)
        {
            if (octet == ' ')
            {
                text.Append('_');
            }
            else if (IsSafe(octet))
            {
                text.Append((char)octet);
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"={octet:X2}");
            }
        }

        return text.ToString();
    }

    /// <summary>The characters that need no escape in a name either (RFC 2047 §5 rule 3), and the blank.</summary>
    private static bool IsSafe(byte octet) => char.IsAsciiLetterOrDigit((char)octet) || (char)octet is '!' or '*' or '+' or '-' or '/' or ' ';
}
