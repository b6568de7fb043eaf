using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Postroom.Benchmarks.Harness;

/// <summary>Prints results and writes them as JSON and markdown.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly string[] Columns = ["", "", "median", "min", "max", "Postroom / this (median of pairs)"];

    public static string Table(MeasureResult result)
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"{result.Measure.Id}  {result.Measure.Question}");
        foreach (string[] row in Rows(result))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  {row[0],-44} {row[1],-11} {row[2],12} {row[3],12} {row[4],12}   {row[5]}");
        }

        return text.ToString();
    }

    public static string Note(Machine machine)
    {
        string others = machine.TakenByOthers is { } share ? string.Create(CultureInfo.InvariantCulture, $"; other processes used {share:P0} of the processors") : "";
        string load = string.Create(CultureInfo.InvariantCulture, $"load average {machine.LoadAtStart:0.00} at start{(machine.LoadAtEnd is { } end ? $", {end:0.00} at end" : "")}{others}");
        return machine.IsBusy ? $"*** THE MACHINE WAS BUSY: {load}. These figures are noise; measure again on a quiet machine. ***" : load;
    }

    public static void Write(string folder, Machine machine, IReadOnlyList<Figure> calibration, IReadOnlyList<MeasureResult> results, BenchOptions options)
    {
        Directory.CreateDirectory(folder);
        string name = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{machine.StartedAt:yyyy-MM-dd-HHmm}-{machine.Commit}"));
        File.WriteAllText($"{name}.md", Markdown(machine, calibration, results, options));
        File.WriteAllText($"{name}.json", Json(machine, calibration, results, options));
        Console.WriteLine($"Written: {name}.md and .json");
    }

    private static IEnumerable<string[]> Rows(MeasureResult result)
    {
        yield return Columns;
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
                    ratios.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{Statistics.Median(ratios):0.000}  ({ratios.Min():0.000} to {ratios.Max():0.000})"),
                ];
                name = "";
            }
        }
    }

    private static string Number(double value) => value switch
    {
        >= 1_000 => value.ToString("#,##0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("0.000", CultureInfo.InvariantCulture),
    };

    private static string Markdown(Machine machine, IReadOnlyList<Figure> calibration, IReadOnlyList<MeasureResult> results, BenchOptions options)
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Measured {machine.StartedAt:yyyy-MM-dd HH:mm} UTC at commit {machine.Commit}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"- Command: `{machine.Command}` ({options.Form} form: {options.Runs} paired runs of {options.Duration.TotalSeconds} s after {options.WarmUp.TotalSeconds} s of warm-up)");
        text.AppendLine(CultureInfo.InvariantCulture, $"- Machine: {machine.Cores} cores ({machine.Processor}), {machine.MemoryGiB} GiB, {machine.Kernel}, {machine.FileSystem}");
        text.AppendLine(CultureInfo.InvariantCulture, $"- Versions: {machine.Runtime}, SQLite {machine.Sqlite}");
        text.AppendLine(CultureInfo.InvariantCulture, $"- {Note(machine)}");
        foreach (Figure figure in calibration)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"- {figure.Metric.Name}: {Number(figure.Value)}");
        }

        foreach (MeasureResult result in results)
        {
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"## {result.Measure.Id}. {result.Measure.Question}").AppendLine();
            bool head = true;
            foreach (string[] row in Rows(result))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"| {string.Join(" | ", row)} |");
                if (head)
                {
                    text.AppendLine("|---|---|---:|---:|---:|---|");
                    head = false;
                }
            }
        }

        return text.ToString();
    }

    private static string Json(Machine machine, IReadOnlyList<Figure> calibration, IReadOnlyList<MeasureResult> results, BenchOptions options)
    {
        var document = new
        {
            machine,
            busy = machine.IsBusy,
            form = options.Form,
            runs = options.Runs,
            seconds = options.Duration.TotalSeconds,
            calibration = calibration.ToDictionary(figure => figure.Metric.Name, figure => figure.Value),
            measures = results.Select(result => new
            {
                id = result.Measure.Id,
                question = result.Measure.Question,
                lines = result.Lines.Select(line => new
                {
                    name = line.Name,
                    figures = line.Metrics.Select(metric => new
                    {
                        metric = metric.Name,
                        higherIsBetter = metric.HigherIsBetter,
                        median = Statistics.Median(line.Values(metric)),
                        runs = line.Values(metric),
                        ratio = result.Ratios(line, metric) is { Length: > 0 } ratios ? Statistics.Median(ratios) : (double?)null,
                        ratios = result.Ratios(line, metric),
                    }),
                }),
            }),
        };
        return JsonSerializer.Serialize(document, Indented);
    }
}
