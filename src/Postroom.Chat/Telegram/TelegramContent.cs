using System.Text;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>What a message holds: its type, text, files and what else it says. Files are references that a handler fetches.</summary>
/// <param name="Type">The payload type.</param>
/// <param name="Text">The text or caption, or the cards of a contact.</param>
/// <param name="Attachments">Its files.</param>
internal sealed record TelegramContent(string Type, string Text, IReadOnlyList<Attachment> Attachments)
{
    // The field of a kind of file, the payload type, and the name and media type of a file that tells none. An animation is also a document, so it stands before it.
    private static readonly (string Field, string Type, string Name, string MediaType)[] FileKinds =
    [
        ("voice", "chat.voice", "voice.ogg", "audio/ogg"),
        ("audio", "chat.audio", "audio.mp3", "audio/mpeg"),
        ("animation", "chat.video", "animation.mp4", "video/mp4"),
        ("video", "chat.video", "video.mp4", "video/mp4"),
        ("video_note", "chat.video", "video.mp4", "video/mp4"),
        ("document", "chat.document", "document", MediaTypes.Unknown),
        ("sticker", "chat.image", "sticker.webp", "image/webp"),
    ];

    /// <summary>What it says besides.</summary>
    public IReadOnlyDictionary<string, JsonElement> Metadata { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Reads a message; null for one without text, file, contact or place: somebody joined, a title changed.</summary>
    public static TelegramContent? Of(JsonElement message)
    {
        TelegramMetadata metadata = new();
        metadata.Add("entities", message.Field("entities") ?? message.Field("caption_entities"));
        string text = message.Words("text") ?? message.Words("caption") ?? "";
        if (message.Field("photo") is { ValueKind: JsonValueKind.Array } sizes && sizes.GetArrayLength() > 0)
        {
            // The last size is the largest: https://core.telegram.org/bots/api#message.
            return FileOf(sizes[sizes.GetArrayLength() - 1], "photo.jpg", "image/jpeg") is { } photo
                ? new TelegramContent("chat.image", text, [photo]) { Metadata = metadata.Values }
                : null;
        }

        foreach ((string field, string type, string name, string mediaType) in FileKinds)
        {
            if (message.Field(field) is { } value && FileOf(value, name, mediaType) is { } file)
            {
                return new TelegramContent(type, text, [file]) { Metadata = metadata.Values };
            }
        }

        if (message.Field("contact") is { } contact)
        {
            return new TelegramContent("chat.contact", JsonSerializer.Serialize([CardOf(contact)], TelegramJson.Default.ListString), []) { Metadata = metadata.Values };
        }

        if ((message.Field("location") ?? message.Field("venue")?.Field("location")) is { } place)
        {
            metadata.Add("latitude", place.Field("latitude"));
            metadata.Add("longitude", place.Field("longitude"));
            return new TelegramContent("chat.location", message.Field("venue")?.Words("title") ?? text, []) { Metadata = metadata.Values };
        }

        return message.Words("text") is null ? null : new TelegramContent(PayloadTypes.ChatText, text, []) { Metadata = metadata.Values };
    }

    private static Attachment? FileOf(JsonElement file, string name, string mediaType)
    {
        return file.Words("file_id") is { Length: > 0 and <= 512 } id
            ? new Attachment
            {
                Name = file.Words("file_name") ?? name,
                ContentType = file.Words("mime_type") is { } told && MediaTypes.IsMediaType(told) ? told : mediaType,
                Length = file.WholeNumber("file_size") is { } length and >= 0 ? length : null,
                Reference = id,
            }
            : null;
    }

    private static string CardOf(JsonElement contact)
    {
        if (contact.Words("vcard") is { Length: > 0 } card)
        {
            return card;
        }

        string first = Escaped(contact.Words("first_name"));
        string last = Escaped(contact.Words("last_name"));
        StringBuilder made = new("BEGIN:VCARD\r\nVERSION:3.0\r\n");
        made.Append("N:").Append(last).Append(';').Append(first).Append(";;;\r\nFN:").Append($"{first} {last}".Trim()).Append("\r\nTEL:").Append(Escaped(contact.Words("phone_number")));
        return made.Append("\r\nEND:VCARD\r\n").ToString();
    }

    /// <summary>As RFC 6350 section 3.4 escapes a value.</summary>
    private static string Escaped(string? value)
    {
        return (value ?? "").ReplaceLineEndings("\n").Replace("\\", "\\\\", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal)
            .Replace(";", "\\;", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
    }
}
