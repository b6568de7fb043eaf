using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>One move of one message (TR-1).</summary>
internal sealed record TransitionView(
    DateTimeOffset At, string MessageId, string Queue, string Type, string? Conversation, string? From, string To, int Attempt, string? Owner, string? Kind, string? Reason, double? DurationMs, string? TraceId)
{
    public static TransitionView Of(Transition move) => new(
        move.At, move.MessageId.ToString(), move.Queue, move.Type, move.Conversation, move.From is { } from ? Why.Word(from) : null, Why.Word(move.To), move.Attempt, move.Owner,
        move.Kind is { } kind ? Why.Word(kind) : null, move.Reason, move.Duration is { } took ? Math.Round(took.TotalMilliseconds, 2) : null, move.TraceId);
}

/// <summary>How a part stands now.</summary>
internal sealed record PartView(string Name, string State, string? Text);

/// <summary>That a client missed events, and has to look for itself.</summary>
/// <param name="Reason">Why.</param>
internal sealed record GapView(string Reason);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(TransitionView))]
[JsonSerializable(typeof(PartView))]
[JsonSerializable(typeof(GapView))]
internal sealed partial class EventJson : JsonSerializerContext;
