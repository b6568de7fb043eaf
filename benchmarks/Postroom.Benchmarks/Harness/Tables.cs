using System.Globalization;
using System.Text;

namespace Postroom.Benchmarks.Harness;

/// <summary>Rows for people, printed or as markdown.</summary>
internal static class Tables
{
    /// <summary>Aligned text; the first row is the head.</summary>
    public static string Text(IEnumerable<string[]> rows)
    {
        string[][] all = [.. rows];
        int[] widths = [.. all[0].Select((_, column) => all.Max(row => row[column].Length))];
        StringBuilder text = new();
        foreach (string[] row in all)
        {
            text.Append("  ").AppendLine(string.Join("   ", row.Select((cell, column) => IsNumber(cell) ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]))).TrimEnd());
        }

        return text.ToString();
    }

    /// <summary>A markdown table; the first row is the head.</summary>
    public static string Markdown(IEnumerable<string[]> rows)
    {
        string[][] all = [.. rows];
        StringBuilder text = new();
        for (int i = 0; i < all.Length; i++)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {string.Join(" | ", all[i])} |");
            if (i == 0)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"|{string.Concat(all[0].Select((_, column) => all.Skip(1).All(row => IsNumber(row[column])) ? "---:|" : "---|"))}");
            }
        }

        return text.ToString();
    }

    /// <summary>The figures of a measure, line by line.</summary>
    public static IEnumerable<string[]> Rows(MeasureResult result)
    {
        yield return ["", "", "median", "min", "max", "Postroom / this (median of pairs)"];
        foreach (LineResult line in result.Lines)
        {
            string name = line.Name;
            foreach (Metric metric in line.Metrics)
            {
                double[] values = line.Values(metric);
                double[] ratios = result.Ratios(line, metric);
                yield return
                [
                    name, metric.Name, Number(Statistics.Median(values)), Number(values.Min()), Number(values.Max()),
                    ratios.Length == 0 || !ratios.All(double.IsFinite) ? "" : string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(ratios):0.000}  ({ratios.Min():0.000} to {ratios.Max():0.000})"),
                ];
                name = "";
            }
        }
    }

    /// <summary>What was to be reached, and whether it was.</summary>
    public static IEnumerable<string[]> Rows(IEnumerable<BarResult> bars)
    {
        yield return ["", "taken by", "to reach", "measured", ""];
        foreach (BarResult bar in bars)
        {
            yield return [bar.Id, bar.Measure, bar.Wanted, Number(bar.Measured), bar.Verdict];
        }
    }

    public static string Number(double value) => Math.Abs(value) switch
    {
        >= 1_000 => value.ToString("#,##0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("0.000", CultureInfo.InvariantCulture),
    };

    private static bool IsNumber(string cell) => double.TryParse(cell, NumberStyles.Number, CultureInfo.InvariantCulture, out _);
}
