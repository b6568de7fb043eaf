using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>How the text of an outgoing message is written.</summary>
public enum TextFormat
{
    /// <summary>Plain text; nothing in it is markup.</summary>
    Text,

    /// <summary>HTML with the tags a channel allows; the rest is escaped.</summary>
    Html,

    /// <summary>Markdown, converted to what the channel takes.</summary>
    Markdown,
}

/// <summary>A text on its way to people: what to say, to which label or recipient, and how much it matters.</summary>
public sealed record OutgoingMessage
{
    private readonly string _label = "default";

    /// <summary>A message to the label <c>default</c>.</summary>
    [SetsRequiredMembers]
    public OutgoingMessage(string message) => Message = message;

    /// <summary>A message to everyone registered for a label.</summary>
    [SetsRequiredMembers]
    public OutgoingMessage(string label, string message)
    {
        Label = label;
        Message = message;
    }

    /// <summary>For object initializers and readers of JSON.</summary>
    [JsonConstructor]
    public OutgoingMessage()
    {
    }

    /// <summary>The text. Empty only with attachments or a template.</summary>
    public required string Message { get; init; }

    /// <summary>The routing name; case-sensitive, at least one character; <c>default</c> unless set.</summary>
    /// <exception cref="ArgumentException">The label is empty.</exception>
    public string Label
    {
        get => _label;
        init => _label = string.IsNullOrEmpty(value)
            ? throw new ArgumentException("A label has at least one character. Leave it out for 'default'.", nameof(value))
            : value;
    }

    /// <summary>The component that produced it; null for none.</summary>
    public string? Source { get; init; }

    /// <summary>How much it matters; <see cref="MessageSeverity.Info"/> unless set.</summary>
    public MessageSeverity Severity { get; init; } = MessageSeverity.Info;

    /// <summary>Settings for one channel by well-known key, each a JSON value; empty unless set.</summary>
    public IReadOnlyDictionary<string, JsonElement> Metadata { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The subject, used by e-mail; null for the channel's own.</summary>
    public string? Subject { get; init; }

    /// <summary>One recipient instead of a label; the label then only selects settings. Null for routing by label.</summary>
    public Address? To { get; init; }

    /// <summary>How the text is written; <see cref="TextFormat.Text"/> unless set.</summary>
    public TextFormat Format { get; init; }

    /// <summary>Files that go along; empty unless set.</summary>
    public IReadOnlyList<Attachment> Attachments { get; init; } = [];

    /// <summary>Buttons, a list or a link button; null for none.</summary>
    public Interactive? Interactive { get; init; }

    /// <summary>The channel's id of the message this one answers; null for none.</summary>
    public string? ReplyTo { get; init; }

    /// <summary>A repeat with the same key within <c>retention.dedup</c> is dropped; null for none.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Not sent later than this after it was stored; null for no end.</summary>
    public TimeSpan? ExpiresAfter { get; init; }

    /// <summary>
    /// Allows an answer to automatic mail: bulk and list mail, what a machine sent, bounces. Such an answer by <c>Reply</c> is otherwise recorded as delivered with the receipt
    /// <see cref="DeliveryStatus.Skipped"/>, so that two machines do not write to each other for ever (SE-10). False unless set.
    /// </summary>
    public bool AllowAutoReply { get; init; }
}

/// <summary>Choices offered with a message. Closed: <see cref="Buttons"/>, <see cref="List"/> or <see cref="CtaUrl"/>.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Buttons), "buttons")]
[JsonDerivedType(typeof(List), "list")]
[JsonDerivedType(typeof(CtaUrl), "cta-url")]
public abstract record Interactive
{
    private Interactive()
    {
    }

    /// <summary>Reply buttons.</summary>
    /// <param name="Items">The buttons, in order.</param>
    public sealed record Buttons(IReadOnlyList<Choice> Items) : Interactive;

    /// <summary>A list to choose from.</summary>
    /// <param name="Button">The text that opens the list.</param>
    /// <param name="Sections">The sections, in order.</param>
    public sealed record List(string Button, IReadOnlyList<Section> Sections) : Interactive
    {
        /// <summary>A line above the text; null for none.</summary>
        public string? Header { get; init; }

        /// <summary>A line below the text; null for none.</summary>
        public string? Footer { get; init; }
    }

    /// <summary>A button that opens a link.</summary>
    /// <param name="Text">The button's text.</param>
    /// <param name="Url">The link.</param>
    public sealed record CtaUrl(string Text, Uri Url) : Interactive
    {
        /// <summary>A line above the text; null for none.</summary>
        public string? Header { get; init; }

        /// <summary>A line below the text; null for none.</summary>
        public string? Footer { get; init; }
    }

    /// <summary>One button or row.</summary>
    /// <param name="Id">What comes back when it is chosen.</param>
    /// <param name="Title">What is shown.</param>
    /// <param name="Description">A second line; null for none.</param>
    public sealed record Choice(string Id, string Title, string? Description = null);

    /// <summary>Rows under one title.</summary>
    /// <param name="Title">The title; may be empty when there is one section.</param>
    /// <param name="Rows">The rows, in order.</param>
    public sealed record Section(string Title, IReadOnlyList<Choice> Rows);
}
