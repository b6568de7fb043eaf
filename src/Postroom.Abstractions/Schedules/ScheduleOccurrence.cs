using System.Globalization;

namespace Postroom;

/// <summary>What became of one occurrence of a schedule (SPEC SR-19); kept as a fact of the scope <see cref="FactScopes.Occurrence"/> for <c>retention.occurrences</c>.</summary>
/// <param name="Schedule">The schedule.</param>
/// <param name="DueAt">When it was due; of a manual one, when it was asked for.</param>
/// <param name="State">What became of it.</param>
public sealed record ScheduleOccurrence(string Schedule, DateTimeOffset DueAt, OccurrenceState State)
{
    /// <summary>Why; null for an occurrence that was simply fired.</summary>
    public string? Reason { get; init; }

    /// <summary>The message; null when there is none.</summary>
    public string? MessageId { get; init; }

    /// <summary>Whether a person asked for it.</summary>
    public bool Manual { get; init; }

    /// <summary>How many occurrences the row stands for: 1, or more where too many were missed to have a row each.</summary>
    public long Count { get; init; } = 1;

    /// <summary>The last one that the row stands for; null when it stands for one.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>What the keys of a schedule's rows begin with; what follows is in the order of time.</summary>
    internal static string KeyPrefix(string schedule) => $"{schedule}/";

    /// <summary>The key of a row.</summary>
    internal static string KeyOf(string schedule, DateTimeOffset due) => KeyPrefix(schedule) + Instant(due);

    /// <summary>An instant as keys write it.</summary>
    internal static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}

/// <summary>What became of an occurrence.</summary>
public enum OccurrenceState
{
    /// <summary>Its message is stored.</summary>
    Enqueued,

    /// <summary>It was left out because the former one was still open.</summary>
    Skipped,

    /// <summary>It was due while nobody looked, and was not made up for.</summary>
    Missed,
}

/// <summary>The body of a schedule's message when its settings give none.</summary>
/// <param name="Schedule">The schedule.</param>
/// <param name="DueAt">When it was due; of a manual one, when it was asked for.</param>
/// <param name="Manual">Whether a person asked for it.</param>
public sealed record ScheduleDue(string Schedule, DateTimeOffset DueAt, bool Manual = false);
