namespace Postroom;

/// <summary>How one schedule stands.</summary>
public sealed record ScheduleStatus
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Whether it fires.</summary>
    public bool Enabled { get; init; }

    /// <summary>When it is due, as the settings say: a cron pattern, or <c>every 5m</c>.</summary>
    public required string When { get; init; }

    /// <summary>The zone that a pattern is read in.</summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>The queue of its messages.</summary>
    public required string Queue { get; init; }

    /// <summary>The type of its messages.</summary>
    public required string Type { get; init; }

    /// <summary>When it is due next; null when it does not fire.</summary>
    public DateTimeOffset? NextAt { get; init; }

    /// <summary>The occurrence that this run decided last; null for none.</summary>
    public ScheduleOccurrence? Last { get; init; }

    /// <summary>Why it does not fire although it should; null when nothing is wrong.</summary>
    public string? Problem { get; init; }
}
