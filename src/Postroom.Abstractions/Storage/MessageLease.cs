namespace Postroom;

/// <summary>One message handed to one worker until it is settled or the lease ends. A lease is data; the store has the verbs.</summary>
public sealed record MessageLease
{
    private Rare? _rare;

    /// <summary>The message.</summary>
    public required Envelope Envelope { get; init; }

    /// <summary>The number of this attempt: 1 when the message first begins. Counted when a worker begins it, not when it is leased.</summary>
    public required int Attempt { get; init; }

    /// <summary>How many failures counted against <see cref="Envelope.MaxAttempts"/> so far.</summary>
    public int Failures { get; init; }

    /// <summary>Rises with every lease of this message; a settlement names it.</summary>
    public required long Fence { get; init; }

    /// <summary>Who holds it: <c>{node}/{run}/{pool}</c>.</summary>
    public required string Owner { get; init; }

    /// <summary>When it ends unless renewed; null where leases do not expire.</summary>
    public DateTimeOffset? ExpiresAt
    {
        get => _rare?.ExpiresAt;
        init
        {
            if (_rare is not null || value is not null)
            {
                _rare = (_rare ?? Rare.None) with { ExpiresAt = value };
            }
        }
    }

    /// <summary>Whether an earlier attempt began and ended without an outcome.</summary>
    public bool Redelivered { get; init; }

    /// <summary>When an earlier attempt claimed a send whose outcome is not known; null for none.</summary>
    public DateTimeOffset? SendStartedAt
    {
        get => _rare?.SendStartedAt;
        init
        {
            if (_rare is not null || value is not null)
            {
                _rare = (_rare ?? Rare.None) with { SendStartedAt = value };
            }
        }
    }

    /// <summary>How many sends of it were claimed and left no answer; 0 without <see cref="SendStartedAt"/>, otherwise at least 1.</summary>
    public int UnansweredSends
    {
        get => _rare?.SendStartedAt is null ? 0 : Math.Max(1, _rare.UnansweredSends);
        init
        {
            if (_rare is not null || value > 0)
            {
                _rare = (_rare ?? Rare.None) with { UnansweredSends = value };
            }
        }
    }

    /// <summary>How often a person has had it replayed in place (JN-3); 0 for never.</summary>
    public int Replays
    {
        get => _rare?.Replays ?? 0;
        init
        {
            if (_rare is not null || value > 0)
            {
                _rare = (_rare ?? Rare.None) with { Replays = value };
            }
        }
    }

    /// <summary>The outside ids of the parts that earlier attempts delivered, in order; empty at first.</summary>
    public IReadOnlyList<string> Progress
    {
        get => (_rare ?? Rare.None).Progress;
        init
        {
            if (_rare is not null || value.Count > 0)
            {
                _rare = (_rare ?? Rare.None) with { Progress = value };
            }
        }
    }

    /// <summary>What the store that gave the lease knows the message by, so that it need not look for it; null for a lease that came another way.</summary>
    internal object? Entry { get; init; }

    /// <summary>What most leases have nothing of.</summary>
    private sealed record Rare(DateTimeOffset? ExpiresAt, DateTimeOffset? SendStartedAt, IReadOnlyList<string> Progress, int UnansweredSends, int Replays)
    {
        public static readonly Rare None = new(null, null, [], 0, 0);
    }
}

/// <summary>What a worker says of a lease it goes on holding. Closed.</summary>
public abstract record LeaseProgress
{
    private LeaseProgress()
    {
    }

    /// <summary>The attempt begins now: the process may die of it. Kept through the end of the process, without a commit.</summary>
    /// <param name="Owner">The pool and slot that run it.</param>
    public sealed record Begin(string Owner) : LeaseProgress;

    /// <summary>A send is about to leave. Committed before the call returns.</summary>
    /// <param name="At">When.</param>
    public sealed record Claim(DateTimeOffset At) : LeaseProgress
    {
        /// <summary>How many sends have no answer, this one and earlier ones; 1 unless set, and at least 1.</summary>
        public int UnansweredSends { get; init; } = 1;
    }

    /// <summary>The send that was claimed certainly did not leave. Committed before the call returns.</summary>
    public sealed record Unclaim : LeaseProgress;

    /// <summary>Parts of a long message are delivered. Committed before the call returns.</summary>
    /// <param name="OutsideIds">The service's ids of all parts so far, in order.</param>
    public sealed record Parts(IReadOnlyList<string> OutsideIds) : LeaseProgress;
}
