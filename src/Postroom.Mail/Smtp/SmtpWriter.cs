using System.Text;

namespace Postroom.Mail;

/// <summary>Writes commands and mails to an SMTP server. Whatever it is given, only CRLF leaves as a line end, and only <see cref="EndAsync"/> ends a mail.</summary>
internal sealed class SmtpWriter(Stream stream)
{
    private const int BufferBytes = 16 * 1024;

    /// <summary>Writes commands in one piece.</summary>
    /// <exception cref="InvalidOperationException">A command would be two.</exception>
    public async ValueTask CommandsAsync(IReadOnlyList<string> commands, CancellationToken cancellationToken)
    {
        StringBuilder lines = new();
        foreach (string command in commands)
        {
            lines.Append(HeaderText.Breaks(command) ? throw new InvalidOperationException("An SMTP command would have a line end or NUL inside.") : command).Append("\r\n");
        }

        await stream.WriteAsync(Encoding.UTF8.GetBytes(lines.ToString()), cancellationToken);
        await stream.FlushAsync(cancellationToken);
    }

    /// <summary>Writes a mail without its end: bare CR and LF become CRLF, a dot that begins a line is doubled (RFC 5321 §4.5.2).</summary>
    /// <param name="mail">The mail.</param>
    /// <param name="sent">Told after each piece, so that a wait can be limited per piece.</param>
    /// <param name="cancellationToken">Ends the write.</param>
    public async ValueTask MailAsync(ReadOnlyMemory<byte> mail, Action sent, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[BufferBytes];
        int filled = 0;
        bool lineBegins = true;
        for (int i = 0; i < mail.Length; i++)
        {
            if (filled > BufferBytes - 3)
            {
                await stream.WriteAsync(buffer.AsMemory(0, filled), cancellationToken);
                sent();
                filled = 0;
            }

            byte octet = mail.Span[i];
            if (octet is (byte)'\r' or (byte)'\n')
            {
                buffer[filled++] = (byte)'\r';
                buffer[filled++] = (byte)'\n';
                i += octet == '\r' && i + 1 < mail.Length && mail.Span[i + 1] == '\n' ? 1 : 0;
                lineBegins = true;
                continue;
            }

            if (lineBegins && octet == '.')
            {
                buffer[filled++] = (byte)'.';
            }

            buffer[filled++] = octet;
            lineBegins = false;
        }

        await stream.WriteAsync(buffer.AsMemory(0, filled), cancellationToken);
        if (!lineBegins)
        {
            await stream.WriteAsync("\r\n"u8.ToArray(), cancellationToken);
        }

        await stream.FlushAsync(cancellationToken);
        sent();
    }

    /// <summary>Writes the line that ends a mail.</summary>
    public async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        await stream.WriteAsync(".\r\n"u8.ToArray(), cancellationToken);
        await stream.FlushAsync(cancellationToken);
    }
}
