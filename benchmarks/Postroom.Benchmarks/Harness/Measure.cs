namespace Postroom.Benchmarks.Harness;

/// <summary>One way to do the work of a measure. Each call starts from an empty store, or from a copy of the same one, and ends with everything closed.</summary>
internal sealed record Line(string Name, Func<TimeSpan, Task<Sample>> RunAsync);

/// <summary>How often and how long the lines of a measure run.</summary>
/// <param name="Runs">Paired runs.</param>
/// <param name="Seconds">Length of one run.</param>
/// <param name="WarmUp">Length of the run before them; 0 leaves it out.</param>
internal sealed record Pace(int Runs, double Seconds, double WarmUp)
{
    /// <summary>The quick form: many short pairs show more than few long ones.</summary>
    public static Pace Quick { get; } = new(5, 0.2, 0.1);

    /// <summary>The figures to publish.</summary>
    public static Pace Full { get; } = new(7, 5, 5);

    /// <summary>What one run takes besides its length: starting, filling, waiting for the rest, closing.</summary>
    public double Overhead { get; init; } = 0.15;
}

/// <summary>One question. The first line is Postroom, the others are what it is held against in the same run.</summary>
internal sealed record Measure(string Id, string Question, IReadOnlyList<Line> Lines)
{
    /// <summary>What is to be reached; empty where nothing is.</summary>
    public IReadOnlyList<Bar> Bars { get; init; } = [];

    public Pace Quick { get; init; } = Pace.Quick;

    public Pace Full { get; init; } = Pace.Full;

    /// <summary>Left out of the quick form unless it is asked for by name.</summary>
    public bool FullOnly { get; init; }

    /// <summary>The lines run at the same time instead of in turn: for those that only wait.</summary>
    public bool Together { get; init; }

    /// <summary>How long it takes, roughly.</summary>
    public TimeSpan Estimate(Pace pace)
    {
        double warmUp = pace.WarmUp > 0 ? pace.WarmUp + pace.Overhead : 0;
        return TimeSpan.FromSeconds((Together ? 1 : Lines.Count) * (warmUp + (pace.Runs * (pace.Seconds + pace.Overhead))));
    }
}

/// <summary>All runs of one line.</summary>
internal sealed record LineResult(string Name, IReadOnlyList<Sample> Runs)
{
    public IEnumerable<Metric> Metrics => Runs.SelectMany(run => run.Figures).Select(figure => figure.Metric).Distinct();

    public double[] Values(Metric metric) => [.. Runs.SelectMany(run => run.Figures).Where(figure => figure.Metric == metric).Select(figure => figure.Value)];

    /// <summary>The median; NaN when the line lacks the figure.</summary>
    public double Median(Metric metric) => Statistics.Median(Values(metric));
}

/// <summary>All lines of one measure.</summary>
internal sealed record MeasureResult(Measure Measure, Pace Pace, IReadOnlyList<LineResult> Lines)
{
    /// <summary>Postroom divided by a line, run by run; empty when one of them lacks the figure.</summary>
    public double[] Ratios(LineResult line, Metric metric) => Pairs(line, metric, static (ours, theirs) => ours / theirs);

    /// <summary>Postroom less a line, run by run; empty when one of them lacks the figure.</summary>
    public double[] Differences(LineResult line, Metric metric) => Pairs(line, metric, static (ours, theirs) => ours - theirs);

    private double[] Pairs(LineResult line, Metric metric, Func<double, double, double> compare)
    {
        double[] ours = Lines[0].Values(metric);
        double[] theirs = line.Values(metric);
        return ours.Length == theirs.Length && !ReferenceEquals(line, Lines[0]) ? [.. ours.Zip(theirs, compare)] : [];
    }
}
