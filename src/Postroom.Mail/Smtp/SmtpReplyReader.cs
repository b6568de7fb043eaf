using System.Text;

namespace Postroom.Mail;

/// <summary>Reads the answers of an SMTP server, within bounds: 4 KiB a line (RFC 5321 has 512), 256 lines an answer.</summary>
/// <param name="server">Host and port, for error messages.</param>
/// <param name="stream">The connection.</param>
internal sealed class SmtpReplyReader(string server, Stream stream)
{
    private const int MaxLine = 4_096;
    private const int MaxLines = 256;

    private readonly byte[] _buffer = new byte[MaxLine];
    private int _begin;
    private int _end;

    /// <summary>Whether bytes came that belong to no answer read so far.</summary>
    public bool HasMore => _begin < _end;

    /// <summary>Reads one answer, all its lines.</summary>
    /// <param name="isSecret">Whether it answers a secret, which it may repeat: no error text shows any of it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="MailConnectionException">The connection ended, or this is no answer.</exception>
    public async ValueTask<SmtpReply> ReadAsync(bool isSecret, CancellationToken cancellationToken)
    {
        List<string> lines = [];
        int code = 0;
        while (lines.Count < MaxLines)
        {
            string line = await ReadLineAsync(cancellationToken);
            if (line.Length < 3 || line[0] is < '2' or > '5' || !char.IsAsciiDigit(line[1]) || !char.IsAsciiDigit(line[2]) || (line.Length > 3 && line[3] is not (' ' or '-')))
            {
                throw new MailConnectionException($"{server} said {(isSecret ? "something at the login that is not shown" : $"'{Names.Shorten(line)}'")}, which is no SMTP answer.");
            }

            int number = ((line[0] - '0') * 100) + ((line[1] - '0') * 10) + (line[2] - '0');
            if (lines.Count > 0 && number != code)
            {
                throw new MailConnectionException($"{server} changed its answer from {code} to {number} between two lines.");
            }

            code = number;
            lines.Add(line.Length > 4 ? line[4..] : "");
            if (line.Length == 3 || line[3] == ' ')
            {
                return new SmtpReply(code, lines);
            }
        }

        throw new MailConnectionException($"An answer of {server} has more than {MaxLines} lines.");
    }

    private async ValueTask<string> ReadLineAsync(CancellationToken cancellationToken)
    {
        int searched = _begin;
        int newline;
        while ((newline = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n')) < 0)
        {
            searched = await FillAsync(cancellationToken);
        }

        int end = searched + newline;
        string line = Encoding.UTF8.GetString(_buffer, _begin, end - _begin).TrimEnd('\r');
        _begin = end + 1;
        return line;
    }

    /// <summary>Reads more, moving what is there to the front; returns where the new bytes begin.</summary>
    private async ValueTask<int> FillAsync(CancellationToken cancellationToken)
    {
        int kept = _end - _begin;
        if (kept == _buffer.Length)
        {
            throw new MailConnectionException($"An answer of {server} has a line of more than {MaxLine} bytes.");
        }

        _buffer.AsSpan(_begin, kept).CopyTo(_buffer);
        (_begin, _end) = (0, kept);
        int read = await stream.ReadAsync(_buffer.AsMemory(kept), cancellationToken);
        _end += read;
        return read > 0 ? kept : throw new MailConnectionException($"{server} ended the connection.");
    }
}
