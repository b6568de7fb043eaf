namespace Postroom;

/// <summary>One transaction: appends, settlements, facts and notes, stored all or none.</summary>
public sealed record StoreWrite
{
    /// <summary>Messages to append, in order; empty unless set.</summary>
    public IReadOnlyList<Envelope> Appends { get; init; } = [];

    /// <summary>Leases to end; empty unless set.</summary>
    public IReadOnlyList<StoreSettlement> Settlements { get; init; } = [];

    /// <summary>Facts to change; empty unless set.</summary>
    public IReadOnlyList<FactChange> Facts { get; init; } = [];

    /// <summary>Notes to add: later receipts and audit rows; empty unless set.</summary>
    public IReadOnlyList<StoreNote> Notes { get; init; } = [];
}

/// <summary>The end of one lease with everything that is stored with it.</summary>
/// <param name="Lease">The lease.</param>
/// <param name="Outcome">How it ends.</param>
public sealed record StoreSettlement(MessageLease Lease, Settlement Outcome)
{
    /// <summary>Messages that are appended with the end; empty unless set.</summary>
    public IReadOnlyList<Envelope> Staged { get; init; } = [];

    /// <summary>What the outside service said; null for none.</summary>
    public DeliveryReceipt? Receipt { get; init; }
}

/// <summary>What a write stored.</summary>
/// <param name="Appended">One result per appended message, in order.</param>
public sealed record StoreWriteResult(IReadOnlyList<AppendResult> Appended);

/// <summary>A row beside the messages: a later receipt of a delivery, or an audit entry.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="At">When.</param>
/// <param name="Data">Its content as JSON.</param>
public sealed record StoreNote(NoteKind Kind, DateTimeOffset At, ReadOnlyMemory<byte> Data)
{
    /// <summary>The message it is about; null for none.</summary>
    public MessageId? MessageId { get; init; }
}

/// <summary>What a note is.</summary>
public enum NoteKind
{
    /// <summary>A <see cref="DeliveryReceipt"/>.</summary>
    Receipt = 0,

    /// <summary>A change made by a person.</summary>
    Audit = 1,
}
