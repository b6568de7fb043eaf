namespace Postroom.Benchmarks.Harness;

/// <summary>A figure that a run gives.</summary>
/// <param name="Name">Its column.</param>
/// <param name="HigherIsBetter">Whether more is better.</param>
internal sealed record Metric(string Name, bool HigherIsBetter)
{
    public static Metric MessagesPerSecond { get; } = new("msg/s", true);

    public static Metric RequestsPerSecond { get; } = new("requests/s", true);

    public static Metric BytesPerMessage { get; } = new("bytes/msg", false);

    /// <summary>Processor time of the whole process, all threads: the figure that a busy machine disturbs least.</summary>
    public static Metric ProcessorPerMessage { get; } = new("cpu µs/msg", false);

    /// <summary>Messages handled per commit.</summary>
    public static Metric MessagesPerCommit { get; } = new("msg/commit", true);

    public static Metric Median { get; } = new("p50 ms", false);

    public static Metric Tail { get; } = new("p99 ms", false);

    public static Metric Milliseconds { get; } = new("ms", false);

    public static Metric PerSecond { get; } = new("per second", true);
}

/// <summary>One figure of one run.</summary>
internal readonly record struct Figure(Metric Metric, double Value);

/// <summary>What one run of one line gave, in the order of the columns.</summary>
internal sealed record Sample(IReadOnlyList<Figure> Figures);

/// <summary>One way to do the work of a measure. Each call starts from an empty store and ends with everything closed.</summary>
internal sealed record Line(string Name, Func<TimeSpan, Task<Sample>> RunAsync);

/// <summary>One question. The first line is Postroom, the others are what it is held against in the same run.</summary>
internal sealed record Measure(string Id, string Question, IReadOnlyList<Line> Lines);

/// <summary>All runs of one line.</summary>
internal sealed record LineResult(string Name, IReadOnlyList<Sample> Runs)
{
    public IEnumerable<Metric> Metrics => Runs.SelectMany(run => run.Figures).Select(figure => figure.Metric).Distinct();

    public double[] Values(Metric metric) => [.. Runs.SelectMany(run => run.Figures).Where(figure => figure.Metric == metric).Select(figure => figure.Value)];
}

/// <summary>All lines of one measure.</summary>
internal sealed record MeasureResult(Measure Measure, IReadOnlyList<LineResult> Lines)
{
    /// <summary>Postroom divided by a line, run by run; empty when one of them lacks the figure.</summary>
    public double[] Ratios(LineResult line, Metric metric)
    {
        double[] ours = Lines[0].Values(metric);
        double[] theirs = line.Values(metric);
        return ours.Length == theirs.Length && !ReferenceEquals(line, Lines[0]) ? [.. ours.Zip(theirs, (a, b) => a / b)] : [];
    }
}
