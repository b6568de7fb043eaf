using System.Globalization;
using System.Text.Json;

namespace Postroom.Testing;

/// <summary>What the Cloud API asks of a request to <c>/messages</c> and of a file. Source: Meta, Cloud API reference, Messages and Media.</summary>
internal static class FakeWhatsAppRules
{
    private const int Parameter = 100;
    private const int UnsupportedType = 131051;
    private const int MediaUpload = 131053;

    private static readonly string[] Common = ["messaging_product", "recipient_type", "to", "type", "context", "biz_opaque_callback_data"];

    private static readonly (string[] Types, long Most)[] Files =
    [
        (["image/jpeg", "image/png"], 5 << 20),
        (["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"], 16 << 20),
        (["video/mp4", "video/3gpp"], 16 << 20),
        (["image/webp"], 500 << 10),
        ([
            "text/plain", "application/pdf", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ], 100 << 20),
    ];

    /// <summary>What is wrong with a request; null when the service takes it.</summary>
    /// <param name="body">The body.</param>
    /// <param name="file">Finds an uploaded file by its id.</param>
    public static FakeWhatsAppProblem? Check(JsonElement body, Func<string, FakeWhatsAppFile?> file)
    {
        try
        {
            Object(body, "body");
            Require(TextOf(body, "messaging_product") == "whatsapp", "The parameter messaging_product is required.");
            if (body.TryGetProperty("status", out _))
            {
                CheckRead(body);
            }
            else
            {
                CheckMessage(body, file);
            }

            return null;
        }
        catch (RuleException e)
        {
            return new FakeWhatsAppProblem(e.Code, e.Message);
        }
    }

    /// <summary>What is wrong with a file; null when the service takes it.</summary>
    public static FakeWhatsAppProblem? CheckFile(string type, long length)
    {
        foreach ((string[] types, long most) in Files)
        {
            // A picture may also be sent as a document, which the upload cannot know; 100 MB is the limit of all.
            if (types.Contains(type, StringComparer.Ordinal))
            {
                return length == 0 ? new FakeWhatsAppProblem(Parameter, "The file is empty.")
                    : length > Math.Max(most, type.StartsWith("image/", StringComparison.Ordinal) ? 100 << 20 : most) ? new FakeWhatsAppProblem(MediaUpload, $"The file has {length} bytes; the limit is {most}.")
                    : null;
            }
        }

        return new FakeWhatsAppProblem(Parameter, $"Param file must be a file with one of the following types: {string.Join(", ", Files.SelectMany(rule => rule.Types))}. Received file of type '{type}'.");
    }

    private static void CheckRead(JsonElement body)
    {
        Keys(body, ["messaging_product", "status", "message_id", "typing_indicator"]);
        Require(TextOf(body, "status") == "read", "Param status must be one of {READ} - got something else.");
        Text(body, "message_id", 512);
        if (body.TryGetProperty("typing_indicator", out JsonElement typing))
        {
            Object(typing, "typing_indicator");
            Keys(typing, ["type"]);
            Require(TextOf(typing, "type") == "text", "Param typing_indicator.type must be text.");
        }
    }

    private static void CheckMessage(JsonElement body, Func<string, FakeWhatsAppFile?> file)
    {
        string type = body.TryGetProperty("type", out _) ? Text(body, "type", 32) : "text";
        Keys(body, [.. Common, type]);
        Require(!body.TryGetProperty("recipient_type", out _) || TextOf(body, "recipient_type") == "individual", "Param recipient_type must be individual.");
        string to = Text(body, "to", 32).TrimStart('+');
        Require(to.Length is >= 5 and <= 20 && to.All(char.IsAsciiDigit), "Param to is no phone number.");
        if (body.TryGetProperty("biz_opaque_callback_data", out _))
        {
            Text(body, "biz_opaque_callback_data", 512);
        }

        if (body.TryGetProperty("context", out JsonElement context))
        {
            Object(context, "context");
            Keys(context, ["message_id"]);
            Text(context, "message_id", 512);
        }

        JsonElement content = Member(body, type);
        switch (type)
        {
            case "text":
                Keys(content, ["body", "preview_url"]);
                Text(content, "body", 4_096);
                Require(!content.TryGetProperty("preview_url", out JsonElement preview) || preview.ValueKind is JsonValueKind.True or JsonValueKind.False, "Param text.preview_url must be a boolean.");
                break;
            case "interactive":
                FakeWhatsAppChoices.Check(content);
                break;
            case "template":
                CheckTemplate(content);
                break;
            case "reaction":
                Keys(content, ["message_id", "emoji"]);
                Text(content, "message_id", 512);
                Require(TextOf(content, "emoji") is not null, "The parameter reaction.emoji is required.");
                break;
            case "image" or "audio" or "video" or "document":
                CheckMedia(type, content, file);
                break;
            default:
                throw new RuleException(UnsupportedType, $"Message type '{type}' is not supported.");
        }
    }

