using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Postroom.ControlPlane;

/// <summary>Turns what was posted to a hook into what intake takes (WH-6). The body stays as it is.</summary>
internal static class HookTranslator
{
    private const string Unknown = "unknown";
    private const int LongestId = 256;

    /// <summary>Translates a request.</summary>
    /// <param name="hook">Where it was posted.</param>
    /// <param name="headers">The request's headers.</param>
    /// <param name="contentType">As the caller says; null when it says nothing.</param>
    /// <param name="body">As received.</param>
    /// <exception cref="MessageFormatException">The body is no JSON although it says so, or a value that the settings name cannot be used.</exception>
    public static SourceMessage ToSource(HookSource hook, IHeaderDictionary headers, string? contentType, ReadOnlyMemory<byte> body)
    {
        HookConfig config = hook.Config;
        using JsonDocument? document = IsJson(contentType) ? Parse(body) : null;
        string? sender = Read(document, config.Sender, "sender");
        string? conversation = Read(document, config.Conversation, "conversation");
        Dictionary<string, string> kept = new(StringComparer.Ordinal);
        TraceHeaders.Keep(headers, kept);
        foreach (string name in config.Headers)
        {
            if (headers.TryGetValue(name, out StringValues value))
            {
                kept[$"{HeaderNames.MetadataPrefix}{name.ToLowerInvariant()}"] = JsonSerializer.Serialize(value.ToString(), HttpJson.Default.String);
            }
        }

        return new SourceMessage(config.Into, config.PayloadType, body)
        {
            ContentType = contentType is { Length: > 0 and <= 256 } && !contentType.Any(char.IsControl) ? contentType : "application/octet-stream",
            From = sender is null ? null : Address.ForRecipient(config.ReplyVia ?? Unknown, sender),
            Conversation = conversation is null ? null : $"{hook.Name}/{conversation}",
            DedupKey = IdOf(config, headers, document) is { } id ? MessageTranslator.Bounded("hook", $"{hook.Name}:{id}") : null,
            Headers = kept,
        };
    }

    /// <summary>What tells a repeat. Without it a repeat would be handled twice, so a message that lacks it is refused.</summary>
    private static string? IdOf(HookConfig config, IHeaderDictionary headers, JsonDocument? document)
    {
        if (config.IdempotencyHeader is { } name)
        {
            return headers[name] is [{ Length: > 0 and <= LongestId } given] && !given.Any(char.IsControl)
                ? given
                : throw new MessageFormatException("idempotency", $"the header {name}, which tells a repeat, is missing, empty, longer than {LongestId} characters or given more than once");
        }

        return config.Idempotency is null
            ? null
            : Read(document, config.Idempotency, "idempotency") ?? throw new MessageFormatException("idempotency", $"the body has no {config.Idempotency}, which tells a repeat");
    }

    /// <summary>A value that the settings point at; null when there is none or the body is no JSON.</summary>
    private static string? Read(JsonDocument? document, JsonPointer? pointer, string setting)
    {
        if (pointer is null || document is null || pointer.Find(document.RootElement) is not { ValueKind: not JsonValueKind.Null } value)
        {
            return null;
        }

        string? text = value.ValueKind switch
        {
            JsonValueKind.String => value.GetString(),
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
            _ => null,
        };

        // The conversation has its source in front of it and 256 characters in all.
        int most = setting == "conversation" ? 190 : LongestId;
        return text is { Length: > 0 } && text.Length <= most && !text.Any(char.IsControl)
            ? text
            : throw new MessageFormatException(setting, $"{pointer} has to be a text or number of 1 to {most} characters without control characters");
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> body) => StrictJson.TryParse(body, out string problem) ?? throw new MessageFormatException("body", problem);

    private static bool IsJson(string? contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out MediaTypeHeaderValue? type)
        && (string.Equals(type.MediaType, "application/json", StringComparison.OrdinalIgnoreCase) || type.MediaType?.EndsWith("+json", StringComparison.OrdinalIgnoreCase) == true);
}
