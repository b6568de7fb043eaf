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

/// <summary>What a service said of a delivery after its message had ended.</summary>
internal sealed record ReceiptNewsView(DateTimeOffset At, string MessageId, string Queue, string? Conversation, string Status, string? OutsideId, string? Detail, int? Part)
{
    public static ReceiptNewsView Of(StoredReceipt stored) => new(
        stored.Receipt.At, stored.MessageId.ToString(), stored.Queue, stored.Conversation, Why.Word(stored.Receipt.Status), stored.Receipt.OutsideId, stored.Receipt.Detail, stored.Receipt.Part);
}

/// <summary>One line of the log, masked.</summary>
/// <param name="At">When.</param>
/// <param name="Level">How grave it is, in lower case.</param>
/// <param name="Category">What it is of.</param>
/// <param name="Text">What it says.</param>
/// <param name="MessageId">The message it is about; null for none.</param>
/// <param name="TraceId">The trace it is about; null for none.</param>
/// <param name="LeftOut">How many lines before it were left out because too many came at once; null for none.</param>
internal sealed record LogView(DateTimeOffset At, string Level, string Category, string Text, string? MessageId, string? TraceId, long? LeftOut);

/// <summary>That a client missed events, and has to look for itself.</summary>
/// <param name="Reason">Why.</param>
internal sealed record GapView(string Reason);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(TransitionView))]
[JsonSerializable(typeof(PartView))]
[JsonSerializable(typeof(GapView))]
[JsonSerializable(typeof(ReceiptNewsView))]
[JsonSerializable(typeof(LogView))]
internal sealed partial class EventJson : JsonSerializerContext;
