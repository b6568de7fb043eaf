namespace Postroom;

/// <summary>One move of one message, as it happened.</summary>
/// <remarks>A small struct; it becomes an event, a log line or a hook's argument only for a reader that is there.</remarks>
public readonly record struct Transition
{
    /// <summary>Rises by one per transition of this run.</summary>
    public long Number { get; init; }

    /// <summary>When it was committed.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The message.</summary>
    public MessageId MessageId { get; init; }

    /// <summary>Its queue.</summary>
    public string Queue { get; init; }

    /// <summary>Its payload type.</summary>
    public string Type { get; init; }

    /// <summary>Its conversation; null for none.</summary>
    public string? Conversation { get; init; }

    /// <summary>Whether it begins its conversation, so that nothing of that is older.</summary>
    internal bool StartsConversation { get; init; }

    /// <summary>The state it left; null for an append.</summary>
    public MessageState? From { get; init; }

    /// <summary>The state it came to.</summary>
    public MessageState To { get; init; }

    /// <summary>The number of the attempt it belongs to; 0 before the first.</summary>
    public int Attempt { get; init; }

    /// <summary>Who held it; null for nobody.</summary>
    public string? Owner { get; init; }

    /// <summary>Why it failed; null when it did not.</summary>
    public FailureKind? Kind { get; init; }

    /// <summary>Why, in words; null for none.</summary>
    public string? Reason { get; init; }

    /// <summary>The trace that the message's headers name, as 32 hexadecimal digits; null for none.</summary>
    public string? TraceId { get; init; }

    /// <summary>How long the attempt took; null when none ended.</summary>
    public TimeSpan? Duration { get; init; }
}