    private static void CheckMedia(string type, JsonElement media, Func<string, FakeWhatsAppFile?> file)
    {
        Keys(media, type switch { "audio" => ["id"], "document" => ["id", "caption", "filename"], _ => ["id", "caption"] });
        FakeWhatsAppFile known = file(Text(media, "id", 128)) ?? throw new RuleException(Parameter, "Param id is not a valid whatsapp business account media attachment ID.");
        Require(
            type == "document" || (known.ContentType.StartsWith($"{type}/", StringComparison.Ordinal) && CheckSize(known)),
            $"The media of type {known.ContentType} with {known.Data.Length} bytes does not fit a message of type {type}.");
        if (media.TryGetProperty("caption", out _))
        {
            Text(media, "caption", 1_024);
        }

        if (media.TryGetProperty("filename", out _))
        {
            Text(media, "filename", 255);
        }
    }

    private static bool CheckSize(FakeWhatsAppFile file) => Files.Any(rule => rule.Types.Contains(file.ContentType, StringComparer.Ordinal) && file.Data.Length <= rule.Most);

    private static void CheckTemplate(JsonElement template)
    {
        Keys(template, ["name", "language", "components"]);
        string name = Text(template, "name", 512);
        Require(name.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '_'), "Param template.name has letters that no name has.");
        Text(Member(template, "language"), "code", 16);
        if (template.TryGetProperty("components", out JsonElement components))
        {
            Require(components.ValueKind == JsonValueKind.Array, "Param template.components must be an array.");
            foreach (JsonElement component in components.EnumerateArray())
            {
                Object(component, "component");
                Require(Text(component, "type", 16) is "header" or "body" or "button", "Param component.type must be one of {HEADER, BODY, BUTTON}.");
                if (component.TryGetProperty("parameters", out JsonElement parameters))
                {
                    Require(parameters.ValueKind == JsonValueKind.Array, "Param component.parameters must be an array.");
                }
            }
        }
    }

    /// <summary>A required object.</summary>
    public static JsonElement Member(JsonElement parent, string name)
    {
        Require(parent.TryGetProperty(name, out JsonElement member), $"The parameter {name} is required.");
        Object(member, name);
        return member;
    }

    /// <summary>Nothing but an object.</summary>
    public static void Object(JsonElement element, string name) => Require(element.ValueKind == JsonValueKind.Object, $"Param {name} must be a JSON object.");

    /// <summary>No other members than these.</summary>
    public static void Keys(JsonElement element, IReadOnlyList<string> known)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            Require(known.Contains(property.Name), $"Unexpected key \"{property.Name}\".");
        }
    }

    /// <summary>A required text of 1 to so many characters.</summary>
    public static string Text(JsonElement element, string name, int most)
    {
        string text = TextOf(element, name) ?? throw new RuleException(Parameter, $"The parameter {name} is required.");
        int length = text.EnumerateRunes().Count();
        Require(length > 0, $"Param {name} must not be empty.");
        Require(length <= most, string.Create(CultureInfo.InvariantCulture, $"Param {name} must be at most {most} characters long."));
        return text;
    }

    /// <summary>A text; null when it is missing or none.</summary>
    public static string? TextOf(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Refuses the request unless a rule holds.</summary>
    public static void Require(bool holds, string rule)
    {
        if (!holds)
        {
            throw new RuleException(Parameter, rule);
        }
    }

    private sealed class RuleException(int code, string message) : Exception(message)
    {
        public int Code { get; } = code;
    }
}

/// <summary>Why the fake refuses a request.</summary>
/// <param name="Code">The error's code.</param>
/// <param name="Details">What is wrong.</param>
internal sealed record FakeWhatsAppProblem(int Code, string Details);
