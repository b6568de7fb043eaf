using System.Buffers.Binary;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>A whole message as one value, with its checksum: what a partition holds per message (RD-11).</summary>
internal static class PackedMessage
{
    private const byte Format = 1;

    [Flags]
    private enum Part
    {
        Conversation = 1,
        Group = 2,
        Parent = 4,
        ExpiresAt = 8,
    }

    /// <summary>Packs a message. Its number is not part of it: the stream has that.</summary>
    public static byte[] Write(Envelope envelope)
    {
        PackWriter writer = new();
        writer.Byte(Format);
        writer.Id(envelope.Id);
        writer.Text(envelope.Queue);
        writer.Text(envelope.Type);
        writer.Number(envelope.CreatedAt.ToUnixTimeMilliseconds());
        Part parts = envelope.Conversation is not null ? Part.Conversation : 0;
        parts |= envelope.GroupId is not null ? Part.Group : 0;
        parts |= envelope.ParentId is not null ? Part.Parent : 0;
        parts |= envelope.ExpiresAt is not null ? Part.ExpiresAt : 0;
        writer.Number((long)parts);
        if (envelope.Conversation is { } conversation)
        {
            writer.Text(conversation);
        }

        if (envelope.GroupId is { } group)
        {
            writer.Id(group);
        }

        if (envelope.ParentId is { } parent)
        {
            writer.Id(parent);
        }

        if (envelope.ExpiresAt is { } expiry)
        {
            writer.Number(expiry.ToUnixTimeMilliseconds());
        }

        writer.Bytes(envelope.Body.Span);
        PackWriter extra = new();
        ExtraColumn.Append(extra, envelope, int.MaxValue);
        writer.Bytes(extra.Written);
        writer.Checksum();
        return writer.Written.ToArray();
    }

    /// <summary>Unpacks a message.</summary>
    /// <param name="packed">The value.</param>
    /// <param name="seq">Its number in the store's order.</param>
    /// <param name="withBody">Whether body and attachments come along; otherwise only their lengths.</param>
    /// <param name="bodyLength">How many bytes the body has.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of a format that this build does not read.</exception>
    public static Envelope Read(ReadOnlySpan<byte> packed, long seq, bool withBody, out int bodyLength)
    {
        if (packed.Length < 5 || Crc32C.Of(packed[..^4]) != BinaryPrimitives.ReadUInt32LittleEndian(packed[^4..]))
        {
            throw new InvalidDataException($"Message {seq} does not match its checksum.");
        }

        PackReader reader = new(packed[..^4]);
        if (reader.Byte() is not Format and var format)
        {
            throw new InvalidDataException($"Message {seq} has format {format}; this build reads {Format}.");
        }

        MessageId id = reader.Id();
        string queue = reader.Text();
        string type = reader.Text();
        DateTimeOffset created = DateTimeOffset.FromUnixTimeMilliseconds(reader.Number());
        var parts = (Part)reader.Number();
        string? conversation = parts.HasFlag(Part.Conversation) ? reader.Text() : null;
        MessageId? group = parts.HasFlag(Part.Group) ? reader.Id() : null;
        MessageId? parent = parts.HasFlag(Part.Parent) ? reader.Id() : null;
        DateTimeOffset? expiry = parts.HasFlag(Part.ExpiresAt) ? DateTimeOffset.FromUnixTimeMilliseconds(reader.Number()) : null;
        ReadOnlySpan<byte> body = reader.Bytes();
        bodyLength = body.Length;
        Envelope plain = new(id, queue, type, withBody ? body.ToArray() : default)
        {
            Seq = seq,
            CreatedAt = created,
            Conversation = conversation,
            GroupId = group,
            ParentId = parent,
            ExpiresAt = expiry,
        };
        return ExtraColumn.Read(reader.Bytes(), plain, withBody ? static _ => [] : null); // nothing is kept apart here
    }
}
