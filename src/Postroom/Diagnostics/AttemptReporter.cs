using System.Globalization;
using Microsoft.Extensions.Logging;
using Postroom.Workers;

namespace Postroom.Diagnostics;

/// <summary>Tells hooks, metrics and the log how an attempt ended, after its outcome is committed.</summary>
internal sealed partial class AttemptReporter(HookDispatcher hooks, RuntimeMetrics metrics, TimeProvider clock, ILogger log, bool leasesExpire = false)
{
    /// <summary>Reports one committed outcome.</summary>
    public ValueTask ReportAsync(Attempt attempt, Settlement settlement)
    {
        metrics.Settled(attempt, settlement, clock);
        if (settlement is Settlement.Failed(var kind, var reason))
        {
            if (!OutboundQueue.Is(attempt.Envelope.Queue) && attempt.Envelope.Queue != OutboundQueue.Unrouted)
            {
                // Deliveries are told of wherever they fail, see DeliveryFailures.
                using IDisposable? scope = MessageScope.Open(log, attempt.Envelope);
                LogFailed(attempt.Envelope.Id, attempt.Envelope.Queue, attempt.Lease.Attempt, kind, reason);
            }
        }
        else if (settlement is Settlement.Retried retried)
        {
            using IDisposable? scope = MessageScope.Open(log, attempt.Envelope);
            LogRetry(attempt.Envelope.Id, attempt.Envelope.Queue, attempt.Lease.Attempt, When(retried), retried.Reason);
        }

        attempt.Context?.Dispose();
        return attempt.Hooks is { } calls ? hooks.EndAsync(calls, settlement) : default;
    }

    /// <summary>Counts an outcome that came too late: somebody else has decided.</summary>
    public ValueTask LostAsync(Attempt attempt, LeaseLostException e)
    {
        metrics.SettleLost(attempt.Envelope.Queue, leasesExpire);
        using IDisposable? scope = MessageScope.Open(log, attempt.Envelope);
        LogLost(attempt.Envelope.Id, e.Message);
        attempt.Context?.Dispose();
        return attempt.Hooks is { } calls ? hooks.EndAsync(calls, Settlement.Release) : default;
    }

    /// <summary>Ends an attempt whose handler returned after it had been given up. What its hooks were told then stays; one that was still being announced was told nothing.</summary>
    public ValueTask LateAsync(Attempt attempt)
    {
        attempt.Context?.Dispose();
        return attempt.Hooks is { } calls ? hooks.EndAsync(calls, Settlement.Fail(FailureKind.Timeout, "timeout")) : default;
    }

    /// <summary>Whether reports are not very far behind.</summary>
    public bool HasRoom => hooks.Conversations.HasRoom;

    /// <summary>Waits while reports are very far behind.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken cancellationToken) => hooks.Conversations.WaitForRoomAsync(cancellationToken);

    private string When(Settlement.Retried retried)
    {
        return retried.At > clock.GetUtcNow() ? $"at {retried.At:O}"
            : retried.LaneWait is { } wait && wait > TimeSpan.Zero ? string.Create(CultureInfo.InvariantCulture, $"when its lane goes on, in {wait.TotalSeconds:0.#} s")
            : "at once";
    }

    [LoggerMessage(600, LogLevel.Warning, "Message {MessageId} in '{Queue}' failed on attempt {Attempt} ({Kind}): {Reason}")]
    private partial void LogFailed(MessageId messageId, string queue, int attempt, FailureKind kind, string reason);

    [LoggerMessage(601, LogLevel.Information, "Message {MessageId} in '{Queue}', attempt {Attempt}, is tried again {When}: {Reason}")]
    private partial void LogRetry(MessageId messageId, string queue, int attempt, string when, string reason);

    [LoggerMessage(602, LogLevel.Warning, "A late outcome of message {MessageId} was refused: {Why}")]
    private partial void LogLost(MessageId messageId, string why);
}
