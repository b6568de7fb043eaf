using System.Diagnostics;

namespace Postroom.Benchmarks.Harness;

/// <summary>Runs a measure: warm-up of every line, then its lines in turn (A B A B …), so that a disturbance meets all of them.</summary>
internal static class Runner
{
    public static async Task<MeasureResult> RunAsync(Measure measure, BenchOptions options)
    {
        foreach (Line line in measure.Lines)
        {
            await RunAsync(line, options.WarmUp);
        }

        List<Sample>[] samples = [.. measure.Lines.Select(_ => new List<Sample>())];
        for (int run = 0; run < options.Runs; run++)
        {
            for (int i = 0; i < measure.Lines.Count; i++)
            {
                samples[i].Add(await RunAsync(measure.Lines[i], options.Duration));
            }
        }

        return new MeasureResult(measure, [.. measure.Lines.Zip(samples, (line, runs) => new LineResult(line.Name, runs))]);
    }

    private static async Task<Sample> RunAsync(Line line, TimeSpan duration)
    {
        // What the line before left behind is not this line's to collect.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return await line.RunAsync(duration);
    }
}

/// <summary>Takes time, allocated bytes and processor time over a stretch of work.</summary>
internal sealed class Meter
{
    private readonly long _allocated = GC.GetTotalAllocatedBytes(precise: true);
    private readonly TimeSpan _processor = Process.GetCurrentProcess().TotalProcessorTime;
    private readonly long _started = Stopwatch.GetTimestamp();

    /// <summary>The figures of a throughput run.</summary>
    public Sample Stop(long messages, long commits = 0)
    {
        double seconds = Stopwatch.GetElapsedTime(_started).TotalSeconds;
        double processor = (Process.GetCurrentProcess().TotalProcessorTime - _processor).TotalMicroseconds;
        long bytes = GC.GetTotalAllocatedBytes(precise: true) - _allocated;
        List<Figure> figures =
        [
            new(Metric.MessagesPerSecond, messages / seconds),
            new(Metric.ProcessorPerMessage, processor / messages),
            new(Metric.BytesPerMessage, (double)bytes / messages),
        ];
        if (commits > 0)
        {
            figures.Add(new(Metric.MessagesPerCommit, (double)messages / commits));
        }

        return new Sample(figures);
    }
}
