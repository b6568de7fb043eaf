using System.Globalization;
using System.Text.Json;

namespace Postroom.ControlPlane;

/// <summary>Names one value of a JSON document (RFC 6901), such as <c>/sender/login</c> or <c>/commits/0/id</c>. Immutable.</summary>
internal sealed class JsonPointer
{
    private readonly string _text;
    private readonly string[] _steps;

    private JsonPointer(string text, string[] steps)
    {
        _text = text;
        _steps = steps;
    }

    /// <summary>Reads a pointer: null unless every step begins with <c>/</c> and every <c>~</c> is <c>~0</c> or <c>~1</c>. The empty one, which means the whole document, is none.</summary>
    public static JsonPointer? TryParse(string text)
    {
        if (text is not ['/', ..] || text.Length > 512)
        {
            return null;
        }

        for (int i = text.IndexOf('~', StringComparison.Ordinal); i >= 0; i = text.IndexOf('~', i + 1))
        {
            if (i + 1 == text.Length || text[i + 1] is not ('0' or '1'))
            {
                return null;
            }
        }

        // In this order, so that ~01 becomes ~1 and not a slash (RFC 6901, section 4).
        return new JsonPointer(text, [.. text[1..].Split('/').Select(static step => step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))]);
    }

    /// <summary>The value; null when the document has none there.</summary>
    public JsonElement? Find(JsonElement root)
    {
        JsonElement at = root;
        foreach (string step in _steps)
        {
            switch (at.ValueKind)
            {
                case JsonValueKind.Object when at.TryGetProperty(step, out JsonElement member):
                    at = member;
                    break;
                case JsonValueKind.Array when IsIndex(step, out int index) && index < at.GetArrayLength():
                    at = at[index];
                    break;
                default:
                    return null;
            }
        }

        return at;
    }

    /// <inheritdoc/>
    public override string ToString() => _text;

    private static bool IsIndex(string step, out int index) =>
        int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out index) && (step.Length == 1 || step[0] != '0');
}
