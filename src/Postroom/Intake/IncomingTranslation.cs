using System.Text.Json;

namespace Postroom.Intake;

/// <summary>Turns what a communicator received into a message for a queue.</summary>
internal static class IncomingTranslation
{
    /// <summary>The header that says why a message could not be read; it fails as invalid instead of being handled (WA-9).</summary>
    public const string Unreadable = "unreadable";

    public static SourceMessage ToSource(string communicator, IncomingMessage message, string queue = "in", string type = PayloadTypes.ChatText)
    {
        string sender = message.SenderId ?? "unknown";
        string chat = Text(message, "chat") ?? sender;
        string? topic = Text(message, "topic");
        Dictionary<string, string> headers = [];
        headers[HeaderNames.Channel] = communicator;
        if (message.ChannelMessageId is { } id)
        {
            headers[HeaderNames.ChannelMessageId] = id;
        }

        if (Text(message, HeaderNames.ReplyToMessage) is { Length: > 0 and <= 512 } answered)
        {
            headers[HeaderNames.ReplyToMessage] = answered;
        }

        if (message.Invalid is { } problem)
        {
            headers[Unreadable] = Names.Shorten(problem, 200);
        }

        return new SourceMessage(queue, Text(message, "type") ?? type, JsonSerializer.SerializeToUtf8Bytes(message with { BackendName = communicator }, PostroomJson.Default.IncomingMessage))
        {
            From = Address.ForRecipient(communicator, sender),
            Conversation = topic is null ? $"{communicator}/{chat}" : $"{communicator}/{chat}/{topic}",
            DedupKey = (message.RepeatKey ?? message.ChannelMessageId) is { } key ? $"{communicator}:{key}" : null,
            Headers = headers,
            Attachments = message.Attachments,
        };
    }

    private static string? Text(IncomingMessage message, string key)
    {
        return message.Metadata.TryGetValue(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
