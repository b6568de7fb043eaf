namespace Postroom.Chat;

/// <summary>Which chats of the settings a message goes to or comes from (TG-2, TG-12).</summary>
internal sealed class TelegramAccess(TelegramCommunicatorConfig config, TelegramMoves moves)
{
    private const string DefaultLabel = "default";

    /// <summary>The chat that a label's messages go to: its own, else <c>default</c>; null for none.</summary>
    public TelegramChatConfig? ForLabel(string label) => config.Chats.GetValueOrDefault(label) ?? config.Chats.GetValueOrDefault(DefaultLabel);

    /// <summary>Whether a message is taken.</summary>
    /// <param name="chat">Its chat.</param>
    /// <param name="userName">The chat's public name; null for none.</param>
    /// <param name="topic">Its topic; null for none.</param>
    public bool IsAuthorized(string chat, string? userName, int? topic)
    {
        return config.AcceptFrom == TelegramAcceptance.Anyone || config.Chats.Values.Any(entry => entry.CommandAuthorized && Is(entry, chat, userName, topic));
    }

    /// <summary>The label of the first entry that a message belongs to; <c>default</c> for none.</summary>
    public string LabelOf(string chat, string? userName, int? topic)
    {
        foreach ((string label, TelegramChatConfig entry) in config.Chats)
        {
            if (Is(entry, chat, userName, topic))
            {
                return label;
            }
        }

        return DefaultLabel;
    }

    /// <summary>Whether what a chat says of itself is kept: it is one of the settings, or its messages are taken.</summary>
    public bool MayTell(string chat, string? userName) => config.AcceptFrom == TelegramAcceptance.Anyone || config.Chats.Values.Any(entry => Is(entry with { TopicId = null }, chat, userName, null));

    private bool Is(TelegramChatConfig entry, string chat, string? userName, int? topic)
    {
        bool isChat = entry.ChatId.StartsWith('@')
            ? userName is not null && entry.ChatId.AsSpan(1).Equals(userName, StringComparison.OrdinalIgnoreCase)
            : entry.ChatId == chat || moves.Known(entry.ChatId) == chat;
        return isChat && (entry.TopicId is null || entry.TopicId == topic);
    }
}
