using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>One schedule.</summary>
internal sealed record ScheduleView(
    string Name, bool Enabled, string When, string TimeZone, string Queue, string Type, DateTimeOffset? NextAt, OccurrenceView? Last, string? Problem)
{
    public static ScheduleView Of(ScheduleStatus status) => new(
        status.Name, status.Enabled, status.When, status.TimeZone, status.Queue, status.Type, status.NextAt, status.Last is { } last ? OccurrenceView.Of(last) : null, status.Problem);
}

/// <summary>One occurrence of a schedule.</summary>
internal sealed record OccurrenceView(DateTimeOffset DueAt, string State, string? Reason, string? MessageId, bool Manual, long Count, DateTimeOffset? Until)
{
    public static OccurrenceView Of(ScheduleOccurrence row) => new(row.DueAt, row.State.ToString().ToLowerInvariant(), row.Reason, row.MessageId, row.Manual, row.Count, row.Until);
}

/// <summary>What <c>POST …/schedules/{name}/run</c> answers.</summary>
internal sealed record ScheduleRunView(string Id);

/// <summary>Schedules, what became of their occurrences, and firing one by hand (CP-10, SR-21).</summary>
internal sealed class ScheduleEndpoints(IRuntimeView runtime, AuditTrail audit)
{
    private const int PerRead = 1_000;
    private const int MostReads = 50;

    /// <summary>All schedules with their next occurrence.</summary>
    public async Task ListAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        await ApiAnswer.WriteAsync(context, ListView<ScheduleView>.Of(status.Schedules.Select(ScheduleView.Of), query), ScheduleViewJson.Default.ListViewScheduleView);
    }

    /// <summary>One schedule.</summary>
    public async Task OneAsync(HttpContext context)
    {
        string name = NameOf(context);
        ScheduleStatus? found = (await runtime.GetStatusAsync(context.RequestAborted)).Schedules.FirstOrDefault(schedule => schedule.Name == name);
        await ApiAnswer.WriteOrNotFoundAsync(context, found is null ? null : ScheduleView.Of(found), ScheduleViewJson.Default.ScheduleView, $"schedule '{Names.Shorten(name)}'");
    }

    /// <summary>What became of its occurrences, newest first; also of a schedule that is gone, as long as they are kept.</summary>
    public async Task OccurrencesAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context, "since", "until", "state");
        IReadOnlyList<OccurrenceState> states = query.Words<OccurrenceState>("state");
        DateTimeOffset? since = query.Instant("since");
        string name = NameOf(context);
        string? before = query.Cursor is { } cursor ? ScheduleOccurrence.KeyOf(name, InstantOf(cursor))
            : query.Instant("until") is { } until ? ScheduleOccurrence.KeyOf(name, InstantOf(until.ToUnixTimeMilliseconds() + 1)) : null;
        List<OccurrenceView> found = [];
        bool more = true;
        for (int reads = 0; more && found.Count <= query.Limit && reads < MostReads; reads++)
        {
            IReadOnlyList<StoredFact> rows = await runtime.Facts.ListLastAsync(FactScopes.Occurrence, ScheduleOccurrence.KeyPrefix(name), before, PerRead, context.RequestAborted);
            foreach (ScheduleOccurrence row in rows.Select(Read).OfType<ScheduleOccurrence>().Where(row => (since is null || row.DueAt >= since) && (states.Count == 0 || states.Contains(row.State))))
            {
                found.Add(OccurrenceView.Of(row));
            }

            before = rows.Count > 0 ? rows[^1].Key : before;
            more = rows.Count == PerRead && (since is null || string.CompareOrdinal(before, ScheduleOccurrence.KeyOf(name, since.Value)) >= 0);
        }

        OccurrenceView[] page = [.. found.Take(query.Limit)];
        bool hasNext = found.Count > page.Length || more;
        long? next = hasNext && page.Length > 0 ? page[^1].DueAt.ToUnixTimeMilliseconds() : null;
        ListView<OccurrenceView> view = new(page, page.Length, page.Length, query.Limit, 0, next, hasNext ? true : null);
        await ApiAnswer.WriteAsync(context, view, ScheduleViewJson.Default.ListViewOccurrenceView);
    }

    /// <summary>Fires once now.</summary>
    public async Task RunAsync(HttpContext context)
    {
        string name = NameOf(context);
        try
        {
            MessageId id = await runtime.RunScheduleAsync(name, context.RequestAborted);
            await audit.WriteAsync(context, "schedule.run", name, id);
            context.Response.StatusCode = StatusCodes.Status202Accepted;
            await ApiAnswer.WriteAsync(context, new ScheduleRunView(id.ToString()), ScheduleViewJson.Default.ScheduleRunView);
        }
        catch (KeyNotFoundException e)
        {
            await new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = e.Message }.WriteAsync(context);
        }
        catch (AddressException e)
        {
            await new Problem { Status = 409, Code = ProblemCode.Conflict, Detail = e.Message }.WriteAsync(context);
        }
    }

    private static string NameOf(HttpContext context) => context.Request.RouteValues["schedule"] as string ?? "";

    private static DateTimeOffset InstantOf(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(milliseconds, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));

    private static ScheduleOccurrence? Read(StoredFact fact)
    {
        try
        {
            return JsonSerializer.Deserialize(fact.Value.Span, PostroomJson.Default.ScheduleOccurrence);
        }
        catch (JsonException)
        {
            return null; // Written by a later version.
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(ScheduleView))]
[JsonSerializable(typeof(ListView<ScheduleView>))]
[JsonSerializable(typeof(ListView<OccurrenceView>))]
[JsonSerializable(typeof(ScheduleRunView))]
internal sealed partial class ScheduleViewJson : JsonSerializerContext;
