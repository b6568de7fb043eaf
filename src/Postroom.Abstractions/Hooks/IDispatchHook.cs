namespace Postroom;

/// <summary>Is told about each step of a dispatch. It cannot change the message or the outcome.</summary>
/// <remarks>
/// Per attempt: intent, then dispatched, then exactly one of acknowledged or failed. A call that throws or takes longer than
/// <c>hooks.timeout</c> is counted, and dispatch goes on.
/// </remarks>
public interface IDispatchHook
{
    /// <summary>Before the handler is invoked.</summary>
    /// <param name="conversationId">The conversation; empty for none.</param>
    /// <param name="fromId">The sender's address as text; empty for none.</param>
    /// <param name="toId"><c>{queue}/{handler}</c>, or communicator and recipient.</param>
    /// <param name="payloadType">The payload type.</param>
    /// <param name="payload">The payload's bytes; valid during the call only.</param>
    /// <param name="cancellationToken">Cancelled at the hook's time limit.</param>
    /// <returns>The hook's own id of this attempt; empty or null for no further calls.</returns>
    ValueTask<string> OnIntentAsync(
        string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken);

    /// <summary>The handler's invocation begins.</summary>
    ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>The handler succeeded and the outcome is committed.</summary>
    ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>The attempt ended otherwise; <c>timeout</c> for a time-out, <c>cancelled</c> for a release at shutdown.</summary>
    ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken);

    /// <summary>No message of the conversation is open any more, or it was killed.</summary>
    ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken);
}

/// <summary>What follows when a hook's intent call fails.</summary>
public enum HookFailurePolicy
{
    /// <summary>Dispatch goes on.</summary>
    Ignore,

    /// <summary>The attempt fails and is retried.</summary>
    FailAttempt,
}

/// <summary>A hook that does nothing and asks for no further calls.</summary>
public sealed class NullDispatchHook : IDispatchHook
{
    /// <summary>The one instance.</summary>
    public static NullDispatchHook Instance { get; } = new();

    /// <inheritdoc/>
    public ValueTask<string> OnIntentAsync(
        string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) => new("");

    /// <inheritdoc/>
    public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => default;

    /// <inheritdoc/>
    public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => default;

    /// <inheritdoc/>
    public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

    /// <inheritdoc/>
    public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
}
