namespace Postroom.Storage;

/// <summary>Where a lane has put a message.</summary>
internal enum Place : byte
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

    /// <summary>Due, but a limit of its queue lets no more of its key go now.</summary>
    Limited,

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
    private long _dispatchedAt;
    private long _finishedAt;
    private long _dueAt;
    private long _rowDue = long.MinValue;
    private byte _settledAs;
    private Rare? _rare;

    /// <summary>The message; without its body while <see cref="IsSlim"/>.</summary>
    public Envelope Envelope { get; private set; } = envelope;

    /// <summary>The bytes it takes, roughly.</summary>
    public int Bytes { get; private set; } = SizeOf(envelope);

    /// <summary>Whether the body was let go; it is on disk.</summary>
    public bool IsSlim { get; private set; }

    public long Seq => Envelope.Seq;

    public MessageState State { get; set; }

    public Place Place { get; set; }

    /// <summary>Attempts that began and were not given back.</summary>
    public int Attempt { get; set; }

    /// <summary>Failures that count against <see cref="Envelope.MaxAttempts"/>.</summary>
    public int Failures { get; set; }

    public int Deaths
    {
        get => _rare?.Deaths ?? 0;
        set => Set(value != 0, value, static (rare, value) => rare.Deaths = value);
    }

    public int Replays
    {
        get => _rare?.Replays ?? 0;
        set => Set(value != 0, value, static (rare, value) => rare.Replays = value);
    }

    /// <summary>It was replayed: it is the head of its key whatever its age.</summary>
    public bool GoesFirst { get; set; }

    /// <summary>The fence of the last lease.</summary>
    public long Fence { get; set; }

    /// <summary>The fence whose settlement was applied last; a repeat of it succeeds.</summary>
    public long SettledFence { get; set; }

    /// <summary>How that settlement ended, in the words of <see cref="AttemptRecord.Outcome"/>; null when only its fence is known.</summary>
    public string? SettledAs
    {
        get => _settledAs == 0 ? null : SettlementOutcome.Words[_settledAs - 1];
        set => _settledAs = (byte)(SettlementOutcome.Words.IndexOf(value) + 1);
    }

    /// <summary>Whether it has its slots under the limits of its queue, so that they are given back exactly once.</summary>
    public bool IsWithinLimits { get; set; }

    /// <summary>Whether the current lease's attempt has begun.</summary>
    public bool Begun { get; set; }

    public bool Redelivered { get; set; }

    public string? Owner { get; set; }

    /// <summary>When the current attempt began, on the provider's monotonic clock.</summary>
    public long BegunAt { get; set; }

    public DateTimeOffset? DispatchedAt
    {
        get => Instant(_dispatchedAt);
        set => _dispatchedAt = value?.UtcTicks ?? 0;
    }

    public DateTimeOffset? FinishedAt
    {
        get => Instant(_finishedAt);
        set => _finishedAt = value?.UtcTicks ?? 0;
    }

    /// <summary>When the next attempt is due, for people; null for at once.</summary>
    public DateTimeOffset? DueAt
    {
        get => Instant(_dueAt);
        set => _dueAt = value?.UtcTicks ?? 0;
    }

    /// <summary>When the wait for a retry ends, on the provider's monotonic clock; tells a wait from an earlier one of the same message.</summary>
    public long RetriesAt
    {
        get => _rare?.RetriesAt ?? 0;
        set => Set(value != 0, value, static (rare, value) => rare.RetriesAt = value);
    }

    public DateTimeOffset? SendStartedAt
    {
        get => _rare?.SendStartedAt;
        set => Set(value is not null, value, static (rare, value) => (rare.SendStartedAt, rare.UnansweredSends) = (value, value is null ? 0 : Math.Max(1, rare.UnansweredSends)));
    }

    /// <summary>How many sends left no answer; 0 without <see cref="SendStartedAt"/>, and at least 1 with it.</summary>
    public int UnansweredSends
    {
        get => _rare?.UnansweredSends ?? 0;
        set => Set(value > 0, value, static (rare, value) => rare.UnansweredSends = rare.SendStartedAt is null ? 0 : Math.Max(1, value));
    }

    public IReadOnlyList<string> Progress
    {
        get => _rare?.Progress ?? [];
        set => Set(value.Count > 0, value, static (rare, value) => rare.Progress = value);
    }

    public FailureKind? FailureKind
    {
        get => _rare?.FailureKind;
        set => Set(value is not null, value, static (rare, value) => rare.FailureKind = value);
    }

    public string? Error
    {
        get => _rare?.Error;
        set => Set(value is not null, value, static (rare, value) => rare.Error = value);
    }

    /// <summary>Whether its failure holds its key, so that it is kept until an operator decides. Used by stores without rows.</summary>
    public bool Halts { get; set; }

    public string? OutsideId
    {
        get => _rare?.OutsideId;
        set => Set(value is not null, value, static (rare, value) => rare.OutsideId = value);
    }

    /// <summary>The slot in the table of what has begun; -1 for none. Used by stores that keep one.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>The instant in the message's row; used by stores that keep rows.</summary>
    public long? RowDue
    {
        get => _rowDue == long.MinValue ? null : _rowDue;
        set => _rowDue = value ?? long.MinValue;
    }

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
    public List<AttemptRecord>? Attempts
    {
        get => _rare?.Attempts;
        set => Set(value is not null, value, static (rare, value) => rare.Attempts = value);
    }

    /// <summary>Receipts, as far as the store keeps them in memory.</summary>
    public List<DeliveryReceipt>? Receipts
    {
        get => _rare?.Receipts;
        set => Set(value is not null, value, static (rare, value) => rare.Receipts = value);
    }

    /// <summary>What people did with it, as far as the store keeps it in memory.</summary>
    public List<AuditRecord>? Audit
    {
        get => _rare?.Audit;
        set => Set(value is not null, value, static (rare, value) => rare.Audit = value);
    }

    public bool IsExpired(DateTimeOffset now) => Envelope.ExpiresAt is { } end && end <= now;

    /// <summary>Notes how far a send has come; null and a begin change nothing here. For the one who holds the lease.</summary>
    public void Record(LeaseProgress? progress)
    {
        switch (progress)
        {
            case LeaseProgress.Claim claim:
                SendStartedAt = claim.At;
                UnansweredSends = claim.UnansweredSends;
                break;
            case LeaseProgress.Unclaim:
                SendStartedAt = null;
                break;
            case LeaseProgress.Parts parts:
                Progress = [.. parts.OutsideIds];
                break;
        }
    }

    /// <summary>Lets the body go; the store has it on disk.</summary>
    public void Slim()
    {
        Envelope = Envelope.WithoutBody();
        Bytes = SizeOf(Envelope);
        IsSlim = true;
    }

    /// <summary>A replayed message is due at once and does not expire, whatever delay and time to live it was appended with.</summary>
    public void ClearTimes()
    {
        if (Envelope is not { NotBefore: null, ExpiresAt: null })
        {
            Envelope = Envelope with { NotBefore = null, ExpiresAt = null };
        }
    }

    /// <summary>Gives a new message its number in the store's order.</summary>
    public void Stamp(long seq) => Envelope = Envelope.Stamp(seq);

    /// <summary>Takes the whole message back.</summary>
    public void Fill(Envelope whole)
    {
        Envelope = whole;
        Bytes = SizeOf(whole);
        IsSlim = false;
    }

    private static int SizeOf(Envelope envelope)
    {
        int size = 400 + envelope.Body.Length;
        if (envelope.Attachments.Count == 0)
        {
            return size;
        }

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

    private static DateTimeOffset? Instant(long ticks) => ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);

    /// <summary>Sets what most messages have nothing of; nothing is made for a value that says nothing.</summary>
    private void Set<T>(bool says, T value, Action<Rare, T> set)
    {
        if (says || _rare is not null)
        {
            set(_rare ??= new Rare(), value);
        }
    }

    private sealed class Rare
    {
        public int Deaths;
        public int Replays;
        public long RetriesAt;
        public DateTimeOffset? SendStartedAt;
        public int UnansweredSends;
        public IReadOnlyList<string> Progress = [];
        public FailureKind? FailureKind;
        public string? Error;
        public string? OutsideId;
        public List<AttemptRecord>? Attempts;
        public List<DeliveryReceipt>? Receipts;
        public List<AuditRecord>? Audit;
    }
}
