using System.Text.Json;
using Postroom.Scheduling;

namespace Postroom.Configuration;

/// <summary>Reads the section of schedules, and checks what modules say of theirs.</summary>
internal static class ScheduleSections
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(366);

    /// <summary>All schedules: those of the settings, and those of modules that the settings say nothing of.</summary>
    public static IReadOnlyDictionary<string, ScheduleOptions> ReadSchedules(SectionReader reader, ConfigurationCatalog catalog)
    {
        Dictionary<string, ScheduleOptions> schedules = new(
            reader.ReadNamed("schedule", (name, schedule) => Read(schedule, catalog.Schedules.TryGetValue(name, out ScheduleOptions? declared) ? declared : null)), StringComparer.Ordinal);
        foreach ((string name, ScheduleOptions declared) in catalog.Schedules)
        {
            if (schedules.TryAdd(name, declared))
            {
                Check(declared, $"schedules.{name}", (_, text) => reader.AddError(name, $"{text} It is said by AddSchedule(\"{name}\")."));
            }
        }

        return schedules;
    }

    private static ScheduleOptions Read(SectionReader reader, ScheduleOptions? declared)
    {
        ScheduleOptions d = declared ?? new ScheduleOptions();

        // A time of the settings takes the place of the module's, whichever of the two kinds it is.
        bool when = reader.Has("cron") || reader.Has("every");
        ScheduleOptions options = new()
        {
            Cron = reader.ReadText("cron", when ? null : d.Cron),
            Every = reader.ReadOptionalDuration("every", when ? null : d.Every, Second, Longest),
            TimeZone = reader.ReadText("timeZone", d.TimeZone)!,
            Queue = d.Queue.Length > 0 ? reader.ReadText("queue", d.Queue)! : reader.RequireText("queue", "Say where the message goes."),
            Type = d.Type.Length > 0 ? reader.ReadText("type", d.Type)! : reader.RequireText("type", "Say which type the message has, such as schedule.report."),
            Body = reader.ReadText("body", d.Body),
            Misfire = reader.ReadChoice("misfire", d.Misfire),
            Overlap = reader.ReadChoice("overlap", d.Overlap),
            Enabled = reader.ReadFlag("enabled", d.Enabled),
        };
        Check(options, reader.Path, (key, text) =>
        {
            if (key is not ("queue" or "type") || reader.Has(key))
            {
                reader.AddError(key, text); // One that is missing has been reported.
            }
        });
        return options;
    }

    private static void Check(ScheduleOptions options, string path, Action<string, string> report)
    {
        if (options.Cron is null == options.Every is null)
        {
            report("", $"{path} has {(options.Cron is null ? "neither cron nor every" : "both cron and every")}. Give it exactly one of the two.");
        }
        else if (options.Cron is { } cron && !CronPattern.TryParse(cron, out _, out string? problem))
        {
            report("cron", $"{path}.cron is '{Names.Shorten(cron)}', which cannot be read: {problem}. Write it like '0 7 * * MON-FRI'.");
        }
        else if (options.Every is { } every && (every < Second || every > Longest))
        {
            report("every", $"{path}.every is {Duration.Format(every)}; it must be 1s to 366d.");
        }

        if (!TimeZoneInfo.TryFindSystemTimeZoneById(options.TimeZone, out _))
        {
            report("timeZone", $"{path}.timeZone is '{options.TimeZone}', which this machine does not know. Use an IANA name such as Europe/Berlin.");
        }

        if (!Names.IsPayloadType(options.Type))
        {
            report("type", $"{path}.type is '{Names.Shorten(options.Type)}', which is not a payload type. {Names.TypeRule}");
        }

        if (!Names.IsName(options.Queue))
        {
            report("queue", $"{path}.queue is '{Names.Shorten(options.Queue)}', which is not a queue name. {Names.Rule}");
        }

        if (options.Body is { } body && !IsJson(body))
        {
            report("body", $"{path}.body is not JSON. Write it like '{{\"report\": \"daily\"}}', put a text in double quotes inside, or leave it out to get the occurrence itself.");
        }
    }

    private static bool IsJson(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 32 });
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
