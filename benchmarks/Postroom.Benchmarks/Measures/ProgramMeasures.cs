using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;

namespace Postroom.Benchmarks.Measures;

/// <summary>What the program costs as a process: P11 and P12.</summary>
internal sealed class ProgramMeasures(Workspace workspace, Programs programs)
{
    private const int Open = 10_000;
    private const string Bare = "bare Kestrel host";

    // One wake-up in ten seconds is the noise of counting.
    private const double NoWakeUps = 0.1;
    private static readonly Pace Starts = new(5, 0, 0) { Overhead = 0.5 };
    private static readonly Pace ManyStarts = new(15, 0, 0) { Overhead = 0.5 };

    private readonly ProgramRuns _runs = new(workspace, programs);

    public IReadOnlyList<Measure> All =>
    [
        new("P11", $"New process to its first 200, empty store; both {programs.Name}", [Start(waiting: 0), StartBare()])
        {
            Quick = Starts,
            Full = ManyStarts,
            Bars = [Bar.MostRatio("P11", Metric.Milliseconds, 1.3)],
        },
        new("P11-open", $"New process to its first 200, 10,000 open messages that it works off from then on; both {programs.Name}", [Start(Open), StartBare()])
        {
            Quick = Starts,
            Full = ManyStarts,
            Bars = [Bar.MostRatio("P11", Metric.Milliseconds, 1.6)],
        },
        new(
            "P12",
            $"Nothing to do, both at the same time and {programs.Name}; wake-ups over the second half, RSS at the end",
            [new(Lines.Postroom, _runs.IdlePostroomAsync), new(Bare, _runs.IdleBareAsync)])
        {
            Together = true,
            Quick = new Pace(1, 15, 0) { Overhead = 1 },
            Full = new Pace(3, 60, 0) { Overhead = 1 },
            Bars = [Bar.MostAbove("P12", Metric.WakeUpsPerSecond, NoWakeUps), Bar.MostAbove("P12", Metric.Resident, 20)],
        },
    ];

    private Line Start(int waiting) => new("Postroom, /health/ready", _ => _runs.StartPostroomAsync(waiting));

    private Line StartBare() => new(Bare, _ => _runs.StartBareAsync());
}
