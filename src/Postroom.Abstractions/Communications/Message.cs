using System.Text.Json;

namespace Postroom;

/// <summary>Says which field of an outside message is wrong and what was expected.</summary>
public sealed class MessageFormatException : FormatException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="field">The field, as it is spelled on the wire; empty for the whole body.</param>
    /// <param name="message">What is wrong and what is expected.</param>
    public MessageFormatException(string field, string message)
        : base(message) => Field = field;

    /// <summary>The field, as it is spelled on the wire; empty for the whole body.</summary>
    public string Field { get; }
}

/// <summary>The transport's plain view of a message: what a webhook posts and what <c>PostOffice</c> receives and sends.</summary>
public sealed partial record Message
{
    private static readonly string[] Fields = ["sender", "msg_type", "raw_msg", "raw_payload", "client_type", "metadata", "attachments", "message_id"];

    /// <summary>Who sent it; on an outgoing message, who gets it.</summary>
    public required string Sender { get; init; }

    /// <summary>The kind in the words of the wire: <c>chat</c>, <c>ptt</c>, <c>vcard</c>, <c>image</c>, …</summary>
    public required string MessageType { get; init; }

    /// <summary>The text; base64 without a <c>data:</c> prefix for media; a JSON array of vCards for <c>vcard</c>. Empty unless set.</summary>
    public string RawPayload { get; init; } = "";

    /// <summary>The kind or name of the channel; <c>unknown</c> unless set.</summary>
    public string ClientType { get; init; } = "unknown";

    /// <summary>What the sender adds, by key; empty unless set.</summary>
    public IReadOnlyDictionary<string, JsonElement> Metadata { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Files by name, base64; empty unless set.</summary>
    public IReadOnlyDictionary<string, string> Attachments { get; init; } = new Dictionary<string, string>();

    /// <summary>The sender's own id of the message, from <c>message_id</c>; null for none.</summary>
    public string? ExternalId { get; init; }

    /// <summary>The message's number in the store; set on received messages, null otherwise.</summary>
    public MessageId? Id { get; init; }

    /// <summary>When it was stored; set on received messages, null otherwise.</summary>
    public DateTimeOffset? ReceivedAt { get; init; }

    /// <summary>The conversation it belongs to; set on received messages, null otherwise.</summary>
    public string? Conversation { get; init; }

    /// <summary>The kind of the communicator that <see cref="ClientType"/> names; null where it is not known, and the name counts as its kind.</summary>
    internal string? ChannelKind { get; init; }

    /// <summary>Who the sender is, in the one form of all channels.</summary>
    internal string Contact => ContactOf(Sender, ChannelKind ?? ClientType);

    /// <summary>Reads the JSON form.</summary>
    /// <param name="payload">The parsed body of a webhook.</param>
    /// <exception cref="MessageFormatException">The body is not an object, or a field is missing, has the wrong type or a refused value; it names the field.</exception>
    public static Message FromPayload(JsonElement payload)
    {
        if (payload.ValueKind != JsonValueKind.Object)
        {
            throw new MessageFormatException("", $"The body is {Kind(payload)}; expected an object with sender and msg_type.");
        }

        string type = Text(payload, "msg_type", required: true)!;
        if (PayloadTypes.FromWebhookWord(type) is null)
        {
            throw new MessageFormatException("msg_type", $"msg_type '{Names.Shorten(type)}' is refused; expected 1 to 32 characters of a-z, 0-9 and '-', for example chat.");
        }

        string sender = Text(payload, "sender", required: true)!;
        if (sender.Length is 0 or > 256 || sender.Any(char.IsControl))
        {
            throw new MessageFormatException("sender", "sender is empty, longer than 256 characters or holds control characters.");
        }

        string? client = Bounded("client_type", Text(payload, "client_type"), 64);

        return new Message
        {
            Sender = sender,
            MessageType = type,
            RawPayload = Text(payload, "raw_msg") ?? Text(payload, "raw_payload") ?? "",
            ClientType = string.IsNullOrEmpty(client) ? "unknown" : client,
            ExternalId = Bounded("message_id", Text(payload, "message_id"), 512),
            Metadata = Map(payload, "metadata", static (_, value) => value.Clone()),
            Attachments = Map(payload, "attachments", static (name, value) => value.ValueKind == JsonValueKind.String
                ? value.GetString()!
                : throw new MessageFormatException("attachments", $"attachments.{Names.Shorten(name)} is {Kind(value)}; expected base64 text.")),
        };
    }

    /// <summary>The fields that <see cref="FromPayload"/> reads.</summary>
    internal static IReadOnlyList<string> KnownFields => Fields;

    private static string? Bounded(string field, string? value, int most) => value is null || (value.Length <= most && !value.Any(char.IsControl))
        ? value
        : throw new MessageFormatException(field, $"{field} is longer than {most} characters or holds control characters.");

    private static string? Text(JsonElement payload, string field, bool required = false)
    {
        if (!payload.TryGetProperty(field, out JsonElement value) || (value.ValueKind == JsonValueKind.Null && !required))
        {
            return required ? throw new MessageFormatException(field, $"{field} is missing; expected text.") : null;
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            throw new MessageFormatException(field, $"{field} is {Kind(value)}; expected text.");
        }

        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // A lone surrogate: well-formed JSON, but no text.
            throw new MessageFormatException(field, $"{field} is not valid Unicode text.");
        }
    }

    private static Dictionary<string, T> Map<T>(JsonElement payload, string field, Func<string, JsonElement, T> read)
    {
        Dictionary<string, T> map = [];
        if (!payload.TryGetProperty(field, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
        {
            return map;
        }

        if (value.ValueKind != JsonValueKind.Object)
        {
            throw new MessageFormatException(field, $"{field} is {Kind(value)}; expected an object.");
        }

        try
        {
            foreach (JsonProperty property in value.EnumerateObject())
            {
                map[property.Name] = read(property.Name, property.Value);
            }
        }
        catch (InvalidOperationException)
        {
            throw new MessageFormatException(field, $"{field} holds text that is not valid Unicode.");
        }

        return map;
    }

    private static string Kind(JsonElement value)
    {
        return value.ValueKind switch
        {
            JsonValueKind.Array => "a list",
            JsonValueKind.Object => "an object",
            JsonValueKind.String => "text",
            JsonValueKind.Number => "a number",
            JsonValueKind.True or JsonValueKind.False => "a boolean",
            _ => "null",
        };
    }
}
