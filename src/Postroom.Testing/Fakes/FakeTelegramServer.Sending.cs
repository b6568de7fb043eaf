using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Postroom.Testing;

/// <content>What bots send, checked and kept.</content>
public sealed partial class FakeTelegramServer
{
    private const int MostBytes = 50_000_000;
    private const int MostPhotoBytes = 10_000_000;

    private static readonly string[] ChatActions =
    [
        "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
    ];

    private FakeAnswer.Reply Send(FakeForm form, string kind, int limit)
    {
        (string text, IReadOnlyList<string> entities) = ReadText(form, kind == "text" ? "text" : "caption");
        if (kind == "text" && string.IsNullOrWhiteSpace(text))
        {
            return BadRequest("message text is empty");
        }

        if (text.Length > limit)
        {
            return BadRequest(kind == "text" ? "message is too long" : "message caption is too long");
        }

        FakeFormFile? file = kind == "text" ? null : FileOf(form, kind);
        IReadOnlyList<IReadOnlyList<(string, string)>> buttons = ReadButtons(form);
        lock (_gate)
        {
            FakeTelegramChat chat = ChatOf(form);
            if (Refused(chat, form) is { } refusal)
            {
                return refusal;
            }

            int? topic = TopicOf(chat, form);
            FakeTelegramMessage message = new(++_lastMessage, kind, text)
            {
                Source = form.Text(kind == "text" ? "text" : "caption") ?? "",
                Entities = entities,
                Topic = topic,
                ReplyTo = ReplyOf(chat, form),
                IsSilent = form.Text("disable_notification") == "true",
                Buttons = buttons,
                FileName = file?.Name,
                FileType = file?.ContentType,
                File = file?.Bytes ?? default(ReadOnlyMemory<byte>),
            };
            chat.Add(message);
            JsonObject sent = new()
            {
                ["message_id"] = message.Id,
                ["from"] = Bot(),
                ["chat"] = ChatJson(chat),
                ["date"] = _clock.GetUtcNow().ToUnixTimeSeconds(),
                [kind == "text" ? "text" : "caption"] = text,
            };
            return Success(sent);
        }
    }

    private static (string Text, IReadOnlyList<string> Entities) ReadText(FakeForm form, string field)
    {
        string text = form.Text(field) ?? "";
        return form.Text("parse_mode") switch
        {
            null or "" => (text, []),
            "HTML" => new FakeTelegramHtml(text).Read(),
            _ => throw new FormatException("unsupported parse_mode"),
        };
    }

    private FakeFormFile? FileOf(FakeForm form, string kind)
    {
        if (form.Files.TryGetValue(kind, out FakeFormFile? file))
        {
            return file.Bytes.Length == 0 ? throw new FormatException("file must be non-empty")
                : file.Bytes.Length > (kind == "photo" ? MostPhotoBytes : MostBytes) ? throw new FormatException("file is too big")
                : file;
        }

        string id = form.Text(kind) ?? throw new FormatException($"there is no {kind} in the request");
        return _files.TryGetValue(id, out (string Path, ReadOnlyMemory<byte> Bytes) known)
            ? new FakeFormFile(known.Path[(known.Path.LastIndexOf('/') + 1)..], "", known.Bytes.ToArray())
            : throw new FormatException("wrong remote file identifier specified");
    }

    private static IReadOnlyList<IReadOnlyList<(string Text, string Target)>> ReadButtons(FakeForm form)
    {
        if (form.Json("reply_markup", JsonValueKind.Object) is not { } markup)
        {
            return [];
        }

        if (!markup.TryGetProperty("inline_keyboard", out JsonElement rows) || rows.ValueKind != JsonValueKind.Array)
        {
            throw new FormatException("object expected as reply markup");
        }

        return [.. rows.EnumerateArray().Select(row => (IReadOnlyList<(string, string)>)[.. row.EnumerateArray().Select(ReadButton)])];
    }

    private static (string Text, string Target) ReadButton(JsonElement button)
    {
        string text = button.TryGetProperty("text", out JsonElement shown) ? shown.GetString() ?? "" : "";
        string? data = button.TryGetProperty("callback_data", out JsonElement given) ? given.GetString() : null;
        string? url = button.TryGetProperty("url", out JsonElement link) ? link.GetString() : null;
        return text.Length == 0 ? throw new FormatException("can't parse inline keyboard button: Field \"text\" must be of type String")
            : data is not null && url is not null ? throw new FormatException("can't parse inline keyboard button: only one of the fields is allowed")
            : data is not null ? Encoding.UTF8.GetByteCount(data) is >= 1 and <= 64 ? (text, data) : throw new FormatException("BUTTON_DATA_INVALID")
            : url is not null ? Uri.TryCreate(url, UriKind.Absolute, out _) ? (text, url) : throw new FormatException("BUTTON_URL_INVALID")
            : throw new FormatException("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard");
    }

