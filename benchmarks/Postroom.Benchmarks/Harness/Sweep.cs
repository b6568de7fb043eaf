namespace Postroom.Benchmarks.Harness;

/// <summary>One question asked at several values of one thing.</summary>
internal sealed record Sweep(string Id, string Question, IReadOnlyList<SweepPoint> Points);

/// <summary>The question at one value.</summary>
internal sealed record SweepPoint(string Value, Measure Measure);

/// <summary>The answers, in the order of the values.</summary>
internal sealed record SweepResult(Sweep Sweep, IReadOnlyList<(string Value, MeasureResult Result)> Points)
{
    private static readonly Metric[] Shown = [Metric.MessagesPerSecond, Metric.ProcessorPerMessage, Metric.AllocatedPerMessage];

    public string Head => $"{Sweep.Id}. {Report.Head(Points[0].Result with { Measure = Points[0].Result.Measure with { Question = Sweep.Question } })}";

    /// <summary>One row per value; the first is the head.</summary>
    public IEnumerable<string[]> Rows()
    {
        IReadOnlyList<LineResult> lines = Points[0].Result.Lines;
        yield return
        [
            Sweep.Id,
            .. Shown.SelectMany(metric => lines.Select(line => $"{line.Name}: {metric.Name}")),
            .. lines.Skip(1).Select(line => $"Postroom / {line.Name}"),
        ];
        foreach ((string value, MeasureResult result) in Points)
        {
            yield return
            [
                value,
                .. Shown.SelectMany(metric => result.Lines.Select(line => Tables.Number(line.Median(metric)))),
                .. result.Lines.Skip(1).Select(line => Tables.Number(Statistics.Median(result.Ratios(line, Metric.MessagesPerSecond)))),
            ];
        }
    }
}
