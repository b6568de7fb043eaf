using System.Text.Json;

namespace Postroom.Testing;

/// <summary>What the Cloud API asks of interactive messages. Source: Meta, Cloud API, interactive reply buttons, lists and call-to-action URL buttons.</summary>
internal static class FakeWhatsAppChoices
{
    /// <summary>Refuses what the service refuses.</summary>
    public static void Check(JsonElement interactive)
    {
        FakeWhatsAppRules.Keys(interactive, ["type", "header", "body", "footer", "action"]);
        string type = FakeWhatsAppRules.Text(interactive, "type", 16);
        FakeWhatsAppRules.Require(type is "button" or "list" or "cta_url", "Param interactive.type must be one of {BUTTON, LIST, CTA_URL}.");
        FakeWhatsAppRules.Text(FakeWhatsAppRules.Member(interactive, "body"), "text", 1_024);
        if (interactive.TryGetProperty("footer", out _))
        {
            FakeWhatsAppRules.Text(FakeWhatsAppRules.Member(interactive, "footer"), "text", 60);
        }

        if (interactive.TryGetProperty("header", out _))
        {
            JsonElement header = FakeWhatsAppRules.Member(interactive, "header");
            FakeWhatsAppRules.Require(FakeWhatsAppRules.TextOf(header, "type") == "text", "Param interactive.header.type must be text.");
            FakeWhatsAppRules.Text(header, "text", 60);
        }

        JsonElement action = FakeWhatsAppRules.Member(interactive, "action");
        switch (type)
        {
            case "button":
                CheckButtons(action);
                break;
            case "list":
                CheckList(action);
                break;
            default:
                CheckLink(action);
                break;
        }
    }

    private static void CheckButtons(JsonElement action)
    {
        FakeWhatsAppRules.Keys(action, ["buttons"]);
        HashSet<string> ids = new(StringComparer.Ordinal);
        foreach (JsonElement button in Items(action, "buttons", 3))
        {
            FakeWhatsAppRules.Require(FakeWhatsAppRules.TextOf(button, "type") == "reply", "Param button.type must be reply.");
            JsonElement reply = FakeWhatsAppRules.Member(button, "reply");
            FakeWhatsAppRules.Keys(reply, ["id", "title"]);
            FakeWhatsAppRules.Text(reply, "title", 20);
            FakeWhatsAppRules.Require(ids.Add(FakeWhatsAppRules.Text(reply, "id", 256)), "Button ids must be unique.");
        }
    }

    private static void CheckList(JsonElement action)
    {
        FakeWhatsAppRules.Keys(action, ["button", "sections"]);
        FakeWhatsAppRules.Text(action, "button", 20);
        JsonElement[] sections = Items(action, "sections", 10);
        HashSet<string> ids = new(StringComparer.Ordinal);
        int rows = 0;
        foreach (JsonElement section in sections)
        {
            FakeWhatsAppRules.Keys(section, ["title", "rows"]);
            if (sections.Length > 1 || section.TryGetProperty("title", out _))
            {
                FakeWhatsAppRules.Text(section, "title", 24);
            }

            foreach (JsonElement row in Items(section, "rows", 10))
            {
                rows++;
                FakeWhatsAppRules.Keys(row, ["id", "title", "description"]);
                FakeWhatsAppRules.Text(row, "title", 24);
                FakeWhatsAppRules.Require(ids.Add(FakeWhatsAppRules.Text(row, "id", 200)), "Row ids must be unique.");
                if (row.TryGetProperty("description", out _))
                {
                    FakeWhatsAppRules.Text(row, "description", 72);
                }
            }
        }

        FakeWhatsAppRules.Require(rows <= 10, "Total row count exceeds the maximum allowed count: 10.");
    }

    private static void CheckLink(JsonElement action)
    {
        FakeWhatsAppRules.Keys(action, ["name", "parameters"]);
        FakeWhatsAppRules.Require(FakeWhatsAppRules.TextOf(action, "name") == "cta_url", "Param action.name must be cta_url.");
        JsonElement parameters = FakeWhatsAppRules.Member(action, "parameters");
        FakeWhatsAppRules.Keys(parameters, ["display_text", "url"]);
        FakeWhatsAppRules.Text(parameters, "display_text", 20);
        FakeWhatsAppRules.Require(FakeWhatsAppRules.Text(parameters, "url", 2_000).StartsWith("https://", StringComparison.Ordinal), "Param url must begin with https://.");
    }

    private static JsonElement[] Items(JsonElement parent, string name, int most)
    {
        FakeWhatsAppRules.Require(parent.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array, $"The parameter {name} is required.");
        JsonElement[] items = [.. list.EnumerateArray()];
        FakeWhatsAppRules.Require(items.Length >= 1 && items.Length <= most, $"Param {name} must have 1 to {most} items.");
        foreach (JsonElement item in items)
        {
            FakeWhatsAppRules.Object(item, name);
        }

        return items;
    }
}
