using System.Diagnostics;
using System.Globalization;
using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;
using Postroom.Benchmarks.Measures;
using Postroom.Benchmarks.Raw;

return args switch
{
    [LoadClient.Command, .. var rest] => await LoadClient.MainAsync(rest),
    [BareServer.Command, .. var rest] => await BareServer.MainAsync(rest),
    ["--help" or "-h", ..] => Say(BenchOptions.Help),
    _ => await MeasureAsync(args),
};

static int Say(string text)
{
    Console.WriteLine(text);
    return 0;
}

static async Task<int> MeasureAsync(string[] args)
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

    Workspace workspace = new(options.Data);
    Measure[] measures = [.. new Catalog(workspace).All.Where(measure => options.Wants(measure.Id))
        .Select(measure => options.PostroomOnly ? measure with { Lines = [measure.Lines[0]] } : measure)];
    if (options.List || measures.Length == 0)
    {
        return Say(string.Join('\n', new Catalog(workspace).All.Select(measure => $"{measure.Id,-10} {measure.Question}")));
    }

    Machine machine = Machine.Describe($"./bench {string.Join(' ', args)}".TrimEnd(), options.Data);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{machine.Cores} cores, {machine.MemoryGiB} GiB, {machine.Kernel}, {machine.FileSystem}; {machine.Runtime}, SQLite {machine.Sqlite}"));
    Console.WriteLine($"{Report.Note(machine)}\n");

    double? busy = Machine.BusySeconds();
    long started = Stopwatch.GetTimestamp();
    IReadOnlyList<Figure> calibration = Disk.Calibrate(workspace);
    foreach (Figure figure in calibration)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {figure.Metric.Name,-46} {figure.Value,10:#,##0}"));
    }

    Console.WriteLine();
    List<MeasureResult> results = [];
    foreach (Measure measure in measures)
    {
        using AllocationSampler? sampler = options.Allocations ? new AllocationSampler() : null;
        results.Add(await Runner.RunAsync(measure, options));
        Console.WriteLine(Report.Table(results[^1]));
        if (sampler is not null)
        {
            Console.WriteLine($"{sampler.Table()}\n");
        }
    }

    machine.LoadAtEnd = Machine.Load();
    machine.TakenByOthers = OthersShare(busy, Stopwatch.GetElapsedTime(started), machine.Cores);
    Console.WriteLine(Report.Note(machine));
    if (options.Files)
    {
        Report.Write(Path.Combine("benchmarks", "results"), machine, calibration, results, options);
    }

    return 0;
}

// The processor time of everybody without that of this process and the children it has waited for.
static double? OthersShare(double? before, TimeSpan elapsed, int cores)
{
    return before is { } start && Machine.BusySeconds() is { } end && Machine.OwnSeconds() is { } own
        ? Math.Max(0, end - start - own) / (elapsed.TotalSeconds * cores)
        : null;
}
