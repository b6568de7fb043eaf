using Postroom.Diagnostics;

namespace Postroom.Intake;

/// <summary>The one door for messages from outside: checks, bounds, drops repeats, appends. It returns after the commit.</summary>
internal sealed class MessageIntake(
    IMessageStore store,
    IQueueControl control,
    QueueCatalog queues,
    QueuePublisher publisher,
    ContactBook contacts,
    RuntimeMetrics metrics,
    QueueActivity activity,
    IncomingPublisher incoming,
    LiveMessages live,
    TimeProvider clock)
{
    private static readonly TimeSpan SoonAgain = TimeSpan.FromSeconds(5);
    private readonly HighWater _highWater = new(control, queues);

    /// <summary>Whether messages are taken. Closed while the runtime starts and stops.</summary>
    public bool IsOpen { get; set; }

    /// <summary>Incoming messages are handed to live subscribers and acknowledged at once, without a handler.</summary>
    public bool PublishOnly { get; set; }

    /// <summary>Raised when a queue goes above its high-water mark or comes back below the low one.</summary>
    public HighWater HighWaterMarks => _highWater;

    /// <summary>Stores a batch of one source, with its checkpoint.</summary>
    /// <exception cref="IntakeClosedException">Nothing was stored.</exception>
    public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(string source, IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
    {
        return AcceptAsync(source, batch, checkpoint, null, cancellationToken);
    }

    /// <summary>Stores what a communicator received; live subscribers get it after the commit, with <see cref="PublishOnly"/> from the pool that also acknowledges it.</summary>
    public async ValueTask<AcceptResult> AcceptChatAsync(string communicator, IncomingMessage message, CancellationToken cancellationToken)
    {
        SourceMessage source = IncomingTranslation.ToSource(communicator, message);
        IncomingMessage named = message with { BackendName = communicator };
        IReadOnlyList<AcceptResult> results = await AcceptAsync(communicator, [source], null, PublishOnly ? named : null, cancellationToken);
        if (!results[0].Duplicate && !PublishOnly)
        {
            incoming.Publish(named);
        }

        return results[0];
    }

    /// <summary>What the store cannot do now is a closed intake to those outside: a source pauses, a webhook answers 503.</summary>
    private async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(
        string source, IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, IncomingMessage? received, CancellationToken cancellationToken)
    {
        try
        {
            return await TakeAsync(source, batch, checkpoint, received, cancellationToken);
        }
        catch (StoreUnavailableException e)
        {
            throw new IntakeClosedException(IntakeRefusal.StoreUnavailable, SoonAgain, e.Message, e);
        }
        catch (ObjectDisposedException e)
        {
            throw new IntakeClosedException(IntakeRefusal.NotRunning, SoonAgain, "The runtime is stopping.", e);
        }
    }

    private async ValueTask<IReadOnlyList<AcceptResult>> TakeAsync(
        string source, IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, IncomingMessage? received, CancellationToken cancellationToken)
    {
        await AdmitAsync(source, batch, cancellationToken);
        Envelope[] envelopes = new Envelope[batch.Count];
        List<FactChange> facts = checkpoint is { } position ? [new FactChange(FactScopes.Checkpoint, source, position)] : [];
        for (int i = 0; i < batch.Count; i++)
        {
            envelopes[i] = Make(source, batch[i]);
            if (batch[i].From is { Kind: AddressKind.Recipient } from && from.Scheme is not (Outbound.Channels.Unknown or Outbound.Channels.Test)
                && contacts.Note(from.Target, from.Scheme) is { } contact)
            {
                facts.Add(contact);
            }
        }

        // Kept before the commit: from then on the pool may take the message at any time.
        if (received is not null)
        {
            live.Keep(envelopes[0].Id, received);
        }

        IReadOnlyList<AppendResult> stored;
        try
        {
            stored = await StoreAsync(envelopes, facts, cancellationToken);
        }
        catch
        {
            live.Forget(envelopes[0].Id);
            foreach (FactChange fact in facts.Where(fact => fact.Scope == FactScopes.Contact))
            {
                contacts.Forget(fact.Key);
            }

            throw;
        }

        if (received is not null && stored[0].Duplicate)
        {
            live.Forget(envelopes[0].Id);
        }

        AcceptResult[] results = new AcceptResult[batch.Count];
        for (int i = 0; i < batch.Count; i++)
        {
            results[i] = new AcceptResult(stored[i].Id, stored[i].Duplicate, stored[i].SameBody);
            metrics.Accepted(batch[i].Queue, source, stored[i].Duplicate);
            activity.Accepted(batch[i].Queue);
        }

        return results;
    }

    private async ValueTask AdmitAsync(string source, IReadOnlyList<SourceMessage> batch, CancellationToken cancellationToken)
    {
        if (!IsOpen)
        {
            throw new IntakeClosedException(IntakeRefusal.NotRunning, SoonAgain, "The runtime is starting or stopping.");
        }

        foreach (SourceMessage message in batch)
        {
            QueueOptions options = queues.Require(message.Queue);
            if (_highWater.IsAbove(message.Queue))
            {
                metrics.Refused(message.Queue, source);
                throw new IntakeClosedException(
                    IntakeRefusal.HighWater, SoonAgain, $"Queue '{message.Queue}' is above its high-water mark of {options.HighWater} due messages; it takes new ones again below {options.LowWater}.");
            }

            string? key = QueueCatalog.OrderKey(options, message.Conversation, message.Headers);
            if (key is { Length: > 0 }
                && await control.CountKeyAsync(message.Queue, key, options.MaxPerKey, cancellationToken) >= options.MaxPerKey)
            {
                metrics.Refused(message.Queue, source);
                throw new IntakeClosedException(IntakeRefusal.TooManyPerKey, SoonAgain, $"{options.MaxPerKey} messages of one sender wait in queue '{message.Queue}' (maxPerKey).");
            }
        }
    }

    private Envelope Make(string source, SourceMessage message)
    {
        QueueOptions options = queues.Require(message.Queue);
        QueuePublisher.CheckType(message.Type);
        publisher.CheckBody(message.Body.Length);
        QueuePublisher.CheckHeaders(message.Headers, allowReserved: true);
        QueuePublisher.CheckLength(message.DedupKey, 512, "The dedup key");
        QueuePublisher.CheckLength(message.Conversation, 256, "The conversation");
        DateTimeOffset now = clock.GetUtcNow();
        string conversation = message.Conversation ?? MessageId.New().ToString();
        Dictionary<string, string> headers = new(message.Headers, StringComparer.Ordinal) { [HeaderNames.Source] = source };
        return new Envelope(MessageId.New(), message.Queue, message.Type, message.Body)
        {
            ContentType = message.ContentType,
            Direction = MessageDirection.Inbound,
            From = message.From,
            Conversation = conversation,
            OrderKey = QueueCatalog.OrderKey(options, conversation, headers),
            DedupKey = message.DedupKey,
            Headers = headers,
            Attachments = message.Attachments,
            CreatedAt = now,
            NotBefore = message.NotBefore,
            ExpiresAt = options.TimeToLive is { } life ? now + life : null,
            MaxAttempts = options.MaxAttempts,
        };
    }

    private async ValueTask<IReadOnlyList<AppendResult>> StoreAsync(Envelope[] envelopes, List<FactChange> facts, CancellationToken cancellationToken)
    {
        return facts.Count <= 1
            ? await store.AppendAsync(envelopes, facts.Count == 1 ? facts[0] : null, cancellationToken)
            : (await store.WriteAsync(new StoreWrite { Appends = envelopes, Facts = facts }, cancellationToken)).Appended;
    }
}

/// <summary>The sink of one source.</summary>
internal sealed class SourceSink(string source, MessageIntake intake, IFacts facts) : IMessageSink
{
    public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
    {
        return intake.AcceptAsync(source, batch, checkpoint, cancellationToken);
    }

    public async ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken)
    {
        StoredFact? fact = await facts.GetAsync(FactScopes.Checkpoint, source, cancellationToken);
        return fact?.Value;
    }
}
