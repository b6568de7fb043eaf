using System.Globalization;

namespace Postroom.Crash;

/// <summary>How a kill comes.</summary>
public enum KillMode
{
    /// <summary>While messages are published and handled.</summary>
    Load,

    /// <summary>After a SIGTERM, while the application drains.</summary>
    Drain,

    /// <summary>Before the application is ready, while it recovers from the kill before.</summary>
    Recovery,
}

/// <summary>One kill of the plan.</summary>
/// <param name="Mode">How.</param>
/// <param name="At">When, from 0 to 1 of the mode's time.</param>
/// <param name="After">For a drain: how long after the signal, from 0 to 1 of half a second.</param>
public sealed record PlannedKill(KillMode Mode, double At, double After)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Mode} {At:F4} {After:F4}");
}

/// <summary>The kills that a seed stands for; the same seed gives the same plan.</summary>
public static class KillPlan
{
    /// <summary>The plan, without end: seven of ten kills under load, the others half in a drain and half in a recovery.</summary>
    public static IEnumerable<PlannedKill> Of(int seed)
    {
        Random chance = new(seed);
        while (true)
        {
            double mode = chance.NextDouble();
            yield return new PlannedKill(mode < 0.70 ? KillMode.Load : mode < 0.85 ? KillMode.Drain : KillMode.Recovery, chance.NextDouble(), chance.NextDouble());
        }
    }
}
