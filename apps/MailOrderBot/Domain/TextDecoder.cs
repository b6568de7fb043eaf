using System.Text;

namespace MailOrderBot.Domain;

/// <summary>Makes text of the bytes of a file: by its byte order mark, else the charset that was declared, else UTF-8, else Windows-1252, as spreadsheets write.</summary>
internal static class TextDecoder
{
    private static readonly Encoding StrictUtf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Decodes bytes; never fails.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="charset">The declared charset; null for none. An unknown one counts as none.</param>
    public static string Decode(ReadOnlySpan<byte> bytes, string? charset)
    {
        if (bytes.StartsWith(Encoding.UTF8.Preamble))
        {
            return Encoding.UTF8.GetString(bytes[3..]);
        }

        if (bytes.StartsWith(Encoding.Unicode.Preamble) || bytes.StartsWith(Encoding.BigEndianUnicode.Preamble))
        {
            return (bytes[0] == 0xFF ? Encoding.Unicode : Encoding.BigEndianUnicode).GetString(bytes[2..]);
        }

        if (Declared(charset) is { } declared)
        {
            return declared.GetString(bytes);
        }

        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return CodePagesEncodingProvider.Instance.GetEncoding(1252)!.GetString(bytes);
        }
    }

    private static Encoding? Declared(string? charset)
    {
        string name = (charset ?? "").Trim(' ', '"', '\'').ToLowerInvariant();
        if (name is "" or "utf-8" or "utf8" or "us-ascii" or "ascii")
        {
            return null; // what is declared so is often something else
        }

        // What is called ISO-8859-1 is Windows-1252 in practice, as the WHATWG encoding standard has it.
        name = name is "iso-8859-1" or "latin1" or "iso8859-1" ? "windows-1252" : name;
        try
        {
            return CodePagesEncodingProvider.Instance.GetEncoding(name) ?? Encoding.GetEncoding(name);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
