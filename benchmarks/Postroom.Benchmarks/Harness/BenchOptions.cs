using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>What the command line asks for.</summary>
internal sealed record BenchOptions
{
    public const string Help = """
        ./bench                     every measure, quick form (below three minutes; for orientation)
        ./bench --full              every measure with long runs: the figures to publish
        ./bench --only P3,P8        these measures (P3 means P3-1, P3-64, P3-256)
        ./bench --runs 7            paired runs of each measure
        ./bench --seconds 5         length of one run
        ./bench --data DIR          where stores are made (a real disk; artifacts/bench unless given)
        ./bench --no-files          prints only
        ./bench --list              names the measures
        ./bench --postroom-only     without the lines beside it, for profiling
        ./bench --allocations       names the types that are allocated most; slows everything down
        """;

    public int Runs { get; init; } = 5;

    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(0.6);

    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(1);

    public IReadOnlyList<string> Only { get; init; } = [];

    public string Data { get; init; } = Path.Combine("artifacts", "bench");

    public bool Files { get; init; } = true;

    public bool List { get; init; }

    /// <summary>Runs the first line of each measure only; without ratios.</summary>
    public bool PostroomOnly { get; init; }

    public bool Allocations { get; init; }

    public string Form { get; init; } = "quick";

    /// <summary>Reads the command line.</summary>
    /// <exception cref="FormatException">A word is not known or its value is no number.</exception>
    public static BenchOptions Parse(string[] args)
    {
        BenchOptions options = args.Contains("--full")
            ? new BenchOptions { Form = "full", Runs = 7, Duration = TimeSpan.FromSeconds(5), WarmUp = TimeSpan.FromSeconds(5) }
            : new BenchOptions();
        for (int i = 0; i < args.Length; i++)
        {
            string word = args[i];
            options = word switch
            {
                "--full" => options,
                "--no-files" => options with { Files = false },
                "--postroom-only" => options with { PostroomOnly = true, Files = false },
                "--allocations" => options with { Allocations = true, Files = false },
                "--list" => options with { List = true },
                "--only" => options with { Only = Value().Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) },
                "--runs" => options with { Runs = Math.Max(1, int.Parse(Value(), CultureInfo.InvariantCulture)) },
                "--seconds" => options with { Duration = TimeSpan.FromSeconds(double.Parse(Value(), CultureInfo.InvariantCulture)) },
                "--warm-up" => options with { WarmUp = TimeSpan.FromSeconds(double.Parse(Value(), CultureInfo.InvariantCulture)) },
                "--data" => options with { Data = Value() },
                _ => throw new FormatException($"'{word}' is not an option.\n\n{Help}"),
            };

            string Value() => ++i < args.Length ? args[i] : throw new FormatException($"'{word}' needs a value.\n\n{Help}");
        }

        return options;
    }

    /// <summary>Whether a measure is asked for: by its id or by the part before the dash.</summary>
    public bool Wants(string id)
    {
        return Only.Count == 0 || Only.Any(word => id.Equals(word, StringComparison.OrdinalIgnoreCase) || id.StartsWith($"{word}-", StringComparison.OrdinalIgnoreCase));
    }
}
