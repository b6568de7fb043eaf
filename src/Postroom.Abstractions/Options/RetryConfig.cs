namespace Postroom;

/// <summary>How a communicator's deliveries are tried again. Bound from <c>communications.backends.{name}.retry</c>. Immutable.</summary>
public sealed record RetryConfig
{
    /// <summary>How many attempts may fail. 1 to 1,000; null, the default, is what the kind of communicator says.</summary>
    public int? MaxAttempts { get; init; }

    /// <summary>The waits between attempts; null, the default, is what the kind of communicator says.</summary>
    public BackoffOptions? Backoff { get; init; }
}
