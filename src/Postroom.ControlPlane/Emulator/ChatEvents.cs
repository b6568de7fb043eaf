using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>The events of the web chat (EU-2, EU-4). Only messages carry an id: signals must not move a client's position.</summary>
internal static class ChatEvents
{
    private const string TranscriptName = "transcript.txt";

    /// <summary>A message or a part of one: its text, or with a file one JSON object of both.</summary>
    public static ServerEvent Message(string id, OutgoingMessage message)
    {
        Attachment? file = FileOf(message);
        string data = file is null
            ? message.Message
            : JsonSerializer.Serialize(new TextWithFile(message.Message, Convert.ToBase64String(file.Data!.Value.Span)), ChatJson.Default.TextWithFile);
        return new ServerEvent(id, null, data);
    }

    /// <summary>The one file an event can carry: the transcript, else the first with bytes.</summary>
    public static Attachment? FileOf(OutgoingMessage message) =>
        message.Attachments.FirstOrDefault(file => file is { Name: TranscriptName, Data: not null }) ?? message.Attachments.FirstOrDefault(file => file.Data is not null);

    /// <summary>How far a message of the contact has come.</summary>
    public static ServerEvent State(MessageId id, MessageState state, int attempt, string? reason) =>
        Named("state", new StateData(id.ToString(), Why.Word(state), attempt, reason), ChatJson.Default.StateData);

    /// <summary>How far an answer has come.</summary>
    public static ServerEvent Receipt(string id, DeliveryStatus status) => Named("receipt", new ReceiptData(id, Why.Word(status)), ChatJson.Default.ReceiptData);

    /// <summary>Something went wrong on purpose.</summary>
    public static ServerEvent Fault(string text) => Named("fault", new FaultData(text), ChatJson.Default.FaultData);

    /// <summary>The store went back to a copy: numbers after the newest it has are given again, to other messages.</summary>
    public static ServerEvent Restored(long newest) => Named("restored", new RestoredData(newest), ChatJson.Default.RestoredData);

    /// <summary>A signal; null for one the page does not show.</summary>
    public static ServerEvent? Signal(Signal signal) => signal switch
    {
        Postroom.Signal.Typing typing => Named("typing", new TypingData(typing.Ttl > TimeSpan.Zero, (long)typing.Ttl.TotalMilliseconds), ChatJson.Default.TypingData),
        Postroom.Signal.Reaction reaction => Named("reaction", new ReactionData(reaction.MessageId, reaction.Emoji, reaction.Remove), ChatJson.Default.ReactionData),
        _ => null,
    };

    private static ServerEvent Named<T>(string name, T data, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> json) => new(null, name, JsonSerializer.Serialize(data, json));
}

internal sealed record TextWithFile(string Text, [property: JsonPropertyName("transcript_file")] string TranscriptFile);

internal sealed record StateData(string Id, string State, int Attempt, string? Reason);

internal sealed record ReceiptData(string Id, string Status);

internal sealed record FaultData(string Text);

internal sealed record TypingData(bool On, long TtlMs);

internal sealed record ReactionData(string Id, string Emoji, bool Remove);

internal sealed record RestoredData(long Newest);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TextWithFile))]
[JsonSerializable(typeof(StateData))]
[JsonSerializable(typeof(ReceiptData))]
[JsonSerializable(typeof(RestoredData))]
[JsonSerializable(typeof(FaultData))]
[JsonSerializable(typeof(FaultsView))]
[JsonSerializable(typeof(FaultsRequest))]
[JsonSerializable(typeof(TypingData))]
[JsonSerializable(typeof(ReactionData))]
internal sealed partial class ChatJson : JsonSerializerContext;
