using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
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
internal sealed class ScheduleEndpoints(IRuntimeView runtime, OperatorAction action)
{
    private const int PerRead = 1_000;
    private const int MostLooked = 50_000;

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
        string? from = query.Instant("until") is { } until ? ScheduleOccurrence.KeyOf(name, InstantOf(until.ToUnixTimeMilliseconds() + 1)) : null;
        string? place = query.Cursor is { } cursor ? ScheduleOccurrence.KeyOf(name, InstantOf(cursor)) : from;
        List<ScheduleOccurrence> found = [];
        await foreach (ScheduleOccurrence row in EachAsync(name, place, since, context.RequestAborted))
        {
            if (Fits(row))
            {
                found.Add(row);
            }

            if (found.Count > query.Limit)
            {
                break;
            }
        }

        OccurrenceView[] page = [.. found.Take(query.Limit).Select(OccurrenceView.Of)];
        bool more = found.Count > page.Length;
        long? next = more ? page[^1].DueAt.ToUnixTimeMilliseconds() : null;
        Total total = !more && query.Cursor is null ? new Total(page.Length, AtLeast: false) : await Total.CountAsync(EachAsync(name, from, since, context.RequestAborted), Fits, MostLooked);
        ListView<OccurrenceView> view = new(page, page.Length, total.Number, query.Limit, 0, next, total.Mark);
        await ApiAnswer.WriteAsync(context, view, ScheduleViewJson.Default.ListViewOccurrenceView);

        bool Fits(ScheduleOccurrence row) => (since is null || row.DueAt >= since) && (states.Count == 0 || states.Contains(row.State));
    }

    /// <summary>Fires once now.</summary>
    public Task RunAsync(HttpContext context)
    {
        JsonObject detail = [];
        return action.DoAsync(
            context,
            "schedule.run",
            NameOf(context),
            async token =>
            {
                try
                {
                    MessageId id = await runtime.RunScheduleAsync(NameOf(context), token);
                    detail["id"] = id.ToString();
                    return new ScheduleRunView(id.ToString());
                }
                catch (AddressException e)
                {
                    throw new RuntimeConflictException(e.Message);
                }
            },
            ScheduleViewJson.Default.ScheduleRunView,
            StatusCodes.Status202Accepted,
            detail: detail,
            about: static view => MessageId.Parse(view.Id, CultureInfo.InvariantCulture));
    }

    /// <summary>The occurrences before a key, newest first, as far back as is asked for.</summary>
    private async IAsyncEnumerable<ScheduleOccurrence> EachAsync(string name, string? before, DateTimeOffset? since, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? oldest = since is { } instant ? ScheduleOccurrence.KeyOf(name, instant) : null;
        while (true)
        {
            IReadOnlyList<StoredFact> rows = await runtime.Facts.ListLastAsync(FactScopes.Occurrence, ScheduleOccurrence.KeyPrefix(name), before, PerRead, cancellationToken);
            foreach (ScheduleOccurrence row in rows.Select(Read).OfType<ScheduleOccurrence>())
            {
                yield return row;
            }

            if (rows.Count < PerRead || string.CompareOrdinal(before = rows[^1].Key, oldest) < 0)
            {
                yield break;
            }
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
