namespace Postroom.Testing;

/// <summary>What a client of a <see cref="FakeSmtpServer"/> sends: lines, and mails up to their final dot.</summary>
internal sealed class FakeSmtpInput(Stream stream) : FakeInput(stream)
{
    private const int MaxMailLine = 998; // RFC 5321 §4.5.3.1.6, without CRLF

    /// <summary>Reads a mail to its final dot.</summary>
    /// <param name="most">The most bytes that are kept.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    /// <returns>The mail with its dots unstuffed, or null when it was longer; and what a strict server objects to.</returns>
    public async ValueTask<(byte[]? Mail, IReadOnlyList<string> Complaints)> ReadMailAsync(long most, CancellationToken cancellationToken)
    {
        using MemoryStream mail = new();
        HashSet<string> complaints = [];
        bool fits = true;
        while (true)
        {
            int end;
            while ((end = Buffer.AsSpan(Begin, End - Begin).IndexOf("\r\n"u8)) < 0)
            {
                if (!await FillAsync(cancellationToken))
                {
                    throw new IOException("The client left within a mail.");
                }
            }

            ReadOnlyMemory<byte> line = Buffer.AsMemory(Begin, end);
            Begin += end + 2;
            if (line.Span.SequenceEqual("."u8))
            {
                return (fits ? mail.ToArray() : null, [.. complaints]);
            }

            if (line.Span.IndexOfAny((byte)'\r', (byte)'\n', (byte)0) >= 0)
            {
                complaints.Add("A mail has a bare CR, LF or NUL.");
            }

            if (line.Length > MaxMailLine)
            {
                complaints.Add($"A mail has a line of {line.Length} bytes.");
            }

            ReadOnlyMemory<byte> unstuffed = line.Span is [(byte)'.', ..] ? line[1..] : line;
            fits &= mail.Length + unstuffed.Length + 2 <= most;
            if (fits)
            {
                mail.Write(unstuffed.Span);
                mail.Write("\r\n"u8);
            }
        }
    }
}

/// <summary>The path of a MAIL or RCPT command.</summary>
internal static class FakeSmtpAddress
{
    /// <summary>Reads the command; null when it is none.</summary>
    public static (string Address, string Parameters)? Read(string line, string begin)
    {
        if (!line.StartsWith(begin + "<", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        int close = line.IndexOf('>', StringComparison.Ordinal);
        string address = close < 0 ? "" : line[(begin.Length + 1)..close];
        string rest = close < 0 ? "" : line[(close + 1)..];
        bool whole = address.Length is > 2 and <= 254 && address.IndexOf('@', StringComparison.Ordinal) > 0 && !address.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c is '<' or '"');
        return whole && (rest.Length == 0 || rest[0] == ' ') ? (address, rest.Trim()) : null;
    }
}
