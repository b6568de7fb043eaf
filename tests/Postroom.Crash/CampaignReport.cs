using System.Globalization;

namespace Postroom.Crash;

/// <summary>What a campaign found.</summary>
public sealed record CampaignReport
{
    /// <summary>What was asked.</summary>
    public required CampaignOptions Options { get; init; }

    /// <summary>What the checker found.</summary>
    public required CheckResult Result { get; init; }

    /// <summary>Milliseconds from the start of each process to its first publish.</summary>
    public required IReadOnlyList<double> Starts { get; init; }

    /// <summary>Whether everything holds.</summary>
    public bool Good => Result.Violations.Count == 0;

    /// <summary>The line that a campaign ends with.</summary>
    public override string ToString()
    {
        double[] starts = [.. Starts.Order()];
        double slowest = starts.Length > 0 ? starts[^1] : 0;
        double p99 = starts.Length > 0 ? starts[Math.Min(starts.Length - 1, (int)(starts.Length * 0.99))] : 0;
        double perKill = (double)Result.Duplicates / Math.Max(1, Result.Kills);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"kills {Result.Kills} published {Result.Published} acked {Result.Acked} failed {Result.Failed} lost {Result.Count("I1")} ghosts {Result.Count("I2")} "
            + $"dup {Result.Duplicates} ({perKill:F2}/kill, bound {Campaign.Bound}) reordered {Result.Count("I5")} maxRecovery {slowest:F0}ms p99 {p99:F0}ms seed {Options.Seed}");
    }
}
