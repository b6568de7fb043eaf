namespace Postroom.Benchmarks.Raw;

/// <summary>One message of a raw pipeline; completes when it is committed.</summary>
internal sealed class RawMessage(byte[] body) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public MessageId Id { get; } = MessageId.New();

    public byte[] Body { get; } = body;

    /// <summary>The message whose handling made this one; null for one from outside. Such messages have a queue and a type of their own.</summary>
    public MessageId? Parent { get; init; }

    /// <summary>What the store packs of a message with headers and a sender; null for a plain one.</summary>
    public byte[]? Extra { get; init; }

    /// <summary>Its number in the table; set by the writer.</summary>
    public long Seq { get; set; }
}
