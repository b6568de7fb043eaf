namespace Postroom.Storage;

/// <summary>Where a lane has put a message.</summary>
internal enum Place
{
    /// <summary>Not in a lane: on disk only, or ended.</summary>
    None,

    /// <summary>May be leased now.</summary>
    Ready,

    /// <summary>Behind an earlier message of its key.</summary>
    Following,

    /// <summary>Waits for a retry and holds its key.</summary>
    Waiting,

    /// <summary>Appended with a delay; joins its key when it becomes due.</summary>
    Delayed,

    /// <summary>Due, but its body was let go while it waited; the store is reading it.</summary>
    Loading,

    /// <summary>Its type has no handler in this build.</summary>
    Parked,

    /// <summary>With a worker.</summary>
    Leased,

    /// <summary>With a worker whose settlement is on its way to the medium.</summary>
    Settling,

    /// <summary>Taken out to be given up; its failure is on its way to the medium.</summary>
    Withdrawn,
}

/// <summary>One message as its store knows it while it is in memory. Every field is owned by its lane's lock unless it says otherwise.</summary>
internal sealed class OpenMessage(Envelope envelope)
{
    /// <summary>The message; without its body while <see cref="IsSlim"/>.</summary>
    public Envelope Envelope { get; private set; } = envelope;

    /// <summary>The bytes it takes, roughly.</summary>
    public long Bytes { get; private set; } = SizeOf(envelope);

    /// <summary>Whether the body was let go; it is on disk.</summary>
    public bool IsSlim { get; private set; }

    public long Seq => Envelope.Seq;

    public MessageState State { get; set; }

    public Place Place { get; set; }

    /// <summary>Attempts that began and were not given back.</summary>
    public int Attempt { get; set; }

    /// <summary>Failures that count against <see cref="Envelope.MaxAttempts"/>.</summary>
    public int Failures { get; set; }

    public int Deaths { get; set; }

    public int Replays { get; set; }

    /// <summary>It was replayed: it is the head of its key whatever its age.</summary>
    public bool GoesFirst { get; set; }

    /// <summary>The fence of the last lease.</summary>
    public long Fence { get; set; }

    /// <summary>The fence whose settlement was applied last; a repeat of it succeeds.</summary>
    public long SettledFence { get; set; }

    /// <summary>How that settlement ended, in the words of <see cref="AttemptRecord.Outcome"/>; null when only its fence is known.</summary>
    public string? SettledAs { get; set; }

    /// <summary>Whether the current lease's attempt has begun.</summary>
    public bool Begun { get; set; }

    public bool Redelivered { get; set; }

    public string? Owner { get; set; }

    /// <summary>When the current attempt began, on the provider's monotonic clock.</summary>
    public long BegunAt { get; set; }

    public DateTimeOffset? DispatchedAt { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }

    /// <summary>When the next attempt is due, for people; null for at once.</summary>
    public DateTimeOffset? DueAt { get; set; }

    /// <summary>When the wait for a retry ends, on the provider's monotonic clock; tells a wait from an earlier one of the same message.</summary>
    public long RetriesAt { get; set; }

    public DateTimeOffset? SendStartedAt { get; set; }

    public IReadOnlyList<string> Progress { get; set; } = [];

    public FailureKind? FailureKind { get; set; }

    public string? Error { get; set; }

    /// <summary>Whether its failure holds its key, so that it is kept until an operator decides. Used by stores without rows.</summary>
    public bool Halts { get; set; }

    public string? OutsideId { get; set; }

    /// <summary>The slot in the table of what has begun; -1 for none. Used by stores that keep one.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>The instant in the message's row; used by stores that keep rows.</summary>
    public long? RowDue { get; set; }

    /// <summary>Whether the instant in the row is a retry's; used by stores that keep rows.</summary>
    public bool RowHolds { get; set; }

    /// <summary>Whether the row says that it is with a worker; used by stores that keep rows.</summary>
    public bool RowIsMarked { get; set; }

    /// <summary>Whether the row has more than a plain message's columns; used by stores that keep rows.</summary>
    public bool RowHasTrack { get; set; }

    /// <summary>The message's chain while it is in one; null for unordered messages.</summary>
    public KeyChain? Chain { get; set; }

    public OpenMessage? Previous { get; set; }

    public OpenMessage? Next { get; set; }

    /// <summary>The message that came to the lane before this one.</summary>
    public OpenMessage? Older { get; set; }

    /// <summary>The message that came to the lane after this one.</summary>
    public OpenMessage? Younger { get; set; }

    /// <summary>Further or unsuccessful attempts, as far as the store keeps them in memory.</summary>
    public List<AttemptRecord>? Attempts { get; set; }

    /// <summary>Receipts, as far as the store keeps them in memory.</summary>
    public List<DeliveryReceipt>? Receipts { get; set; }

    /// <summary>What people did with it, as far as the store keeps it in memory.</summary>
    public List<AuditRecord>? Audit { get; set; }

    public bool IsExpired(DateTimeOffset now) => Envelope.ExpiresAt is { } end && end <= now;

    /// <summary>Lets the body go; the store has it on disk.</summary>
    public void Slim()
    {
        Envelope = Envelope.WithoutBody();
        Bytes = SizeOf(Envelope);
        IsSlim = true;
    }

    /// <summary>A replayed message is due at once, whatever delay it was appended with.</summary>
    public void ClearDelay() => Envelope = Envelope.NotBefore is null ? Envelope : Envelope with { NotBefore = null };

    /// <summary>Takes the whole message back.</summary>
    public void Fill(Envelope whole)
    {
        Envelope = whole;
        Bytes = SizeOf(whole);
        IsSlim = false;
    }

    private static long SizeOf(Envelope envelope)
    {
        long size = 400 + envelope.Body.Length;
        foreach (Attachment attachment in envelope.Attachments)
        {
            size += 200 + (attachment.Data?.Length ?? 0);
        }

        return size;
    }

    /// <summary>The message as the journal shows it.</summary>
    public JournalEntry ToEntry(bool withBody)
    {
        return new JournalEntry
        {
            Envelope = withBody ? Envelope : Envelope.WithoutBody(),
            BodyLength = Envelope.Body.Length,
            State = State,
            Attempt = Attempt,
            Failures = Failures,
            Deaths = Deaths,
            Replays = Replays,
            FailureKind = FailureKind,
            Error = Error,
            Owner = State == MessageState.Dispatched ? Owner : null,
            Fence = Fence,
            Redelivered = Redelivered,
            DueAt = State == MessageState.Pending ? DueAt ?? Envelope.NotBefore : null,
            DispatchedAt = DispatchedAt,
            FinishedAt = FinishedAt,
            SendStartedAt = SendStartedAt,
            OutsideId = OutsideId,
        };
    }
}
