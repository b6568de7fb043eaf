using System.Globalization;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>An update as it is taken (TG-13). Pure: the same update gives the same message.</summary>
internal sealed record TelegramUpdate
{
    /// <summary>The kinds of updates that are asked for.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["message", "edited_message", "callback_query", "message_reaction"];

    /// <summary>The number of the update.</summary>
    public required long Id { get; init; }

    /// <summary>What is stored; null for what nobody asked for or may say.</summary>
    public IncomingMessage? Message { get; init; }

    /// <summary>Its chat; empty when it has none.</summary>
    public string Chat { get; init; } = "";

    /// <summary>The number of its message in the chat; null when it has none.</summary>
    public int? MessageId { get; init; }

    /// <summary>The press of a button that has to be answered; null for none.</summary>
    public string? Press { get; init; }

    /// <summary>The number that the chat has from now on; null when it keeps its own, or may not tell: anybody can add a bot to a group.</summary>
    public string? MovedTo { get; init; }

    /// <summary>Reads an update.</summary>
    /// <param name="update">The update.</param>
    /// <param name="name">The communicator.</param>
    /// <param name="access">Who is taken.</param>
    /// <returns>The update; null when it has no number.</returns>
    public static TelegramUpdate? Read(JsonElement update, string name, TelegramAccess access)
    {
        if (update.WholeNumber("update_id") is not { } id)
        {
            return null;
        }

        TelegramUpdate read = new() { Id = id };
        if (update.Field("message") is { } message)
        {
            return read.With(message, message.Field("from") ?? message.Field("sender_chat"), null, access, name, update);
        }

        if (update.Field("edited_message") is { } edited)
        {
            return read.With(edited, edited.Field("from") ?? edited.Field("sender_chat"), PayloadTypes.ChatEdit, access, name, update);
        }

        if (update.Field("callback_query") is { } press && press.Field("message") is { } pressed)
        {
            return read.WithPress(press, pressed, access, name, update);
        }

        return update.Field("message_reaction") is { } reaction ? read.WithReaction(reaction, access, name, update) : read;
    }

    private TelegramUpdate With(JsonElement message, JsonElement? sender, string? type, TelegramAccess access, string name, JsonElement update)
    {
        TelegramContent? content = TelegramContent.Of(message);
        TelegramUpdate read = WithPlace(message, access);
        return content is null ? read : read.Take(message, sender, access, name, update, incoming =>
        {
            incoming.Metadata.Add("type", type ?? content.Type);
            foreach ((string key, JsonElement value) in content.Metadata)
            {
                incoming.Metadata.Add(key, value);
            }

            return incoming.Message with { Text = content.Text, Attachments = content.Attachments };
        });
    }

    private TelegramUpdate WithPress(JsonElement press, JsonElement message, TelegramAccess access, string name, JsonElement update)
    {
        TelegramUpdate read = WithPlace(message, access).Take(message, press.Field("from"), access, name, update, incoming =>
        {
            incoming.Metadata.Add("type", PayloadTypes.ChatText);
            incoming.Metadata.Add("interactive", "button");
            return incoming.Message with { Text = press.Words("data") ?? "" };
        });
        return read.Message is null ? read : read with { Press = press.Words("id") };
    }

    private TelegramUpdate WithReaction(JsonElement reaction, TelegramAccess access, string name, JsonElement update)
    {
        return WithPlace(reaction, access).Take(reaction, reaction.Field("user") ?? reaction.Field("actor_chat"), access, name, update, incoming =>
        {
            string[] before = [.. Emojis(reaction, "old_reaction")];
            string[] now = [.. Emojis(reaction, "new_reaction")];
            incoming.Metadata.Add("type", PayloadTypes.ChatReaction);
            incoming.Metadata.Add("removed", [.. before.Except(now)]);
            return incoming.Message with { Text = now.Except(before).FirstOrDefault() ?? now.FirstOrDefault() ?? "" };
        });
    }

