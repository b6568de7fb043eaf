using System.Security.Cryptography;
using System.Text;

namespace Postroom.Storage;

/// <summary>What two messages under one key have to share to be the same: the body, and the files by name and content.</summary>
internal static class MessageContent
{
    private const int HashBytes = 16;

    /// <summary>The hash of the content; 16 bytes.</summary>
    public static byte[] HashOf(Envelope envelope)
    {
        byte[] body = SHA256.HashData(envelope.Body.Span);
        if (envelope.Attachments.Count == 0)
        {
            return body[..HashBytes];
        }

        // Parts of a fixed length only: no name can be mistaken for the end of a body or another file's hash.
        using IncrementalHash all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        all.AppendData(body);
        foreach (Attachment file in envelope.Attachments)
        {
            all.AppendData(HashOf(file.Name));
            all.AppendData(HashOf(ContentOf(file)));
        }

        return all.GetHashAndReset()[..HashBytes];
    }

    /// <summary>Whether a repeat brings what is stored.</summary>
    public static bool IsSame(Envelope stored, Envelope repeat) => HashOf(stored).AsSpan().SequenceEqual(HashOf(repeat));

    /// <summary>The hash of the bytes where it is known; what a reference has not told yet is known by the reference.</summary>
    private static string ContentOf(Attachment file) =>
        file.Sha256?.ToLowerInvariant()
        ?? (file.Data is { } data ? Convert.ToHexStringLower(SHA256.HashData(data.Span)) : $"reference {file.Reference}");

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
