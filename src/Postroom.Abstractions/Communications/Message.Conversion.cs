using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Postroom;

public sealed partial record Message
{
    /// <summary>The key in <see cref="Attachments"/> of a transcript, which is a file of another name in the envelope.</summary>
    private const string TranscriptKey = "transcript_file";
    private const string TranscriptName = "transcript.txt";
    private const string PayloadIsAttachment = "attachment";
    private const int MaxConversation = 256;

    /// <summary>The kind of channel whose contacts are phone numbers.</summary>
    private const string PhoneKind = "whatsapp";
    private const int FewestDigits = 5;
    private const int MostDigits = 20;

    /// <summary>Whether <see cref="RawPayload"/> is a file in base64: an image, audio, voice note, video or document.</summary>
    public bool IsMedia => MessageType is "image" or "audio" or "ptt" or "video" or "document";

    /// <summary>The message as a handler gets it: text, or files, or the JSON array of contact cards.</summary>
    /// <param name="channel">The communicator it came in by; null for <see cref="ClientType"/>.</param>
    /// <exception cref="MessageFormatException">Base64 is invalid, contact cards are no list, or files exceed the limits; it names the field.</exception>
    public IncomingMessage ToIncoming(string? channel = null) => new()
    {
        // No clock and nothing random here: a repeated post has to give the same bytes, or it would count as a different one.
        Text = MessageType == "vcard" ? ContactCards() : IsMedia ? MetadataText("caption") ?? "" : RawPayload,
        SenderId = Sender,
        Sender = MetadataText("sender_name"),
        BackendName = channel ?? ClientType,
        Timestamp = MetadataInstant("timestamp") ?? MetadataInstant("sent_at"),
        Metadata = new Dictionary<string, JsonElement>(Metadata),
        ChannelMessageId = ExternalId ?? ChannelMessageId,
        Attachments = Files(),
    };

    /// <summary>The message as the store keeps it. <see cref="FromEnvelope"/> reads it back without loss.</summary>
    /// <param name="queue">The queue it goes to.</param>
    /// <param name="channel">The communicator it came in by; null for <see cref="ClientType"/> where that can be one, else <c>unknown</c>.</param>
    /// <exception cref="MessageFormatException">As in <see cref="ToIncoming"/>.</exception>
    public Envelope ToEnvelope(string queue = "in", string? channel = null)
    {
        string type = PayloadTypes.FromWebhookWord(MessageType)
            ?? throw new MessageFormatException("msg_type", $"msg_type '{Names.Shorten(MessageType)}' is refused; expected 1 to 32 characters of a-z, 0-9 and '-', for example chat.");
        channel ??= Names.IsCommunicatorName(ClientType) ? ClientType : "unknown";
        IncomingMessage incoming = ToIncoming(channel);
        Dictionary<string, string> headers = new(StringComparer.Ordinal) { [HeaderNames.MessageType] = MessageType, [HeaderNames.Channel] = ClientType };
        if (incoming.ChannelMessageId is { } outside)
        {
            headers[HeaderNames.ChannelMessageId] = outside;
        }

        if (IsMedia && RawPayload.Length > 0)
        {
            headers[HeaderNames.Payload] = PayloadIsAttachment;
        }

        string contact = Contact;
        MessageId id = Id ?? MessageId.New();
        return new Envelope(id, queue, type, JsonSerializer.SerializeToUtf8Bytes(incoming, PostroomJson.Default.IncomingMessage))
        {
            Direction = MessageDirection.Inbound,
            From = Address.Parse($"{channel}:{contact}"),
            Conversation = Conversation ?? ConversationOf(channel, contact),
            Headers = headers,
            Attachments = incoming.Attachments,
            CreatedAt = ReceivedAt ?? id.CreatedAt,
        };
    }

    /// <summary>The plain view of a stored message. On an outgoing one <see cref="Sender"/> is the recipient.</summary>
    public static Message FromEnvelope(Envelope envelope)
    {
        Message message = envelope.Type == PayloadTypes.Notify ? FromOutgoing(envelope) : FromIncoming(envelope);
        return message with { Id = envelope.Id, ReceivedAt = envelope.CreatedAt, Conversation = envelope.Conversation };
    }

