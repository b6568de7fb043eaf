namespace Postroom;

/// <summary>One run of the program on its store, as it is kept there (SPEC RS-8).</summary>
public sealed record RuntimeRun
{
    /// <summary>The number of the run, from 1, counted by the store.</summary>
    public required long Run { get; init; }

    /// <summary>The node's id.</summary>
    public required string Node { get; init; }

    /// <summary>The process id.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The generation of hot restarts; 1 for a start.</summary>
    public required int Generation { get; init; }

    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it stopped; null while it runs, and for a run that did not end in order.</summary>
    public DateTimeOffset? StoppedAt { get; init; }

    /// <summary>Whether it ended in order; null while it runs.</summary>
    public bool? Clean { get; init; }

    /// <summary>Why it ended: <c>stop</c>, or <c>restart</c> with its reason; null while it runs and when it did not end in order.</summary>
    public string? Reason { get; init; }

    /// <summary>The restart that began it; null for a start.</summary>
    public RestartStatistics? Restart { get; init; }
}

/// <summary>What a restart found, did and cost.</summary>
public sealed record RestartStatistics
{
    /// <summary>The restart's id.</summary>
    public required string Id { get; init; }

    /// <summary>Why it was asked for; null for no reason given.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was asked for.</summary>
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>Messages in work when draining began.</summary>
    public int InFlight { get; init; }

    /// <summary>Attempts that ended while draining and stopping.</summary>
    public long Finished { get; init; }

    /// <summary>Messages that were given back without having begun.</summary>
    public long Released { get; init; }

    /// <summary>Messages that were still in work when the time was over; recovery hands them out again.</summary>
    public int Abandoned { get; init; }

    /// <summary>The store when draining began.</summary>
    public RunCounts Before { get; init; } = new();

    /// <summary>The store when the new generation was ready; null before.</summary>
    public RunCounts? After { get; init; }

    /// <summary>How long looking whether it can succeed took.</summary>
    public TimeSpan Preflight { get; init; }

    /// <summary>How long draining took.</summary>
    public TimeSpan Drain { get; init; }

    /// <summary>How long the old generation took to stop.</summary>
    public TimeSpan Stop { get; init; }

    /// <summary>How long the new generation took to be ready, from the end of the old one.</summary>
    public TimeSpan Start { get; init; }

    /// <summary>How long requests had to wait: from the last connection that the old generation took until the new one was ready.</summary>
    public TimeSpan Downtime { get; init; }

    /// <summary>When the old generation took its last connection; null before.</summary>
    public DateTimeOffset? ClosedAt { get; init; }

    /// <summary>When the old generation had stopped; null before.</summary>
    public DateTimeOffset? StoppedAt { get; init; }
}

/// <summary>Counts of the whole store at one moment.</summary>
public sealed record RunCounts
{
    /// <summary>Messages waiting.</summary>
    public long Pending { get; init; }

    /// <summary>Messages with a worker.</summary>
    public long Dispatched { get; init; }

    /// <summary>Messages handled, as far as they are still kept.</summary>
    public long Acked { get; init; }

    /// <summary>Messages given up, as far as they are still kept.</summary>
    public long Failed { get; init; }

    /// <summary>Since when the oldest waiting message waits; null for none.</summary>
    public DateTimeOffset? OldestPendingAt { get; init; }
}
