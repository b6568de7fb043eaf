namespace Postroom;

/// <summary>How long retries wait. Bound from <c>queues.{name}.backoff</c> and wherever something is tried again.</summary>
/// <remarks>The wait before attempt n+1 is <c>min(max, base · factor^(n−1))</c> times a random factor in 1 ± jitter.</remarks>
public sealed record BackoffOptions
{
    /// <summary>The wait after the first attempt. At least 1 ms and at most <see cref="Max"/>; 1 second unless set.</summary>
    public TimeSpan Base { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>What each further wait is multiplied by. 1 to 100; 2 unless set.</summary>
    public double Factor { get; set; } = 2;

    /// <summary>The longest wait before jitter. 5 minutes unless set.</summary>
    public TimeSpan Max { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How far a wait may be off either way, as a share of it. 0 to 1; 0.2 unless set.</summary>
    public double Jitter { get; set; } = 0.2;
}
