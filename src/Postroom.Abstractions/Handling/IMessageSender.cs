namespace Postroom;

/// <summary>Sends and publishes from outside a handler, at once and durably.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public interface IMessageSender
{
    /// <summary>Stores one copy per matching communicator and returns after the commit; delivery follows by itself.</summary>
    /// <exception cref="AddressException">Nothing can take it and the policy is to reject.</exception>
    ValueTask<EmitResult> SendAsync(OutgoingMessage message, CancellationToken cancellationToken);

    /// <summary>Stores a message on a queue and returns after the commit.</summary>
    /// <typeparam name="T">The payload, declared with <c>AddPayload</c> or <c>AddHandler</c>.</typeparam>
    ValueTask<PublishResult> PublishAsync<T>(string queue, string type, T payload, PublishOptions? options, CancellationToken cancellationToken);
}