    private FakeTelegramChat ChatOf(FakeForm form)
    {
        string id = form.Text("chat_id") ?? "";
        FakeTelegramChat? chat = id.StartsWith('@')
            ? _chats.Values.FirstOrDefault(known => string.Equals(known.UserName, id[1..], StringComparison.OrdinalIgnoreCase))
            : long.TryParse(id, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? _chats.GetValueOrDefault(number) : null;
        return id.Length == 0 ? throw new FormatException("chat_id is empty") : chat ?? throw new FormatException("chat not found");
    }

    private FakeAnswer.Reply? Refused(FakeTelegramChat chat, FakeForm form)
    {
        if (chat.MovedTo is { } movedTo)
        {
            return Failure(400, "Bad Request: group chat was upgraded to a supergroup chat", new JsonObject { ["migrate_to_chat_id"] = movedTo });
        }

        if (chat.IsBlocked)
        {
            return Failure(403, "Forbidden: bot was blocked by the user");
        }

        _ = TopicOf(chat, form);
        return HasLimits ? Limited(chat) : null;
    }

    /// <summary>The limits of https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this.</summary>
    private FakeAnswer.Reply? Limited(FakeTelegramChat chat)
    {
        List<(string Key, int Count, TimeSpan Window)> limits =
        [
            ("bot", 30, TimeSpan.FromSeconds(1)),
            ($"chat/{chat.Id}", 3, TimeSpan.FromSeconds(3)),
        ];
        if (chat.Type is "group" or "supergroup")
        {
            limits.Add(($"group/{chat.Id}", 20, TimeSpan.FromMinutes(1)));
        }

        if (_rates.Exceeded([.. limits]) is { } exceeded)
        {
            int seconds = (int)Math.Ceiling(exceeded.Wait.TotalSeconds);
            return Error(429, string.Create(CultureInfo.InvariantCulture, $"Too Many Requests: retry after {seconds}"), seconds);
        }

        return null;
    }

    private static int? TopicOf(FakeTelegramChat chat, FakeForm form)
    {
        return form.Number("message_thread_id") is not { } topic ? null
            : chat.Topics.Contains((int)topic) ? (int)topic
            : throw new FormatException("message thread not found");
    }

    private static int? ReplyOf(FakeTelegramChat chat, FakeForm form)
    {
        if (form.Json("reply_parameters", JsonValueKind.Object) is not { } reply)
        {
            return null;
        }

        int id = reply.TryGetProperty("message_id", out JsonElement number) && number.TryGetInt32(out int given) ? given : throw new FormatException("can't parse reply parameters");
        bool may = reply.TryGetProperty("allow_sending_without_reply", out JsonElement allowed) && allowed.ValueKind == JsonValueKind.True;
        bool exists = id < 100 || chat.Messages.Any(message => message.Id == id); // numbers below 100 are those of people
        return exists ? id : may ? null : throw new FormatException("message to be replied not found");
    }

    private FakeAnswer.Reply ShowAction(FakeForm form)
    {
        string action = form.Text("action") ?? throw new FormatException("wrong parameter action in request");
        lock (_gate)
        {
            FakeTelegramChat chat = ChatOf(form);
            if (Refused(chat, form) is { } refusal)
            {
                return refusal;
            }

            chat.Show(ChatActions.Contains(action) ? action : throw new FormatException("wrong parameter action in request"));
            return Success(true);
        }
    }

    private FakeAnswer.Reply SetReaction(FakeForm form)
    {
        int message = (int)(form.Number("message_id") ?? throw new FormatException("message identifier is not specified"));
        JsonElement? list = form.Json("reaction", JsonValueKind.Array);
        JsonElement[] reactions = list is { } given ? [.. given.EnumerateArray()] : [];
        if (reactions.Length > 1 || reactions.Any(one => one.GetProperty("type").GetString() != "emoji" || string.IsNullOrEmpty(one.GetProperty("emoji").GetString())))
        {
            return BadRequest("REACTION_INVALID");
        }

        lock (_gate)
        {
            ChatOf(form).React(message, reactions.Length == 0 ? null : reactions[0].GetProperty("emoji").GetString());
            return Success(true);
        }
    }

    private static JsonObject ChatJson(FakeTelegramChat chat)
    {
        JsonObject json = new() { ["id"] = chat.Id, ["type"] = chat.Type };
        if (chat.UserName is { } userName)
        {
            json["username"] = userName;
        }

        return json;
    }
}
