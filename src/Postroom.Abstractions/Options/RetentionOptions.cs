namespace Postroom;

/// <summary>How long what is finished stays queryable. Bound from <c>retention</c>.</summary>
public sealed record RetentionOptions
{
    /// <summary>How long acked messages stay. 7 days unless set.</summary>
    public TimeSpan Acked { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How long failed messages stay. 30 days unless set.</summary>
    public TimeSpan Failed { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How long a deduplication key is remembered after its message has finished. 8 days unless set.</summary>
    public TimeSpan Dedup { get; set; } = TimeSpan.FromDays(8);

    /// <summary>How many deduplication keys are kept; over it the oldest go. At least 1; 5,000,000 unless set.</summary>
    public int MaxDedupKeys { get; set; } = 5_000_000;

    /// <summary>How long the audit is kept. 90 days unless set.</summary>
    public TimeSpan Audit { get; set; } = TimeSpan.FromDays(90);

    /// <summary>How long occurrences of schedules are kept. 90 days unless set.</summary>
    public TimeSpan Occurrences { get; set; } = TimeSpan.FromDays(90);

    /// <summary>How many runs are kept. At least 1; 100 unless set.</summary>
    public int Runs { get; set; } = 100;

    /// <summary>Whether body and attachments of acked messages are kept; otherwise only the record stays. True unless set.</summary>
    public bool KeepBody { get; set; } = true;

    /// <summary>Takes the values of another; each is written at once.</summary>
    internal void Take(RetentionOptions other) =>
        (Acked, Failed, Dedup, MaxDedupKeys, Audit, Occurrences, Runs, KeepBody) = (other.Acked, other.Failed, other.Dedup, other.MaxDedupKeys, other.Audit, other.Occurrences, other.Runs, other.KeepBody);
}
