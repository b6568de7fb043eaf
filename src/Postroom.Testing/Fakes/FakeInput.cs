using System.Text;

namespace Postroom.Testing;

/// <summary>What a client of a fake server sends, line by line. Used by one reader at a time.</summary>
internal class FakeInput(Stream stream)
{
    private const int MaxLine = 64 * 1024;

    /// <summary>Whether bytes are there that were not read yet.</summary>
    public bool HasMore => Begin < End;

    /// <summary>Whether the last line ended with CRLF.</summary>
    public bool LastLineWasWhole { get; private set; } = true;

    /// <summary>What came; only what lies between <see cref="Begin"/> and <see cref="End"/> is unread.</summary>
    protected byte[] Buffer { get; } = new byte[MaxLine];

    /// <summary>Where the unread bytes begin.</summary>
    protected int Begin { get; set; }

    /// <summary>Where the unread bytes end.</summary>
    protected int End { get; private set; }

    /// <summary>Reads a line without its end; null at the end of the connection.</summary>
    public async ValueTask<string?> ReadLineAsync(CancellationToken cancellationToken)
    {
        int newline;
        while ((newline = Buffer.AsSpan(Begin, End - Begin).IndexOf((byte)'\n')) < 0)
        {
            if (!await FillAsync(cancellationToken))
            {
                return null;
            }
        }

        ReadOnlySpan<byte> line = Buffer.AsSpan(Begin, newline);
        LastLineWasWhole = line is [.., (byte)'\r'];
        Begin += newline + 1;
        return Encoding.UTF8.GetString(LastLineWasWhole ? line[..^1] : line);
    }

    /// <summary>Reads so many bytes.</summary>
    public async ValueTask<byte[]> ReadBytesAsync(int count, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[count];
        int read = 0;
        while (read < count)
        {
            await NeedAsync(cancellationToken);
            int some = Math.Min(count - read, End - Begin);
            Buffer.AsSpan(Begin, some).CopyTo(bytes.AsSpan(read));
            (Begin, read) = (Begin + some, read + some);
        }

        return bytes;
    }

    /// <summary>Waits until at least one byte is there.</summary>
    public async ValueTask NeedAsync(CancellationToken cancellationToken)
    {
        if (!HasMore && !await FillAsync(cancellationToken))
        {
            throw new IOException("The client left.");
        }
    }

    /// <summary>Reads and forgets until the client leaves.</summary>
    public async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        do
        {
            Begin = End;
        }
        while (await FillAsync(cancellationToken));
    }

    /// <summary>Waits for more; false at the end of the connection.</summary>
    protected async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        int kept = End - Begin;
        if (kept == Buffer.Length)
        {
            throw new IOException($"A line has more than {MaxLine} bytes.");
        }

        Buffer.AsSpan(Begin, kept).CopyTo(Buffer);
        (Begin, End) = (0, kept);
        int read = await stream.ReadAsync(Buffer.AsMemory(kept), cancellationToken);
        End += read;
        return read > 0;
    }
}
