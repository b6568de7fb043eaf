using Postroom.Workers;

namespace Postroom;

/// <summary>Decides how a message goes on after an attempt: a pure function of the failure, the counts, a random number and the time.</summary>
internal static class RetryPolicy
{
    public static readonly TimeSpan LongestWait = TimeSpan.FromDays(7);

    public static Settlement Decide(AttemptEnd end, MessageLease lease, Backoff backoff, bool retryTimeouts, double random, DateTimeOffset now)
    {
        return end switch
        {
            AttemptEnd.Returned { Result: HandlerResult.Done } => Settlement.Acknowledge,
            AttemptEnd.Returned { Result: HandlerResult.Failed(var reason) } => Settlement.Fail(FailureKind.Rejected, reason),
            AttemptEnd.Returned { Result: HandlerResult.Retry retry } => Later(lease, retry.Delay, retry.Reason, retry.CountsAttempt, now),
            AttemptEnd.Threw { Exception: PermanentException e } => Settlement.Fail(FailureKind.Exception, Text(e)),
            AttemptEnd.Threw { Exception: RetryAfterException e } => Later(lease, e.Delay, Text(e), countsAttempt: true, now),
            AttemptEnd.Threw(var e) => Again(lease, backoff, Text(e), FailureKind.Exception, random, now),
            AttemptEnd.TimedOut(var limit) when retryTimeouts => Again(lease, backoff, TimeoutText(limit), FailureKind.Timeout, random, now),
            AttemptEnd.TimedOut(var limit) => Settlement.Fail(FailureKind.Timeout, TimeoutText(limit)),
            AttemptEnd.Unfit(var kind, var reason) => Settlement.Fail(kind, reason),
            AttemptEnd.Delivered(var settlement, _) => settlement,
            _ => Settlement.Release,
        };
    }

    /// <summary>The next try after the queue's backoff, or the end when all tries are used up.</summary>
    public static Settlement Again(MessageLease lease, Backoff backoff, string reason, FailureKind cause, double random, DateTimeOffset now)
    {
        int failures = lease.Failures + 1;
        return failures >= lease.Envelope.MaxAttempts
            ? Settlement.Fail(FailureKind.Exhausted, reason)
            : new Settlement.Retried(now + backoff.After(failures, random), reason, CountsAttempt: true) { Cause = cause };
    }

    private static Settlement Later(MessageLease lease, TimeSpan delay, string reason, bool countsAttempt, DateTimeOffset now)
    {
        TimeSpan wait = delay < TimeSpan.Zero ? TimeSpan.Zero : delay > LongestWait ? LongestWait : delay;
        return countsAttempt && lease.Failures + 1 >= lease.Envelope.MaxAttempts
            ? Settlement.Fail(FailureKind.Exhausted, reason)
            : Settlement.RetryAt(now + wait, reason, countsAttempt);
    }

    // Those two carry words that were chosen for the reader of the record, and a contact may see them.
    private static string Text(Exception e) => e is PermanentException or RetryAfterException ? e.Message : $"{e.GetType().Name}: {e.Message}";

    private static string TimeoutText(TimeSpan limit)
    {
        return FormattableString.Invariant($"The handler did not finish within {limit.TotalSeconds:0.###} s (handlerTimeout).");
    }
}
