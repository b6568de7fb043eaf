using System.Globalization;
using System.Text.Json.Nodes;

namespace Postroom.Testing;

/// <summary>
/// Builds the body of a webhook as the Cloud API posts it: messages of every kind and statuses, in the order they are added, in one or more entries and changes.
/// Source: Meta, Cloud API, Webhooks, messages. Used by one thread.
/// </summary>
public sealed class FakeWhatsAppPost
{
    private readonly string _phoneNumberId;
    private readonly JsonArray _entries = [];
    private JsonArray _changes = [];
    private JsonObject _value = [];

    /// <summary>Begins a post with one entry and one change.</summary>
    /// <param name="phoneNumberId">The number that it is for.</param>
    public FakeWhatsAppPost(string phoneNumberId)
    {
        _phoneNumberId = phoneNumberId;
        Entry();
    }

    /// <summary>Begins another entry.</summary>
    public FakeWhatsAppPost Entry()
    {
        _changes = [];
        _entries.Add((JsonNode)new JsonObject { ["id"] = "102290129340398", ["changes"] = _changes });
        return Change();
    }

    /// <summary>Begins another change.</summary>
    /// <param name="field">What changed; <c>messages</c> unless set.</param>
    /// <param name="phoneNumberId">The number that it is for; null for the post's.</param>
    public FakeWhatsAppPost Change(string field = "messages", string? phoneNumberId = null)
    {
        _value = new JsonObject
        {
            ["messaging_product"] = "whatsapp",
            ["metadata"] = new JsonObject { ["display_phone_number"] = "15550783881", ["phone_number_id"] = phoneNumberId ?? _phoneNumberId },
        };
        _changes.Add((JsonNode)new JsonObject { ["field"] = field, ["value"] = _value });
        return this;
    }

    /// <summary>Names a contact of the change.</summary>
    /// <param name="number">The number, digits.</param>
    /// <param name="name">The name of the profile.</param>
    public FakeWhatsAppPost Contact(string number, string name) =>
        Add("contacts", new JsonObject { ["profile"] = new JsonObject { ["name"] = name }, ["wa_id"] = number });

    /// <summary>Adds a message of any kind.</summary>
    /// <param name="from">The contact's number, digits.</param>
    /// <param name="id">The message's id.</param>
    /// <param name="at">When it was written.</param>
    /// <param name="type">Its type.</param>
    /// <param name="content">What stands under the type's name; null for nothing.</param>
    /// <param name="replyTo">The id of the message that it answers; null for none.</param>
    public FakeWhatsAppPost Message(string from, string id, DateTimeOffset at, string type, JsonNode? content, string? replyTo = null)
    {
        JsonObject message = new() { ["from"] = from, ["id"] = id, ["timestamp"] = Seconds(at), ["type"] = type };
        if (replyTo is not null)
        {
            message["context"] = new JsonObject { ["from"] = "15550783881", ["id"] = replyTo };
        }

        if (content is not null)
        {
            message[type] = content;
        }

        return Element("messages", message);
    }

    /// <summary>Adds a text.</summary>
    public FakeWhatsAppPost Text(string from, string id, DateTimeOffset at, string body, string? replyTo = null) =>
        Message(from, id, at, "text", new JsonObject { ["body"] = body }, replyTo);

    /// <summary>Adds a file.</summary>
    /// <param name="from">The contact's number, digits.</param>
    /// <param name="id">The message's id.</param>
    /// <param name="at">When it was written.</param>
    /// <param name="type"><c>image</c>, <c>audio</c>, <c>video</c>, <c>document</c> or <c>sticker</c>.</param>
    /// <param name="file">The file, which the fake keeps.</param>
    /// <param name="caption">The text under it; null for none.</param>
    /// <param name="fileName">The document's name; null for none.</param>
    /// <param name="voice">Whether it is a voice note.</param>
    public FakeWhatsAppPost Media(string from, string id, DateTimeOffset at, string type, FakeWhatsAppFile file, string? caption = null, string? fileName = null, bool voice = false)
    {
        JsonObject media = new()
        {
            ["id"] = file.Id,
            ["mime_type"] = file.ContentType,
            ["sha256"] = Convert.ToBase64String(Convert.FromHexString(file.Sha256)), // in webhooks it is base64, in answers hex
        };
        if (caption is not null)
        {
            media["caption"] = caption;
        }

        if (fileName is not null)
        {
            media["filename"] = fileName;
        }

        if (type == "audio")
        {
            media["voice"] = voice;
        }

        return Message(from, id, at, type, media);
    }

