using System.Text.Json;

namespace Postroom.Chat;

/// <summary>What the Cloud API takes, checked before anything is sent (WA-6). Lengths are UTF-16 units, which are never fewer than the characters Meta counts.</summary>
/// <remarks>Source: Meta, Cloud API reference, Messages and Media; WA-6 where it is stricter.</remarks>
internal static class CloudLimits
{
    /// <summary>The longest text of a message; longer ones are cut.</summary>
    public const int Text = 4_096;

    /// <summary>The longest text with choices.</summary>
    public const int Body = 1_024;

    /// <summary>The longest text under a file.</summary>
    public const int Caption = 1_024;

    /// <summary>The longest name of a template.</summary>
    public const int TemplateName = 512;

    private const int Buttons = 3;
    private const int ButtonId = 256;
    private const int ButtonTitle = 20;
    private const int Header = 60;
    private const int Footer = 60;
    private const int Sections = 10;
    private const int Rows = 10;
    private const int RowId = 200;
    private const int RowTitle = 24;
    private const int RowDescription = 72;
    private const long MiB = 1 << 20;

    private static readonly string[] Images = ["image/jpeg", "image/png"];
    private static readonly string[] Audios = ["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"];
    private static readonly string[] Videos = ["video/mp4", "video/3gpp"];

    private static readonly string[] Documents =
    [
        "text/plain", "application/pdf", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ];

    /// <summary>The requests that a message becomes, in order; at least one.</summary>
    /// <exception cref="DeliveryException">A limit is broken: refused, with the limit, its value and the remedy.</exception>
    public static IReadOnlyList<CloudPart> PartsOf(OutgoingMessage message)
    {
        if (message.Metadata.TryGetValue("template", out JsonElement template))
        {
            return [TemplateOf(template)];
        }

        List<CloudPart> parts = [];
        CloudPart.Media[] files = [.. message.Attachments.Select(file => new CloudPart.Media(file, MediaTypeOf(file), null))];
        bool captioned = message.Interactive is null && message.Message.Length > 0 && files is [{ Type.TakesCaption: true }, ..];
        if (captioned)
        {
            AtMost("text under a file", message.Message, Caption, "Shorten it, or send it as a message of its own.");
            files[0] = files[0] with { Caption = message.Message };
        }
        else if (message.Interactive is null)
        {
            parts.AddRange(TextSplitter.Split(message.Message, Text).Select(text => new CloudPart.Text(text)));
        }

        parts.AddRange(files);
        if (message.Interactive is { } choices)
        {
            Check(choices);
            Filled("text above the choices", message.Message);
            AtMost("text above the choices", message.Message, Body, "Shorten it, or send the first part as a message of its own.");
            parts.Add(new CloudPart.Choice(message.Message, choices));
        }

        return parts.Count > 0 ? parts : throw Refused("empty", "The message has no text, no file and no template. Give it one of them.");
    }

