namespace Postroom;

/// <summary>What a handler says of its work. Closed; nothing else counts as success.</summary>
public abstract record HandlerResult
{
    private HandlerResult()
    {
    }

    /// <summary>The work is done; what was staged is stored with the acknowledgement.</summary>
    public static HandlerResult Completed { get; } = new Done();

    /// <summary>Not now: the message comes again later and holds its key until then. What was staged is dropped.</summary>
    /// <param name="delay">How long to wait; at most 7 days.</param>
    /// <param name="reason">Why, for the record.</param>
    /// <param name="countsAttempt">Whether this attempt counts against the allowed ones.</param>
    public static HandlerResult RetryAfter(TimeSpan delay, string reason, bool countsAttempt = true) => new Retry(delay, reason, countsAttempt);

    /// <summary>Never: the message fails as rejected. What was staged is dropped, except what <c>SendOnFailure</c> staged.</summary>
    /// <param name="reason">Why, for the record.</param>
    public static HandlerResult Fail(string reason) => new Failed(reason);

    /// <summary>The work is done.</summary>
    public sealed record Done : HandlerResult;

    /// <summary>Not now.</summary>
    /// <param name="Delay">How long to wait.</param>
    /// <param name="Reason">Why.</param>
    /// <param name="CountsAttempt">Whether this attempt counts.</param>
    public sealed record Retry(TimeSpan Delay, string Reason, bool CountsAttempt) : HandlerResult;

    /// <summary>Never.</summary>
    /// <param name="Reason">Why.</param>
    public sealed record Failed(string Reason) : HandlerResult;
}
