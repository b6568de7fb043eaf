namespace Postroom;

/// <summary>How health checks run. Bound from <c>health</c>.</summary>
public sealed record HealthOptions
{
    /// <summary>How long a result is reused. 2 seconds unless set.</summary>
    public TimeSpan Reuse { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long one check may take. At least 10 ms; 5 seconds unless set.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);
}
