using System.Text.Json;

namespace Postroom.Intake;

/// <summary>Turns what a communicator received into a message for a queue.</summary>
internal static class IncomingTranslation
{
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

        return new SourceMessage(queue, Text(message, "type") ?? type, JsonSerializer.SerializeToUtf8Bytes(message with { BackendName = communicator }, PostroomJson.Default.IncomingMessage))
        {
            From = Address.ForRecipient(communicator, sender),
            Conversation = topic is null ? $"{communicator}/{chat}" : $"{communicator}/{chat}/{topic}",
            DedupKey = message.ChannelMessageId is { } key ? $"{communicator}:{key}" : null,
            Headers = headers,
            Attachments = message.Attachments,
        };
    }

    private static string? Text(IncomingMessage message, string key)
    {
        return message.Metadata.TryGetValue(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
