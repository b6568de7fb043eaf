using System.Text;

namespace Postroom.Mail;

/// <summary>Turns bytes into text by the charset that a mail names (ML-11), or by what the bytes look like when it names none.</summary>
internal static class Charsets
{
    private static readonly Encoding StrictUtf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly Encoding Windows1252 = CodePagesEncodingProvider.Instance.GetEncoding(1252)!;

    /// <summary>Decodes the bytes of a whole text, which may begin with the mark of UTF-8; never fails.</summary>
    public static string DecodeText(ReadOnlySpan<byte> bytes, string? charset, Problems problems) =>
        bytes.StartsWith("\uFEFF"u8) ? Decode(bytes[3..], "utf-8", problems) : Decode(bytes, charset, problems);

    /// <summary>Decodes bytes; never fails.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="charset">The charset's name; null for none.</param>
    /// <param name="problems">Gets what was wrong.</param>
    public static string Decode(ReadOnlySpan<byte> bytes, string? charset, Problems problems)
    {
        if (Ascii.IsValid(bytes) && charset is null or "us-ascii" or "utf-8" or "UTF-8")
        {
            return Encoding.ASCII.GetString(bytes);
        }

        string name = charset is null ? "" : charset.Trim(' ', '\t', '"', '\'').ToLowerInvariant();
        switch (name)
        {
            case "" or "us-ascii" or "ascii" or "ansi_x3.4-1968" or "unknown-8bit" or "utf-8" or "utf8":
                return Guess(bytes, name, problems);
            case "iso-8859-1" or "iso8859-1" or "latin1" or "iso_8859-1":
                // The range from 0x80 to 0x9F holds no character there; where it is used, the text is Windows-1252 under a wrong name.
                return (bytes.ContainsAnyInRange((byte)0x80, (byte)0x9F) ? Windows1252 : Encoding.Latin1).GetString(bytes);
        }

        if (name is "utf-16" or "utf16")
        {
            bool little = bytes is [0xFF, 0xFE, ..];
            return (little ? Encoding.Unicode : Encoding.BigEndianUnicode).GetString(little || bytes is [0xFE, 0xFF, ..] ? bytes[2..] : bytes); // RFC 2781 §4.3
        }

        if ((IsoTables.Decode(bytes, name) ?? Find(name)?.GetString(bytes)) is { } text)
        {
            return text;
        }

        problems.Add($"The charset '{Names.Shorten(name)}' is unknown; the text is read as ISO-8859-1.");
        return Encoding.Latin1.GetString(bytes);
    }

    private static string Guess(ReadOnlySpan<byte> bytes, string name, Problems problems)
    {
        if (Ascii.IsValid(bytes))
        {
            return Encoding.ASCII.GetString(bytes);
        }

        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            if (name is "utf-8" or "utf8")
            {
                problems.Add("A text in UTF-8 has bytes that do not belong there; they are shown as U+FFFD.");
                return Encoding.UTF8.GetString(bytes);
            }

            problems.Add("A text names no charset that holds its bytes; it is read as Windows-1252.");
            return Windows1252.GetString(bytes);
        }
    }

    /// <summary>The encoding of a name; null for an unknown one. UTF-7 is left out: it hides markup from everything that looks for it.</summary>
    private static Encoding? Find(string name)
    {
        if (name.Length > 40 || name.StartsWith("utf-7", StringComparison.Ordinal) || name.StartsWith("unicode-1-1-utf-7", StringComparison.Ordinal))
        {
            return null;
        }

        string known = name switch
        {
            "cp1250" or "cp1251" or "cp1252" or "cp1253" or "cp1254" or "cp1255" or "cp1256" or "cp1257" or "cp1258" => $"windows-{name[2..]}",
            "gb2312" => "gb18030", // what says gb2312 often holds characters of its successor
            "ks_c_5601-1987" or "ksc5601" => "euc-kr",
            "iso-8859-11" => "windows-874",
            "iso-8859-8-i" => "iso-8859-8",
            _ => name,
        };
        try
        {
            return CodePagesEncodingProvider.Instance.GetEncoding(known) ?? Encoding.GetEncoding(known);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null; // UTF-7 has more names than the two above, and the platform refuses it under each.
        }
    }
}
