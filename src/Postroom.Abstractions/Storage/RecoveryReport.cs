namespace Postroom;

/// <summary>What a store found when it opened, and what it did about it.</summary>
public sealed record RecoveryReport
{
    /// <summary>The number of this run of the store.</summary>
    public long Run { get; init; }

    /// <summary>Whether the previous run ended in order; true for a new store.</summary>
    public bool PreviousRunClean { get; init; } = true;

    /// <summary>Messages waiting.</summary>
    public long Pending { get; init; }

    /// <summary>Messages that had begun without an outcome and wait again.</summary>
    public long Redelivered { get; init; }

    /// <summary>Messages given up because they ended the process too often.</summary>
    public long Poisoned { get; init; }

    /// <summary>Sends whose outcome is not known; their lane settles the question first.</summary>
    public long Uncertain { get; init; }

    /// <summary>Messages whose time to live ended meanwhile.</summary>
    public long Expired { get; init; }

    /// <summary>Messages that wait for a handler or receiver this build does not have.</summary>
    public long Parked { get; init; }

    /// <summary>When the oldest waiting message was made; null when none waits.</summary>
    public DateTimeOffset? OldestPendingAt { get; init; }

    /// <summary>Conversations whose last open message ended during recovery.</summary>
    public IReadOnlyList<string> CompletedConversations { get; init; } = [];

    /// <summary>What an operator should know: a rewritten mark, damage, a loss that was accepted. Empty when there is nothing.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }
}
