using System.Buffers;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>Writes the bodies of requests to the Cloud API (WA-3, WA-6, WA-12).</summary>
internal static class CloudRequest
{
    /// <summary>A part of a message.</summary>
    /// <param name="part">The part.</param>
    /// <param name="to">Who gets it.</param>
    /// <param name="opaque">What status callbacks give back.</param>
    /// <param name="replyTo">The id of the message that it answers; null for none.</param>
    /// <param name="mediaId">The id of the file; null for parts without one.</param>
    public static HttpContent Message(CloudPart part, PhoneNumber to, string opaque, string? replyTo, string? mediaId)
    {
        return Write(json =>
        {
            Head(json, to);
            if (!string.IsNullOrEmpty(replyTo))
            {
                json.WriteStartObject("context");
                json.WriteString("message_id", replyTo);
                json.WriteEndObject();
            }

            Body(json, part, mediaId);
            json.WriteString("biz_opaque_callback_data", opaque);
        });
    }

    /// <summary>Marks the contact's message as read and shows typing until an answer comes, at most 25 seconds.</summary>
    /// <param name="messageId">The contact's message.</param>
    public static HttpContent Typing(string messageId)
    {
        return Write(json =>
        {
            json.WriteString("messaging_product", "whatsapp");
            json.WriteString("status", "read");
            json.WriteString("message_id", messageId);
            json.WriteStartObject("typing_indicator");
            json.WriteString("type", "text");
            json.WriteEndObject();
        });
    }

    /// <summary>Puts an emoji on a message; an empty one takes it away.</summary>
    public static HttpContent Reaction(PhoneNumber to, Signal.Reaction reaction)
    {
        return Write(json =>
        {
            Head(json, to);
            json.WriteString("type", "reaction");
            json.WriteStartObject("reaction");
            json.WriteString("message_id", reaction.MessageId);
            json.WriteString("emoji", reaction.Remove ? "" : reaction.Emoji);
            json.WriteEndObject();
        });
    }

    /// <summary>An object of JSON as the body of a request.</summary>
    public static HttpContent Write(Action<Utf8JsonWriter> members)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        return new ReadOnlyMemoryContent(buffer.WrittenMemory) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
    }

    private static void Head(Utf8JsonWriter json, PhoneNumber to)
    {
        json.WriteString("messaging_product", "whatsapp");
        json.WriteString("recipient_type", "individual");
        json.WriteString("to", to.Digits);
    }

    private static void Body(Utf8JsonWriter json, CloudPart part, string? mediaId)
    {
        switch (part)
        {
            case CloudPart.Text(var body):
                json.WriteString("type", "text");
                json.WriteStartObject("text");
                json.WriteBoolean("preview_url", false);
                json.WriteString("body", body);
                json.WriteEndObject();
                break;
            case CloudPart.Template(var name, var language, var components):
                json.WriteString("type", "template");
                json.WriteStartObject("template");
                json.WriteString("name", name);
                json.WriteStartObject("language");
                json.WriteString("code", language);
                json.WriteEndObject();
                if (components is { } filled)
                {
                    json.WritePropertyName("components");
                    filled.WriteTo(json);
                }

                json.WriteEndObject();
                break;
            case CloudPart.Media(var file, var type, var caption):
                json.WriteString("type", type.Kind);
                json.WriteStartObject(type.Kind);
                json.WriteString("id", mediaId);
                if (caption is not null)
                {
                    json.WriteString("caption", caption);
                }

                if (type.Kind == "document")
                {
                    json.WriteString("filename", file.Name);
                }

                json.WriteEndObject();
                break;
            case CloudPart.Choice(var text, var choices):
                json.WriteString("type", "interactive");
                json.WriteStartObject("interactive");
                Choices(json, text, choices);
                json.WriteEndObject();
                break;
        }
    }

    private static void Choices(Utf8JsonWriter json, string text, Interactive choices)
    {
        (string type, string? header, string? footer) = choices switch
        {
            Interactive.List list => ("list", list.Header, list.Footer),
            Interactive.CtaUrl link => ("cta_url", link.Header, link.Footer),
            _ => ("button", null, null),
        };
        json.WriteString("type", type);
        if (!string.IsNullOrEmpty(header))
        {
            json.WriteStartObject("header");
            json.WriteString("type", "text");
            json.WriteString("text", header);
            json.WriteEndObject();
        }

        TextObject(json, "body", text);
        if (!string.IsNullOrEmpty(footer))
        {
            TextObject(json, "footer", footer);
        }

        json.WriteStartObject("action");
        switch (choices)
        {
            case Interactive.Buttons(var buttons):
                json.WriteStartArray("buttons");
                foreach (Interactive.Choice button in buttons)
                {
                    json.WriteStartObject();
                    json.WriteString("type", "reply");
                    json.WriteStartObject("reply");
                    json.WriteString("id", button.Id);
                    json.WriteString("title", button.Title);
                    json.WriteEndObject();
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                break;
            case Interactive.List list:
                json.WriteString("button", list.Button);
                json.WriteStartArray("sections");
                foreach (Interactive.Section section in list.Sections)
                {
                    Section(json, section);
                }

                json.WriteEndArray();
                break;
            case Interactive.CtaUrl link:
                json.WriteString("name", "cta_url");
                json.WriteStartObject("parameters");
                json.WriteString("display_text", link.Text);
                json.WriteString("url", link.Url.AbsoluteUri);
                json.WriteEndObject();
                break;
        }

        json.WriteEndObject();
    }

    private static void Section(Utf8JsonWriter json, Interactive.Section section)
    {
        json.WriteStartObject();
        if (section.Title.Length > 0)
        {
            json.WriteString("title", section.Title);
        }

        json.WriteStartArray("rows");
        foreach (Interactive.Choice row in section.Rows)
        {
            json.WriteStartObject();
            json.WriteString("id", row.Id);
            json.WriteString("title", row.Title);
            if (!string.IsNullOrEmpty(row.Description))
            {
                json.WriteString("description", row.Description);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void TextObject(Utf8JsonWriter json, string name, string text)
    {
        json.WriteStartObject(name);
        json.WriteString("text", text);
        json.WriteEndObject();
    }
}
