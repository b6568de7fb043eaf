using System.Globalization;
using System.Text.Json;

namespace Postroom.Chat;

/// <summary>Reads the statuses of earlier sends (WA-11).</summary>
internal static class CloudStatusReader
{
    /// <summary>Reads one status.</summary>
    /// <param name="status">The element.</param>
    /// <returns>The receipt, and what it gives back of the send, if anything; null for a kind that says nothing about delivery.</returns>
    /// <exception cref="MessageFormatException">Its shape is wrong; it names the field.</exception>
    public static (LateReceipt Receipt, string? Key)? Read(JsonElement status)
    {
        string id = CloudMessageReader.RequireText(status, "id", 512);
        string word = CloudMessageReader.RequireText(status, "status", 64);
        DateTimeOffset at = CloudMessageReader.RequireInstant(status, "timestamp");
        DeliveryStatus? how = word switch
        {
            "sent" => DeliveryStatus.Sent,
            "delivered" => DeliveryStatus.Delivered,
            "read" or "played" => DeliveryStatus.Read,
            "failed" => DeliveryStatus.Failed,
            _ => null, // deleted, warning, and what comes later
        };
        if (how is not { } known)
        {
            return null;
        }

        string? key = JsonText.Text(JsonText.Child(status, "biz_opaque_callback_data"));
        (MessageId? message, int? part) = SendOf(key);
        string? reason = known == DeliveryStatus.Failed ? ReasonOf(status) : null;
        DeliveryReceipt receipt = new()
        {
            Status = known,
            OutsideId = id,
            At = at,
            Part = part,
            Detail = part is { } number ? string.Create(CultureInfo.InvariantCulture, $"part {number}{(reason is null ? "" : $": {reason}")}") : reason,
        };
        return (new LateReceipt(receipt) { MessageId = message }, key is { Length: > 0 and <= 512 } ? key : null);
    }

    /// <summary>What a key names: the message by its bare id, or one of its earlier parts as <c>{id}/{n}</c>.</summary>
    private static (MessageId? Message, int? Part) SendOf(string? key)
    {
        int slash = key?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        if (slash < 0)
        {
            return (MessageId.TryParse(key, out MessageId whole) ? whole : null, null);
        }

        return MessageId.TryParse(key![..slash], out MessageId message) && int.TryParse(key.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int part) && part > 0
            ? (message, part)
            : (null, null);
    }

    private static string ReasonOf(JsonElement status)
    {
        JsonElement? error = JsonText.Child(JsonText.Child(status, "errors"), "0");
        string code = JsonText.Child(error, "code") is { ValueKind: JsonValueKind.Number } number ? Names.Shorten(number.GetRawText(), 16) : "no code";
        string title = Names.Shorten(JsonText.Text(JsonText.Child(error, "title")) ?? JsonText.Text(JsonText.Child(error, "message")) ?? "no reason told", 200);
        return JsonText.Text(JsonText.Child(JsonText.Child(error, "error_data"), "details")) is { } details && details != title
            ? $"{code} {title}: {Names.Shorten(details, 300)}"
            : $"{code} {title}";
    }
}
