namespace Postroom;

/// <summary>How an attempt ends. Closed: acknowledged, due again, released, or failed.</summary>
public abstract record Settlement
{
    private Settlement()
    {
    }

    /// <summary>The message is handled.</summary>
    public static Settlement Acknowledge { get; } = new Acknowledged();

    /// <summary>The message goes back to the head of its key as if it had never begun; the attempt is given back.</summary>
    public static Settlement Release { get; } = new Released();

    /// <summary>The message is due again at an instant and holds its key until then.</summary>
    /// <param name="at">When; an instant that is not in the future means at once.</param>
    /// <param name="reason">Why, for the record; cut at 4 KiB.</param>
    /// <param name="countsAttempt">Whether this attempt counts against the allowed ones.</param>
    public static Settlement RetryAt(DateTimeOffset at, string reason, bool countsAttempt = true) => new Retried(at, reason, countsAttempt);

    /// <summary>The message is given up.</summary>
    /// <param name="kind">Why, as a closed choice.</param>
    /// <param name="reason">Why, in words; cut at 4 KiB.</param>
    public static Settlement Fail(FailureKind kind, string reason) => new Failed(kind, reason);

    /// <summary>The message is handled.</summary>
    public sealed record Acknowledged : Settlement;

    /// <summary>The message is due again.</summary>
    /// <param name="At">When.</param>
    /// <param name="Reason">Why, for the record.</param>
    /// <param name="CountsAttempt">Whether this attempt counts against the allowed ones.</param>
    public sealed record Retried(DateTimeOffset At, string Reason, bool CountsAttempt) : Settlement
    {
        /// <summary>What ended the attempt; <see cref="FailureKind.Exception"/> unless set.</summary>
        public FailureKind Cause { get; init; } = FailureKind.Exception;

        /// <summary>How long its lane holds everything back first; null when it does not. Told in the log only.</summary>
        internal TimeSpan? LaneWait { get; init; }

        /// <summary>Whether a claimed send is still unsettled, so that the claim is kept; false unless set.</summary>
        public bool KeepsClaim { get; init; }
    }

    /// <summary>The attempt is given back.</summary>
    public sealed record Released : Settlement;

    /// <summary>The message is given up.</summary>
    /// <param name="Kind">Why, as a closed choice.</param>
    /// <param name="Reason">Why, in words.</param>
    public sealed record Failed(FailureKind Kind, string Reason) : Settlement;
}
