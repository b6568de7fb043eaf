using Microsoft.Extensions.Logging;
using Postroom.Workers;

namespace Postroom.Diagnostics;

/// <summary>Tells hooks, metrics and the log how an attempt ended, after its outcome is committed.</summary>
internal sealed partial class AttemptReporter(HookDispatcher hooks, ConversationWatch conversations, RuntimeMetrics metrics, TimeProvider clock, ILogger log)
{
    /// <summary>Reports one committed outcome.</summary>
    public ValueTask ReportAsync(Attempt attempt, Settlement settlement)
    {
        metrics.Settled(attempt, settlement, clock.GetElapsedTime(attempt.StartedAt));
        if (settlement is Settlement.Failed(var kind, var reason))
        {
            LogFailed(attempt.Envelope.Id, attempt.Envelope.Queue, attempt.Lease.Attempt, kind, reason);
        }
        else if (settlement is Settlement.Retried retried)
        {
            LogRetry(attempt.Envelope.Id, attempt.Envelope.Queue, attempt.Lease.Attempt, retried.At, retried.Reason);
        }

        if (attempt.Hooks is null && !conversations.IsOn)
        {
            attempt.Context?.Dispose();
            return default;
        }

        return TellAsync(attempt, settlement);
    }

    /// <summary>Counts an outcome that came too late.</summary>
    public void Lost(Attempt attempt, LeaseLostException e)
    {
        metrics.SettleLost(attempt.Envelope.Queue);
        LogLost(attempt.Envelope.Id, e.Message);
        attempt.Context?.Dispose();
    }

    private async ValueTask TellAsync(Attempt attempt, Settlement settlement)
    {
        if (attempt.Hooks is { } calls)
        {
            await hooks.EndAsync(calls, settlement);
        }

        attempt.Context?.Dispose();
        if (settlement is Settlement.Acknowledged or Settlement.Failed)
        {
            await conversations.OnEndedAsync(attempt.Envelope.Conversation);
        }
    }

    [LoggerMessage(600, LogLevel.Warning, "Message {MessageId} in '{Queue}' failed on attempt {Attempt} ({Kind}): {Reason}")]
    private partial void LogFailed(MessageId messageId, string queue, int attempt, FailureKind kind, string reason);

    [LoggerMessage(601, LogLevel.Information, "Message {MessageId} in '{Queue}', attempt {Attempt}, is tried again at {At:O}: {Reason}")]
    private partial void LogRetry(MessageId messageId, string queue, int attempt, DateTimeOffset at, string reason);

    [LoggerMessage(602, LogLevel.Warning, "A late outcome of message {MessageId} was refused: {Why}")]
    private partial void LogLost(MessageId messageId, string why);
}
