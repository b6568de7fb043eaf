using System.Diagnostics;
using System.Globalization;
using Postroom.Benchmarks.Measures;
using Postroom.Benchmarks.Raw;

namespace Postroom.Benchmarks.Harness;

/// <summary>One call of the command: chooses, runs, prints and writes.</summary>
internal sealed class BenchRun(BenchOptions options, Results results)
{
    public static async Task<int> MainAsync(string[] args)
    {
        BenchOptions options;
        try
        {
            options = BenchOptions.Parse(args);
        }
        catch (FormatException e)
        {
            Console.Error.WriteLine(e.Message);
            return 2;
        }

        using Workspace workspace = new(options.Data);
        Measure[] measures = options.Sweep ? [] : [.. new Catalog(workspace, options).All.Where(options.Wants)];
        Sweep[] sweeps = options.Sweep ? [.. new Sweeps(workspace).All.Where(sweep => options.Wants(sweep.Id))] : [];
        if (options.List || measures.Length + sweeps.Length == 0)
        {
            List(workspace, options);
            return 0;
        }

        Machine machine = Machine.Describe($"./bench {string.Join(' ', args)}".TrimEnd(), options.Data);
        Console.WriteLine($"{machine.Summary}\n{Report.Note(machine)}\n");

        double? busy = Machine.BusySeconds();
        long started = Stopwatch.GetTimestamp();
        Results results = new(machine, options, Disk.Calibrate(workspace));
        BenchRun run = new(options, results);
        run.PrintCalibration();
        run.PrintEstimate(measures.Concat(sweeps.SelectMany(sweep => sweep.Points.Select(point => point.Measure))));
        foreach (Measure measure in measures)
        {
            results.Measures.Add(await run.TakeAsync(measure));
            Console.WriteLine($"{measure.Id}  {Report.Head(results.Measures[^1])}\n{Tables.Text(Tables.Rows(results.Measures[^1]))}");
        }

        foreach (Sweep sweep in sweeps)
        {
            results.Sweeps.Add(await run.TakeAsync(sweep));
            Console.WriteLine($"{results.Sweeps[^1].Head}\n{Tables.Text(results.Sweeps[^1].Rows())}");
        }

        machine.LoadAtEnd = Machine.Load();
        machine.TakenByOthers = OthersShare(busy, Stopwatch.GetElapsedTime(started), machine.Cores);
        run.PrintEnd(Stopwatch.GetElapsedTime(started));
        return 0;
    }

    private static void List(Workspace workspace, BenchOptions options)
    {
        foreach (Measure measure in new Catalog(workspace, options).All)
        {
            Console.WriteLine($"{measure.Id,-12} {measure.Question}{(measure.FullOnly ? " (only with --full, or by name)" : "")}");
        }

        foreach (Sweep sweep in new Sweeps(workspace).All)
        {
            Console.WriteLine($"{sweep.Id,-12} {sweep.Question} (with --sweep)");
        }
    }

    private async Task<MeasureResult> TakeAsync(Measure measure)
    {
        using AllocationSampler? sampler = options.Allocations ? new AllocationSampler() : null;
        Measure taken = options.PostroomOnly ? measure with { Lines = [measure.Lines[0]] } : measure;
        MeasureResult result = await Runner.RunAsync(taken, options.PaceOf(measure));
        if (sampler is not null)
        {
            Console.WriteLine($"{sampler.Table()}\n");
        }

        return result;
    }

    private async Task<SweepResult> TakeAsync(Sweep sweep)
    {
        List<(string, MeasureResult)> points = [];
        foreach (SweepPoint point in sweep.Points)
        {
            points.Add((point.Value, await TakeAsync(point.Measure)));
        }

        return new SweepResult(sweep, points);
    }

    private void PrintCalibration()
    {
        foreach (Figure figure in results.Calibration)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {figure.Metric.Name,-46} {figure.Value,10:#,##0}"));
        }
    }

    private void PrintEstimate(IEnumerable<Measure> measures)
    {
        double minutes = measures.Sum(measure => measure.Estimate(options.PaceOf(measure)).TotalMinutes);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nThis takes about {(minutes < 10 ? $"{minutes:0.0}" : $"{minutes:0}")} minutes on a quiet machine.\n"));
    }

    private void PrintEnd(TimeSpan elapsed)
    {
        if (results.Bars.Any())
        {
            Console.WriteLine($"Figures to reach\n{Tables.Text(Tables.Rows(results.Bars))}");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Report.Note(results.Machine)}\nIt took {elapsed.TotalMinutes:0.0} minutes."));
        if (options.Files)
        {
            Report.Write(Path.Combine("benchmarks", "results"), results);
        }
    }

    // The processor time of everybody without that of this process and the children it has waited for.
    private static double? OthersShare(double? before, TimeSpan elapsed, int cores)
    {
        return before is { } start && Machine.BusySeconds() is { } end && Machine.OwnSeconds() is { } own
            ? Math.Max(0, end - start - own) / (elapsed.TotalSeconds * cores)
            : null;
    }
}
