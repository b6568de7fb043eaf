namespace Postroom;

/// <summary>Turns bound options into the pure function they describe.</summary>
internal static class BackoffOptionsExtensions
{
    public static Backoff ToBackoff(this BackoffOptions options) => new(options.Base, options.Factor, options.Max, options.Jitter);
}
