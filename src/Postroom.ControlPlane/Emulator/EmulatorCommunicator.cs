using System.Globalization;

namespace Postroom.ControlPlane;

/// <summary>Shows answers on the web chat page (EU-1, EU-5), by the rules of another channel and with faults on purpose where it is told to (EU-8). What the page sends arrives through <c>/webhook</c>.</summary>
internal sealed class EmulatorCommunicator : Communicator, ISignals, IRateLimits
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "emulator";

    private readonly WebChat _chat;
    private readonly ChatHub _hub;
    private readonly PublishedAnswers _published;
    private readonly EmulatedChannel _channel;
    private readonly FaultBoard _faults;
    private readonly TimeProvider _clock;
    private InFlight _sends = new();

    /// <summary>Makes a communicator; use <see cref="WebChat.Create"/>.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="chat">Its page, streams and faults.</param>
    /// <param name="published">Where shown answers are noted.</param>
    /// <param name="channel">What it stands for.</param>
    /// <param name="clock">Dates receipts.</param>
    public EmulatorCommunicator(string name, WebChat chat, PublishedAnswers published, EmulatedChannel channel, TimeProvider clock)
        : base(name)
    {
        _chat = chat;
        _hub = chat.Hub;
        _published = published;
        _channel = channel;
        _faults = chat.Faults;
        _clock = clock;
    }

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities => _channel.Capabilities;

    /// <inheritdoc/>
    public override bool SupportsReceiving => true;

    /// <inheritdoc/>
    public IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient) => _channel.Rules?.LimitsOf(ContactOf(recipient)) ?? [];

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        InFlight sends = _sends;
        if (!sends.TryEnter())
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"Communicator '{Name}' is not started.");
        }

        try
        {
            return await ShowAsync(message, context, cancellationToken);
        }
        finally
        {
            sends.Leave();
        }
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

    /// <inheritdoc/>
    protected override Task OnStartAsync(CancellationToken cancellationToken)
    {
        _sends = new InFlight();
        _chat.Add(Name, _channel);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task OnStopAsync(CancellationToken cancellationToken)
    {
        await _sends.CloseAsync(cancellationToken);
        _chat.Remove(Name, _channel);
    }

    private async ValueTask<DeliveryReceipt> ShowAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        long seq = context.Envelope.Seq;
        string contact = ContactOf(context.Recipient);
        IReadOnlyList<OutgoingMessage> parts = _channel.PartsOf(message, out IReadOnlyList<string> degraded);
        List<string> changed = [.. degraded];
        await DelayAsync(contact, cancellationToken);
        for (int i = context.Progress.Count; i < parts.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested(); // Between parts nothing is on its way.
            SendFault? fault = _faults.TakeSend(Conversation(contact), _channel.Config.Faults);
            Tell(contact, fault?.Text);
            if (fault is { Arrives: false })
            {
                throw new DeliveryException(fault.Failure, fault.Text);
            }

            // A repeat carries the same id, by which the page knows it: showing twice is harmless.
            string id = EmulatedChannel.IdOf(seq, i + 1, parts.Count);
            _published.Add(seq, context.MessageId, contact);
            _hub.Publish(contact, ChatEvents.Message(id, parts[i]));
            if (fault is not null)
            {
                throw new DeliveryException(fault.Failure, fault.Text);
            }

            changed.AddRange(LeftOut(parts[i]));
            if (parts.Count > 1)
            {
                await context.SaveProgressAsync(id, CancellationToken.None);
            }
        }

        return new DeliveryReceipt
        {
            Status = DeliveryStatus.Sent,
            OutsideId = seq.ToString(CultureInfo.InvariantCulture),
            At = _clock.GetUtcNow(),
            Parts = parts.Count > 1 ? [.. context.Progress] : [],
            Degraded = changed,
        };
    }

    private static IEnumerable<string> LeftOut(OutgoingMessage part)
    {
        int left = part.Attachments.Count - (ChatEvents.FileOf(part) is null ? 0 : 1);
        return left > 0 ? [string.Create(CultureInfo.InvariantCulture, $"{left} more files are not shown: the web chat shows one per message.")] : [];
    }

    private async ValueTask DelayAsync(string contact, CancellationToken cancellationToken)
    {
        TimeSpan delay = _faults.Of(Conversation(contact), _channel.Config.Faults).Delay;
        if (delay > TimeSpan.Zero)
        {
            Tell(contact, $"Later on purpose: the answer takes {Duration.Format(delay)}.");
            await Task.Delay(delay, _clock, cancellationToken);
        }
    }

    private void Tell(string contact, string? text)
    {
        if (text is not null)
        {
            _hub.Publish(contact, ChatEvents.Fault(text));
        }
    }

    private string Conversation(string contact) => Message.ConversationOf(Name, contact);

    private string ContactOf(Address? address) => address is { Kind: AddressKind.Recipient } recipient ? Message.RecipientOf(recipient) : _channel.Config.Contact ?? "";
}
