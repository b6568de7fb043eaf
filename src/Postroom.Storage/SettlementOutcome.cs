namespace Postroom.Storage;

/// <summary>What a settlement makes of a message: computed once, written to the medium, then applied in memory.</summary>
internal readonly record struct SettlementOutcome
{
    public required MessageState State { get; init; }

    public required int Attempt { get; init; }

    public required int Failures { get; init; }

    /// <summary>When the next attempt is due; null for at once.</summary>
    public DateTimeOffset? DueAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    public FailureKind? Kind { get; init; }

    public string? Error { get; init; }

    /// <summary>A claimed send whose outcome is still not known.</summary>
    public DateTimeOffset? SendStartedAt { get; init; }

    /// <summary>When the settlement was decided.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>How the attempt ended, in the words of <see cref="AttemptRecord.Outcome"/>.</summary>
    public required string Word { get; init; }

    /// <summary>All of them.</summary>
    public static ReadOnlySpan<string?> Words => AllWords;

    private static readonly string?[] AllWords = ["acked", "failed", "retry", "released"];

    /// <summary>The word of a settlement.</summary>
    public static string WordOf(Settlement settlement) => settlement switch
    {
        Settlement.Acknowledged => "acked",
        Settlement.Failed => "failed",
        Settlement.Retried => "retry",
        _ => "released",
    };

    /// <summary>Computes the outcome of settling a reserved message. Pure.</summary>
    public static SettlementOutcome Of(OpenMessage message, Settlement settlement, DateTimeOffset now)
    {
        int begun = message.Begun ? 1 : 0;
        return settlement switch
        {
            Settlement.Acknowledged => new SettlementOutcome
            {
                State = MessageState.Acked,
                Attempt = message.Attempt,
                Failures = message.Failures,
                FinishedAt = now,
                At = now,
                Word = WordOf(settlement),
            },
            Settlement.Failed(var kind, var reason) => new SettlementOutcome
            {
                State = MessageState.Failed,
                Attempt = message.Attempt,
                Failures = message.Failures + begun,
                FinishedAt = now,
                Kind = kind,
                Error = ErrorText.Cut(reason),
                SendStartedAt = kind == FailureKind.Uncertain ? message.SendStartedAt : null,
                At = now,
                Word = WordOf(settlement),
            },
            Settlement.Retried retry => new SettlementOutcome
            {
                State = MessageState.Pending,
                Attempt = message.Attempt - (retry.CountsAttempt ? 0 : begun),
                Failures = message.Failures + (retry.CountsAttempt ? 1 : 0),
                DueAt = retry.At > now ? WholeMilliseconds(retry.At) : null,
                Kind = retry.Cause,
                Error = ErrorText.Cut(retry.Reason),
                SendStartedAt = retry.KeepsClaim ? message.SendStartedAt : null,
                At = now,
                Word = WordOf(settlement),
            },
            _ => new SettlementOutcome
            {
                State = MessageState.Pending,
                Attempt = message.Attempt - begun,
                Failures = message.Failures,
                Error = message.Error,
                SendStartedAt = message.SendStartedAt,
                At = now,
                Word = WordOf(settlement),
            },
        };
    }

    // Instants are kept as milliseconds; a retry is never early, so it is the next one.
    private static DateTimeOffset WholeMilliseconds(DateTimeOffset at)
    {
        long beyond = at.UtcTicks % TimeSpan.TicksPerMillisecond;
        return new DateTimeOffset(beyond == 0 ? at.UtcTicks : at.UtcTicks - beyond + TimeSpan.TicksPerMillisecond, TimeSpan.Zero);
    }
}
