namespace Postroom;

/// <summary>An outgoing message that has ended <see cref="MessageState.Failed"/>, or that its service took and gave up later, which does not move its state: event <c>delivery.failed</c> (LN-12).</summary>
/// <param name="MessageId">The message; the journal has the rest, and replays it.</param>
/// <param name="Communicator">Whose it was; null when no communicator took it.</param>
/// <param name="Conversation">Its conversation; null for none.</param>
/// <param name="Kind">Why.</param>
/// <param name="Reason">Why, in words without secrets; null for none.</param>
/// <param name="Attempt">The attempt that ended it; 0 when none had begun.</param>
/// <param name="At">When.</param>
public sealed record FailedDelivery(MessageId MessageId, string? Communicator, string? Conversation, FailureKind Kind, string? Reason, int Attempt, DateTimeOffset At)
{
    /// <summary>The trace of the message, as 32 hexadecimal digits; null for none.</summary>
    public string? TraceId { get; init; }
}
