using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Scheduling;

/// <summary>Up to where a schedule has decided; kept with each decision.</summary>
/// <param name="Times">What its times were then: others begin anew.</param>
/// <param name="Until">Every occurrence up to this instant is decided.</param>
/// <param name="Message">The message of its last occurrence that had one; null for none.</param>
internal sealed record ScheduleMark(string Times, DateTimeOffset Until, string? Message)
{
    public FactChange ToFact(string schedule) => new(FactScopes.Schedule, schedule, JsonSerializer.SerializeToUtf8Bytes(this, ScheduleJson.Default.ScheduleMark));

    /// <summary>Reads a mark; null when it cannot be read, so that the schedule begins anew.</summary>
    public static ScheduleMark? Of(StoredFact fact)
    {
        try
        {
            return JsonSerializer.Deserialize(fact.Value.Span, ScheduleJson.Default.ScheduleMark);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>One schedule as it runs. Changed by whoever holds the scheduler's turn; the rest is for everybody to read.</summary>
internal sealed class ScheduleEntry(string name, ScheduleOptions options)
{
    private volatile ScheduleStatus _status = new()
    {
        Name = name,
        Enabled = options.Enabled,
        When = options.Every is { } every ? $"every {Duration.Format(every)}" : options.Cron ?? "",
        TimeZone = options.TimeZone,
        Queue = options.Queue,
        Type = options.Type,
    };

    public string Name { get; } = name;

    public ScheduleOptions Options { get; } = options;

    /// <summary>Null for one that does not fire.</summary>
    public ScheduleTimes? Times { get; init; }

    public ScheduleMark? Mark { get; set; }

    /// <summary>How it stands.</summary>
    public ScheduleStatus Status
    {
        get => _status;
        set => _status = value;
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ScheduleMark))]
internal sealed partial class ScheduleJson : JsonSerializerContext;
