namespace Postroom;

/// <summary>Which audit rows to find, newest first. Every part that is set must hold.</summary>
public sealed record AuditQuery
{
    /// <summary>The name of the key that was used; null for all.</summary>
    public string? User { get; init; }

    /// <summary>What the action begins with, such as <c>queue.</c> or <c>queue.purge</c>; null for all.</summary>
    public string? Action { get; init; }

    /// <summary>Written at or after this instant; null for no bound.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>How many at most: 1 to 100; 50 unless set.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Goes on behind <see cref="AuditPage.Next"/>; null from the newest.</summary>
    public long? Cursor { get; init; }

    /// <summary>Whether a row is wanted.</summary>
    internal bool Matches(AuditRecord row) => (User is null || row.User == User)
        && (Action is null || row.Action.StartsWith(Action, StringComparison.Ordinal))
        && (Since is not { } since || row.At >= since);
}

/// <summary>A page of audit rows.</summary>
/// <param name="Items">The rows, newest first.</param>
/// <param name="Next">The cursor of the next page; null at the end.</param>
public sealed record AuditPage(IReadOnlyList<AuditEntry> Items, long? Next);

/// <summary>One audit row.</summary>
/// <param name="Number">Its number; later rows have larger ones.</param>
/// <param name="Record">What was done, by whom.</param>
/// <param name="MessageId">The message it is about; null for none.</param>
public sealed record AuditEntry(long Number, AuditRecord Record, MessageId? MessageId);
