using System.Globalization;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>A message as it came in.</summary>
/// <param name="Incoming">What the runtime takes.</param>
/// <param name="From">Who wrote it.</param>
/// <param name="Last">What is kept of it for the contact.</param>
internal sealed record CloudMessage(IncomingMessage Incoming, PhoneNumber From, LastMessage Last);

/// <summary>Reads incoming messages of the Cloud API (WA-10).</summary>
/// <remarks>
/// The kind is in <c>metadata.type</c>. No clock and nothing random here: a repeated post gives the same bytes. Source: Meta, Cloud API, Webhooks, messages.
/// </remarks>
/// <param name="labels">Configured labels by number, in digits.</param>
internal sealed class CloudMessageReader(IReadOnlyDictionary<string, string> labels)
{
    /// <summary>The contacts' names by number, in digits; whatever has another shape is left out.</summary>
    public static Dictionary<string, string> NamesOf(JsonElement? contacts)
    {
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        if (contacts is { ValueKind: JsonValueKind.Array } list)
        {
            foreach (JsonElement contact in list.EnumerateArray())
            {
                if (JsonText.Text(JsonText.Child(contact, "wa_id")) is { } id && JsonText.Text(JsonText.Child(JsonText.Child(contact, "profile"), "name")) is { Length: > 0 } name)
                {
                    names[id] = Names.Shorten(name, 256);
                }
            }
        }

        return names;
    }

    /// <summary>A text that has to be there.</summary>
    /// <exception cref="MessageFormatException">It is missing, no text, or too long.</exception>
    public static string RequireText(JsonElement element, string field, int most)
    {
        return JsonText.Text(JsonText.Child(element, field)) is { Length: > 0 } text && text.Length <= most && !text.Any(char.IsControl)
            ? text
            : throw new MessageFormatException(field, $"'{field}' is no text of 1 to {most} characters without control characters.");
    }

