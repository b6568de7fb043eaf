using System.Diagnostics;
using System.Text.Json.Serialization;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>A trace in a list: the message it began with, and how it stands with it and all that came of it.</summary>
/// <param name="Id">The trace.</param>
/// <param name="MessageId">The message it began with.</param>
/// <param name="Queue">Where that one came in.</param>
/// <param name="Type">Its type.</param>
/// <param name="State">That of the worst of them: failed before what is open, and that before what is done.</param>
/// <param name="Messages">How many they are.</param>
/// <param name="Truncated">True when there are more than were looked at; null otherwise.</param>
/// <param name="StartedAt">When the first was made.</param>
/// <param name="EndedAt">When the last one ended; null while one is open, or when not all were looked at.</param>
/// <param name="DurationMs">From the one to the other.</param>
internal sealed record TraceHeadView(
    string Id, string MessageId, string Queue, string Type, string State, int Messages, bool? Truncated, DateTimeOffset StartedAt, DateTimeOffset? EndedAt, double? DurationMs)
{
    /// <param name="first">The message the trace began with.</param>
    /// <param name="entries">That one and all that came of it.</param>
    /// <param name="truncated">Whether there are more of them.</param>
    public static TraceHeadView Of(Envelope first, IReadOnlyCollection<JournalEntry> entries, bool truncated)
    {
        MessageState[] worstFirst = [MessageState.Failed, MessageState.Dispatched, MessageState.Pending, MessageState.Acked];
        DateTimeOffset? ended = truncated || entries.Any(static entry => entry.FinishedAt is null) ? null : entries.Max(static entry => entry.FinishedAt);
        return new TraceHeadView(
            TraceTree.IdOf(first), first.Id.ToString(), first.Queue, first.Type, Why.Word(worstFirst.First(state => entries.Any(entry => entry.State == state))),
            entries.Count, truncated ? true : null, first.CreatedAt, ended, (ended - first.CreatedAt)?.TotalMilliseconds);
    }
}

/// <summary>A trace: what the journal's times say of its messages, and the spans that are still kept.</summary>
/// <param name="Id">The trace.</param>
/// <param name="StartedAt">When its first message was made.</param>
/// <param name="EndedAt">When its last message ended; null while one is open.</param>
/// <param name="DurationMs">From the one to the other.</param>
/// <param name="Messages">How many messages it has.</param>
/// <param name="Truncated">True when it has more than are shown; null otherwise.</param>
/// <param name="Spans">What the journal knows, in the order of time.</param>
/// <param name="Kept">Spans that a transport was given, as far as <c>tracing.keep</c> keeps them.</param>
internal sealed record TraceView(
    string Id, DateTimeOffset StartedAt, DateTimeOffset? EndedAt, double? DurationMs, int Messages, bool? Truncated, IReadOnlyList<JournalSpanView> Spans, IReadOnlyList<KeptSpanView> Kept);

/// <summary>One stretch of a message's life, from the times of the journal.</summary>
internal sealed record JournalSpanView
{
    /// <summary><c>postroom.accept</c>, <c>postroom.handle</c> or <c>postroom.deliver</c>.</summary>
    public required string Name { get; init; }

    public required string MessageId { get; init; }

    public string? ParentId { get; init; }

    public required string Queue { get; init; }

    public required string Type { get; init; }

    public int? Attempt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public double? DurationMs { get; init; }

    public string? Outcome { get; init; }

    public string? Kind { get; init; }

    public string? Error { get; init; }

    public string? Owner { get; init; }
}

/// <summary>One span as it was given to a transport.</summary>
internal sealed record KeptSpanView(
    string Name, string SpanId, string? ParentSpanId, DateTimeOffset StartedAt, double DurationMs, string Status, string? StatusText, IReadOnlyDictionary<string, string> Tags, IReadOnlyList<TraceLink> Links)
{
    public static KeptSpanView Of(TraceSpan span) => new(
        span.Name, span.SpanId, span.ParentSpanId, span.StartedAt, Math.Round(span.Duration.TotalMilliseconds, 3), span.Status == ActivityStatusCode.Error ? "error" : span.Status == ActivityStatusCode.Ok ? "ok" : "unset",
        span.StatusText, span.Tags.DistinctBy(static tag => tag.Key).ToDictionary(static tag => tag.Key, static tag => Convert.ToString(tag.Value, System.Globalization.CultureInfo.InvariantCulture) ?? ""), span.Links);
}

[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(TraceView))]
[JsonSerializable(typeof(ListView<TraceHeadView>))]
internal sealed partial class TraceJson : JsonSerializerContext;
