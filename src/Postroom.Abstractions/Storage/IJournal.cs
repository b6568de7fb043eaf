namespace Postroom;

/// <summary>Reads a store's record of its messages and moves finished ones at an operator's word.</summary>
/// <remarks>It reads the store's own rows; there is no second record to fall out of step. Safe for concurrent use.</remarks>
public interface IJournal
{
    /// <summary>Finds messages, a page at a time. Looking at every message may take longer than one page is given: <see cref="JournalPage.Next"/> goes on.</summary>
    /// <exception cref="TimeoutException">An offset was not reached in time.</exception>
    ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken);

    /// <summary>One message with its attempts, receipts, children and copies; null when it is not kept.</summary>
    /// <param name="id">The message.</param>
    /// <param name="withBody">Whether body and attachments come along.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken);

    /// <summary>Finds what people did, newest first, a page at a time.</summary>
    /// <param name="query">Which rows.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken);

    /// <summary>Transitions as they happen, live; the reader that falls more than 10,000 behind loses the oldest and is told by a gap in <see cref="Transition.Number"/>.</summary>
    /// <param name="filter">Which transitions; null for all.</param>
    /// <param name="afterNumber">Resumes behind this number as far as it is still kept; null for from now on.</param>
    /// <param name="cancellationToken">Ends the stream.</param>
    IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken);

    /// <summary>Makes a finished message due again: a failed one under its id, an acknowledged one as a new message and only with force.</summary>
    /// <exception cref="JournalConflictException">The message is open, or acknowledged and not forced.</exception>
    ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken);

    /// <summary>Gives up a waiting message; a dispatched one only with force, which ends its lease.</summary>
    /// <exception cref="JournalConflictException">The message has ended, or is dispatched and not forced.</exception>
    ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken);

    /// <summary>Resolves an uncertain send as delivered, without calling its communicator.</summary>
    /// <param name="id">The message.</param>
    /// <param name="user">Who says so.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JournalConflictException">The message is not failed as uncertain.</exception>
    ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken);

    /// <summary>Removes body, files and personal headers of a finished message and leaves its record (JN-12). It cannot be replayed any more.</summary>
    /// <returns>Whether there was anything left to remove.</returns>
    /// <exception cref="JournalConflictException">The message is open, or not kept.</exception>
    ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken);

    /// <summary>Removes finished messages whose time is past.</summary>
    /// <param name="retention">How long finished messages are kept.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <returns>How many were removed.</returns>
    ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken);
}

/// <summary>How long finished messages are kept.</summary>
/// <param name="Acked">Acknowledged ones; 7 days by default.</param>
/// <param name="Failed">Failed ones; 30 days by default.</param>
public sealed record JournalRetention(TimeSpan Acked, TimeSpan Failed)
{
    /// <summary>Whether all room in the store's file that nothing needs is given back to the disk, which takes longer; false unless set: some is after each compaction. Stores without a file have none.</summary>
    public bool Vacuum { get; init; }
}

/// <summary>How a message is replayed.</summary>
public sealed record ReplayOptions
{
    /// <summary>Replays an acknowledged message as a new one; false unless set.</summary>
    public bool Force { get; init; }

    /// <summary>Keeps attempts and deaths as they are; false unless set.</summary>
    public bool KeepAttempts { get; init; }
}

/// <summary>An operation does not fit the message's state; nothing was changed.</summary>
public sealed class JournalConflictException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="id">The message.</param>
    /// <param name="state">Its state; null when it is not kept.</param>
    /// <param name="message">What was asked, why it cannot be, and what to do.</param>
    public JournalConflictException(MessageId id, MessageState? state, string message)
        : base(message)
    {
        Id = id;
        State = state;
    }

    /// <summary>The message.</summary>
    public MessageId Id { get; }

    /// <summary>Its state; null when it is not kept.</summary>
    public MessageState? State { get; }
}

/// <summary>Which messages to find. Every part that is set must hold.</summary>
public sealed record JournalQuery
{
    /// <summary>The states wanted; empty for all.</summary>
    public IReadOnlyList<MessageState> States { get; init; } = [];

    /// <summary>The queue; null for all.</summary>
    public string? Queue { get; init; }

    /// <summary>The conversation; null for all.</summary>
    public string? Conversation { get; init; }

    /// <summary>Text the sender's address starts with; null for all.</summary>
    public string? From { get; init; }

    /// <summary>Text the recipient's address starts with; null for all.</summary>
    public string? To { get; init; }

    /// <summary>The payload type; null for all.</summary>
    public string? Type { get; init; }

    /// <summary>The direction; null for all.</summary>
    public MessageDirection? Direction { get; init; }

    /// <summary>The failure kind; null for all.</summary>
    public FailureKind? Kind { get; init; }

    /// <summary>The failure kinds wanted; empty for all.</summary>
    public IReadOnlyList<FailureKind> Kinds { get; init; } = [];

    /// <summary>The group of copies; null for all.</summary>
    public MessageId? Group { get; init; }

    /// <summary>The parent; null for all.</summary>
    public MessageId? Parent { get; init; }

