using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Postroom.Outbound;

/// <summary>Turns an outgoing message into envelopes: one copy for each communicator that gets it.</summary>
/// <remarks>The recipient is resolved here and stored, so a later change of the configuration does not move a stored message.</remarks>
internal sealed partial class OutboundComposer(RoutingTable routes, QueueCatalog queues, QueuePublisher publisher, Func<UnroutablePolicy> onUnroutable, TimeProvider clock, ILogger log)
{
    /// <summary>Makes the copies of a message. Without a communicator the policy decides: one copy for the router, none, or an exception.</summary>
    /// <exception cref="AddressException">Nothing takes it and the policy is to reject, or its queue is not declared.</exception>
    public IReadOnlyList<Envelope> Compose(OutgoingMessage message, MessageOrigin origin)
    {
        CheckText(message);
        if (message.To is { Kind: AddressKind.Queue } to)
        {
            queues.Require(to.Target);
            return [Make(message, to.Target, to, null, origin)];
        }

        List<Envelope> copies = Route(message, origin);
        if (copies.Count > 0)
        {
            return copies;
        }

        switch (onUnroutable())
        {
            case UnroutablePolicy.Drop:
                LogDropped(message.To?.ToString() ?? $"label:{message.Label}", message.Message.Length <= 80 ? message.Message : message.Message[..80]);
                return [];
            case UnroutablePolicy.Reject:
                throw new AddressException(Explain(message));
            default:
                return [Make(message, OutboundQueue.Unrouted, message.To ?? Address.ForLabel(message.Label), null, origin)];
        }
    }

    /// <summary>The copies for the communicators that take a message now; empty when none does.</summary>
    public List<Envelope> Route(OutgoingMessage message, MessageOrigin origin)
    {
        List<Envelope> copies = [];
        if (message.To is { Kind: AddressKind.Recipient } recipient)
        {
            if (routes.Find(recipient.Scheme) is { } registration)
            {
                copies.Add(Make(message, registration.Queue, recipient, null, origin));
            }

            return copies;
        }

        string label = message.To is { Kind: AddressKind.Label } byLabel ? byLabel.Target : message.Label;
        MessageId group = MessageId.New();
        foreach (Registration registration in routes.WithLabel(label))
        {
            copies.Add(Make(message, registration.Queue, Address.ForLabel(label), group, origin));
        }

        return copies;
    }

    /// <summary>Makes the copies of an answer: same channel, chat, topic and conversation as the input.</summary>
    public IReadOnlyList<Envelope> ComposeReply(OutgoingMessage message, Envelope input, MessageOrigin origin)
    {
        Address to = message.To ?? ReplyAddress(input)
            ?? throw new AddressException($"Message {input.Id} ({input.Type}) has no sender, so there is nobody to reply to. Use Send with a label or a recipient.");
        OutgoingMessage reply = message with { To = to, ReplyTo = message.ReplyTo ?? input.Header(HeaderNames.ChannelMessageId), Subject = message.Subject ?? MailThread.ReplySubject(input) };
        IReadOnlyList<Envelope> copies = Compose(reply, origin);
        Dictionary<string, string> more = [];
        Add(more, HeaderNames.References, MailThread.References(input));
        Add(more, HeaderNames.Automatic, input.Header(HeaderNames.Automatic));
        return With(copies, more);
    }

    /// <summary>The copies of a message that was stored before a communicator took it, with what it was given as an answer.</summary>
    public List<Envelope> RouteAgain(OutgoingMessage message, Envelope stored)
    {
        Dictionary<string, string> more = [];
        Add(more, HeaderNames.References, stored.Header(HeaderNames.References));
        Add(more, HeaderNames.Automatic, stored.Header(HeaderNames.Automatic));
        return [.. With(Route(message, new MessageOrigin(stored.ParentId ?? stored.Id, stored.Conversation, stored.Hops, stored)), more)];
    }

    /// <summary>Makes the envelope of a reaction; null when the channel knows none.</summary>
    public Envelope? ComposeSignal(Signal signal, MessageOrigin origin)
    {
        if (routes.Find(signal.Address.Scheme) is not { Communicator: ISignals } registration)
        {
            return null;
        }

        byte[] body = JsonSerializer.SerializeToUtf8Bytes(signal, PostroomJson.Default.Signal);
        return publisher.Compose(registration.Queue, new QueueMessage(PayloadTypes.SignalReaction, body), new PublishOptions { Conversation = origin.Conversation }, origin)
            with
        { Direction = MessageDirection.Signal, To = signal.Address };
    }

