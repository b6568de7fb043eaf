using System.Buffers;
using System.Text;

namespace Postroom.Mail;

/// <summary>Puts text and files into lines of ASCII (RFC 2045 §6): 7bit where text is already that, quoted-printable for other text, base64 for files.</summary>
internal static class BodyEncoding
{
    private const int MaxEncodedLine = 76;
    private const int Base64Line = 57; // 57 bytes are 76 columns.
    private const int MaxPlainLine = 998; // RFC 5322 §2.1.1

    /// <summary>Makes every line end CRLF, bare CR and LF included (ML-9), and ends the last line.</summary>
    public static byte[] Lines(string text)
    {
        StringBuilder lines = new(text.Length + 64);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is '\r' or '\n')
            {
                lines.Append("\r\n");
                i += text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n' ? 1 : 0;
            }
            else
            {
                lines.Append(text[i]);
            }
        }

        if (lines.Length < 2 || lines[^1] != '\n')
        {
            lines.Append("\r\n");
        }

        return Encoding.UTF8.GetBytes(lines.ToString());
    }

    /// <summary>Whether lines arrive as they are: ASCII, short enough, no blank before a line end, and nothing that a mailbox file takes for its own.</summary>
    /// <param name="lines">Lines that end with CRLF.</param>
    public static bool IsPlain(ReadOnlySpan<byte> lines)
    {
        while (!lines.IsEmpty)
        {
            int end = lines.IndexOf("\r\n"u8);
            ReadOnlySpan<byte> line = lines[..end];
            if (line.Length > MaxPlainLine || line.StartsWith("From "u8) || (!line.IsEmpty && line[^1] is (byte)' ' or (byte)'\t') || line.ContainsAnyExceptInRange((byte)' ', (byte)'~'))
            {
                return false;
            }

            lines = lines[(end + 2)..];
        }

        return true;
    }

    /// <summary>Writes lines as quoted-printable (RFC 2045 §6.7).</summary>
    /// <param name="lines">Lines that end with CRLF.</param>
    /// <param name="output">Gets lines of at most 76 columns.</param>
    public static void WriteQuotedPrintable(ReadOnlySpan<byte> lines, IBufferWriter<byte> output)
    {
        while (!lines.IsEmpty)
        {
            int end = lines.IndexOf("\r\n"u8);
            WriteQuotedLine(lines[..end], output);
            output.Write("\r\n"u8);
            lines = lines[(end + 2)..];
        }
    }

    /// <summary>Writes bytes as base64 in lines of 76 columns (RFC 2045 §6.8).</summary>
    public static void WriteBase64(ReadOnlySpan<byte> data, IBufferWriter<byte> output)
    {
        while (!data.IsEmpty)
        {
            ReadOnlySpan<byte> piece = data[..Math.Min(Base64Line, data.Length)];
            System.Buffers.Text.Base64.EncodeToUtf8(piece, output.GetSpan(MaxEncodedLine), out _, out int written);
            output.Advance(written);
            output.Write("\r\n"u8);
            data = data[piece.Length..];
        }
    }

    private static void WriteQuotedLine(ReadOnlySpan<byte> line, IBufferWriter<byte> output)
    {
        bool from = line.StartsWith("From "u8);
        int column = 0;
        for (int i = 0; i < line.Length; i++)
        {
            byte octet = line[i];
            bool last = i == line.Length - 1;
            bool plain = (octet is >= (byte)' ' and <= (byte)'~' and not (byte)'=' || octet == '\t') && !(last && octet is (byte)' ' or (byte)'\t') && !(from && i == 0);
            int width = plain ? 1 : 3;
            if (column + width > (last ? MaxEncodedLine : MaxEncodedLine - 1))
            {
                output.Write("=\r\n"u8);
                column = 0;
            }

            if (plain)
            {
                output.Write([octet]);
            }
            else
            {
                output.Write([(byte)'=', Hex(octet >> 4), Hex(octet & 15)]);
            }

            column += width;
        }
    }

    private static byte Hex(int digit) => (byte)"0123456789ABCDEF"[digit];
}
