namespace Postroom;

/// <summary>How long to wait before the next attempt: pure, from the number of failures and a random number.</summary>
/// <param name="Base">The wait after the first failure.</param>
/// <param name="Factor">What each further failure multiplies it by; at least 1.</param>
/// <param name="Max">The longest wait.</param>
/// <param name="Jitter">The share by which a wait varies both ways, from 0 to 1.</param>
public readonly record struct Backoff(TimeSpan Base, double Factor, TimeSpan Max, double Jitter)
{
    /// <summary>1 s, doubling to 5 minutes, give or take a fifth.</summary>
    public static Backoff Default { get; } = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromMinutes(5), 0.2);

    /// <summary>The wait after a failure.</summary>
    /// <param name="failures">How many failures there were, this one included; at least 1.</param>
    /// <param name="random">A number from 0 to 1.</param>
    public TimeSpan After(int failures, double random)
    {
        double seconds = Math.Min(Max.TotalSeconds, Base.TotalSeconds * Math.Pow(Factor, Math.Max(0, failures - 1)));
        return TimeSpan.FromSeconds(seconds * (1 + (Jitter * ((2 * random) - 1))));
    }
}
