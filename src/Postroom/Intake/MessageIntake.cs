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
    TimeProvider clock,
    MessageSpans? spans = null)
{
    private static readonly TimeSpan SoonAgain = TimeSpan.FromSeconds(5);
    private readonly HighWater _highWater = new(control, queues);
    private readonly BusyKeys _busyKeys = new(control, queues);

    /// <summary>Whether messages are taken. Closed while the runtime starts and stops.</summary>
    public bool IsOpen { get; set; }

    /// <summary>Incoming messages are handed to live subscribers and acknowledged at once, without a handler.</summary>
    public bool PublishOnly { get; set; }

    /// <summary>Raised when a queue goes above its high-water mark or comes back below the low one.</summary>
    public HighWater HighWaterMarks => _highWater;

    /// <summary>The order keys of which as many messages wait as may.</summary>
    public BusyKeys BusyKeys => _busyKeys;

    /// <summary>Stores a batch of one source, with its checkpoint and with rows beside it.</summary>
    /// <param name="source">Its name.</param>
    /// <param name="batch">What it brings.</param>
    /// <param name="checkpoint">Where it stands then; null to leave that.</param>
    /// <param name="notes">Rows beside them.</param>
    /// <param name="refusesKeys">
    /// Whether a caller waits who is told that too many of its messages wait (<c>maxPerKey</c>). Of a source that reads from a line the next reading begins with the same
    /// messages, so that one sender would keep all others out.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IntakeClosedException">Nothing was stored.</exception>
    public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(
        string source, IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, IReadOnlyList<StoreNote> notes, bool refusesKeys, CancellationToken cancellationToken)
    {
        return AcceptAsync(new Batch(source, batch) { Checkpoint = checkpoint, Notes = notes, RefusesKeys = refusesKeys }, cancellationToken);
    }

    /// <summary>Stores what a communicator received; live subscribers get it after the commit, with <see cref="PublishOnly"/> from the pool that also acknowledges it.</summary>
    /// <param name="communicator">Its name.</param>
    /// <param name="messages">What it received, in order.</param>
    /// <param name="more">Further messages of the same transaction, such as those that tell of receipts.</param>
    /// <param name="notes">Rows beside them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<IReadOnlyList<AcceptResult>> AcceptChatAsync(
        string communicator, IReadOnlyList<IncomingMessage> messages, IReadOnlyList<SourceMessage> more, IReadOnlyList<StoreNote> notes, CancellationToken cancellationToken)
    {
        IncomingMessage[] named = [.. messages.Select(message => message with { BackendName = communicator })];
        Batch batch = new(communicator, [.. named.Select(message => IncomingTranslation.ToSource(communicator, message)), .. more])
        {
            Received = PublishOnly ? named : [],
            Notes = notes,
        };
        IReadOnlyList<AcceptResult> results = await AcceptAsync(batch, cancellationToken);
        for (int i = 0; i < named.Length && !PublishOnly; i++)
        {
            if (!results[i].Duplicate)
            {
                incoming.Publish(named[i]);
            }
        }

        return [.. results.Take(named.Length)];
    }

    /// <summary>What the store cannot do now is a closed intake to those outside: a source pauses, a webhook answers 503.</summary>
    private async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(Batch batch, CancellationToken cancellationToken)
    {
        batch.Spans = spans?.BeginAccept(batch.Source, batch.Messages);
        try
        {
            return await TakeAsync(batch, cancellationToken);
        }
        catch (Exception e) when (Fails(batch, e))
        {
            throw;
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

    /// <summary>Ends the spans of a batch that was not stored; what becomes of the exception is decided elsewhere.</summary>
    private static bool Fails(Batch batch, Exception e)
    {
        batch.Spans?.Fail(e is IntakeClosedException closed ? closed.Message : e.GetType().Name);
        return false;
    }

    private async ValueTask<IReadOnlyList<AcceptResult>> TakeAsync(Batch batch, CancellationToken cancellationToken)
    {
        IReadOnlyList<SourceMessage> messages = batch.Messages;
        await AdmitAsync(batch, cancellationToken);
        Envelope[] envelopes = new Envelope[messages.Count];
        List<FactChange> facts = batch.Checkpoint is { } position ? [new FactChange(FactScopes.Checkpoint, batch.Source, position)] : [];
        for (int i = 0; i < messages.Count; i++)
        {
            envelopes[i] = Make(batch.Source, messages[i], batch.Spans, i);
            if (messages[i].From is { Kind: AddressKind.Recipient } from && from.Scheme is not (Outbound.Channels.Unknown or Outbound.Channels.Test)
                && contacts.Note(from.Target, from.Scheme) is { } contact)
            {
                facts.Add(contact);
            }
        }

        // Kept before the commit: from then on the pool may take the message at any time.
        for (int i = 0; i < batch.Received.Length; i++)
        {
            live.Keep(envelopes[i].Id, batch.Received[i]);
        }

        IReadOnlyList<AppendResult> stored;
        try
        {
            stored = await StoreAsync(envelopes, facts, batch.Notes, cancellationToken);
        }
        catch
        {
            for (int i = 0; i < batch.Received.Length; i++)
            {
                live.Forget(envelopes[i].Id);
            }

            foreach (FactChange fact in facts.Where(fact => fact.Scope == FactScopes.Contact))
            {
                contacts.Forget(fact.Key);
            }

            throw;
        }

        batch.Spans?.End(envelopes, stored, batch.Source);
        AcceptResult[] results = new AcceptResult[messages.Count];
        for (int i = 0; i < messages.Count; i++)
        {
            if (i < batch.Received.Length && stored[i].Duplicate)
            {
                live.Forget(envelopes[i].Id);
            }

            results[i] = new AcceptResult(stored[i].Id, stored[i].Duplicate, stored[i].SameBody);
            metrics.Accepted(messages[i].Queue, batch.Source, stored[i].Duplicate);
            activity.Accepted(messages[i].Queue);
        }

        return results;
    }

    private async ValueTask AdmitAsync(Batch batch, CancellationToken cancellationToken)
    {
        if (!IsOpen)
        {
            throw new IntakeClosedException(IntakeRefusal.NotRunning, SoonAgain, "The runtime is starting or stopping.");
        }

        foreach (SourceMessage message in batch.Messages)
        {
            QueueOptions options = queues.Require(message.Queue);
            if (PublishOnly && message.Queue == "in")
            {
                continue; // live subscribers take it at once (CM-18)
            }

            if (_highWater.IsAbove(message.Queue))
            {
                metrics.Refused(message.Queue, batch.Source);
                throw new IntakeClosedException(
                    IntakeRefusal.HighWater, SoonAgain, $"Queue '{message.Queue}' is above its high-water mark of {options.HighWater} due messages; it takes new ones again below {options.LowWater}.");
            }

            string? key = QueueCatalog.OrderKey(options, message.Conversation, message.Headers);
            if (key is { Length: > 0 }
                && await control.CountKeyAsync(message.Queue, key, options.MaxPerKey, cancellationToken) >= options.MaxPerKey)
            {
                _busyKeys.Note(message.Queue, key);
                if (batch.RefusesKeys)
                {
                    metrics.Refused(message.Queue, batch.Source);
                    throw new IntakeClosedException(IntakeRefusal.TooManyPerKey, SoonAgain, $"{options.MaxPerKey} messages of one sender wait in queue '{message.Queue}' (maxPerKey).");
                }
            }
        }
    }

    private Envelope Make(string source, SourceMessage message, AcceptSpans? traced, int place)
    {
        QueueOptions options = queues.Require(message.Queue);
        QueuePublisher.CheckType(message.Type);
        publisher.CheckBody(message.Body.Length);
        QueuePublisher.CheckHeaders(message.Headers, allowReserved: true);
        QueuePublisher.CheckLength(message.DedupKey, 512, "The dedup key");
        QueuePublisher.CheckLength(message.Conversation, 256, "The conversation");
        DateTimeOffset now = clock.GetUtcNow();
        string conversation = message.Conversation ?? MessageId.New().ToString();
        QueuePublisher.CheckLength(message.OriginKey, 512, "The origin key");
        Dictionary<string, string> headers = new(message.Headers, StringComparer.Ordinal) { [HeaderNames.Source] = source };
        if (message.OriginKey is { } key)
        {
            headers[HeaderNames.OriginKey] = key;
        }

        headers = traced?.Put(place, headers) ?? headers;

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

    private async ValueTask<IReadOnlyList<AppendResult>> StoreAsync(Envelope[] envelopes, List<FactChange> facts, IReadOnlyList<StoreNote> notes, CancellationToken cancellationToken)
    {
        return facts.Count <= 1 && notes.Count == 0
            ? await store.AppendAsync(envelopes, facts.Count == 1 ? facts[0] : null, cancellationToken)
            : (await store.WriteAsync(new StoreWrite { Appends = envelopes, Facts = facts, Notes = notes }, cancellationToken)).Appended;
    }

    /// <summary>What is stored in one transaction.</summary>
    private sealed record Batch(string Source, IReadOnlyList<SourceMessage> Messages)
    {
        public ReadOnlyMemory<byte>? Checkpoint { get; init; }

        /// <summary>The first messages as they came in, when live subscribers get them from the pool; empty otherwise.</summary>
        public IncomingMessage[] Received { get; init; } = [];

        public IReadOnlyList<StoreNote> Notes { get; init; } = [];

        /// <summary>Its spans; null while nobody looks.</summary>
        public AcceptSpans? Spans { get; set; }

        /// <summary>Whether its caller is told that too many messages of a key wait.</summary>
        public bool RefusesKeys { get; init; }
    }
}