    /// <summary>What exists, for a message that nothing takes.</summary>
    public string Explain(OutgoingMessage message)
    {
        if (message.To is { Kind: AddressKind.Recipient } to)
        {
            string names = string.Join(", ", routes.All.Select(registration => registration.Name));
            return $"There is no communicator '{to.Scheme}' for '{to}'. {(names.Length > 0 ? $"Registered are {names}." : "None is registered.")} Add it under communications.backends, or use another address.";
        }

        if (Address.TryParse(message.Label, out Address? meant) && meant.Kind == AddressKind.Recipient && routes.Find(meant.Scheme) is not null)
        {
            return $"'{message.Label}' is an address of communicator '{meant.Scheme}' and was given as a label. Write to an address with To: new OutgoingMessage(text) {{ To = Address.Parse(\"{message.Label}\") }}.";
        }

        string labels = string.Join(", ", routes.All.SelectMany(registration => registration.Labels).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        return $"No communicator has the label '{message.Label}'. {(labels.Length > 0 ? $"Known labels are {labels}." : "None is registered.")} Add the label to a backend under communications.backends.";
    }

    private static Address? ReplyAddress(Envelope input)
    {
        if (input.From is not { Kind: AddressKind.Recipient } from)
        {
            return null;
        }

        // The conversation names the chat, which is not always the person who wrote in it.
        return input.Conversation is { } conversation && conversation.StartsWith(from.Scheme + "/", StringComparison.Ordinal)
            && Address.TryParse($"{from.Scheme}:{conversation[(from.Scheme.Length + 1)..]}", out Address? chat)
            ? chat
            : from;
    }

    private static void CheckText(OutgoingMessage message)
    {
        QueuePublisher.CheckLength(message.IdempotencyKey, 512, "The idempotency key");
        if (message.Message.Length == 0 && message.Attachments.Count == 0 && !message.Metadata.ContainsKey("template"))
        {
            throw new ArgumentException("The message has neither text nor attachments nor a template. Give it one of them.", nameof(message));
        }

        if (message.Attachments.Count > Attachment.MaxCount || message.Attachments.Sum(attachment => attachment.Length ?? 0) > Attachment.MaxTotalLength)
        {
            throw new ArgumentException($"The message has {message.Attachments.Count} attachments; the limits are {Attachment.MaxCount} and {Attachment.MaxTotalLength} bytes together. Send a link instead.", nameof(message));
        }
    }

    private Envelope Make(OutgoingMessage message, string queue, Address to, MessageId? group, MessageOrigin origin)
    {
        QueueOptions rules = queues.Get(queue);

        // Attachments travel beside the body, where they are stored once and not as base64.
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(message with { Attachments = [] }, PostroomJson.Default.OutgoingMessage);
        publisher.CheckBody(body.Length);
        Dictionary<string, string> headers = [];
        Add(headers, HeaderNames.Label, message.Label == "default" ? null : message.Label);
        Add(headers, HeaderNames.Severity, message.Severity == MessageSeverity.Info ? null : message.Severity.ToWord());
        Add(headers, HeaderNames.Source, message.Source);
        Add(headers, HeaderNames.TraceParent, origin.TraceParent);
        Add(headers, HeaderNames.TraceState, origin.TraceParent is null ? null : origin.TraceState);
        QueuePublisher.CheckHeaders(headers, allowReserved: false);
        DateTimeOffset now = clock.GetUtcNow();
        string conversation = origin.Conversation ?? (to.Kind == AddressKind.Recipient ? ConversationOf(to) : MessageId.New().ToString());
        QueuePublisher.CheckLength(conversation, 256, "The conversation");
        TimeSpan? life = message.ExpiresAfter ?? rules.TimeToLive;
        return new Envelope(MessageId.New(), queue, PayloadTypes.Notify, body)
        {
            Direction = MessageDirection.Outbound,
            To = to,
            Conversation = conversation,
            OrderKey = QueueCatalog.OrderKey(rules, conversation, headers),
            GroupId = group,
            ParentId = origin.ParentId,
            Hops = origin.Hops,
            DedupKey = message.IdempotencyKey,
            Headers = headers,
            Attachments = message.Attachments,
            CreatedAt = now,
            ExpiresAt = life is { } time ? now + time : null,
            MaxAttempts = rules.MaxAttempts,
        };
    }

    private static IReadOnlyList<Envelope> With(IReadOnlyList<Envelope> copies, Dictionary<string, string> more) =>
        more.Count == 0 ? copies : [.. copies.Select(copy => copy with { Headers = new Dictionary<string, string>(copy.Headers.Concat(more), StringComparer.Ordinal) })];

    private static string ConversationOf(Address to) => to.Topic is null ? $"{to.Scheme}/{to.Target}" : $"{to.Scheme}/{to.Target}/{to.Topic}";

    private static void Add(Dictionary<string, string> headers, string name, string? value)
    {
        if (value is not null)
        {
            headers[name] = value;
        }
    }

    [LoggerMessage(400, LogLevel.Debug, "Nothing takes messages for {Address}; dropped by communications.onUnroutable: {Text}")]
    private partial void LogDropped(string address, string text);
}
