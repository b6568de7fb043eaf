namespace Postroom;

/// <summary>When a schedule appends what. Bound from <c>schedules.{name}</c>.</summary>
public sealed record ScheduleOptions
{
    /// <summary>The times as a cron pattern of 5 fields, or 6 with seconds first, or <c>@hourly</c>, <c>@daily</c>, <c>@weekly</c>, <c>@monthly</c>. Null when <see cref="Every"/> is set; one of the two is required.</summary>
    public string? Cron { get; set; }

    /// <summary>The real time between occurrences, which are multiples of it since 1970-01-01 UTC; 1 second to 366 days. Null when <see cref="Cron"/> is set.</summary>
    public TimeSpan? Every { get; set; }

    /// <summary>The IANA name of the zone the pattern is read in. <c>UTC</c> unless set.</summary>
    public string TimeZone { get; set; } = "UTC";

    /// <summary>The queue the message goes to. Required.</summary>
    public string Queue { get; set; } = "";

    /// <summary>The message's type. Required.</summary>
    public string Type { get; set; } = "";

    /// <summary>The message's body as JSON; null, the default, is the occurrence itself, a <see cref="ScheduleDue"/>.</summary>
    public string? Body { get; set; }

    /// <summary>What becomes of occurrences missed while the runtime was down; the last one, when it is late by at most 60 s, is not missed. One is made up for unless set.</summary>
    public MisfirePolicy Misfire { get; set; }

    /// <summary>Whether an occurrence is appended while the former one is still open. It is unless set.</summary>
    public OverlapPolicy Overlap { get; set; }

    /// <summary>Whether it fires. True unless set.</summary>
    public bool Enabled { get; set; } = true;
}
