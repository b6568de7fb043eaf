using System.Globalization;
using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Raw;
using Postroom.Benchmarks.Runtime;

namespace Postroom.Benchmarks.Measures;

/// <summary>How cost grows with one thing while all others stay as in P3-64; beside it the raw pipeline on the store's table.</summary>
internal sealed class Sweeps(Workspace workspace)
{
    private const int Publishers = 64;
    private const string RawName = "raw";
    private static readonly Pace Short = new(3, 0.5, 0.5);
    private static readonly Pace Long = new(5, 2, 1);

    public IReadOnlyList<Sweep> All =>
    [
        Over("publishers", "Publishers that wait for their commits", [1, 4, 16, 64, 256, 1_024], value => Pair(value, new RuntimeShape())),
        Over("workers", "Workers", [1, 2, 8, 32], value => Pair(Publishers, new RuntimeShape { Workers = value }, shape => shape with { Workers = value })),
        Over(
            "body",
            "Bytes of the body; over 64 KiB the store keeps them apart from the row, and the raw line does not",
            [64, 256, 4_096, 65_536, 1_048_576],
            value => Pair(Publishers, new RuntimeShape { BodyBytes = value }, shape => shape with { BodyBytes = value })),
        Over(
            "keys",
            "Order keys in turn; 0 gives each message a key of its own, and the raw line keeps no order",
            [0, 10, 1_000, 100_000],
            value => Pair(Publishers, new RuntimeShape { Keys = value })),
        Over("backlog", "Messages that wait for a later time in the same queue", [0, 10_000, 100_000, 1_000_000], Waiting),
    ];

    private static Sweep Over(string id, string question, int[] values, Func<int, IReadOnlyList<Line>> lines)
    {
        return new Sweep(id, question, [.. values.Select(Point)]);

        SweepPoint Point(int value) => new(
            value.ToString("#,##0", CultureInfo.InvariantCulture), new Measure($"{id}-{value}", question, lines(value)) { Quick = Short, Full = Long });
    }

    private IReadOnlyList<Line> Pair(int publishers, RuntimeShape shape, Func<RawShape, RawShape>? raw = null) =>
        [Lines.Durable(workspace, publishers, shape), Lines.Raw(workspace, publishers, raw, RawName)];

    private IReadOnlyList<Line> Waiting(int backlog)
    {
        return
        [
            From(Lines.Postroom, (folder, counter) => Lines.RuntimeAsync(new RuntimeShape { File = folder.File(StoreFiller.FileName) }, counter)),
            From(RawName, (folder, counter) => Lines.RawAsync(new RawShape(folder.File(StoreFiller.FileName), StoreTable.Open), counter)),
        ];

        Line From(string name, Func<Folder, Counter, Task<IPipeline>> start) => new(name, async duration =>
        {
            using Folder folder = await StoreFiller.OrdersAsync(workspace, backlog, held: true);
            return await Lines.SaturateAsync(folder, Publishers, start, duration);
        });
    }
}
