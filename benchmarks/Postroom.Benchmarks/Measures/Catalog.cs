using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;

namespace Postroom.Benchmarks.Measures;

/// <summary>Every measure. Bodies have 256 bytes of JSON; a message counts as done when it is handled and acknowledged.</summary>
internal sealed class Catalog(Workspace workspace, BenchOptions options)
{
    public IReadOnlyList<Measure> All =>
    [
        .. new MemoryMeasures(workspace).All,
        .. new StoreMeasures(workspace, options.Full).All,
        .. new HttpMeasures(workspace).All,
        .. new ProgramMeasures(workspace, new Programs(options.Published, Path.Combine(options.Data, "published"))).All,
        .. new OptionMeasures(workspace).All,
    ];
}
