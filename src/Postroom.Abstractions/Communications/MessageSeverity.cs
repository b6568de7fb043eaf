using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>How much an outgoing message matters. Lower-case words on the wire; read in any case.</summary>
[JsonConverter(typeof(MessageSeverityText))]
public enum MessageSeverity
{
    /// <summary>For developers; sent without a notification sound where the channel can.</summary>
    Debug,

    /// <summary>Ordinary news.</summary>
    Info,

    /// <summary>Somebody should look.</summary>
    Warning,

    /// <summary>Something failed.</summary>
    Error,

    /// <summary>Somebody must act now.</summary>
    Critical,
}

/// <summary>Reads and writes <see cref="MessageSeverity"/> as its word.</summary>
public static class MessageSeverities
{
    private static readonly string[] Words = ["debug", "info", "warning", "error", "critical"];

    /// <summary>The lower-case word.</summary>
    public static string ToWord(this MessageSeverity severity) => Words[(int)severity];

    /// <summary>Reads a word in any case.</summary>
    /// <exception cref="FormatException">The word is none of the five.</exception>
    public static MessageSeverity Parse(string? word)
    {
        for (int i = 0; i < Words.Length; i++)
        {
            if (string.Equals(Words[i], word, StringComparison.OrdinalIgnoreCase))
            {
                return (MessageSeverity)i;
            }
        }

        throw new FormatException($"'{Names.Shorten(word)}' is not a severity. Use debug, info, warning, error or critical.");
    }
}

internal sealed class MessageSeverityText : JsonConverter<MessageSeverity>
{
    public override MessageSeverity Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            return MessageSeverities.Parse(reader.TokenType == JsonTokenType.String ? reader.GetString() : "");
        }
        catch (FormatException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    public override void Write(Utf8JsonWriter writer, MessageSeverity value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToWord());
}
