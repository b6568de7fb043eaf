namespace Postroom.Storage;

/// <summary>What the journals of all stores share: which moves are legal, how they are refused, and how messages are shown.</summary>
internal static class JournalMoves
{
    /// <summary>Whether the failure of a message holds its key until an operator decides.</summary>
    public static bool Halts(Envelope envelope, QueueRules rules) => rules.HaltOnFailure && envelope.OrderKey is { Length: > 0 };

    /// <summary>Refuses a replay in place of a message that is not failed.</summary>
    public static void CheckReplay(MessageId id, MessageState state)
    {
        if (state != MessageState.Failed)
        {
            throw new JournalConflictException(id, state, state == MessageState.Acked
                ? $"Message {id} is Acked. A replay makes a new message and has to be forced: --force on the command line, force in a request."
                : $"Message {id} is {state}, so it is still open and cannot be replayed. Wait for its end, or discard it first.");
        }
    }

    /// <summary>Refuses to repeat what has no content any more.</summary>
    public static void CheckContent(Envelope envelope, MessageState state)
    {
        if (envelope.Headers.Count > 0 && envelope.Header(HeaderNames.Erased) is { } at)
        {
            throw new JournalConflictException(envelope.Id, state, $"Message {envelope.Id} cannot be replayed: its content was erased at {at}. Ask its sender for it again.");
        }
    }

    /// <summary>Refuses to erase the content of a message that is still to be handled.</summary>
    public static void CheckErase(MessageId id, MessageState state)
    {
        if (state is not (MessageState.Acked or MessageState.Failed))
        {
            throw new JournalConflictException(id, state, $"Message {id} is {state}, so it is still open and keeps its content. Wait for its end, or discard it first.");
        }
    }

    /// <summary>Refuses to confirm anything but an uncertain send.</summary>
    public static void CheckConfirm(MessageId id, MessageState state, FailureKind? kind)
    {
        if (state != MessageState.Failed || kind != FailureKind.Uncertain)
        {
            throw new JournalConflictException(id, state, $"Message {id} is {state}{(kind is { } k ? $" ({k})" : "")}. Only a message that failed as uncertain can be confirmed.");
        }
    }

    public static JournalConflictException CannotDiscard(MessageId id, MessageState state)
    {
        return new JournalConflictException(id, state, state == MessageState.Acked
            ? $"Message {id} is Acked; there is nothing left to discard."
            : $"Message {id} is with a worker. Wait for its end, or set force to cancel its handler.");
    }

    public static JournalConflictException NotKept(MessageId id)
    {
        return new JournalConflictException(id, null, $"Message {id} is not in this store. It may be past its retention; look for its copies by conversation.");
    }

    /// <summary>The new message that repeats an acknowledged one.</summary>
    public static Envelope Copy(Envelope original, TimeProvider clock)
    {
        MessageId id = MessageId.New();
        return original with
        {
            Id = id,
            Seq = 0,
            ReplayOf = original.Id,
            DedupKey = null,
            NotBefore = null,
            ExpiresAt = null,
            CreatedAt = clock.GetUtcNow(),
        };
    }

    /// <summary>Makes a failed message pending again.</summary>
    public static void Reopen(OpenMessage message, bool keepAttempts)
    {
        message.State = MessageState.Pending;
        message.FailureKind = null;
        message.FinishedAt = null;
        message.Halts = false;
        message.DueAt = null;
        message.Replays++;
        message.GoesFirst = true;
        message.ClearTimes();
        message.Redelivered |= message.SendStartedAt is not null;
        message.SendStartedAt = null; // a person has decided that it may be sent again
        if (!keepAttempts)
        {
            message.Attempt = 0;
            message.Failures = 0;
            message.Deaths = 0;
        }
    }

    public static DeliveryReceipt Confirmed(DateTimeOffset at) => new() { Status = DeliveryStatus.Delivered, At = at, Detail = "confirmed" };

    /// <summary>Whether a receipt is a confirmation, and no word of the service.</summary>
    public static bool IsConfirmation(DeliveryReceipt receipt) => receipt is { Status: DeliveryStatus.Delivered, OutsideId: null, Detail: "confirmed" };

    public static AttemptRecord ConfirmedAttempt(int attempt, DateTimeOffset at, string user)
    {
        return new AttemptRecord { Attempt = attempt, StartedAt = at, EndedAt = at, Outcome = "acked", Owner = $"operator:{user}" };
    }

    /// <summary>Whether an attempt is a confirmation, for which nothing was sent.</summary>
    public static bool IsConfirmation(AttemptRecord attempt) => attempt is { Outcome: "acked", Owner: { } owner } && owner.StartsWith("operator:", StringComparison.Ordinal);

