using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Runtime;

namespace Postroom.Benchmarks.Measures;

/// <summary>What each option costs: P13. The product makes no spans yet, so tracing has no line.</summary>
internal sealed class OptionMeasures(Workspace workspace)
{
    // Fifteen in a hundred.
    private const double MostCost = 1.15;

    public IReadOnlyList<Measure> All =>
    [
        Options("P13-memory", "Cost of options, memory store, 8 publishers, JSON", 8, durable: false),
        Options("P13-sqlite", "Cost of options, SQLite full, 64 publishers, JSON", 64, durable: true),
    ];

    private Measure Options(string id, string question, int publishers, bool durable)
    {
        return new Measure(
            id,
            $"{question}; the ratio is how much less goes through with the option",
            [
                With("Postroom: metrics read, no hook", static (shape, _) => shape),
                With("a hook that counts", static (shape, _) => shape with { Hook = static () => new CountingHook() }),
                With("a hook that writes bodies to a file", static (shape, folder) => shape with { Hook = () => new BodyFileHook(folder.File("bodies")) }),
                With("metrics not read", static (shape, _) => shape with { Metrics = false }),
            ])
        {
            Bars = [Bar.MostRatio("P13", Metric.MessagesPerSecond, MostCost)],
        };

        Line With(string name, Func<RuntimeShape, Folder, RuntimeShape> change) => Lines.Saturated(workspace, name, publishers, (folder, counter) =>
            Lines.RuntimeAsync(change(new RuntimeShape { File = durable ? folder.File(StoreFiller.FileName) : null }, folder), counter));
    }
}
