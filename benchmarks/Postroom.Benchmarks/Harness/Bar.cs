using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>What a bar is put on.</summary>
internal enum BarKind
{
    /// <summary>The median of Postroom.</summary>
    Value,

    /// <summary>Postroom divided by another line, median of pairs.</summary>
    Ratio,

    /// <summary>Postroom less another line, median of pairs.</summary>
    Difference,
}

/// <summary>A figure to reach.</summary>
/// <param name="Id">The measure that asks for it, as the list of figures numbers it.</param>
/// <param name="Metric">Which figure.</param>
/// <param name="Kind">What of it.</param>
/// <param name="AtLeast">Whether the limit is the least; otherwise it is the most.</param>
/// <param name="Limit">The limit.</param>
/// <param name="Beside">The line it is held against, by place; unused for a value.</param>
internal sealed record Bar(string Id, Metric Metric, BarKind Kind, bool AtLeast, double Limit, int Beside = 1)
{
    public static Bar Least(string id, Metric metric, double limit) => new(id, metric, BarKind.Value, AtLeast: true, limit);

    public static Bar Most(string id, Metric metric, double limit) => new(id, metric, BarKind.Value, AtLeast: false, limit);

    public static Bar LeastRatio(string id, Metric metric, double limit, int beside = 1) => new(id, metric, BarKind.Ratio, AtLeast: true, limit, beside);

    public static Bar MostRatio(string id, Metric metric, double limit, int beside = 1) => new(id, metric, BarKind.Ratio, AtLeast: false, limit, beside);

    public static Bar MostAbove(string id, Metric metric, double limit, int beside = 1) => new(id, metric, BarKind.Difference, AtLeast: false, limit, beside);

    /// <summary>Holds it against a result.</summary>
    /// <returns>Null when the result lacks the figure or the line.</returns>
    public BarResult? Of(MeasureResult result)
    {
        if (Kind != BarKind.Value && Beside >= result.Lines.Count)
        {
            return null;
        }

        double measured = Kind switch
        {
            BarKind.Ratio => Statistics.Median(result.Ratios(result.Lines[Beside], Metric)),
            BarKind.Difference => Statistics.Median(result.Differences(result.Lines[Beside], Metric)),
            _ => result.Lines[0].Median(Metric),
        };
        return double.IsNaN(measured) ? null : new BarResult(Id, result.Measure.Id, Describe(result), measured, AtLeast ? measured >= Limit : measured <= Limit);
    }

    private string Describe(MeasureResult result)
    {
        string limit = string.Create(CultureInfo.InvariantCulture, $"{(AtLeast ? "≥" : "≤")} {Limit:#,##0.##}");
        return Kind switch
        {
            BarKind.Ratio => $"{Metric.Name} {limit} × {result.Lines[Beside].Name}",
            BarKind.Difference => $"{Metric.Name} {limit} above {result.Lines[Beside].Name}",
            _ => $"{Metric.Name} {limit}",
        };
    }
}

/// <summary>Whether a figure was reached.</summary>
/// <param name="Id">The number in the list of figures.</param>
/// <param name="Measure">The measure that took it.</param>
/// <param name="Wanted">The bar, for people.</param>
/// <param name="Measured">What was measured.</param>
/// <param name="Reached">Whether it is enough.</param>
internal sealed record BarResult(string Id, string Measure, string Wanted, double Measured, bool Reached)
{
    public string Verdict => Reached ? "reached" : "not reached";
}
