using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>What the command line asks for.</summary>
internal sealed record BenchOptions
{
    public const string Help = """
        ./bench                     every measure, quick form (below three minutes; for orientation)
        ./bench --full              every measure with long runs: the figures to publish
        ./bench --sweep             how cost grows with publishers, workers, body, keys and backlog, one table each
        ./bench --only P3,P8        these measures or sweeps (P3 means P3-1, P3-64, P3-256)
        ./bench --runs 7            paired runs of each measure
        ./bench --seconds 5         length of one run
        ./bench --warm-up 2         length of the run before the first pair
        ./bench --published         P11 and P12 with programs published ReadyToRun, as --full does
        ./bench --data DIR          where stores are made (a real disk; artifacts/bench unless given)
        ./bench --no-files          prints only
        ./bench --list              names the measures and sweeps
        ./bench --postroom-only     without the lines beside it, for profiling
        ./bench --allocations       names the types that are allocated most; slows everything down
        """;

    /// <summary>Null for what the measure says; so for the next two.</summary>
    public int? Runs { get; init; }

    public double? Seconds { get; init; }

    public double? WarmUp { get; init; }

    public IReadOnlyList<string> Only { get; init; } = [];

    public string Data { get; init; } = Path.Combine("artifacts", "bench");

    public bool Files { get; init; } = true;

    public bool List { get; init; }

    public bool Full { get; init; }

    public bool Sweep { get; init; }

    /// <summary>Whether programs that are started are published ReadyToRun instead of taken as built.</summary>
    public bool Published { get; init; }

    /// <summary>Runs the first line of each measure only; without ratios.</summary>
    public bool PostroomOnly { get; init; }

    public bool Allocations { get; init; }

    public string Form => Full ? "full" : "quick";

    /// <summary>Reads the command line.</summary>
    /// <exception cref="FormatException">A word is not known or its value is no number.</exception>
    public static BenchOptions Parse(string[] args)
    {
        BenchOptions options = new();
        for (int i = 0; i < args.Length; i++)
        {
            string word = args[i];
            options = word switch
            {
                "--full" => options with { Full = true, Published = true },
                "--sweep" => options with { Sweep = true },
                "--published" => options with { Published = true },
                "--no-files" => options with { Files = false },
                "--postroom-only" => options with { PostroomOnly = true, Files = false },
                "--allocations" => options with { Allocations = true, Files = false },
                "--list" => options with { List = true },
                "--only" => options with { Only = Value().Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) },
                "--runs" => options with { Runs = Math.Max(1, int.Parse(Value(), CultureInfo.InvariantCulture)) },
                "--seconds" => options with { Seconds = double.Parse(Value(), CultureInfo.InvariantCulture) },
                "--warm-up" => options with { WarmUp = double.Parse(Value(), CultureInfo.InvariantCulture) },
                "--data" => options with { Data = Value() },
                _ => throw new FormatException($"'{word}' is not an option.\n\n{Help}"),
            };

            string Value() => ++i < args.Length ? args[i] : throw new FormatException($"'{word}' needs a value.\n\n{Help}");
        }

        return options;
    }

    /// <summary>Whether a measure is asked for: by its id or by the part before the dash.</summary>
    public bool Wants(Measure measure) => Only.Count == 0 ? Full || !measure.FullOnly : Names(measure.Id);

    /// <summary>Whether an id is asked for, or nothing in particular is.</summary>
    public bool Wants(string id) => Only.Count == 0 || Names(id);

    /// <summary>How often and how long a measure runs.</summary>
    public Pace PaceOf(Measure measure)
    {
        Pace pace = Full ? measure.Full : measure.Quick;
        return pace with { Runs = Runs ?? pace.Runs, Seconds = Seconds ?? pace.Seconds, WarmUp = WarmUp ?? pace.WarmUp };
    }

    private bool Names(string id) =>
        Only.Any(word => id.Equals(word, StringComparison.OrdinalIgnoreCase) || id.StartsWith($"{word}-", StringComparison.OrdinalIgnoreCase));
}
