using System.Buffers;
using System.Globalization;

namespace Postroom.Mail;

/// <summary>Reads the answers of an IMAP server within the bounds of ML-5. Used by one reader at a time.</summary>
/// <param name="server">Host and port, for error messages.</param>
/// <param name="stream">The connection.</param>
/// <param name="maxLiteral">The most bytes of one literal.</param>
internal sealed class ImapReader(string server, Stream stream, long maxLiteral)
{
    /// <summary>The most bytes of a line, literals not counted.</summary>
    public const int MaxLine = 64 * 1024;

    private const int MaxSearchLine = (ImapParser.MaxResults * 11) + MaxLine; // ten digits and a blank each
    private const int MaxLiterals = 4_096;
    private const int LiteralStep = 256 * 1024;

    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _begin;
    private int _end;
    private long _total;

    /// <summary>How many bytes came so far: whether a slow answer is on its way.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>Whether bytes came that belong to no answer read so far.</summary>
    public bool HasMore => _begin < _end;

    /// <summary>Reads one answer.</summary>
    /// <exception cref="ImapConnectionException">The connection ended, or this is no answer, or one beyond the bounds.</exception>
    public async ValueTask<ImapResponse> ReadAsync(CancellationToken cancellationToken)
    {
        ArrayBufferWriter<byte> line = new(256);
        List<byte[]> literals = [];
        long bytes = 0;
        while (true)
        {
            await ReadLineAsync(line, cancellationToken);
            if (LiteralLength(WithoutReturn(line.WrittenSpan)) is not { } length)
            {
                break;
            }

            bytes += length;
            if (bytes > maxLiteral || literals.Count == MaxLiterals)
            {
                throw new ImapConnectionException($"An answer of {server} announces {bytes} bytes in {literals.Count + 1} literals; the limit is {maxLiteral} bytes in {MaxLiterals}. Raise maxMessage if the mail is wanted.") { IsTooLong = bytes > maxLiteral };
            }

            line.Write(line.WrittenSpan is [.., (byte)'\r'] ? "\n"u8 : "\r\n"u8);
            literals.Add(await ReadLiteralAsync((int)length, cancellationToken));
        }

        try
        {
            return ImapParser.Read(WithoutReturn(line.WrittenSpan), literals);
        }
        catch (FormatException e)
        {
            string said = System.Text.Encoding.Latin1.GetString(line.WrittenSpan[..Math.Min(4_096, line.WrittenCount)]);
            throw new ImapConnectionException($"{server} said '{Names.Shorten(said)}', which is no IMAP answer: {e.Message}.", e) { Said = said };
        }
    }

    private static ReadOnlySpan<byte> WithoutReturn(ReadOnlySpan<byte> line) => line is [.., (byte)'\r'] ? line[..^1] : line;

    /// <summary>The length of the literal that a line announces at its end; null for none. A status is text to its end, whatever that looks like.</summary>
    private static long? LiteralLength(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty || line[^1] != '}' || line.LastIndexOf((byte)'{') is not (>= 0 and var open) || IsStatus(line))
        {
            return null;
        }

        ReadOnlySpan<byte> digits = line[(open + 1)..^1];
        digits = digits is [.., (byte)'+'] ? digits[..^1] : digits;
        return digits.Length is > 0 and <= 12 && !digits.ContainsAnyExceptInRange((byte)'0', (byte)'9') ? long.Parse(digits, CultureInfo.InvariantCulture) : null;
    }

    private static bool IsStatus(ReadOnlySpan<byte> line)
    {
        if (line[0] == '+')
        {
            return true;
        }

        int blank = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> rest = blank < 0 ? [] : line[(blank + 1)..];
        foreach (string word in (ReadOnlySpan<string>)["OK", "NO", "BAD", "BYE", "PREAUTH"])
        {
            if (rest.Length > word.Length && rest[word.Length] == ' ' && System.Text.Ascii.EqualsIgnoreCase(rest[..word.Length], word))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsSearch(ReadOnlySpan<byte> line) => line.Length > 9 && System.Text.Ascii.EqualsIgnoreCase(line[..9], "* SEARCH "u8);

    /// <summary>Adds a line without its LF.</summary>
    private async ValueTask ReadLineAsync(ArrayBufferWriter<byte> line, CancellationToken cancellationToken)
    {
        while (true)
        {
            int newline = _buffer.AsSpan(_begin, _end - _begin).IndexOf((byte)'\n');
            int length = newline < 0 ? _end - _begin : newline;
            line.Write(_buffer.AsSpan(_begin, length));
            _begin += length;
            if (line.WrittenCount > MaxLine && (line.WrittenCount > MaxSearchLine || !IsSearch(line.WrittenSpan)))
            {
                throw new ImapConnectionException($"An answer of {server} has a line of more than {MaxLine} bytes.");
            }

            if (newline >= 0)
            {
                _begin++;
                return;
            }

            await FillAsync(cancellationToken);
        }
    }

    /// <summary>Reads a literal; memory grows with what came, not with what was announced.</summary>
    private async ValueTask<byte[]> ReadLiteralAsync(int length, CancellationToken cancellationToken)
    {
        byte[] literal = new byte[Math.Min(length, LiteralStep)];
        int filled = 0;
        while (filled < length)
        {
            if (filled == literal.Length)
            {
                Array.Resize(ref literal, (int)Math.Min(length, literal.Length * 2L));
            }

            if (_begin < _end)
            {
                int copied = Math.Min(_end - _begin, literal.Length - filled);
                _buffer.AsSpan(_begin, copied).CopyTo(literal.AsSpan(filled));
                _begin += copied;
                filled += copied;
            }
            else
            {
                filled += await ReceiveAsync(literal.AsMemory(filled), cancellationToken);
            }
        }

        return literal;
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        (_begin, _end) = (0, 0);
        _end = await ReceiveAsync(_buffer, cancellationToken);
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> into, CancellationToken cancellationToken)
    {
        try
        {
            int read = await stream.ReadAsync(into, cancellationToken);
            Interlocked.Add(ref _total, read);
            return read > 0 ? read : throw new ImapConnectionException($"{server} ended the connection.");
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw new ImapConnectionException($"The connection to {server} broke: {e.Message}", e);
        }
    }
}