    /// <summary>Adds the choice of a reply button.</summary>
    public FakeWhatsAppPost ButtonReply(string from, string id, DateTimeOffset at, string buttonId, string title, string? replyTo = null) =>
        Message(from, id, at, "interactive", new JsonObject { ["type"] = "button_reply", ["button_reply"] = new JsonObject { ["id"] = buttonId, ["title"] = title } }, replyTo);

    /// <summary>Adds the choice of a row of a list.</summary>
    public FakeWhatsAppPost ListReply(string from, string id, DateTimeOffset at, string rowId, string title, string description, string? replyTo = null) =>
        Message(from, id, at, "interactive", new JsonObject { ["type"] = "list_reply", ["list_reply"] = new JsonObject { ["id"] = rowId, ["title"] = title, ["description"] = description } }, replyTo);

    /// <summary>Adds the press of a template's quick-reply button.</summary>
    public FakeWhatsAppPost TemplateButton(string from, string id, DateTimeOffset at, string payload, string text) =>
        Message(from, id, at, "button", new JsonObject { ["payload"] = payload, ["text"] = text });

    /// <summary>Adds a location.</summary>
    public FakeWhatsAppPost Location(string from, string id, DateTimeOffset at, double latitude, double longitude, string name, string address) =>
        Message(from, id, at, "location", new JsonObject { ["latitude"] = latitude, ["longitude"] = longitude, ["name"] = name, ["address"] = address });

    /// <summary>Adds a contact card.</summary>
    public FakeWhatsAppPost ContactCard(string from, string id, DateTimeOffset at, string name, string phone)
    {
        return Message(from, id, at, "contacts", new JsonArray(new JsonObject
        {
            ["name"] = new JsonObject { ["formatted_name"] = name, ["first_name"] = name },
            ["phones"] = new JsonArray(new JsonObject { ["phone"] = phone, ["type"] = "CELL", ["wa_id"] = phone.TrimStart('+') }),
        }));
    }

    /// <summary>Adds a reaction.</summary>
    /// <param name="from">The contact's number, digits.</param>
    /// <param name="id">The message's id.</param>
    /// <param name="at">When it was written.</param>
    /// <param name="target">The id of the message that it is on.</param>
    /// <param name="emoji">The emoji; null takes it away.</param>
    public FakeWhatsAppPost Reaction(string from, string id, DateTimeOffset at, string target, string? emoji)
    {
        JsonObject reaction = new() { ["message_id"] = target };
        if (emoji is not null)
        {
            reaction["emoji"] = emoji;
        }

        return Message(from, id, at, "reaction", reaction);
    }

    /// <summary>Adds a status of a message that the fake has taken.</summary>
    /// <param name="message">The message.</param>
    /// <param name="status"><c>sent</c>, <c>delivered</c>, <c>read</c> or <c>failed</c>.</param>
    /// <param name="at">When it was reached.</param>
    /// <param name="code">The error of <c>failed</c>, such as 131026.</param>
    /// <param name="title">The error's title.</param>
    public FakeWhatsAppPost Status(FakeWhatsAppMessage message, string status, DateTimeOffset at, int? code = null, string title = "Message undeliverable")
    {
        JsonObject element = new() { ["id"] = message.Id, ["status"] = status, ["timestamp"] = Seconds(at), ["recipient_id"] = message.To };
        if (message.Opaque is not null)
        {
            element["biz_opaque_callback_data"] = message.Opaque;
        }

        if (code is { } number)
        {
            element["errors"] = new JsonArray(new JsonObject { ["code"] = number, ["title"] = title, ["message"] = title, ["error_data"] = new JsonObject { ["details"] = $"{title}." } });
        }

        return Element("statuses", element);
    }

    /// <summary>Adds an element of any shape.</summary>
    /// <param name="list"><c>messages</c> or <c>statuses</c>.</param>
    /// <param name="element">The element; null for a JSON null.</param>
    public FakeWhatsAppPost Element(string list, JsonNode? element) => Add(list, element);

    /// <summary>The body.</summary>
    public override string ToString() => new JsonObject { ["object"] = "whatsapp_business_account", ["entry"] = _entries.DeepClone() }.ToJsonString();

    private static string Seconds(DateTimeOffset at) => at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    private FakeWhatsAppPost Add(string list, JsonNode? element)
    {
        if (_value[list] is not JsonArray items)
        {
            _value[list] = items = [];
        }

        items.Add(element);
        return this;
    }
}
