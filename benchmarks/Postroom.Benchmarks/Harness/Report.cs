using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Postroom.Benchmarks.Harness;

/// <summary>Everything of one call of the command.</summary>
internal sealed record Results(Machine Machine, BenchOptions Options, IReadOnlyList<Figure> Calibration)
{
    public List<MeasureResult> Measures { get; } = [];

    public List<SweepResult> Sweeps { get; } = [];

    /// <summary>What was to be reached, in the order of the measures.</summary>
    public IEnumerable<BarResult> Bars => Measures.SelectMany(result => result.Measure.Bars.Select(bar => bar.Of(result))).OfType<BarResult>();
}

/// <summary>Prints results and writes them as JSON and markdown.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static string Head(MeasureResult result) => string.Create(
        CultureInfo.InvariantCulture, $"{result.Measure.Question} ({result.Pace.Runs} × {result.Pace.Seconds} s after {result.Pace.WarmUp} s)");

    public static string Note(Machine machine)
    {
        string others = machine.TakenByOthers is { } share ? string.Create(CultureInfo.InvariantCulture, $"; other processes used {share:P0} of the processors") : "";
        string load = string.Create(CultureInfo.InvariantCulture, $"load average {machine.LoadAtStart:0.00} at start{(machine.LoadAtEnd is { } end ? $", {end:0.00} at end" : "")}{others}");
        return machine.IsBusy ? $"*** THE MACHINE WAS BUSY: {load}. These figures are noise; measure again on a quiet machine. ***" : load;
    }

    public static void Write(string folder, Results results)
    {
        Directory.CreateDirectory(folder);
        Machine machine = results.Machine;
        string name = Path.Combine(
            folder, string.Create(CultureInfo.InvariantCulture, $"{machine.StartedAt:yyyy-MM-dd-HHmm}-{machine.Commit}{(results.Options.Sweep ? "-sweep" : "")}"));
        File.WriteAllText($"{name}.md", Markdown(results));
        File.WriteAllText($"{name}.json", Json(results));
        Console.WriteLine($"Written: {name}.md and .json");
    }

    private static string Markdown(Results results)
    {
        Machine machine = results.Machine;
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Measured {machine.StartedAt:yyyy-MM-dd HH:mm} UTC at commit {machine.Commit}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"- Command: `{machine.Command}` ({results.Options.Form} form)");
        text.AppendLine(CultureInfo.InvariantCulture, $"- Machine: {machine.Summary}");
        text.AppendLine(CultureInfo.InvariantCulture, $"- {Note(machine)}");
        foreach (Figure figure in results.Calibration)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"- {figure.Metric.Name}: {Tables.Number(figure.Value)}");
        }

        if (results.Bars.Any())
        {
            text.AppendLine().AppendLine("## Figures to reach").AppendLine().Append(Tables.Markdown(Tables.Rows(results.Bars)));
        }

        foreach (MeasureResult result in results.Measures)
        {
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"## {result.Measure.Id}. {Head(result)}").AppendLine().Append(Tables.Markdown(Tables.Rows(result)));
        }

        foreach (SweepResult sweep in results.Sweeps)
        {
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"## {sweep.Head}").AppendLine().Append(Tables.Markdown(sweep.Rows()));
        }

        return text.ToString();
    }

    private static string Json(Results results)
    {
        var document = new
        {
            machine = results.Machine,
            busy = results.Machine.IsBusy,
            form = results.Options.Form,
            calibration = results.Calibration.ToDictionary(figure => figure.Metric.Name, figure => figure.Value),
            bars = results.Bars.Select(bar => new { id = bar.Id, measure = bar.Measure, toReach = bar.Wanted, measured = bar.Measured, reached = bar.Reached }),
            measures = results.Measures.Select(Json),
            sweeps = results.Sweeps.Select(sweep => new
            {
                id = sweep.Sweep.Id,
                question = sweep.Sweep.Question,
                points = sweep.Points.Select(point => new { value = point.Value, measure = Json(point.Result) }),
            }),
        };
        return JsonSerializer.Serialize(document, Indented);
    }

    private static object Json(MeasureResult result) => new
    {
        id = result.Measure.Id,
        question = result.Measure.Question,
        runs = result.Pace.Runs,
        seconds = result.Pace.Seconds,
        lines = result.Lines.Select(line => new
        {
            name = line.Name,
            figures = line.Metrics.Select(metric => new
            {
                metric = metric.Name,
                higherIsBetter = metric.HigherIsBetter,
                median = line.Median(metric),
                runs = line.Values(metric),
                ratio = result.Ratios(line, metric) is { Length: > 0 } ratios && double.IsFinite(Statistics.Median(ratios)) ? Statistics.Median(ratios) : (double?)null,
                ratios = result.Ratios(line, metric).Where(double.IsFinite),
            }),
        }),
    };
}
