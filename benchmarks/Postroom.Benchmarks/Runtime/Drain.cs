using System.Diagnostics;
using System.Globalization;
using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;
using Postroom.Benchmarks.Raw;

namespace Postroom.Benchmarks.Runtime;

/// <summary>Works off what waits in a store, in a process of its own, so that its memory is measured alone.</summary>
internal static class Drain
{
    public const string Command = "drain";

    private const string Raw = "raw";

    /// <summary>Starts the process with the whole runtime.</summary>
    public static Task<Sample> PostroomAsync(Folder folder, int messages) => RunAsync(folder, messages, "postroom", batch: 0);

    /// <summary>Starts the process with the raw loop.</summary>
    /// <param name="folder">The store.</param>
    /// <param name="messages">How many wait.</param>
    /// <param name="batch">Rows of one commit.</param>
    public static Task<Sample> RawAsync(Folder folder, int messages, int batch) => RunAsync(folder, messages, Raw, batch);

    /// <summary>The process itself: prints the seconds until it was open and until all was done, the commits and the most memory in MiB.</summary>
    public static async Task<int> MainAsync(string[] args)
    {
        string file = Path.Combine(args[1], StoreFiller.FileName);
        int messages = int.Parse(args[2], CultureInfo.InvariantCulture);
        long started = Stopwatch.GetTimestamp();
        double opened = 0;
        long commits = 0;
        double all = 0;
        if (args[0] == Raw)
        {
            (long rows, commits) = RawDrain.Run(file, int.Parse(args[3], CultureInfo.InvariantCulture), () => opened = Seconds());
            all = Seconds();
            if (rows != messages)
            {
                throw new InvalidOperationException($"{rows} of {messages} rows were finished.");
            }
        }
        else
        {
            await using RuntimePipeline pipeline = await RuntimePipeline.StartAsync(new RuntimeShape { File = file }, new Counter());
            opened = Seconds();
            await Load.DoneAsync(pipeline, messages, TimeSpan.FromMinutes(10));
            all = Seconds();
            commits = pipeline.Commits;
        }

        Console.Write(string.Create(CultureInfo.InvariantCulture, $"{opened} {all} {commits} {Proc.PeakResidentMiB() ?? double.NaN}"));
        return 0;

        double Seconds() => Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static async Task<Sample> RunAsync(Folder folder, int messages, string what, int batch)
    {
        double[] figures = await ChildProcess.MeasureAsync(
            4, Command, what, folder.Path, messages.ToString(CultureInfo.InvariantCulture), batch.ToString(CultureInfo.InvariantCulture));
        return new Sample(
        [
            new(Metric.DrainSeconds, figures[1]),
            new(Metric.OpenSeconds, figures[0]),
            new(Metric.MessagesPerSecond, messages / figures[1]),
            new(Metric.MessagesPerCommit, messages / figures[2]),
            new(Metric.PeakResident, figures[3]),
        ])
        {
            Messages = messages,
        };
    }
}