    /// <summary>Who a sender is, whatever form the number came in (EN-10): a bridge's number, and every number on a channel of phone numbers, is <c>+</c> and its digits.</summary>
    /// <param name="sender">As the channel writes it.</param>
    /// <param name="kind">The kind of the channel; digits alone are a phone number on WhatsApp only, elsewhere an id of that channel.</param>
    internal static string ContactOf(string sender, string? kind = null)
    {
        string bare = sender;
        foreach (string suffix in (ReadOnlySpan<string>)["@c.us", "@s.whatsapp.net"])
        {
            if (sender.Length > suffix.Length && sender.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
            {
                bare = sender[..^suffix.Length];
            }
        }

        bool isNumber = bare.Length is >= FewestDigits and <= MostDigits && bare.All(char.IsAsciiDigit);
        return isNumber && (bare.Length < sender.Length || string.Equals(kind, PhoneKind, StringComparison.OrdinalIgnoreCase)) ? $"+{bare}" : bare;
    }

    /// <summary>The recipient part of an address, topic included.</summary>
    internal static string RecipientOf(Address address) => address.Topic is null ? address.Target : $"{address.Target}/{address.Topic}";

    /// <summary>The conversation of a chat: <c>{communicator}/{chat}</c>, with a hash for the end of one that is too long.</summary>
    internal static string ConversationOf(string channel, string contact)
    {
        string conversation = $"{channel}/{contact}";
        return conversation.Length <= MaxConversation
            ? conversation
            : $"{conversation[..(MaxConversation - 65)]}~{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(conversation)))}";
    }

    private static Message FromIncoming(Envelope envelope)
    {
        IncomingMessage? incoming = Body(envelope, PostroomJson.Default.IncomingMessage);
        bool first = envelope.Header(HeaderNames.Payload) == PayloadIsAttachment && envelope.Attachments is [{ Data: not null }, ..];
        return new Message
        {
            Sender = incoming?.SenderId ?? (envelope.From is { } from ? RecipientOf(from) : ""),
            MessageType = envelope.Header(HeaderNames.MessageType) ?? PayloadTypes.ToWebhookWord(envelope.Type),
            RawPayload = first ? Convert.ToBase64String(envelope.Attachments[0].Data!.Value.Span)
                : incoming is null ? Encoding.UTF8.GetString(envelope.Body.Span)
                : envelope.Header(HeaderNames.MessageType) is "image" or "audio" or "ptt" or "video" or "document" ? ""
                : incoming.Text,
            ClientType = envelope.Header(HeaderNames.Channel) ?? incoming?.BackendName ?? "unknown",
            Metadata = incoming?.Metadata ?? new Dictionary<string, JsonElement>(),
            Attachments = FilesByName(first ? envelope.Attachments.Skip(1) : envelope.Attachments),
            ExternalId = envelope.Header(HeaderNames.ChannelMessageId),
        };
    }

    private static Message FromOutgoing(Envelope envelope)
    {
        OutgoingMessage? outgoing = Body(envelope, PostroomJson.Default.OutgoingMessage);
        return new Message
        {
            Sender = envelope.To is { } to ? RecipientOf(to) : "",
            MessageType = envelope.Header(HeaderNames.MessageType) ?? "chat",
            RawPayload = outgoing?.Message ?? Encoding.UTF8.GetString(envelope.Body.Span),
            ClientType = envelope.To is { Kind: AddressKind.Recipient } recipient ? recipient.Scheme : envelope.Header(HeaderNames.Channel) ?? "unknown",
            Metadata = outgoing?.Metadata ?? new Dictionary<string, JsonElement>(),
            Attachments = FilesByName(envelope.Attachments),
        };
    }

    private static T? Body<T>(Envelope envelope, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> json)
        where T : class
    {
        try
        {
            return envelope.Body.IsEmpty ? null : JsonSerializer.Deserialize(envelope.Body.Span, json);
        }
        catch (JsonException)
        {
            return null; // A payload of another kind: its text is shown as it is.
        }
    }

    /// <summary>Files as the wire has them: base64 by name, those that have bytes; a transcript has its key of the wire.</summary>
    internal static Dictionary<string, string> FilesByName(IEnumerable<Attachment> attachments)
    {
        Dictionary<string, string> files = new(StringComparer.Ordinal);
        foreach (Attachment attachment in attachments)
        {
            if (attachment.Data is { } data)
            {
                files[FreeName(attachment.Name == TranscriptName ? TranscriptKey : attachment.Name, files.ContainsKey)] = Convert.ToBase64String(data.Span);
            }
        }

        return files;
    }

    private static string FreeName(string name, Func<string, bool> taken)
    {
        string free = name;
        for (int number = 2; taken(free); number++)
        {
            free = $"{Path.GetFileNameWithoutExtension(name)} ({number.ToString(CultureInfo.InvariantCulture)}){Path.GetExtension(name)}";
        }

        return free;
    }

    private List<Attachment> Files()
    {
        List<Attachment> files = [];
        foreach ((string key, string base64) in Attachments)
        {
            string name = key == TranscriptKey ? TranscriptName : key;
            Attachment file = Attachment.FromBytes(name, FromBase64($"attachments.{Names.Shorten(key)}", base64), MediaTypes.OfName(name));
            files.Add(file with { Name = FreeName(file.Name, taken => files.Any(other => other.Name == taken)) });
        }

        if (IsMedia && RawPayload.Length > 0)
        {
            // First in the list, but named last: the names of the map are the sender's.
            byte[] data = FromBase64("raw_msg", RawPayload);
            string type = MetadataText("mimetype") is { } told && MediaTypes.IsMediaType(told) ? told : MediaTypes.OfBytes(data) ?? MediaTypes.Unknown;
            Attachment file = Attachment.FromBytes(MetadataText("filename") ?? MessageType + MediaTypes.ExtensionOf(type), data, type);
            files.Insert(0, file with { Name = FreeName(file.Name, taken => files.Any(other => other.Name == taken)) });
        }

        return files.Count > Attachment.MaxCount || files.Sum(file => file.Length ?? 0) > Attachment.MaxTotalLength
            ? throw new MessageFormatException("attachments", $"The message has {files.Count} files; at most {Attachment.MaxCount} with {Attachment.MaxTotalLength} bytes together are taken.")
            : files;
    }

    private static byte[] FromBase64(string field, string base64)
    {
        byte[] data = new byte[(base64.Length / 4 * 3) + 3];
        if (!Convert.TryFromBase64String(base64, data, out int length))
        {
            throw new MessageFormatException(field, $"{field} is not valid base64; expected the bytes of the file without a 'data:' prefix.");
        }

        return length <= Attachment.MaxLength
            ? data[..length]
            : throw new MessageFormatException(field, $"{field} has {length} bytes; a file has at most {Attachment.MaxLength}.");
    }

    private string ContactCards()
    {
        if (RawPayload.TrimStart().StartsWith("BEGIN:VCARD", StringComparison.OrdinalIgnoreCase))
        {
            // Some bridges send a single card bare.
            return JsonSerializer.Serialize([RawPayload], PostroomJson.Default.StringArray);
        }

        try
        {
            if (JsonSerializer.Deserialize(RawPayload, PostroomJson.Default.StringArray) is { } cards && Array.TrueForAll(cards, card => card is not null))
            {
                return RawPayload;
            }
        }
        catch (JsonException)
        {
        }

        throw new MessageFormatException("raw_msg", "raw_msg of a vcard is a JSON array of vCard texts, for example [\"BEGIN:VCARD…\"].");
    }

    /// <summary>The channel's own id of the message, from <c>metadata.id</c>; null for none.</summary>
    private string? ChannelMessageId => Metadata.TryGetValue("id", out JsonElement id)
        ? Bounded("metadata.id", id.ValueKind is JsonValueKind.Number ? id.GetRawText() : MetadataText("id"), 512)
        : null;

    private string? MetadataText(string key)
    {
        return Metadata.TryGetValue(key, out JsonElement value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;
    }

    private DateTimeOffset? MetadataInstant(string key)
    {
        if (!Metadata.TryGetValue(key, out JsonElement value))
        {
            return null;
        }

        const long FirstInMilliseconds = 100_000_000_000;
        const long LastInMilliseconds = 253_402_300_799_999;
        long? number = value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long whole) ? whole
            : value.ValueKind == JsonValueKind.String && long.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out long written) ? written
            : null;
        if (number is { } unix)
        {
            return unix is < 0 or > LastInMilliseconds ? null
                : unix >= FirstInMilliseconds ? DateTimeOffset.FromUnixTimeMilliseconds(unix)
                : DateTimeOffset.FromUnixTimeSeconds(unix);
        }

        return value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out DateTimeOffset instant) ? instant.ToUniversalTime() : null;
    }
}
