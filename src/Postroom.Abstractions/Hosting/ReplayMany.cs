namespace Postroom;

/// <summary>How failed messages are replayed by filter.</summary>
public sealed record ReplayManyOptions
{
    /// <summary>The most messages. 1 to 10,000; 100 unless set.</summary>
    public int Max { get; init; } = 100;

    /// <summary>How fast. 10 in a second unless set.</summary>
    public Rate Rate { get; init; } = new(10, TimeSpan.FromSeconds(1));

    /// <summary>How many may fail again before no further one is replayed; at least 1, which it is unless set.</summary>
    public int StopAfterFailures { get; init; } = 1;

    /// <summary>Who asks, for the record of each message; null for the program itself, of which there is none.</summary>
    public string? User { get; init; }

    /// <summary>Is told of each message that was made due again, and when that was asked; null for nobody. What it throws ends the replay.</summary>
    public Func<MessageId, DateTimeOffset, ValueTask>? OnReplayed { get; init; }

    /// <summary>Is told how it stands after each message; null for nobody.</summary>
    public IProgress<ReplayManyResult>? Progress { get; init; }
}

/// <summary>What a replay of many did.</summary>
/// <param name="Count">How many it was about.</param>
/// <param name="More">Whether more matched than it may replay.</param>
/// <param name="Replayed">How many were made due again.</param>
/// <param name="FailedAgain">How many of these have failed again, as far as was seen.</param>
/// <param name="Refused">How many were no longer failed when their turn came.</param>
/// <param name="Reason">Why it ended early; null when it did not.</param>
public sealed record ReplayManyResult(int Count, bool More, int Replayed, int FailedAgain, int Refused, string? Reason);
