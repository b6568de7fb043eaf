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

    /// <summary>Calls a method that a communicator offers beyond sending. Never repeated by itself; a failure is a result, not an exception.</summary>
    /// <param name="communicator">Its name.</param>
    /// <param name="method">One of its <see cref="IRemoteCalls.Methods"/>.</param>
    /// <param name="arguments">Its arguments, an object.</param>
    /// <param name="timeout">How long the caller waits, at most 10 minutes; null for 30 s.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    ValueTask<RemoteCallResult> CallAsync(string communicator, string method, System.Text.Json.JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken);
}
