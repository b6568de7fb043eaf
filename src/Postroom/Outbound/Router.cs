using System.Text.Json;
using Postroom.Intake;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>Looks once more at messages that nothing took when they were stored: routes those that something takes now, fails the rest.</summary>
internal sealed class Router(OutboundComposer composer, ContactBook contacts, TimeProvider clock) : IMessageRunner
{
    public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken) => default;

    public Settlement Decide(Attempt attempt, AttemptEnd end) => RetryPolicy.Decide(end, attempt.Lease, Backoff.Default, retryTimeouts: true, 0.5, clock.GetUtcNow());

    public async ValueTask<AttemptEnd> RunAsync(Attempt attempt)
    {
        Envelope envelope = attempt.Envelope;
        OutgoingMessage message;
        try
        {
            message = DeliveryRunner.Decode(envelope);
        }
        catch (JsonException e)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, $"The body is not an outgoing message: {e.Message}");
        }

        if (message.To is { Kind: AddressKind.Recipient, Scheme: Channels.Unknown } unknown
            && await contacts.FindAsync(unknown.Target, CancellationToken.None) is var (channel, contact))
        {
            message = message with { To = Address.ForRecipient(channel, contact, unknown.Topic) };
        }

        List<Envelope> copies = composer.RouteAgain(message, envelope);
        if (copies.Count > 0)
        {
            attempt.Routed = copies;
            return AttemptEnd.Success;
        }

        if (message.To is { Scheme: Channels.Test })
        {
            // A test channel that nobody plays: the answer was made, and there is nobody to show it to.
            attempt.Receipt = new DeliveryReceipt { Status = DeliveryStatus.Skipped, At = clock.GetUtcNow(), Detail = "no communicator 'test'" };
            return new AttemptEnd.Delivered(Settlement.Acknowledge, attempt.Receipt);
        }

        return new AttemptEnd.Unfit(FailureKind.Unroutable, composer.Explain(message));
    }
}

/// <summary>Channel names that stand for no communicator.</summary>
internal static class Channels
{
    /// <summary>A caller that did not say where an answer should go.</summary>
    public const string Unknown = "unknown";

    /// <summary>A test message.</summary>
    public const string Test = "test";
}
