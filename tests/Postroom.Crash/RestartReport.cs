using System.Globalization;

namespace Postroom.Crash;

/// <summary>How a campaign of hot restarts ended.</summary>
public sealed record RestartReport
{
    /// <summary>Restarts that were completed.</summary>
    public int Restarts { get; init; }

    /// <summary>Requests that were answered with success.</summary>
    public int Requests { get; init; }

    /// <summary>Refused connections.</summary>
    public int Refused { get; init; }

    /// <summary>Requests that were answered otherwise.</summary>
    public int Unstored { get; init; }

    /// <summary>Connections that ended without an answer; the request was repeated with its key.</summary>
    public int Broken { get; init; }

    /// <summary>Messages that were answered with success and are not in the store, or not handled.</summary>
    public int Lost { get; init; }

    /// <summary>Messages that are in the store more than once, or answered more than once.</summary>
    public int Duplicated { get; init; }

    /// <summary>Descriptors of the first and of the last generation, without connections.</summary>
    public (int First, int Last) Descriptors { get; init; }

    /// <summary>For each restart the longest that a request waited, in milliseconds.</summary>
    public IReadOnlyList<double> Pauses { get; init; } = [];

    /// <summary>For each restart what the program says of how long requests waited, in milliseconds.</summary>
    public IReadOnlyList<double> Downtimes { get; init; } = [];

    /// <summary>How often the open web chat resumed its stream.</summary>
    public int Resumed { get; init; }

    /// <summary>What is wrong, a sentence each.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Whether everything holds that does not depend on the machine's speed.</summary>
    public bool Good => Problems.Count == 0 && Refused == 0 && Unstored == 0 && Lost == 0 && Duplicated == 0;

    /// <summary>The pause that 99 of 100 restarts keep within.</summary>
    public double PauseP99 => At(Pauses, 0.99);

    /// <summary>The line that a campaign ends with.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"restarts {Restarts} requests {Requests} refused {Refused} unstored {Unstored} broken {Broken} lost {Lost} dup {Duplicated} descriptors {Descriptors.First}->{Descriptors.Last} "
        + $"pause median {At(Pauses, 0.5):F0}ms p99 {PauseP99:F0}ms max {At(Pauses, 1):F0}ms (by its own word {At(Downtimes, 0.5):F0}ms, {At(Downtimes, 0.99):F0}ms, {At(Downtimes, 1):F0}ms) chat resumed {Resumed}");

    private static double At(IReadOnlyList<double> values, double part) => values.Count == 0 ? 0 : values.Order().ElementAt(Math.Min(values.Count - 1, (int)(values.Count * part)));
}
