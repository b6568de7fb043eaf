using System.Buffers;

namespace Postroom.Mail;

/// <summary>Takes a body out of its lines (RFC 2045 §6); errors are skipped and counted, never fatal.</summary>
internal static class TransferDecoding
{
    private static readonly sbyte[] Values = MakeValues();

    /// <summary>Decodes a body.</summary>
    /// <param name="body">The body as it stands in the mail.</param>
    /// <param name="encoding">Its transfer encoding, lower case.</param>
    /// <param name="problems">Gets what was skipped.</param>
    public static ReadOnlyMemory<byte> Decode(ReadOnlyMemory<byte> body, string encoding, Problems problems)
    {
        int errors = 0;
        switch (encoding)
        {
            case "base64":
                body = Base64(body.Span, out errors);
                break;
            case "quoted-printable":
                body = QuotedPrintable(body.Span, out errors);
                break;
            case "7bit" or "8bit" or "binary":
                break;
            case "x-uuencode" or "uuencode" or "x-uue":
                body = Uu(body.Span, out errors);
                break;
            default:
                problems.Add($"The transfer encoding '{Names.Shorten(encoding)}' is unknown; the part is left as it is.");
                break;
        }

        if (errors > 0)
        {
            problems.Add($"A part in {encoding} has characters that do not belong there; they are left out.");
        }

        return body;
    }

    /// <summary>Decodes base64; whatever is not of its alphabet is skipped, and several texts behind each other are one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="errors">How many characters were skipped; line ends and blanks are none.</param>
    public static ReadOnlyMemory<byte> Base64(ReadOnlySpan<byte> text, out int errors)
    {
        errors = 0;
        byte[] bytes = new byte[(text.Length / 4 * 3) + 3];
        int length = 0;
        int bits = 0;
        int held = 0;
        foreach (byte octet in text)
        {
            int value = Values[octet];
            if (value >= 0)
            {
                held = (held << 6) | value;
                bits += 6;
                if (bits >= 8)
                {
                    bits -= 8;
                    bytes[length++] = (byte)(held >> bits);
                    held &= (1 << bits) - 1;
                }
            }
            else if (octet == '=')
            {
                // The end of one text; what follows begins anew.
                (held, bits) = (0, 0);
            }
            else if (octet is not ((byte)'\r' or (byte)'\n' or (byte)' ' or (byte)'\t'))
            {
                errors++;
            }
        }

        errors += bits >= 6 ? 1 : 0;
        return bytes.AsMemory(0, length);
    }

    /// <summary>Decodes quoted-printable; an equals sign that begins nothing stays as it is.</summary>
    public static ReadOnlyMemory<byte> QuotedPrintable(ReadOnlySpan<byte> text, out int errors)
    {
        errors = 0;
        byte[] bytes = new byte[text.Length];
        int length = 0;
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> whole = end < 0 ? text : text[..(end + 1)];
            ReadOnlySpan<byte> line = whole.TrimEnd(" \t\r\n"u8); // RFC 2045 §6.7 rule 3: blanks at the end were added on the way.
            text = text[whole.Length..];
            bool soft = line is [.., (byte)'='];
            line = soft ? line[..^1] : line;
            for (int i = 0; i < line.Length; i++)
            {
                if (line[i] == '=' && i + 2 < line.Length && Hex(line[i + 1]) is >= 0 and var high && Hex(line[i + 2]) is >= 0 and var low)
                {
                    bytes[length++] = (byte)((high << 4) | low);
                    i += 2;
                }
                else
                {
                    errors += line[i] == '=' ? 1 : 0;
                    bytes[length++] = line[i];
                }
            }

            if (!soft && end >= 0)
            {
                if (whole is [.., (byte)'\r', (byte)'\n'])
                {
                    bytes[length++] = (byte)'\r';
                }

                bytes[length++] = (byte)'\n';
            }
        }

        return bytes.AsMemory(0, length);
    }

    private static byte[] Uu(ReadOnlySpan<byte> text, out int errors)
    {
        errors = 0;
        ArrayBufferWriter<byte> bytes = new(text.Length + 64);
        bool begun = false;
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? text : text[..end]).TrimEnd("\r"u8);
            text = end < 0 ? [] : text[(end + 1)..];
            if (!begun)
            {
                begun = line.StartsWith("begin "u8);
                continue;
            }

            if (line.SequenceEqual("end"u8))
            {
                break;
            }

            int length = line.IsEmpty ? 0 : (line[0] - 32) & 63;
            if (length > (line.Length - 1) / 4 * 3)
            {
                errors++;
                length = Math.Max(0, (line.Length - 1) / 4 * 3);
            }

            for (int i = 0; i < length; i++)
            {
                int group = 1 + (i / 3 * 4);
                int value = (((line[group] - 32) & 63) << 18) | (((line[group + 1] - 32) & 63) << 12) | (((line[group + 2] - 32) & 63) << 6) | ((line[group + 3] - 32) & 63);
                bytes.Write([(byte)(value >> (16 - (i % 3 * 8)))]);
            }
        }

        return bytes.WrittenSpan.ToArray();
    }

    private static int Hex(byte octet) => octet switch
    {
        >= (byte)'0' and <= (byte)'9' => octet - '0',
        >= (byte)'A' and <= (byte)'F' => octet - 'A' + 10,
        >= (byte)'a' and <= (byte)'f' => octet - 'a' + 10,
        _ => -1,
    };

    private static sbyte[] MakeValues()
    {
        sbyte[] values = new sbyte[256];
        Array.Fill(values, (sbyte)-1);
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (int i = 0; i < Alphabet.Length; i++)
        {
            values[Alphabet[i]] = (sbyte)i;
        }

        return values;
    }
}
