using System.Text.Json;

namespace Postroom.Chat;

/// <summary>Reads fields of what the service sends; one of another kind counts as absent, so that an update with something new in it is taken all the same.</summary>
internal static class JsonFields
{
    /// <summary>An object below; null when it is absent.</summary>
    public static JsonElement? Field(this JsonElement owner, string name)
    {
        return owner.ValueKind == JsonValueKind.Object && owner.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>A whole number; null when it is absent.</summary>
    public static long? WholeNumber(this JsonElement owner, string name)
    {
        return owner.Field(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out long number) ? number : null;
    }

    /// <summary>A text; null when it is absent or no Unicode text.</summary>
    public static string? Words(this JsonElement owner, string name)
    {
        try
        {
            return owner.Field(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // a lone surrogate
        }
    }

    /// <summary>Whether it is true.</summary>
    public static bool Flag(this JsonElement owner, string name) => owner.Field(name) is { ValueKind: JsonValueKind.True };

    /// <summary>A list; empty when it is absent.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement owner, string name)
    {
        return owner.Field(name) is { ValueKind: JsonValueKind.Array } value ? value.EnumerateArray() : [];
    }
}
