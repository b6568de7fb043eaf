using System.Text;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>Writes the contacts of a message as vCards (RFC 2426), the form in which every channel hands them over.</summary>
internal static class ContactCards
{
    /// <summary>A card for each contact.</summary>
    /// <exception cref="MessageFormatException">The contacts are no list of objects with a name.</exception>
    public static string[] Of(JsonElement? contacts)
    {
        return contacts is { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Select(Card)]
            : throw new MessageFormatException("contacts", "'contacts' is no list.");
    }

    private static string Card(JsonElement contact)
    {
        JsonElement? name = JsonText.Child(contact, "name");
        string shown = Value(name, "formatted_name") ?? throw new MessageFormatException("name", "A contact has no text 'name.formatted_name'.");
        StringBuilder card = new("BEGIN:VCARD\r\nVERSION:3.0\r\n");
        string[] parts = [.. ((string[])["last_name", "first_name", "middle_name", "prefix", "suffix"]).Select(part => Escape(Value(name, part) ?? ""))];
        card.Append("N:").AppendJoin(';', parts).Append("\r\n");
        Line(card, "FN", shown);
        JsonElement? organisation = JsonText.Child(contact, "org");
        if (Value(organisation, "company") is { } company)
        {
            card.Append("ORG:").Append(Escape(company)).Append(Value(organisation, "department") is { } department ? $";{Escape(department)}" : "").Append("\r\n");
        }

        Line(card, "TITLE", Value(organisation, "title"));
        foreach (JsonElement phone in Items(contact, "phones"))
        {
            Line(card, Typed("TEL", phone), Value(phone, "phone") ?? Value(phone, "wa_id"));
        }

        foreach (JsonElement mail in Items(contact, "emails"))
        {
            Line(card, Typed("EMAIL", mail), Value(mail, "email"));
        }

        foreach (JsonElement url in Items(contact, "urls"))
        {
            Line(card, "URL", Value(url, "url"));
        }

        foreach (JsonElement address in Items(contact, "addresses"))
        {
            string[] lines = [.. ((string[])["street", "city", "state", "zip", "country"]).Select(part => Escape(Value(address, part) ?? ""))];
            card.Append(Typed("ADR", address)).Append(":;;").AppendJoin(';', lines).Append("\r\n");
        }

        Line(card, "BDAY", Value(contact, "birthday"));
        return card.Append("END:VCARD").ToString();
    }

    private static JsonElement.ArrayEnumerator Items(JsonElement contact, string field) => JsonText.Child(contact, field) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : default;

    private static string? Value(JsonElement? element, string field) => JsonText.Text(JsonText.Child(element, field)) is { Length: > 0 } text ? text : null;

    /// <summary>A property with its kind, which only letters can be.</summary>
    private static string Typed(string property, JsonElement element) =>
        Value(element, "type") is { Length: <= 32 } kind && kind.All(char.IsAsciiLetter) ? $"{property};TYPE={kind.ToUpperInvariant()}" : property;

    private static void Line(StringBuilder card, string property, string? value)
    {
        if (value is not null)
        {
            card.Append(property).Append(':').Append(Escape(value)).Append("\r\n");
        }
    }

    /// <summary>As RFC 2426, section 4 asks: what a contact is called cannot end a line or a card.</summary>
    private static string Escape(string text)
    {
        StringBuilder escaped = new(text.Length);
        foreach (char letter in text.ReplaceLineEndings("\n"))
        {
            switch (letter)
            {
                case '\n':
                    escaped.Append("\\n");
                    break;
                case '\\' or ';' or ',':
                    escaped.Append('\\').Append(letter);
                    break;
                default:
                    escaped.Append(char.IsControl(letter) ? ' ' : letter);
                    break;
            }
        }

        return escaped.ToString();
    }
}
