using System.Security.Cryptography;

namespace Postroom.Storage;

/// <summary>What of an envelope is usually absent, in one packed column: a version, a set of flags, and the parts the flags name.</summary>
internal static class ExtraColumn
{
    /// <summary>Bodies and attachments over this size are kept apart from the row.</summary>
    public const int ApartBytes = 64 * 1024;

    private const byte Format = 1;

    [Flags]
    private enum Part
    {
        None = 0,
        Direction = 1,
        ContentType = 2,
        From = 4,
        To = 8,
        NoOrderKey = 16,
        OrderKey = 32,
        ReplayOf = 64,
        DedupKey = 128,
        Headers = 256,
        Attachments = 512,
        MaxAttempts = 1_024,
        Hops = 2_048,
        NotBefore = 4_096,
        OwnConversation = 8_192,
    }

    /// <summary>Packs what is there; nothing is written when nothing is.</summary>
    /// <param name="writer">Cleared first.</param>
    /// <param name="envelope">The message.</param>
    public static void Write(PackWriter writer, Envelope envelope)
    {
        writer.Clear();
        Append(writer, envelope, ApartBytes);
    }

    /// <summary>Packs what is there behind what is packed already; nothing is written when nothing is.</summary>
    /// <param name="writer">Not cleared.</param>
    /// <param name="envelope">The message.</param>
    /// <param name="apartBytes">Attachments over this size are kept apart, and only their hash is packed.</param>
    public static void Append(PackWriter writer, Envelope envelope, int apartBytes)
    {
        Part parts = PartsOf(envelope);
        if (parts == Part.None)
        {
            return;
        }

        writer.Byte(Format);
        writer.Number((long)parts);
        if (parts.HasFlag(Part.Direction))
        {
            writer.Byte((byte)envelope.Direction);
        }

        if (parts.HasFlag(Part.MaxAttempts))
        {
            writer.Number(envelope.MaxAttempts);
        }

        if (parts.HasFlag(Part.Hops))
        {
            writer.Number(envelope.Hops);
        }

        if (parts.HasFlag(Part.NotBefore))
        {
            writer.Number(envelope.NotBefore!.Value.ToUnixTimeMilliseconds());
        }

        WriteText(writer, parts, Part.ContentType, envelope.ContentType);
        WriteText(writer, parts, Part.From, envelope.From?.ToString());
        WriteText(writer, parts, Part.To, envelope.To?.ToString());
        WriteText(writer, parts, Part.OrderKey, envelope.OrderKey);
        WriteText(writer, parts, Part.DedupKey, envelope.DedupKey);
        if (parts.HasFlag(Part.ReplayOf))
        {
            writer.Id(envelope.ReplayOf!.Value);
        }

        if (parts.HasFlag(Part.Headers))
        {
            writer.Number(envelope.Headers.Count);
            foreach ((string name, string value) in envelope.Headers)
            {
                writer.Text(name);
                writer.Text(value);
            }
        }

        if (parts.HasFlag(Part.Attachments))
        {
            WriteAttachments(writer, envelope.Attachments, apartBytes);
        }
    }

    /// <summary>Puts the packed parts into an envelope that has all others.</summary>
    /// <param name="extra">The column; empty for nothing.</param>
    /// <param name="envelope">The message so far.</param>
    /// <param name="apart">Reads bytes kept apart by their hash; null leaves attachments without data.</param>
    public static Envelope Read(ReadOnlySpan<byte> extra, Envelope envelope, Func<byte[], byte[]>? apart)
    {
        if (extra.IsEmpty)
        {
            return envelope;
        }

        PackReader reader = new(extra);
        if (reader.Byte() is not Format and var format)
        {
            throw new InvalidDataException($"A packed column has format {format}; this build reads {Format}.");
        }

        var parts = (Part)reader.Number();
        MessageDirection direction = parts.HasFlag(Part.Direction) ? (MessageDirection)reader.Byte() : envelope.Direction;
        int maxAttempts = parts.HasFlag(Part.MaxAttempts) ? (int)reader.Number() : envelope.MaxAttempts;
        int hops = parts.HasFlag(Part.Hops) ? (int)reader.Number() : 0;
        DateTimeOffset? notBefore = parts.HasFlag(Part.NotBefore) ? DateTimeOffset.FromUnixTimeMilliseconds(reader.Number()) : null;
        string contentType = parts.HasFlag(Part.ContentType) ? reader.Text() : envelope.ContentType;
        Address? from = parts.HasFlag(Part.From) ? Address.Parse(reader.Text()) : null;
        Address? to = parts.HasFlag(Part.To) ? Address.Parse(reader.Text()) : null;
        string? orderKey = parts.HasFlag(Part.OrderKey) ? reader.Text() : null;
        string? dedupKey = parts.HasFlag(Part.DedupKey) ? reader.Text() : null;
        MessageId? replayOf = parts.HasFlag(Part.ReplayOf) ? reader.Id() : null;
        IReadOnlyDictionary<string, string> headers = parts.HasFlag(Part.Headers) ? ReadHeaders(ref reader) : envelope.Headers;
        IReadOnlyList<Attachment> attachments = parts.HasFlag(Part.Attachments) ? ReadAttachments(ref reader, apart) : [];
        Envelope filled = envelope with
        {
            Direction = direction,
            ContentType = contentType,
            From = from,
            To = to,
            ReplayOf = replayOf,
            DedupKey = dedupKey,
            Headers = headers,
            Attachments = attachments,
            MaxAttempts = maxAttempts,
            Hops = hops,
            NotBefore = notBefore,
            StartsConversation = parts.HasFlag(Part.OwnConversation),
        };
        return (parts & (Part.OrderKey | Part.NoOrderKey)) != 0 ? filled with { OrderKey = orderKey } : filled;
    }

