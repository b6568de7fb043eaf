using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Raw;
using Postroom.Benchmarks.Runtime;

namespace Postroom.Benchmarks.Measures;

/// <summary>What the runtime itself costs: P1, P2, and the latency of both stores at a steady rate.</summary>
internal sealed class MemoryMeasures(Workspace workspace)
{
    private const int Publishers = 8;
    private const int PacePerSecond = 500;
    private static readonly Pace Steady = Pace.Quick with { Seconds = 0.4 };

    // The first measures also compile the runtime.
    private static readonly Pace First = Pace.Quick with { WarmUp = 1.5 };

    public IReadOnlyList<Measure> All =>
    [
        new("P1", "Memory store, 8 publishers, 8 workers, bodies stay bytes", [Memory(new RuntimeShape { Typed = false }), Channel(json: false)])
        {
            Quick = First,
            Bars = [Bar.Least("P1", Metric.MessagesPerSecond, 1_000_000), Bar.LeastRatio("P1", Metric.MessagesPerSecond, 0.25), Bar.Most("P1", Metric.AllocatedPerMessage, 500)],
        },
        new("P2", "Memory store, 8 publishers, 8 workers, JSON written and read", [Memory(new RuntimeShape()), Channel(json: true)])
        {
            Quick = First,
            Bars = [Bar.LeastRatio("P2", Metric.MessagesPerSecond, 0.45)],
        },
        new("P4-memory", "Publish to handled at 500 messages a second, memory store, JSON; its p99 is the one of P1", [PacedMemory(), PacedChannel()])
        {
            Quick = Steady,
            Bars = [Bar.Most("P1", Metric.Tail, 0.1)],
        },
        new("P4-sqlite", "Publish to handled at 500 messages a second, SQLite full", [PacedSqlite(), PacedRaw(), Flush()])
        {
            Quick = Steady,
            Bars = [Bar.MostRatio("P4", Metric.Median, 1.5)],
        },
        new("P6-memory", "10,000 order keys in turn, memory store, 8 publishers, 8 workers, JSON", [Memory(new RuntimeShape { Keys = 10_000 }), Channel(json: true, keys: 10_000)])
        {
            FullOnly = true,
        },
    ];

    private Line Memory(RuntimeShape shape) => Lines.Saturated(workspace, Lines.Postroom, Publishers, (_, counter) => Lines.RuntimeAsync(shape, counter));

    private Line Channel(bool json, int keys = 0) => Lines.Saturated(
        workspace,
        $"bare channel with acks{(json ? ", JSON" : "")}{(keys > 0 ? ", key to worker" : "")}",
        Publishers,
        (_, counter) => Task.FromResult<IPipeline>(new ChannelPipeline(counter, json, keys: keys)));

    private Line PacedMemory() => Paced(Lines.Postroom, (_, counter) => Lines.RuntimeAsync(new RuntimeShape(), counter));

    private Line PacedChannel() => Paced("bare channel with acks, JSON", (_, counter) => Task.FromResult<IPipeline>(new ChannelPipeline(counter, json: true)));

    private Line PacedSqlite() => Paced(Lines.Postroom, (folder, counter) => Lines.RuntimeAsync(new RuntimeShape { File = folder.File("store.db") }, counter));

    private Line PacedRaw() => Paced(Lines.RawStore, (folder, counter) => Lines.RawAsync(new RawShape(folder.File("store.db"), StoreTable.Create), counter));

    private Line Flush() => new("append of 4 KiB and fdatasync", duration =>
    {
        using Folder folder = workspace.NewFolder();
        return Task.FromResult(Disk.FlushTimes(folder.File("flushed"), duration));
    });

    private Line Paced(string name, Func<Folder, Counter, Task<IPipeline>> start) => new(name, async duration =>
    {
        // The first tenth of a second starts threads.
        int skip = PacePerSecond / 10;
        int messages = skip + (int)(duration.TotalSeconds * PacePerSecond);
        Counter counter = new(messages);
        using Folder folder = workspace.NewFolder();
        await using IPipeline pipeline = await start(folder, counter);
        await Load.PaceAsync(pipeline, counter, messages, PacePerSecond);
        return counter.Latency(skip);
    });
}
