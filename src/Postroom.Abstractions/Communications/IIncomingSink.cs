namespace Postroom;

/// <summary>Takes what communicators receive, durably: messages, and what services say later about earlier sends. Safe for concurrent use.</summary>
public interface IIncomingSink
{
    /// <summary>Stores all of it in one transaction and returns after its commit; only then may the service be told.</summary>
    /// <param name="messages">Messages, in order; repeats are found by <see cref="IncomingMessage.RepeatKey"/>, else by <see cref="IncomingMessage.ChannelMessageId"/>.</param>
    /// <param name="receipts">Later receipts; one of an unknown or repeated kind is dropped and counted.</param>
    /// <param name="cancellationToken">Ends the wait; what was handed over may still be stored.</param>
    /// <returns>What became of each message, in their order.</returns>
    /// <exception cref="IntakeClosedException">Nothing is taken now.</exception>
    /// <exception cref="StoreUnavailableException">The store cannot write now.</exception>
    ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<IncomingMessage> messages, IReadOnlyList<LateReceipt> receipts, CancellationToken cancellationToken);
}

/// <summary>What a service says about a send after it has answered it, or in the place of a lost answer.</summary>
/// <param name="Receipt">What it says; its <see cref="DeliveryReceipt.OutsideId"/> finds the message.</param>
public sealed record LateReceipt(DeliveryReceipt Receipt)
{
    /// <summary>The message's own id where the service gives it back, which finds it also when the answer with the outside id was lost; null otherwise.</summary>
    public MessageId? MessageId { get; init; }
}