    /// <summary>Made at or after this instant; null for no bound.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Made before this instant; null for no bound.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>The outside service's id of the delivery; null for all.</summary>
    public string? OutsideId { get; init; }

    /// <summary>The trace that the headers name, as 32 lower-case hexadecimal digits; null for all.</summary>
    public string? TraceId { get; init; }

    /// <summary>A text that id, outside ids, type, address, conversation or error contains; null for all.</summary>
    public string? Text { get; init; }

    /// <summary>Oldest first; false (newest first) unless set.</summary>
    public bool Ascending { get; init; }

    /// <summary>How many at most: 1 to 100; 50 unless set.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Goes on behind the message with this <see cref="Envelope.Seq"/>; null from the start.</summary>
    public long? Cursor { get; init; }

    /// <summary>Skips this many; 0 unless set.</summary>
    public int Offset { get; init; }

    /// <summary>Whether what matches beyond the page is counted; true unless set. Without it the page comes sooner and its total is what was seen on the way.</summary>
    public bool WithTotal { get; init; } = true;
}

/// <summary>One page of a query.</summary>
/// <param name="Items">The messages. A page whose time was over has fewer than asked for, or none, and a cursor.</param>
/// <param name="Total">How many match; exact up to 10,000.</param>
/// <param name="TotalIsAtLeast">Whether counting stopped before the end: at 10,000, for time, or because nobody asked for the total.</param>
/// <param name="Next">The cursor of the next page; null at the end, and only there.</param>
public sealed record JournalPage(IReadOnlyList<JournalEntry> Items, long Total, bool TotalIsAtLeast, long? Next);

/// <summary>One message as the journal shows it: the envelope without its body, and what became of it.</summary>
public sealed record JournalEntry
{
    /// <summary>The envelope; its body and the data of its attachments are left out unless asked for.</summary>
    public required Envelope Envelope { get; init; }

    /// <summary>How long the body is, in bytes.</summary>
    public long BodyLength { get; init; }

    /// <summary>Where it stands.</summary>
    public required MessageState State { get; init; }

    /// <summary>The number of the last attempt that began; 0 before the first.</summary>
    public int Attempt { get; init; }

    /// <summary>Failures counted against <see cref="Envelope.MaxAttempts"/>.</summary>
    public int Failures { get; init; }

    /// <summary>How often it was in work when the process died.</summary>
    public int Deaths { get; init; }

    /// <summary>How often it was replayed.</summary>
    public int Replays { get; init; }

    /// <summary>Why it failed; null when it has not.</summary>
    public FailureKind? FailureKind { get; init; }

    /// <summary>The last error; null for none.</summary>
    public string? Error { get; init; }

    /// <summary>Who holds it; null when nobody does.</summary>
    public string? Owner { get; init; }

    /// <summary>The fence of its last lease.</summary>
    public long Fence { get; init; }

    /// <summary>Whether an attempt began and ended without an outcome.</summary>
    public bool Redelivered { get; init; }

    /// <summary>No lease before this instant; null for at once.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>When it was last handed to a worker; null when it was not, or briefly.</summary>
    public DateTimeOffset? DispatchedAt { get; init; }

    /// <summary>When it ended; null while it is open.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>When a send was claimed whose outcome is not known; null for none.</summary>
    public DateTimeOffset? SendStartedAt { get; init; }

    /// <summary>The outside service's id of the delivery; null for none.</summary>
    public string? OutsideId { get; init; }
}

/// <summary>One message with everything that is known of it.</summary>
public sealed record JournalRecord
{
    /// <summary>The message.</summary>
    public required JournalEntry Entry { get; init; }

    /// <summary>Its attempts, oldest first. A first attempt that succeeded at once is shown from the message itself.</summary>
    public IReadOnlyList<AttemptRecord> Attempts { get; init; } = [];

    /// <summary>What the outside service said, oldest first.</summary>
    public IReadOnlyList<DeliveryReceipt> Receipts { get; init; } = [];

    /// <summary>What people did with it, oldest first; the last 100 entries.</summary>
    public IReadOnlyList<AuditRecord> Audit { get; init; } = [];

    /// <summary>The messages its handler produced.</summary>
    public IReadOnlyList<JournalEntry> Children { get; init; } = [];

    /// <summary>The other copies of its fan-out.</summary>
    public IReadOnlyList<JournalEntry> Copies { get; init; } = [];
}

/// <summary>One attempt.</summary>
public sealed record AttemptRecord
{
    /// <summary>Its number.</summary>
    public required int Attempt { get; init; }

    /// <summary>When it began; null when it is not known.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>How it ended: <c>acked</c>, <c>retry</c>, <c>released</c>, <c>failed</c>, <c>died</c>, <c>running</c>.</summary>
    public required string Outcome { get; init; }

    /// <summary>What ended it; null when it succeeded or runs.</summary>
    public FailureKind? Kind { get; init; }

    /// <summary>The error; null for none.</summary>
    public string? Error { get; init; }

    /// <summary>Who ran it; null when it is not known.</summary>
    public string? Owner { get; init; }
}
