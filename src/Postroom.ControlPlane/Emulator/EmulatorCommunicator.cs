using System.Globalization;

namespace Postroom.ControlPlane;

/// <summary>Shows answers on the web chat page (EU-1, EU-5). What the page sends arrives through <c>/webhook</c>.</summary>
internal sealed class EmulatorCommunicator : Communicator, ISignals
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "emulator";

    private readonly ChatHub _hub;
    private readonly PublishedAnswers _published;
    private readonly string? _defaultContact;
    private readonly TimeProvider _clock;

    /// <summary>Makes a communicator; use <see cref="WebChat.Create"/>.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="hub">The open streams.</param>
    /// <param name="published">Where shown answers are noted.</param>
    /// <param name="defaultContact">Who gets messages to a label; null for streams of all contacts only.</param>
    /// <param name="clock">Dates receipts.</param>
    public EmulatorCommunicator(string name, ChatHub hub, PublishedAnswers published, string? defaultContact, TimeProvider clock)
        : base(name)
    {
        _hub = hub;
        _published = published;
        _defaultContact = defaultContact;
        _clock = clock;
    }

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities { get; } = new() { Attachments = true, Typing = true, Reactions = true, Receiving = true, Idempotent = true };

    /// <inheritdoc/>
    public override bool SupportsReceiving => true;

    /// <inheritdoc/>
    public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        long seq = context.Envelope.Seq;
        string contact = ContactOf(context.Recipient);
        _published.Add(seq, context.MessageId, contact);

        // A repeat carries the same id, by which the page knows it: showing twice is harmless.
        _hub.Publish(contact, ChatEvents.Message(seq, message));
        int left = message.Attachments.Count - (ChatEvents.FileOf(message) is null ? 0 : 1);
        return new ValueTask<DeliveryReceipt>(new DeliveryReceipt
        {
            Status = DeliveryStatus.Sent,
            OutsideId = seq.ToString(CultureInfo.InvariantCulture),
            At = _clock.GetUtcNow(),
            Degraded = left > 0 ? [$"{left} more files are not shown: the web chat shows one per message."] : [],
        });
    }

    /// <inheritdoc/>
    public ValueTask SignalAsync(Signal signal, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (ChatEvents.Signal(signal) is { } item)
        {
            _hub.Publish(ContactOf(signal.Address), item);
        }

        return default;
    }

    private string ContactOf(Address? address) => address is { Kind: AddressKind.Recipient } recipient ? Message.RecipientOf(recipient) : _defaultContact ?? "";
}
