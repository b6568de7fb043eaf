using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>Takes incoming messages live.</summary>
/// <param name="message">What came in, already stored.</param>
/// <param name="cancellationToken">Ends the call when the runtime stops.</param>
public delegate ValueTask MessageHandler(IncomingMessage message, CancellationToken cancellationToken);

/// <summary>A text or file that came in through a channel, in the same form for every channel.</summary>
public sealed record IncomingMessage
{
    /// <summary>The text, the caption, or for a contact card the JSON array of its vCards. May be empty.</summary>
    public required string Text { get; init; }

    /// <summary>The readable name of the sender; null when the channel does not tell.</summary>
    public string? Sender { get; init; }

    /// <summary>The channel's id of the sender; null when the channel does not tell.</summary>
    public string? SenderId { get; init; }

    /// <summary>The configured name of the chat; <c>default</c> unless one matches.</summary>
    public string ChatLabel { get; init; } = "default";

    /// <summary>The communicator it came in by; empty for none.</summary>
    public string BackendName { get; init; } = "";

    /// <summary>The instant the channel gives; null when it does not tell.</summary>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>What the channel says besides, by key; empty unless set.</summary>
    public IReadOnlyDictionary<string, JsonElement> Metadata { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The channel's own event object; only for live subscribers in the process that received it, never stored.</summary>
    [JsonIgnore]
    public object? RawEvent { get; init; }

    /// <summary>The channel's id of this message, which an answer names as what it answers; null when it has none.</summary>
    public string? ChannelMessageId { get; init; }

    /// <summary>What reveals a repeat, where it is not <see cref="ChannelMessageId"/>: a channel may tell of one message several times. Null, the default, for that. Never stored in the body.</summary>
    [JsonIgnore]
    public string? RepeatKey { get; init; }

    /// <summary>Files that came along; empty unless set. Kept beside the body when stored.</summary>
    [JsonIgnore]
    public IReadOnlyList<Attachment> Attachments { get; init; } = [];

    /// <summary>
    /// Why an element of a service's post could not be read, without secrets; it is then stored as Failed (invalid), and no handler gets it. Null, the default, for
    /// a message. Never stored in the body.
    /// </summary>
    [JsonIgnore]
    public string? Invalid { get; init; }
}
