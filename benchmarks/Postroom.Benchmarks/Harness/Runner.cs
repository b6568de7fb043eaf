using System.Diagnostics;

namespace Postroom.Benchmarks.Harness;

/// <summary>Runs a measure: warm-up of every line, then its lines in turn (A B A B …), so that a disturbance meets all of them.</summary>
internal static class Runner
{
    public static async Task<MeasureResult> RunAsync(Measure measure, Pace pace)
    {
        if (pace.WarmUp > 0)
        {
            _ = await RoundAsync(measure, TimeSpan.FromSeconds(pace.WarmUp));
        }

        List<Sample>[] samples = [.. measure.Lines.Select(_ => new List<Sample>())];
        for (int run = 0; run < pace.Runs; run++)
        {
            Sample[] round = await RoundAsync(measure, TimeSpan.FromSeconds(pace.Seconds));
            for (int i = 0; i < round.Length; i++)
            {
                samples[i].Add(round[i]);
            }
        }

        return new MeasureResult(measure, pace, [.. measure.Lines.Zip(samples, (line, runs) => new LineResult(line.Name, runs))]);
    }

    private static async Task<Sample[]> RoundAsync(Measure measure, TimeSpan duration)
    {
        if (measure.Together)
        {
            return await Task.WhenAll(measure.Lines.Select(line => line.RunAsync(duration)));
        }

        Sample[] round = new Sample[measure.Lines.Count];
        for (int i = 0; i < round.Length; i++)
        {
            // What the line before left behind is not this line's to collect.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            round[i] = await measure.Lines[i].RunAsync(duration);
        }

        return round;
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
            new(Metric.AllocatedPerMessage, (double)bytes / messages),
        ];
        if (commits > 0)
        {
            figures.Add(new(Metric.MessagesPerCommit, (double)messages / commits));
        }

        return new Sample(figures) { Messages = messages };
    }
}