    /// <summary>An instant that has to be there: whole seconds since 1970, as a text or a number.</summary>
    /// <exception cref="MessageFormatException">It is missing or no instant.</exception>
    public static DateTimeOffset RequireInstant(JsonElement element, string field)
    {
        const long Latest = 253_402_300_799; // the end of the year 9999
        string? text = JsonText.Child(element, field) is { ValueKind: JsonValueKind.Number } number ? number.GetRawText() : JsonText.Text(JsonText.Child(element, field));
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds) && seconds <= Latest
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : throw new MessageFormatException(field, $"'{field}' is no time in seconds since 1970.");
    }

    /// <summary>Reads one message.</summary>
    /// <param name="message">The element.</param>
    /// <param name="names">The contacts' names by number.</param>
    /// <exception cref="MessageFormatException">Its shape is wrong; it names the field.</exception>
    public CloudMessage Read(JsonElement message, IReadOnlyDictionary<string, string> names)
    {
        // The key of a repeat has 512 characters, the communicator's name before it.
        string id = RequireText(message, "id", 440);
        string from = RequireText(message, "from", 64);
        if (!PhoneNumber.TryParse(from, out PhoneNumber? number))
        {
            throw new MessageFormatException("from", $"'from' is no phone number of at least {PhoneNumber.MinDigits} digits.");
        }

        DateTimeOffset at = RequireInstant(message, "timestamp");
        Dictionary<string, JsonElement> metadata = [];
        string? name = names.GetValueOrDefault(from);
        if (name is not null)
        {
            metadata["profile_name"] = JsonText.Element(name);
        }

        if (JsonText.Text(JsonText.Child(JsonText.Child(message, "context"), "id")) is { Length: > 0 and <= 512 } answered)
        {
            metadata[HeaderNames.ReplyToMessage] = JsonText.Element(answered);
        }

        Content content = ContentOf(message, RequireText(message, "type", 64), metadata);
        metadata["type"] = JsonText.Element(content.Type);
        IncomingMessage incoming = new()
        {
            Text = content.Text,
            Sender = name,
            SenderId = number.StoredForm,
            ChatLabel = labels.GetValueOrDefault(number.Digits) ?? "default",
            Timestamp = at,
            Metadata = metadata,
            ChannelMessageId = id,
            Attachments = content.File is { } file ? [file] : [],
        };
        return new CloudMessage(incoming, number, new LastMessage(at, id));
    }

    private static Content ContentOf(JsonElement message, string type, Dictionary<string, JsonElement> metadata)
    {
        switch (type)
        {
            case "text":
                return new Content(PayloadTypes.ChatText, Inner(message, "text", "body"));
            case "button":
                metadata["interactive"] = JsonText.Element("button");
                Put(metadata, "title", JsonText.Child(JsonText.Child(message, "button"), "text"));
                return new Content(PayloadTypes.ChatText, Inner(message, "button", "payload"));
            case "interactive":
                return Chosen(message, metadata);
            case "image" or "video" or "document" or "audio" or "sticker":
                return Media(message, type, metadata);
            case "location":
                return Location(message, metadata);
            case "contacts":
                return new Content("chat.contact", JsonSerializer.Serialize(ContactCards.Of(JsonText.Child(message, "contacts")), WhatsAppJson.Default.StringArray));
            case "reaction":
                JsonElement reaction = Object(message, "reaction");
                string target = RequireText(reaction, "message_id", 512);
                string emoji = JsonText.Text(JsonText.Child(reaction, "emoji")) ?? ""; // left out when it is taken away
                metadata[HeaderNames.ReplyToMessage] = JsonText.Element(target);
                metadata["removed"] = JsonText.Element(emoji.Length == 0);
                return new Content(PayloadTypes.ChatReaction, emoji);
            default:
                return Unknown(message, type, metadata);
        }
    }

    private static Content Chosen(JsonElement message, Dictionary<string, JsonElement> metadata)
    {
        JsonElement interactive = Object(message, "interactive");
        foreach ((string field, string word) in ((string, string)[])[("button_reply", "button"), ("list_reply", "list")])
        {
            if (JsonText.Child(interactive, field) is { ValueKind: JsonValueKind.Object } reply)
            {
                metadata["interactive"] = JsonText.Element(word);
                Put(metadata, "title", JsonText.Child(reply, "title"));
                Put(metadata, "description", JsonText.Child(reply, "description"));
                return new Content(PayloadTypes.ChatText, Inner(interactive, field, "id"));
            }
        }

        return Unknown(message, "interactive", metadata);
    }

    private static Content Media(JsonElement message, string type, Dictionary<string, JsonElement> metadata)
    {
        JsonElement media = Object(message, type);
        string reference = RequireText(media, "id", 128);
        if (!CloudMedia.IsId(reference))
        {
            throw new MessageFormatException("id", $"'{type}.id' is no id of a file.");
        }

        string content = JsonText.Text(JsonText.Child(media, "mime_type")) is { } told && MediaTypes.IsMediaType(told) ? told : MediaTypes.Unknown;
        bool voice = JsonText.Child(media, "voice") is { ValueKind: JsonValueKind.True };
        if (JsonText.Child(media, "animated") is { ValueKind: JsonValueKind.True })
        {
            metadata["animated"] = JsonText.Element(true);
        }

        Attachment file = new()
        {
            Name = JsonText.Text(JsonText.Child(media, "filename")) ?? $"{(voice ? "voice" : type)}-{reference}{MediaTypes.ExtensionOf(content)}",
            ContentType = content,
            Reference = reference,
            Sha256 = CloudMedia.HashOf(JsonText.Text(JsonText.Child(media, "sha256"))),
        };
        return new Content(voice ? "chat.voice" : $"chat.{type}", JsonText.Text(JsonText.Child(media, "caption")) ?? "", file);
    }

    private static Content Location(JsonElement message, Dictionary<string, JsonElement> metadata)
    {
        JsonElement location = Object(message, "location");
        foreach (string field in (string[])["latitude", "longitude"])
        {
            metadata[field] = JsonText.Child(location, field) is { ValueKind: JsonValueKind.Number } degrees
                ? degrees.Clone()
                : throw new MessageFormatException(field, $"'location.{field}' is no number.");
        }

        string? name = JsonText.Text(JsonText.Child(location, "name"));
        string? address = JsonText.Text(JsonText.Child(location, "address"));
        Put(metadata, "name", JsonText.Child(location, "name"));
        Put(metadata, "address", JsonText.Child(location, "address"));
        Put(metadata, "url", JsonText.Child(location, "url"));
        return new Content("chat.location", string.Join(", ", ((string?[])[name, address]).Where(part => !string.IsNullOrEmpty(part))));
    }

    private static Content Unknown(JsonElement message, string type, Dictionary<string, JsonElement> metadata)
    {
        metadata["raw"] = Whole(message);
        string word = type.ToLowerInvariant().Replace('_', '-');
        return new Content(PayloadTypes.FromWebhookWord(word) ?? "chat.unknown", "");
    }

    /// <summary>The object, or its text where it cannot be written again: a lone surrogate is well-formed JSON, but no text.</summary>
    private static JsonElement Whole(JsonElement message)
    {
        try
        {
            using Utf8JsonWriter writer = new(Stream.Null);
            message.WriteTo(writer);
            return message.Clone();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            return JsonText.Element(message.GetRawText());
        }
    }

    private static void Put(Dictionary<string, JsonElement> metadata, string key, JsonElement? value)
    {
        if (JsonText.Text(value) is { Length: > 0 } text)
        {
            metadata[key] = JsonText.Element(text);
        }
    }

    private static JsonElement Object(JsonElement element, string field)
    {
        return JsonText.Child(element, field) is { ValueKind: JsonValueKind.Object } value ? value : throw new MessageFormatException(field, $"'{field}' is no object.");
    }

    private static string Inner(JsonElement element, string field, string name)
    {
        return JsonText.Text(JsonText.Child(Object(element, field), name)) ?? throw new MessageFormatException(name, $"'{field}.{name}' is no text.");
    }

    private sealed record Content(string Type, string Text, Attachment? File = null);
}
