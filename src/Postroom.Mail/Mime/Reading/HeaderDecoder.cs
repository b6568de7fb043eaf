using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>Makes readable text of header bytes: encoded words (RFC 2047), extended parameters (RFC 2231), raw UTF-8 (RFC 6532) and what older programs wrote.</summary>
internal static class HeaderDecoder
{
    private const int MaxWord = 1_024; // RFC 2047 §2 says 75; programs write longer ones.

    /// <summary>The bytes one to one, so that positions stay the same and the bytes can be had back.</summary>
    public static string Latin(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>Decodes a free text such as a subject.</summary>
    public static string Text(ReadOnlySpan<byte> bytes, Problems problems) => Words(Latin(bytes), problems);

    /// <summary>Decodes a parameter without RFC 2231; encoded words are not allowed there, and common.</summary>
    public static string Parameter(string latin, Problems problems) => Words(latin, problems);

    /// <summary>Decodes the pieces of an extended parameter (RFC 2231 §4): <c>charset'language'text</c>, with percent signs in the encoded ones.</summary>
    public static string Extended(IReadOnlyList<(string Text, bool Encoded)> pieces, Problems problems)
    {
        string? charset = null;
        List<byte> bytes = [];
        for (int i = 0; i < pieces.Count; i++)
        {
            (string text, bool encoded) = pieces[i];
            if (i == 0 && encoded && text.Split('\'', 3) is [var named, _, var rest])
            {
                (charset, text) = (named, rest);
            }

            for (int at = 0; at < text.Length; at++)
            {
                if (encoded && text[at] == '%' && at + 2 < text.Length && char.IsAsciiHexDigit(text[at + 1]) && char.IsAsciiHexDigit(text[at + 2]))
                {
                    bytes.Add(byte.Parse(text.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                    at += 2;
                }
                else
                {
                    bytes.Add((byte)text[at]);
                }
            }
        }

        return OneLine(Charsets.Decode([.. bytes], string.IsNullOrEmpty(charset) ? null : charset, problems));
    }

    /// <summary>Decodes the encoded words in a text and joins those that only blanks part; words of one charset are decoded together, since some end inside a character.</summary>
    /// <param name="latin">The header's bytes as Latin-1.</param>
    /// <param name="problems">Gets what is wrong.</param>
    public static string Words(string latin, Problems problems)
    {
        if (!latin.Contains("=?", StringComparison.Ordinal))
        {
            return Plain(latin, problems);
        }

        StringBuilder text = new(latin.Length);
        List<byte> bytes = [];
        string? charset = null;
        int at = 0;
        while (at < latin.Length)
        {
            int open = latin.IndexOf("=?", at, StringComparison.Ordinal);
            if (open < 0 || ReadWord(latin, open) is not { } word)
            {
                int end = open < 0 ? latin.Length : open + 2;
                Flush(text, bytes, charset, problems);
                charset = null;
                text.Append(Plain(latin[at..end], problems));
                at = end;
                continue;
            }

            if (!(charset is not null && string.IsNullOrWhiteSpace(latin[at..open])))
            {
                Flush(text, bytes, charset, problems);
                text.Append(Plain(latin[at..open], problems));
            }
            else if (!string.Equals(charset, word.Charset, StringComparison.OrdinalIgnoreCase))
            {
                Flush(text, bytes, charset, problems);
            }

            charset = word.Charset;
            bytes.AddRange(word.Bytes);
            at = word.End;
        }

        Flush(text, bytes, charset, problems);
        return text.ToString();
    }

    private static void Flush(StringBuilder text, List<byte> bytes, string? charset, Problems problems)
    {
        if (bytes.Count > 0)
        {
            // What was encoded may hold anything; a header is one line.
            text.Append(OneLine(Charsets.Decode([.. bytes], charset, problems)));
            bytes.Clear();
        }
    }

    /// <summary>Text without encoded words: ASCII, else UTF-8 if it is that, else what Western programs wrote. Line ends become blanks, NUL is left out.</summary>
    public static string Plain(string latin, Problems problems) => OneLine(Ascii.IsValid(latin) ? latin : Charsets.Decode(Encoding.Latin1.GetBytes(latin), charset: null, problems));

    private static string OneLine(string text) =>
        text.AsSpan().ContainsAny('\0', '\r', '\n') ? text.Replace("\0", "", StringComparison.Ordinal).Replace('\r', ' ').Replace('\n', ' ') : text;

    private static (string Charset, byte[] Bytes, int End)? ReadWord(string text, int open)
    {
        int first = text.IndexOf('?', open + 2);
        if (first < 0 || first == open + 2 || first + 2 >= text.Length || text[first + 2] != '?')
        {
            return null;
        }

        int end = text.IndexOf("?=", first + 3, Math.Min(MaxWord, text.Length - first - 3), StringComparison.Ordinal);
        if (end < 0)
        {
            return null;
        }

        string charset = text[(open + 2)..first];
        charset = charset.IndexOf('*', StringComparison.Ordinal) is > 0 and var language ? charset[..language] : charset; // RFC 2231 §5
        ReadOnlySpan<char> content = text.AsSpan(first + 3, end - first - 3);
        return (text[first + 1] | 0x20) switch
        {
            'b' => (charset, TransferDecoding.Base64(Encoding.Latin1.GetBytes(content.ToString()), out _).ToArray(), end + 2),
            'q' => (charset, Q(content), end + 2),
            _ => null,
        };
    }

    private static byte[] Q(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[text.Length];
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '=' && i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]))
            {
                bytes[length++] = byte.Parse(text.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                i += 2;
            }
            else
            {
                bytes[length++] = text[i] == '_' ? (byte)' ' : (byte)text[i];
            }
        }

        return bytes[..length];
    }
}
