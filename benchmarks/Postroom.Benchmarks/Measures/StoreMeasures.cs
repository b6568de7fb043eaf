using System.Globalization;
using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Raw;
using Postroom.Benchmarks.Runtime;

namespace Postroom.Benchmarks.Measures;

/// <summary>What the runtime costs on SQLite: P3 to P7 and P10.</summary>
internal sealed class StoreMeasures(Workspace workspace, bool full)
{
    private const int Publishers = 64;
    private const int Outputs = 3;
    private const int Keys = 10_000;
    private const int LeastBatch = 100;
    private static readonly TimeSpan KeptAcked = TimeSpan.FromMilliseconds(500);

    // Written by the line of Postroom, read by the raw one of the same pair: rows of one commit.
    private int _drainBatch = 1_000;

    private int Backlog => full ? 1_000_000 : 100_000;

    public IReadOnlyList<Measure> All =>
    [
        Durable("P3-1", 1, StoreSynchronous.Full) with { Bars = [Bar.LeastRatio("P4", Metric.MessagesPerSecond, 0.8)] },
        Durable("P3-64", Publishers, StoreSynchronous.Full) with
        {
            Quick = Pace.Quick with { WarmUp = 1 },
            Bars = [Bar.LeastRatio("P3", Metric.MessagesPerSecond, 0.8), Bar.LeastRatio("P3", Metric.MessagesPerSecond, 0.5, beside: 2)],
        },
        Durable("P3-256", 256, StoreSynchronous.Full) with { FullOnly = true },
        Durable("P3n-64", Publishers, StoreSynchronous.Normal) with { Bars = [Bar.LeastRatio("P3n", Metric.MessagesPerSecond, 0.6)] },
        Staged(),
        Keyed(),
        Drained(),
        Growing(),
    ];

    private Measure Durable(string id, int publishers, StoreSynchronous synchronous) => new(
        id,
        $"SQLite {(synchronous == StoreSynchronous.Full ? "full" : "normal")}, publishers that wait for their commits: {publishers}, 8 workers, whole life, JSON",
        [
            Lines.Durable(workspace, publishers, new RuntimeShape { Synchronous = synchronous }),
            Lines.Raw(workspace, publishers, shape => shape with { Synchronous = synchronous }),
            Lines.RawColumns(workspace, publishers, shape => shape with { Synchronous = synchronous }),
        ]);

    private Measure Staged() => new(
        "P5",
        "SQLite full, 64 publishers; each handler stages three messages of 256 bytes. "
            + "Counted: inputs whose three outputs are handled and acknowledged too, so each is four rows",
        [
            Lines.Durable(workspace, Publishers, new RuntimeShape { Outputs = Outputs }),
            Lines.Raw(workspace, Publishers, static shape => shape with { Outputs = Outputs }),
        ])
    {
        Bars = [Bar.LeastRatio("P5", Metric.MessagesPerSecond, 0.7)],
    };

    private Measure Keyed() => new(
        "P6",
        "SQLite full, 64 publishers, 8 workers, JSON, 10,000 order keys in turn, beside the same without keys",
        [
            Lines.Durable(workspace, Publishers, new RuntimeShape { Keys = Keys }, "Postroom, 10,000 keys"),
            Lines.Durable(workspace, Publishers, new RuntimeShape(), "Postroom, a key for each message (P3-64)"),
            Lines.Raw(workspace, Publishers),
        ])
    {
        Bars = [Bar.LeastRatio("P6", Metric.MessagesPerSecond, 0.9)],
    };

    private Measure Drained() => new(
        "P7",
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Backlog:#,##0} waiting messages worked off in a process of its own, SQLite full, 8 workers, JSON; from the start of opening to the last commit"),
        [
            new(Lines.Postroom, async _ =>
            {
                using Folder folder = await StoreFiller.OrdersAsync(workspace, Backlog);
                Sample sample = await Drain.PostroomAsync(folder, Backlog);
                double commit = sample.Figures.Single(figure => figure.Metric == Metric.MessagesPerCommit).Value;
                _drainBatch = Math.Max(LeastBatch, (int)commit);
                return sample;
            }),
            new("raw SQLite, the same rows, as many in a commit", async _ =>
            {
                using Folder folder = await StoreFiller.OrdersAsync(workspace, Backlog);
                return await Drain.RawAsync(folder, Backlog, _drainBatch);
            }),
        ])
    {
        Quick = new Pace(2, 0, 0) { Overhead = 2 },
        Full = new Pace(3, 0, 0) { Overhead = 25 },
        Bars = [Bar.MostRatio("P7", Metric.DrainSeconds, 1.3), Bar.Most("P7", Metric.PeakResident, 300)],
    };

    private Measure Growing() => new(
        "P10",
        $"As P3-64 while retention removes every second what was acknowledged {KeptAcked.TotalSeconds} s before, beside the same without retention",
        [
            new("Postroom, retention running", duration => WrittenAsync(StartAsync, duration, retention: true)),
            new("Postroom (P3-64)", duration => WrittenAsync(StartAsync, duration)),
            new(Lines.RawSix, duration => WrittenAsync(StartSixAsync, duration)),
        ])
    {
        Quick = new Pace(2, 2.5, 0) { Overhead = 0.5 },
        Full = new Pace(5, 15, 5) { Overhead = 1 },
        Bars = [Bar.LeastRatio("P10", Metric.MessagesPerSecond, 0.9), Bar.MostRatio("P10", Metric.WrittenPerMessage, 2, beside: 2)],
    };

    private static Task<IPipeline> StartAsync(Folder folder, Counter counter) => Lines.RuntimeAsync(new RuntimeShape { File = folder.File(StoreFiller.FileName) }, counter);

    private static Task<IPipeline> StartSixAsync(Folder folder, Counter counter) => Lines.RawAsync(new RawShape(folder.File(StoreFiller.FileName), SixColumnTable.Create), counter);

    /// <summary>As saturated, and what was written: the files before the end, and what the kernel was given until everything was closed.</summary>
    private async Task<Sample> WrittenAsync(Func<Folder, Counter, Task<IPipeline>> start, TimeSpan duration, bool retention = false)
    {
        using Folder folder = workspace.NewFolder();
        double? before;
        Sample sample;
        long size;
        long removed = 0;
        await using (IPipeline pipeline = await start(folder, new Counter()))
        {
            before = Proc.WrittenBytes();
            await using Retention? timer = retention && pipeline is RuntimePipeline runtime ? new Retention(runtime.Journal, KeptAcked) : null;
            timer?.Start();
            sample = await Load.SaturateAsync(pipeline, Publishers, duration);
            size = folder.Bytes;
            removed = timer?.Removed ?? 0;
        }

        double written = Proc.WrittenBytes() - before ?? double.NaN;
        return sample with
        {
            Figures =
            [
                .. sample.Figures,
                new(Metric.WrittenPerMessage, written / sample.Messages),
                new(Metric.FilesPerMessage, (double)size / sample.Messages),
                new(Metric.RemovedPerMessage, (double)removed / sample.Messages),
            ],
        };
    }
}