    private TelegramUpdate WithPlace(JsonElement message, TelegramAccess access)
    {
        long? number = message.WholeNumber("message_id");
        string chat = message.Field("chat")?.WholeNumber("id")?.ToString(CultureInfo.InvariantCulture) ?? "";
        return this with
        {
            Chat = chat,
            MessageId = number is > 0 and <= int.MaxValue ? (int)number : null,
            MovedTo = message.WholeNumber("migrate_to_chat_id") is { } movedTo && access.MayTell(chat, message.Field("chat")?.Words("username"))
                ? movedTo.ToString(CultureInfo.InvariantCulture)
                : null,
        };
    }

    private TelegramUpdate Take(
        JsonElement message, JsonElement? sender, TelegramAccess access, string name, JsonElement update, Func<(IncomingMessage Message, TelegramMetadata Metadata), IncomingMessage> fill)
    {
        string? userName = message.Field("chat")?.Words("username");
        long? thread = message.WholeNumber("message_thread_id");
        int? topic = thread is > 0 and <= int.MaxValue ? (int)thread : null;
        if (Chat.Length == 0 || !access.IsAuthorized(Chat, userName, topic))
        {
            return this;
        }

        TelegramMetadata metadata = new();
        metadata.Add("chat", Chat);
        metadata.Add("chat_type", message.Field("chat")?.Words("type"));

        // Outside a forum the thread is that of a reply, in which nothing can be sent.
        metadata.Add("topic", message.Flag("is_topic_message") ? topic?.ToString(CultureInfo.InvariantCulture) : null);
        metadata.Add("message_id", MessageId?.ToString(CultureInfo.InvariantCulture));
        metadata.Add("reply_to_message_id", message.Field("reply_to_message")?.WholeNumber("message_id")?.ToString(CultureInfo.InvariantCulture));
        metadata.Add("forward_date", message.Field("forward_origin")?.Field("date") ?? message.Field("forward_date"));
        metadata.Add("edit_date", message.Field("edit_date"));
        IncomingMessage incoming = new()
        {
            Text = "",
            Sender = NameOf(sender),
            SenderId = sender?.WholeNumber("id")?.ToString(CultureInfo.InvariantCulture),
            ChatLabel = access.LabelOf(Chat, userName, topic),
            BackendName = name,
            Timestamp = message.WholeNumber("date") is { } seconds and > 0 and < 253_402_300_799 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null,
            RawEvent = update,
            ChannelMessageId = MessageId?.ToString(CultureInfo.InvariantCulture),
            RepeatKey = Id.ToString(CultureInfo.InvariantCulture),
        };
        return this with { Message = fill((incoming, metadata)) with { Metadata = metadata.Values } };
    }

    private static string? NameOf(JsonElement? sender)
    {
        string full = $"{sender?.Words("first_name")} {sender?.Words("last_name")}".Trim();
        return sender?.Words("username") ?? (full.Length > 0 ? full : sender?.Words("title"));
    }

    private static IEnumerable<string> Emojis(JsonElement reaction, string name)
    {
        return reaction.Items(name).Select(one => one.Words("emoji")).OfType<string>();
    }
}

/// <summary>What a message says besides, by key; what is absent is left out.</summary>
internal sealed class TelegramMetadata
{
    private readonly Dictionary<string, JsonElement> _values = [];

    /// <summary>The values so far.</summary>
    public IReadOnlyDictionary<string, JsonElement> Values => _values;

    /// <summary>Adds a text.</summary>
    public void Add(string key, string? value)
    {
        if (value is not null)
        {
            _values[key] = JsonSerializer.SerializeToElement(value, TelegramJson.Default.String);
        }
    }

    /// <summary>Adds texts; none are left out.</summary>
    public void Add(string key, List<string> values)
    {
        if (values.Count > 0)
        {
            _values[key] = JsonSerializer.SerializeToElement(values, TelegramJson.Default.ListString);
        }
    }

    /// <summary>Adds a value as the service has written it.</summary>
    public void Add(string key, JsonElement? value)
    {
        if (value is { } given)
        {
            _values[key] = given.Clone();
        }
    }
}
