using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Chat;

/// <summary>Reads and writes single values of JSON whose shape is not trusted.</summary>
internal static class JsonText
{
    /// <summary>A text, or a number as it is written, by its path; null when there is none.</summary>
    /// <param name="json">The document; anything may be in it.</param>
    /// <param name="path">Names of objects, <c>0</c> for the first item of a list.</param>
    public static string? Of(ReadOnlySpan<byte> json, params ReadOnlySpan<string> path)
    {
        try
        {
            JsonElement element = JsonElement.Parse(json);
            foreach (string step in path)
            {
                if (Child(element, step) is not { } child)
                {
                    return null;
                }

                element = child;
            }

            return Text(element) ?? (element.ValueKind == JsonValueKind.Number ? element.GetRawText() : null);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The text of an element; null when it is none, or not valid Unicode.</summary>
    public static string? Text(JsonElement? element)
    {
        try
        {
            return element is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // a lone surrogate
        }
    }

    /// <summary>A member of an object, or the first item of a list for <c>0</c>; null when there is none.</summary>
    public static JsonElement? Child(JsonElement? element, string name)
    {
        return element switch
        {
            { ValueKind: JsonValueKind.Object } map when map.TryGetProperty(name, out JsonElement child) => child,
            { ValueKind: JsonValueKind.Array } list when name == "0" && list.GetArrayLength() > 0 => list[0],
            _ => null,
        };
    }

    /// <summary>A text as JSON.</summary>
    public static JsonElement Element(string text) => JsonSerializer.SerializeToElement(text, WhatsAppJson.Default.String);

    /// <summary>A truth as JSON.</summary>
    public static JsonElement Element(bool value) => JsonSerializer.SerializeToElement(value, WhatsAppJson.Default.Boolean);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(bool))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class WhatsAppJson : JsonSerializerContext;
