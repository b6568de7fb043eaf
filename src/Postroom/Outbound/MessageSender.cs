using System.Text.Json;
using Postroom.Handling;

namespace Postroom;

/// <summary>Sends and publishes from outside a handler, at once and durably.</summary>
internal sealed class MessageSender(CommunicationDispatcher dispatcher, QueuePublisher publisher, PayloadCatalog payloads, IMessageStore store, QueueActivity activity) : IMessageSender
{
    public ValueTask<EmitResult> SendAsync(OutgoingMessage message, CancellationToken cancellationToken) => dispatcher.EmitAsync(message, cancellationToken);

    public async ValueTask<PublishResult> PublishAsync<T>(string queue, string type, T payload, PublishOptions? options, CancellationToken cancellationToken)
    {
        Envelope envelope = publisher.Compose(queue, new QueueMessage(type, payloads.Write(type, payload)), options ?? QueuePublisher.Defaults, MessageOrigin.Outside);
        AppendResult result = await store.AppendAsync(envelope, cancellationToken);
        activity.Accepted(queue);
        return new PublishResult(result.Id, result.Duplicate);
    }

    public ValueTask<RemoteCallResult> CallAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken) =>
        dispatcher.CallAsync(communicator, method, arguments, timeout, cancellationToken);
}
