namespace Postroom.Benchmarks.Harness;

/// <summary>A figure that a run gives.</summary>
/// <param name="Name">Its column.</param>
/// <param name="HigherIsBetter">Whether more is better.</param>
internal sealed record Metric(string Name, bool HigherIsBetter)
{
    public static Metric MessagesPerSecond { get; } = new("msg/s", true);

    public static Metric RequestsPerSecond { get; } = new("requests/s", true);

    /// <summary>Replies handed to their communicator.</summary>
    public static Metric RepliesPerSecond { get; } = new("replies/s", true);

    public static Metric AllocatedPerMessage { get; } = new("alloc B/msg", false);

    /// <summary>Processor time of the whole process, all threads: the figure that a busy machine disturbs least.</summary>
    public static Metric ProcessorPerMessage { get; } = new("cpu µs/msg", false);

    /// <summary>Messages handled per commit.</summary>
    public static Metric MessagesPerCommit { get; } = new("msg/commit", true);

    /// <summary>What the process made the kernel write, the checkpoint at the end included.</summary>
    public static Metric WrittenPerMessage { get; } = new("written B/msg", false);

    /// <summary>How large the store's files are before it is closed.</summary>
    public static Metric FilesPerMessage { get; } = new("files B/msg", false);

    /// <summary>Finished messages that retention removed during the run.</summary>
    public static Metric RemovedPerMessage { get; } = new("removed/msg", true);

    public static Metric Median { get; } = new("p50 ms", false);

    public static Metric Tail { get; } = new("p99 ms", false);

    public static Metric Milliseconds { get; } = new("ms", false);

    /// <summary>From the start of the process's work to the last commit.</summary>
    public static Metric DrainSeconds { get; } = new("drain s", false);

    /// <summary>Of the drain, what opening took.</summary>
    public static Metric OpenSeconds { get; } = new("open s", false);

    public static Metric PeakResident { get; } = new("peak RSS MiB", false);

    public static Metric Resident { get; } = new("RSS MiB", false);

    /// <summary>Voluntary context switches of all threads.</summary>
    public static Metric WakeUpsPerSecond { get; } = new("wake-ups/s", false);

    public static Metric PerSecond { get; } = new("per second", true);
}

/// <summary>One figure of one run.</summary>
internal readonly record struct Figure(Metric Metric, double Value);

/// <summary>What one run of one line gave, in the order of the columns.</summary>
internal sealed record Sample(IReadOnlyList<Figure> Figures)
{
    /// <summary>How many messages the run had; 0 where it has none.</summary>
    public long Messages { get; init; }
}
