namespace Postroom;

/// <summary>The well-known headers of an <see cref="Envelope"/>. Header names are lower-case tokens; values hold no CR, LF or NUL.</summary>
public static class HeaderNames
{
    /// <summary>W3C trace context: the trace and span this message continues.</summary>
    public const string TraceParent = "traceparent";

    /// <summary>W3C trace context: vendor data beside <see cref="TraceParent"/>.</summary>
    public const string TraceState = "tracestate";

    /// <summary>The label an outgoing message was routed by.</summary>
    public const string Label = "label";

    /// <summary>The component or source that produced the message.</summary>
    public const string Source = "source";

    /// <summary>The severity of an outgoing message, a lower-case word.</summary>
    public const string Severity = "severity";

    /// <summary>The subject, for e-mail.</summary>
    public const string Subject = "subject";

    /// <summary>The text format: text, html or markdown.</summary>
    public const string Format = "format";

    /// <summary>The message kind in the words of the channel it came from.</summary>
    public const string MessageType = "msg-type";

    /// <summary>The kind of channel it came from (client type).</summary>
    public const string Channel = "channel";

    /// <summary>Set to <c>attachment</c> when the first attachment is the message itself: a voice note, a picture.</summary>
    public const string Payload = "payload";

    /// <summary>The channel's own id of the message.</summary>
    public const string ChannelMessageId = "channel-message-id";

    /// <summary>The channel's id of the message this one answers.</summary>
    public const string ReplyToMessage = "reply-to-message";

    /// <summary>The Message-ID of the mail this one answers.</summary>
    public const string InReplyTo = "in-reply-to";

    /// <summary>The Message-IDs of the mail thread.</summary>
    public const string References = "references";

    /// <summary>The key that lets an outside service recognise a repeat.</summary>
    public const string IdempotencyKey = "idempotency-key";

    /// <summary>The account a mail came in by.</summary>
    public const string Account = "account";

    /// <summary>
    /// Why a mail, or what was made of it, counts as automatic: <c>bounce</c>, <c>bulk</c>, or the word of its <c>Auto-Submitted</c>; absent for what a person sent. An answer to it
    /// is left out unless <see cref="OutgoingMessage.AllowAutoReply"/> (SE-10); set by the runtime only.
    /// </summary>
    public const string Automatic = "automatic";

    /// <summary>What the source that brought the message knows it by, when its origin is to be told how it ended; set by the runtime only.</summary>
    public const string OriginKey = "origin-key";

    /// <summary>Marks a send that repeats one whose outcome is not known.</summary>
    public const string Redelivered = "redelivered";

    /// <summary>What the web chat did to an input on purpose (EU-8).</summary>
    internal const string Fault = "fault";

    /// <summary>The value of <see cref="Fault"/> of a second delivery of the same input.</summary>
    internal const string FaultTwice = "delivered twice on purpose";

    /// <summary>When body, files and, at the word of a contact, personal headers were erased: an instant in ISO 8601; set by the runtime only.</summary>
    public const string Erased = "erased";

    /// <summary>The operator who injected or replayed the message; set by the runtime only.</summary>
    public const string User = "user";

    /// <summary>What metadata headers start with; the rest is the key, the value is JSON.</summary>
    public const string MetadataPrefix = "meta.";

    /// <summary>The most headers of one message.</summary>
    public const int MaxCount = 64;

    /// <summary>The longest header value in bytes of UTF-8.</summary>
    public const int MaxValueBytes = 8 * 1024;

    /// <summary>The most bytes that all headers of one message have together.</summary>
    public const int MaxTotalBytes = 32 * 1024;

    /// <summary>Whether a header says something of the runtime's work, and nothing of a person or of what was written.</summary>
    internal static bool IsTechnical(string name) => name is TraceParent or TraceState or Label or Source or Severity or Format or MessageType or Channel or Payload or Automatic
        or OriginKey or Redelivered or Erased or Fault;

    /// <summary>Headers a handler may not set: the runtime does.</summary>
    public static bool IsReserved(string name) => name is User or Erased or Redelivered or Fault or Channel or ChannelMessageId or Account or OriginKey or Automatic;
}