    /// <summary>Whether a text is the name of a template: 1 to 512 lower-case letters, digits and <c>_</c>.</summary>
    public static bool IsTemplateName(string text) => text.Length is > 0 and <= TemplateName && text.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '_');

    private static CloudPart.Template TemplateOf(JsonElement template)
    {
        const string Form = "Write {\"name\": \"…\", \"language\": \"en_US\", \"components\": […]}.";
        if (template.ValueKind != JsonValueKind.Object)
        {
            throw Refused("invalid_template", $"metadata.template is no object. {Form}");
        }

        string? name = template.TryGetProperty("name", out JsonElement named) && named.ValueKind == JsonValueKind.String ? named.GetString() : null;
        string? language = template.TryGetProperty("language", out JsonElement spoken) ? spoken.ValueKind switch
        {
            JsonValueKind.String => spoken.GetString(),
            JsonValueKind.Object when spoken.TryGetProperty("code", out JsonElement code) && code.ValueKind == JsonValueKind.String => code.GetString(),
            _ => null,
        } : null;
        JsonElement? components = template.TryGetProperty("components", out JsonElement filled) && filled.ValueKind != JsonValueKind.Null ? filled : null;
        return name is null || !IsTemplateName(name) ? throw Refused("invalid_template", $"metadata.template.name is not 1 to {TemplateName} lower-case letters, digits and '_'. {Form}")
            : language is not { Length: > 0 and <= 16 } ? throw Refused("invalid_template", $"metadata.template.language is no code of at most 16 characters. {Form}")
            : components is { ValueKind: not JsonValueKind.Array } ? throw Refused("invalid_template", $"metadata.template.components is no list. {Form}")
            : new CloudPart.Template(name, language, components);
    }

    private static void Check(Interactive choices)
    {
        switch (choices)
        {
            case Interactive.Buttons(var buttons):
                Count("buttons", buttons.Count, Buttons, "Offer a list for more.");
                foreach (Interactive.Choice button in buttons)
                {
                    Choice("button", button, ButtonId, ButtonTitle);
                }

                Distinct("buttons", buttons.Select(button => button.Id));
                break;
            case Interactive.List list:
                Filled("button that opens the list", list.Button);
                AtMost("button that opens the list", list.Button, ButtonTitle);
                Ends(list.Header, list.Footer);
                CheckSections(list.Sections);
                break;
            case Interactive.CtaUrl link:
                Filled("text of the link button", link.Text);
                AtMost("text of the link button", link.Text, ButtonTitle);
                Ends(link.Header, link.Footer);
                if (!link.Url.IsAbsoluteUri || link.Url.Scheme != Uri.UriSchemeHttps)
                {
                    throw Refused("not_https", "The address of the link button does not begin with https://, which WhatsApp asks for. Change it, or write the address into the text.");
                }

                break;
        }
    }

    private static void CheckSections(IReadOnlyList<Interactive.Section> sections)
    {
        Count("sections", sections.Count, Sections, "Join some.");
        Count("rows in all sections", sections.Sum(section => section.Rows.Count), Rows, "Offer fewer, or ask in two steps.");
        foreach (Interactive.Section section in sections)
        {
            Count($"rows in section '{Names.Shorten(section.Title)}'", section.Rows.Count, Rows, "Leave the section out.");
            AtMost("title of a section", section.Title, RowTitle);
            if (sections.Count > 1)
            {
                Filled("title of a section", section.Title);
            }

            foreach (Interactive.Choice row in section.Rows)
            {
                Choice("row", row, RowId, RowTitle);
                AtMost("description of a row", row.Description, RowDescription);
            }
        }

        Distinct("rows", sections.SelectMany(section => section.Rows).Select(row => row.Id));
    }

    private static void Choice(string what, Interactive.Choice choice, int idLimit, int titleLimit)
    {
        Filled($"id of a {what}", choice.Id);
        AtMost($"id of a {what}", choice.Id, idLimit);
        Filled($"title of a {what}", choice.Title);
        AtMost($"title of a {what}", choice.Title, titleLimit);
    }

    private static void Ends(string? header, string? footer)
    {
        AtMost("header", header, Header);
        AtMost("footer", footer, Footer);
    }

    private static CloudMediaType MediaTypeOf(Attachment file)
    {
        string bare = file.ContentType.Split(';')[0].Trim().ToLowerInvariant();
        long length = file.Data?.Length ?? file.Length ?? 0;
        CloudMediaType? type = Images.Contains(bare) && length <= 5 * MiB ? new CloudMediaType("image", bare, 5 * MiB)
            : Audios.Contains(bare) ? new CloudMediaType("audio", bare, 16 * MiB)
            : Videos.Contains(bare) ? new CloudMediaType("video", bare, 16 * MiB)
            : Images.Contains(bare) || Documents.Contains(bare) ? new CloudMediaType("document", bare, 100 * MiB)
            : bare.StartsWith("text/", StringComparison.Ordinal) ? new CloudMediaType("document", "text/plain", 100 * MiB)
            : null;
        return type is null
                ? throw Refused("media_type", $"File '{file.Name}' has the type '{Names.Shorten(bare)}'; WhatsApp takes {string.Join(", ", [.. Images, .. Audios, .. Videos, .. Documents])}. Convert it, or send a link to it.")
            : file.Data is null && !CloudMedia.IsId(file.Reference)
                ? throw Refused("no_data", $"File '{file.Name}' has neither bytes nor an id of WhatsApp's. Send the file itself.")
            : file.Data is { IsEmpty: true } ? throw Refused("no_data", $"File '{file.Name}' is empty; WhatsApp takes files of at least one byte. Leave it out.")
            : length > type.MaxBytes
                ? throw Refused("too_long", $"File '{file.Name}' has {length} bytes; WhatsApp takes at most {type.MaxBytes} of type {bare}. Make it smaller, or send a link to it.")
            : type;
    }

    private static void Filled(string what, string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw Refused("missing", $"The {what} is empty; WhatsApp takes it with at least 1 character. Write one.");
        }
    }

    private static void AtMost(string what, string? text, int limit, string remedy = "Shorten it.")
    {
        if (text?.Length > limit)
        {
            throw Refused("too_long", $"The {what} has {text.Length} characters; WhatsApp takes at most {limit}. {remedy}");
        }
    }

    private static void Count(string what, int count, int most, string remedy)
    {
        if (count is 0 || count > most)
        {
            throw Refused(count == 0 ? "too_few" : "too_many", $"The message has {count} {what}; WhatsApp takes 1 to {most}. {(count == 0 ? "Add one, or leave the choices out." : remedy)}");
        }
    }

    private static void Distinct(string what, IEnumerable<string> ids)
    {
        if (ids.GroupBy(id => id, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw Refused("not_distinct", $"Two {what} have the id '{Names.Shorten(twice.Key)}'; WhatsApp takes each id once. Rename one.");
        }
    }

    private static DeliveryException Refused(string code, string text) => new(new DeliveryFailure.Refused(code), text);
}
