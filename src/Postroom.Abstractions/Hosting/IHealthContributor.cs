namespace Postroom;

/// <summary>How healthy something is; the worst of all wins.</summary>
public enum HealthState
{
    /// <summary>Works.</summary>
    Healthy,

    /// <summary>Works, but somebody should look. Still ready.</summary>
    Degraded,

    /// <summary>Does not work.</summary>
    Unhealthy,
}

/// <summary>Which question a check answers.</summary>
[Flags]
public enum HealthViews
{
    /// <summary>Whether the process should be ended.</summary>
    Live = 1,

    /// <summary>Whether it should get traffic.</summary>
    Ready = 2,

    /// <summary>What people should know.</summary>
    Status = 4,
}

/// <summary>Answers how one part is.</summary>
public interface IHealthContributor
{
    /// <summary>The part's name.</summary>
    string Name { get; }

    /// <summary>Which questions it answers.</summary>
    HealthViews Views { get; }

    /// <summary>Looks now. It has 5 seconds; a time-out or exception counts as unhealthy.</summary>
    ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>How one part is.</summary>
/// <param name="State">How healthy.</param>
/// <param name="Text">In words; null when there is nothing to say.</param>
public sealed record HealthResult(HealthState State, string? Text = null)
{
    /// <summary>Healthy, with nothing to say.</summary>
    public static HealthResult Healthy { get; } = new(HealthState.Healthy);

    /// <summary>Figures behind the answer; empty unless set.</summary>
    public IReadOnlyDictionary<string, string> Data { get; init; } = new Dictionary<string, string>();
}
