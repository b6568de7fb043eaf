using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>Which of the three forms an <see cref="Address"/> has.</summary>
public enum AddressKind
{
    /// <summary><c>{communicator}:{recipient}[/{topic}]</c>: one recipient behind one communicator.</summary>
    Recipient,

    /// <summary><c>label:{label}</c>: every communicator registered for the label gets its own copy.</summary>
    Label,

    /// <summary><c>queue:{queue}</c>: a handler's queue.</summary>
    Queue,
}

/// <summary>Where a message goes to or comes from: a label, one recipient behind one communicator, or a queue.</summary>
/// <remarks>
/// Immutable. A topic is told from a slash inside a recipient by its form: after the last slash, letters, digits, '-' and '_' only,
/// so <c>email:a/b@example.org</c> has no topic and <c>telegram:-100123/7</c> has topic 7.
/// </remarks>
[JsonConverter(typeof(JsonText))]
public sealed record Address
{
    private const int MaxLength = 1_024;

    private Address(AddressKind kind, string scheme, string target, string? topic)
    {
        Kind = kind;
        Scheme = scheme;
        Target = target;
        Topic = topic;
    }

    /// <summary>The form.</summary>
    public AddressKind Kind { get; }

    /// <summary>The word before the colon: a communicator's name, <c>label</c> or <c>queue</c>.</summary>
    public string Scheme { get; }

    /// <summary>The recipient, label or queue.</summary>
    public string Target { get; }

    /// <summary>The topic inside the chat; null when there is none, and always for labels and queues.</summary>
    public string? Topic { get; }

    /// <summary>Addresses every communicator registered for a label.</summary>
    /// <exception cref="FormatException">The label is empty or holds control characters.</exception>
    public static Address ForLabel(string label) => new(AddressKind.Label, "label", Checked(label, "label"), null);

    /// <summary>Addresses a handler's queue.</summary>
    /// <exception cref="FormatException">The name breaks the rule of <see cref="Names"/>.</exception>
    public static Address ForQueue(string queue)
    {
        return Names.IsName(queue)
            ? new Address(AddressKind.Queue, "queue", queue, null)
            : throw new FormatException($"'{Names.Shorten(queue)}' is not a queue name. {Names.Rule}");
    }

    /// <summary>Addresses one recipient.</summary>
    /// <param name="communicator">The communicator's name.</param>
    /// <param name="recipient">The service's own id of a person or chat.</param>
    /// <param name="topic">A topic inside the chat; null for none.</param>
    /// <exception cref="FormatException">A part is empty, malformed or too long.</exception>
    public static Address ForRecipient(string communicator, string recipient, string? topic = null)
    {
        if (!Names.IsCommunicatorName(communicator))
        {
            throw new FormatException($"'{Names.Shorten(communicator)}' is not a communicator name. {Names.CommunicatorRule}");
        }

        if (topic is not null && !IsTopic(topic))
        {
            throw new FormatException($"'{Names.Shorten(topic)}' is not a topic. A topic has letters, digits, '-' and '_' only.");
        }

        return new Address(AddressKind.Recipient, communicator, Checked(recipient, "recipient"), topic);
    }

    /// <summary>Reads the text form.</summary>
    /// <exception cref="FormatException">The text has none of the three forms.</exception>
    public static Address Parse(string text)
    {
        return TryParse(text, out Address? address)
            ? address
            : throw new FormatException(
                $"'{Names.Shorten(text)}' is not an address. Use label:NAME, queue:NAME or COMMUNICATOR:RECIPIENT, for example telegram:12345.");
    }

    /// <summary>Reads the text form if it has one of the three forms.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Address? address)
    {
        address = null;
        int colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        if (colon <= 0 || text!.Length > MaxLength)
        {
            return false;
        }

        string scheme = text[..colon];
        string target = text[(colon + 1)..];
        if (!IsClean(target))
        {
            return false;
        }

        switch (scheme)
        {
            case "label":
                address = ForLabel(target);
                return true;
            case "queue":
                address = Names.IsName(target) ? ForQueue(target) : null;
                return address is not null;
            default:
                int slash = target.LastIndexOf('/');
                bool hasTopic = slash > 0 && IsTopic(target.AsSpan(slash + 1));
                address = Names.IsCommunicatorName(scheme)
                    ? new Address(AddressKind.Recipient, scheme, hasTopic ? target[..slash] : target, hasTopic ? target[(slash + 1)..] : null)
                    : null;
                return address is not null;
        }
    }

    /// <summary>The text form.</summary>
    public override string ToString() => Topic is null ? $"{Scheme}:{Target}" : $"{Scheme}:{Target}/{Topic}";

    private static string Checked(string value, string what)
    {
        return IsClean(value)
            ? value
            : throw new FormatException($"'{Names.Shorten(value)}' is not a {what}. It needs 1 to {MaxLength} characters without control characters.");
    }

    private static bool IsClean(string? value)
    {
        if (string.IsNullOrEmpty(value) || value.Length > MaxLength)
        {
            return false;
        }

        foreach (char c in value)
        {
            if (char.IsControl(c))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsTopic(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
            {
                return false;
            }
        }

        return text.Length is > 0 and <= 64;
    }

    internal sealed class JsonText : JsonConverter<Address>
    {
        public override Address Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            return TryParse(reader.TokenType == JsonTokenType.String ? reader.GetString() : null, out Address? address)
                ? address
                : throw new JsonException("Expected an address: label:NAME, queue:NAME or COMMUNICATOR:RECIPIENT.");
        }

        public override void Write(Utf8JsonWriter writer, Address value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