    /// <summary>Whether a column has attachments, without reading them.</summary>
    public static bool HasAttachments(ReadOnlySpan<byte> extra)
    {
        if (extra.IsEmpty)
        {
            return false;
        }

        PackReader reader = new(extra);
        return reader.Byte() != Format || ((Part)reader.Number()).HasFlag(Part.Attachments); // another format is left to a whole read, which refuses it
    }

    private static Part PartsOf(Envelope envelope)
    {
        Part parts = Part.None;
        parts |= envelope.Direction != MessageDirection.Internal ? Part.Direction : 0;
        parts |= envelope.ContentType != "application/json" ? Part.ContentType : 0;
        parts |= envelope.From is not null ? Part.From : 0;
        parts |= envelope.To is not null ? Part.To : 0;
        parts |= envelope.IsKeyConversation ? 0 : envelope.OrderKey is null ? Part.NoOrderKey : Part.OrderKey;
        parts |= envelope.ReplayOf is not null ? Part.ReplayOf : 0;
        parts |= envelope.DedupKey is not null ? Part.DedupKey : 0;
        parts |= envelope.Headers.Count > 0 ? Part.Headers : 0;
        parts |= envelope.Attachments.Count > 0 ? Part.Attachments : 0;
        parts |= envelope.MaxAttempts != 5 ? Part.MaxAttempts : 0;
        parts |= envelope.Hops != 0 ? Part.Hops : 0;
        parts |= envelope.NotBefore is not null ? Part.NotBefore : 0;
        parts |= envelope.StartsConversation ? Part.OwnConversation : 0;
        return parts;
    }

    private static void WriteText(PackWriter writer, Part parts, Part part, string? text)
    {
        if (parts.HasFlag(part))
        {
            writer.Text(text!);
        }
    }

    private static void WriteAttachments(PackWriter writer, IReadOnlyList<Attachment> attachments, int apartBytes)
    {
        writer.Number(attachments.Count);
        foreach (Attachment attachment in attachments)
        {
            int place = attachment.Data is not { } data ? 0 : data.Length > apartBytes ? 2 : 1;
            writer.Byte((byte)place);
            writer.Text(attachment.Name);
            writer.Text(attachment.ContentType);
            writer.Number(attachment.Length ?? -1);
            writer.Text(attachment.Sha256 ?? "");
            writer.Text(attachment.Reference ?? "");
            switch (place)
            {
                case 1:
                    writer.Bytes(attachment.Data!.Value.Span);
                    break;
                case 2:
                    writer.Bytes(SHA256.HashData(attachment.Data!.Value.Span));
                    break;
            }
        }
    }

    private static List<Attachment> ReadAttachments(ref PackReader reader, Func<byte[], byte[]>? apart)
    {
        int count = reader.Count();
        List<Attachment> attachments = [];
        for (int i = 0; i < count; i++)
        {
            byte place = reader.Byte();
            string name = reader.Text();
            string contentType = reader.Text();
            long length = reader.Number();
            string hash = reader.Text();
            string reference = reader.Text();
            byte[]? data = place switch
            {
                1 => reader.Bytes().ToArray(),
                2 when apart is not null => apart(reader.Bytes().ToArray()),
                2 => Skip(ref reader),
                _ => null,
            };
            attachments.Add(new Attachment
            {
                Name = name,
                ContentType = contentType,
                Length = length < 0 ? null : length,
                Sha256 = hash.Length == 0 ? null : hash,
                Reference = reference.Length == 0 ? null : reference,
                Data = apart is null || data is null ? null : (ReadOnlyMemory<byte>?)data,
            });
        }

        return attachments;
    }

    private static byte[]? Skip(ref PackReader reader)
    {
        _ = reader.Bytes();
        return null;
    }

    private static Dictionary<string, string> ReadHeaders(ref PackReader reader)
    {
        int count = reader.Count();
        Dictionary<string, string> headers = new(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            string name = reader.Text();
            headers[name] = reader.Text();
        }

        return headers;
    }
}
