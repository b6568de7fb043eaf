using System.Security.Cryptography;

namespace Postroom;

/// <summary>A file that travels with a message: its bytes, or a reference that is fetched when a handler opens it.</summary>
/// <remarks>At most 20 MiB each, 25 MiB together and 32 per message. The name is data, never a path.</remarks>
public sealed record Attachment
{
    /// <summary>The longest single attachment in bytes.</summary>
    public const int MaxLength = 20 * 1024 * 1024;

    /// <summary>The most bytes that the attachments of one message have together.</summary>
    public const int MaxTotalLength = 25 * 1024 * 1024;

    /// <summary>The most attachments of one message.</summary>
    public const int MaxCount = 32;

    private readonly string _name = "";

    /// <summary>The file name: the last path segment of what the sender wrote, without control characters, at most 255 bytes of UTF-8.</summary>
    public required string Name
    {
        get => _name;
        init => _name = CleanName(value);
    }

    /// <summary>The media type; <c>application/octet-stream</c> unless known.</summary>
    public string ContentType { get; init; } = "application/octet-stream";

    /// <summary>The length in bytes; null while a reference has not told it.</summary>
    public long? Length { get; init; }

    /// <summary>The SHA-256 of the bytes in lower-case hex; null while a reference has not told it.</summary>
    public string? Sha256 { get; init; }

    /// <summary>The bytes; null when <see cref="Reference"/> is set.</summary>
    public ReadOnlyMemory<byte>? Data { get; init; }

    /// <summary>The provider's media id; null when <see cref="Data"/> is set.</summary>
    public string? Reference { get; init; }

    /// <summary>Makes an attachment from bytes and fills length and hash.</summary>
    /// <exception cref="ArgumentException">The bytes are longer than <see cref="MaxLength"/>.</exception>
    public static Attachment FromBytes(string name, ReadOnlyMemory<byte> data, string? contentType = null)
    {
        return data.Length <= MaxLength
            ? new Attachment
            {
                Name = name,
                ContentType = contentType ?? "application/octet-stream",
                Length = data.Length,
                Sha256 = Convert.ToHexStringLower(SHA256.HashData(data.Span)),
                Data = data,
            }
            : throw new ArgumentException($"Attachment '{Names.Shorten(name)}' has {data.Length} bytes; the limit is {MaxLength}. Send it as a link.", nameof(data));
    }

    /// <summary>Opens the bytes for reading and verifies length and hash.</summary>
    /// <param name="fetch">Fetches a reference from its provider; null when only stored bytes are wanted.</param>
    /// <param name="cancellationToken">Ends a fetch.</param>
    /// <exception cref="InvalidDataException">Length or hash differ from what the message says.</exception>
    /// <exception cref="InvalidOperationException">The attachment is a reference and <paramref name="fetch"/> is null.</exception>
    public async ValueTask<Stream> OpenAsync(
        Func<Attachment, CancellationToken, ValueTask<ReadOnlyMemory<byte>>>? fetch, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> bytes = Data
            ?? (fetch is null
                ? throw new InvalidOperationException($"Attachment '{Name}' is a reference; open it through the context of its communicator.")
                : await fetch(this, cancellationToken));
        if (Length is { } length && length != bytes.Length)
        {
            throw new InvalidDataException($"Attachment '{Name}' has {bytes.Length} bytes where the message says {length}.");
        }

        if (Sha256 is { } hash && !string.Equals(hash, Convert.ToHexStringLower(SHA256.HashData(bytes.Span)), StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidDataException($"Attachment '{Name}' does not have the hash that the message says.");
        }

        return new MemoryStream(bytes.ToArray(), writable: false);
    }

    private static string CleanName(string? value)
    {
        string last = (value ?? "").Replace('\\', '/');
        last = last[(last.LastIndexOf('/') + 1)..];
        Span<char> kept = stackalloc char[255];
        int length = 0;
        int bytes = 0;
        foreach (System.Text.Rune rune in last.EnumerateRunes())
        {
            // Direction overrides make 'exe.txt' out of 'txt.exe' on a screen.
            if (System.Text.Rune.IsControl(rune) || rune.Value is (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069))
            {
                continue;
            }

            if (bytes + rune.Utf8SequenceLength > 255 || length + rune.Utf16SequenceLength > kept.Length)
            {
                break;
            }

            bytes += rune.Utf8SequenceLength;
            length += rune.EncodeToUtf16(kept[length..]);
        }

        string name = kept[..length].Trim().ToString();
        return name is "" or "." or ".." ? "unnamed" : name;
    }
}
