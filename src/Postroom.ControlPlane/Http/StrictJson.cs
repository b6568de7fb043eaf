using System.Text.Json;
using System.Text.Unicode;

namespace Postroom.ControlPlane;

/// <summary>Reads JSON of outside origin (GN-3, SE-3): no comments, no trailing commas, no duplicate properties, depth at most 32, valid UTF-8.</summary>
internal static class StrictJson
{
    /// <summary>The deepest nesting that is read.</summary>
    public const int MaxDepth = 32;

    /// <summary>Settings for documents.</summary>
    public static readonly JsonDocumentOptions Document = new()
    {
        MaxDepth = MaxDepth,
        CommentHandling = JsonCommentHandling.Disallow,
        AllowTrailingCommas = false,
        AllowDuplicateProperties = false,
    };

    /// <summary>Settings for typed bodies; a source-generated context is added by the caller.</summary>
    public static JsonSerializerOptions Serializer() => new(JsonSerializerDefaults.Web)
    {
        MaxDepth = MaxDepth,
        ReadCommentHandling = JsonCommentHandling.Disallow,
        AllowTrailingCommas = false,
        AllowDuplicateProperties = false,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.Strict,
    };

    /// <summary>Parses a body; null with a text that is safe to show when it is not acceptable JSON.</summary>
    /// <param name="utf8">The body. It is not copied: keep it unchanged while the document lives.</param>
    /// <param name="problem">What is wrong, without content of the body; empty on success.</param>
    public static JsonDocument? TryParse(ReadOnlyMemory<byte> utf8, out string problem)
    {
        problem = "";
        if (!Utf8.IsValid(utf8.Span))
        {
            problem = "the body is not valid UTF-8";
            return null;
        }

        JsonDocument? document = null;
        try
        {
            document = JsonDocument.Parse(utf8, Document);
            if (MayHoldLoneSurrogates(utf8.Span))
            {
                ReadEveryString(document.RootElement);
            }

            return document;
        }
        catch (JsonException exception)
        {
            // A duplicate property is found after the parse and has no position.
            problem = utf8.Length == 0 ? "the body is empty"
                : exception.LineNumber is { } line ? $"the body is not acceptable JSON (line {line + 1}, byte {exception.BytePositionInLine})"
                : "the body is not acceptable JSON: a property is written twice";
        }
        catch (InvalidOperationException)
        {
            // "\ud800" alone parses, and only the later read of that string would throw.
            problem = "the body holds an escaped character that is half of a surrogate pair";
        }

        document?.Dispose();
        return null;
    }

    private static bool MayHoldLoneSurrogates(ReadOnlySpan<byte> utf8) => utf8.IndexOf("\\ud"u8) >= 0 || utf8.IndexOf("\\uD"u8) >= 0;

    private static void ReadEveryString(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    ReadEveryString(property.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    ReadEveryString(item);
                }

                break;
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            default:
                break;
        }
    }
}
