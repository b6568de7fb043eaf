using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Chat;

/// <summary>https://core.telegram.org/bots/api#sendmessage.</summary>
internal sealed record SendMessageRequest(string ChatId, int? MessageThreadId, string Text, string? ParseMode, bool? DisableNotification, ReplyParameters? ReplyParameters, InlineKeyboard? ReplyMarkup);

/// <summary>https://core.telegram.org/bots/api#replyparameters. Without the permission, an answer to a message that is gone would be refused.</summary>
internal sealed record ReplyParameters(int MessageId, bool AllowSendingWithoutReply = true);

/// <summary>https://core.telegram.org/bots/api#inlinekeyboardmarkup; rows of buttons.</summary>
internal sealed record InlineKeyboard([property: JsonPropertyName("inline_keyboard")] IReadOnlyList<IReadOnlyList<InlineButton>> Rows);

/// <summary>https://core.telegram.org/bots/api#inlinekeyboardbutton; one of data and link is set.</summary>
internal sealed record InlineButton(string Text, string? CallbackData, string? Url);

/// <summary>https://core.telegram.org/bots/api#sendchataction.</summary>
internal sealed record ChatActionRequest(string ChatId, int? MessageThreadId, string Action);

/// <summary>https://core.telegram.org/bots/api#setmessagereaction; no reactions take away what is there.</summary>
internal sealed record ReactionRequest(string ChatId, int MessageId, IReadOnlyList<EmojiReaction> Reaction);

/// <summary>https://core.telegram.org/bots/api#reactiontypeemoji.</summary>
internal sealed record EmojiReaction(string Emoji)
{
    /// <summary>Always <c>emoji</c>.</summary>
    public string Type { get; } = "emoji";
}

/// <summary>https://core.telegram.org/bots/api#getupdates.</summary>
internal sealed record UpdatesRequest(long? Offset, int Limit, int Timeout, IReadOnlyList<string> AllowedUpdates);

/// <summary>https://core.telegram.org/bots/api#setwebhook.</summary>
internal sealed record WebhookRequest(string Url, string SecretToken, IReadOnlyList<string> AllowedUpdates);

/// <summary>https://core.telegram.org/bots/api#answercallbackquery.</summary>
internal sealed record CallbackAnswer(string CallbackQueryId);

/// <summary>https://core.telegram.org/bots/api#getfile.</summary>
internal sealed record FileRequest(string FileId);

/// <summary>A request without parameters.</summary>
internal sealed record NoParameters;

/// <summary>What every method answers: https://core.telegram.org/bots/api#making-requests.</summary>
internal sealed record TelegramReply(bool? Ok, JsonElement Result, int? ErrorCode, string? Description, ReplyHints? Parameters);

/// <summary>https://core.telegram.org/bots/api#responseparameters; how long to wait, in seconds, and where a group has gone.</summary>
internal sealed record ReplyHints(long? MigrateToChatId, int? RetryAfter);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false,
    MaxDepth = 32)]
[JsonSerializable(typeof(SendMessageRequest))]
[JsonSerializable(typeof(ReplyParameters))]
[JsonSerializable(typeof(InlineKeyboard))]
[JsonSerializable(typeof(ChatActionRequest))]
[JsonSerializable(typeof(ReactionRequest))]
[JsonSerializable(typeof(UpdatesRequest))]
[JsonSerializable(typeof(WebhookRequest))]
[JsonSerializable(typeof(CallbackAnswer))]
[JsonSerializable(typeof(FileRequest))]
[JsonSerializable(typeof(NoParameters))]
[JsonSerializable(typeof(TelegramReply))]
[JsonSerializable(typeof(List<string>))]
[JsonSerializable(typeof(string))]
internal sealed partial class TelegramJson : JsonSerializerContext;