    /// <summary>The moves of a confirmation, as readers of transitions see them: no state is skipped.</summary>
    /// <param name="message">The message, already acked.</param>
    /// <param name="at">When.</param>
    /// <param name="user">Who says so.</param>
    public static Transition[] ConfirmedMoves(OpenMessage message, DateTimeOffset at, string user)
    {
        Transition last = Transition(message, MessageState.Dispatched, null, at) with { Owner = $"operator:{user}" };
        return
        [
            last with { From = MessageState.Failed, To = MessageState.Pending },
            last with { From = MessageState.Pending, To = MessageState.Dispatched },
            last,
        ];
    }

    /// <summary>The attempts of a message in memory, oldest first, with the one that runs.</summary>
    public static IReadOnlyList<AttemptRecord> Attempts(OpenMessage message)
    {
        return message.Attempts is not { } ended ? OnlyAttempt(message)
            : message is not { State: MessageState.Dispatched, Begun: true } ? [.. ended]
            : [.. ended, new AttemptRecord { Attempt = message.Attempt, StartedAt = message.DispatchedAt, Outcome = "running", Owner = message.Owner }];
    }

    /// <summary>The attempt that a settlement ends.</summary>
    public static AttemptRecord Attempt(OpenMessage message, in SettlementOutcome outcome) => new()
    {
        Attempt = message.Attempt,
        StartedAt = message.DispatchedAt,
        EndedAt = outcome.At,
        Outcome = outcome.Word,
        Kind = outcome.Kind,
        Error = outcome.Error,
        Owner = message.Owner,
    };

    /// <summary>The one attempt of a message that needed no second one, shown from the message itself.</summary>
    public static AttemptRecord[] OnlyAttempt(OpenMessage message)
    {
        return message.Attempt == 0 && message.State != MessageState.Dispatched
            ? []
            :
            [
                new AttemptRecord
                {
                    Attempt = Math.Max(1, message.Attempt),
                    StartedAt = message.DispatchedAt,
                    EndedAt = message.FinishedAt,
                    Outcome = message.State switch { MessageState.Acked => "acked", MessageState.Failed => "failed", _ => "running" },
                    Kind = message.FailureKind,
                    Error = message.Error,
                    Owner = message.Owner,
                },
            ];
    }

    public static Transition Transition(OpenMessage message, MessageState? from, TimeSpan? duration, DateTimeOffset at)
    {
        return new Transition
        {
            At = at,
            MessageId = message.Envelope.Id,
            Queue = message.Envelope.Queue,
            Type = message.Envelope.Type,
            Conversation = message.Envelope.Conversation,
            StartsConversation = message.Envelope.StartsConversation,
            From = from,
            To = message.State,
            Attempt = message.Attempt,
            Owner = message.Owner,
            Kind = message.FailureKind,
            Reason = message.State == MessageState.Acked ? null : message.Error,
            Duration = duration,
            TraceId = TraceService.TraceIdOf(message.Envelope),
        };
    }

    /// <summary>Whether a message in memory is one that a query asks for.</summary>
    public static bool Matches(OpenMessage message, JournalQuery query)
    {
        Envelope envelope = message.Envelope;
        return (query.States.Count == 0 || query.States.Contains(message.State))
            && (query.Queue is null || query.Queue == envelope.Queue)
            && (query.Conversation is null || query.Conversation == envelope.Conversation)
            && (query.From is null || (envelope.From?.ToString().StartsWith(query.From, StringComparison.Ordinal) ?? false))
            && (query.To is null || (envelope.To?.ToString().StartsWith(query.To, StringComparison.Ordinal) ?? false))
            && (query.Type is null || query.Type == envelope.Type)
            && (query.Direction is null || query.Direction == envelope.Direction)
            && (query.Kind is null || query.Kind == message.FailureKind)
            && (query.Kinds.Count == 0 || (message.FailureKind is { } kind && query.Kinds.Contains(kind)))
            && (query.Group is null || query.Group == envelope.GroupId)
            && (query.Parent is null || query.Parent == envelope.ParentId)
            && (query.Since is null || envelope.CreatedAt >= query.Since)
            && (query.Until is null || envelope.CreatedAt < query.Until)
            && (query.OutsideId is null || query.OutsideId == message.OutsideId)
            && (query.TraceId is null || query.TraceId == TraceService.TraceIdOf(envelope))
            && (query.Text is null || Contains(message, query.Text));
    }

    private static bool Contains(OpenMessage message, string text)
    {
        Envelope envelope = message.Envelope;
        return In(envelope.Id.ToString()) || In(envelope.Type) || In(envelope.Conversation) || In(envelope.From?.ToString())
            || In(envelope.To?.ToString()) || In(message.Error) || In(message.OutsideId)
            || In(envelope.Header(HeaderNames.ChannelMessageId));

        bool In(string? value) => value is not null && value.Contains(text, StringComparison.OrdinalIgnoreCase);
    }
}
