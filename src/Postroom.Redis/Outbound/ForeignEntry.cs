using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>What another program has added to a communicator's stream, as a message of its queue (GW-3).</summary>
/// <param name="Message">The message; null for what is not kept: a sign that somebody types, a call.</param>
/// <param name="Kind">What it is.</param>
/// <param name="ReplyQueue">Where a call's answer is waited for; null when nobody waits.</param>
/// <param name="Ask">What it asks of the communicator; null for a message.</param>
internal sealed record ForeignEntry(Envelope? Message, string Kind, string? ReplyQueue, GatewayAsk? Ask)
{
    private const int LongestText = 512;

    /// <summary>Reads one.</summary>
    /// <param name="communicator">Whose stream it is.</param>
    /// <param name="entryId">Its id in the stream.</param>
    /// <param name="values">Its fields and their values by turns.</param>
    /// <param name="now">The instant from which its life counts.</param>
    /// <exception cref="InvalidDataException">A field is missing or cannot be read; the text says which.</exception>
    public static ForeignEntry Read(string communicator, string entryId, RespValue[] values, DateTimeOffset now)
    {
        Dictionary<string, string> fields = new(StringComparer.Ordinal);
        for (int i = 0; i + 1 < values.Length; i += 2)
        {
            fields[values[i].AsText()] = values[i + 1].AsText();
        }

        string? Text(string name) => fields.GetValueOrDefault(name) is { Length: > 0 } text ? text : null;
        if (Text("v") is not "1" and var version)
        {
            throw new InvalidDataException($"field 'v' is {(version is null ? "missing" : $"'{RespText.Show(version)}'")}; this build reads 1");
        }

        string own = Text("id") ?? entryId;
        string kind = Text("kind") ?? "message";
        Envelope? message = kind switch
        {
            "message" => OfMessage(communicator, fields, Text),
            "reaction" => OfReaction(communicator, Text),
            "typing" or "presence" or "rpc" => null,
            _ => throw new InvalidDataException($"field 'kind' is '{RespText.Show(kind)}', which is none of message, typing, reaction, presence, rpc"),
        };
        if (message is not null)
        {
            message = message with
            {
                Id = IdOf(communicator, entryId, own),
                DedupKey = Checked("idempotencyKey", Text("idempotencyKey") ?? own),
                ExpiresAt = Instant("deadline", Text("deadline")),
                Headers = Text("traceparent") is { } trace ? new Dictionary<string, string>(message.Headers) { [HeaderNames.TraceParent] = Checked("traceparent", trace) } : message.Headers,
                CreatedAt = Instant("createdAt", Text("createdAt")) ?? now,
            };
        }

        GatewayAsk? ask = kind switch
        {
            "rpc" => new GatewayAsk(communicator, "rpc", Call(own, Text)),
            "typing" or "presence" => new GatewayAsk(communicator, "signal", Text("payload") ?? throw new InvalidDataException("field 'payload' is missing")),
            _ => null,
        };
        return new ForeignEntry(message, kind, Text("replyQueue"), ask);
    }

    /// <summary>A call, in the form in which nodes ask each other.</summary>
    private static string Call(string id, Func<string, string?> text)
    {
        JsonObject call = new() { ["id"] = id, ["method"] = text("method") ?? throw new InvalidDataException("field 'method' is missing") };
        if (text("timeoutMs") is { } limit)
        {
            call["timeoutMs"] = long.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out long milliseconds) ? milliseconds
                : throw new InvalidDataException($"field 'timeoutMs' is '{RespText.Show(limit)}', which is no number");
        }

        try
        {
            call["args"] = text("args") is { } args ? JsonNode.Parse(args) : null;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"field 'args' cannot be read: {e.Message}", e);
        }

        return call.ToJsonString();
    }

    private static Envelope OfMessage(string communicator, Dictionary<string, string> fields, Func<string, string?> text)
    {
        OutgoingMessage outgoing = Outgoing("payload", text("payload") ?? throw new InvalidDataException("field 'payload' is missing"));
        if (fields.GetValueOrDefault("attachments") is { Length: > 2 } attachments)
        {
            outgoing = outgoing with { Attachments = Outgoing("attachments", $$"""{"message":"","attachments":{{attachments}}}""").Attachments };
        }

        if (outgoing.Message.Length == 0 && outgoing.Attachments.Count == 0 && !outgoing.Metadata.ContainsKey("template"))
        {
            throw new InvalidDataException("field 'payload' has neither text nor attachments nor a template");
        }

        Address to = text("recipient") is { } recipient ? Recipient(communicator, recipient, text("topic"))
            : outgoing.To ?? Address.ForLabel(outgoing.Label);
        outgoing = outgoing with { To = to, ReplyTo = outgoing.ReplyTo ?? text("replyToMessage") };
        string conversation = Checked("conversation", text("conversation") ?? (to.Kind == AddressKind.Recipient ? ConversationOf(to) : communicator));
        return new Envelope(MessageId.Empty, OutboundQueue.Of(communicator), PayloadTypes.Notify, JsonSerializer.SerializeToUtf8Bytes(outgoing with { Attachments = [] }, PostroomJson.Default.OutgoingMessage))
        {
            Direction = MessageDirection.Outbound,
            To = to,
            Conversation = conversation,
            OrderKey = conversation,
            Attachments = outgoing.Attachments,
        };
    }

    private static Envelope OfReaction(string communicator, Func<string, string?> text)
    {
        Signal signal = Json("payload", text("payload") ?? throw new InvalidDataException("field 'payload' is missing"), PostroomJson.Default.Signal);
        string conversation = Checked("conversation", text("conversation") ?? ConversationOf(signal.Address));
        return new Envelope(MessageId.Empty, OutboundQueue.Of(communicator), PayloadTypes.SignalReaction, JsonSerializer.SerializeToUtf8Bytes(signal, PostroomJson.Default.Signal))
        {
            Direction = MessageDirection.Signal,
            To = signal.Address,
            Conversation = conversation,
            OrderKey = conversation,
        };
    }

    /// <summary>Reads a message in which anything but its text may be left out.</summary>
    private static OutgoingMessage Outgoing(string field, string text)
    {
        JsonObject json;
        try
        {
            json = JsonNode.Parse(text) as JsonObject ?? throw new InvalidDataException($"field '{field}' is no object");
            json.TryAdd("label", "default");
            json.TryAdd("metadata", new JsonObject());
            json.TryAdd("attachments", new JsonArray());
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"field '{field}' cannot be read: {e.Message}", e);
        }

        return Json(field, json.ToJsonString(), PostroomJson.Default.OutgoingMessage);
    }

    /// <summary>The same for the same entry, so that one that is adopted again is stored once.</summary>
    private static MessageId IdOf(string communicator, string entryId, string own)
    {
        if (MessageId.TryParse(own, out MessageId id))
        {
            return id;
        }

        byte[] bytes = SHA256.HashData(Encoding.UTF8.GetBytes($"{communicator}\n{own}"))[..16];
        long at = long.Parse(entryId.AsSpan(0, entryId.IndexOf('-', StringComparison.Ordinal)), CultureInfo.InvariantCulture);
        for (int i = 0; i < 6; i++)
        {
            bytes[i] = (byte)(at >> (40 - (8 * i)));
        }

        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x70);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return MessageId.FromBytes(bytes);
    }

    private static Address Recipient(string communicator, string recipient, string? topic)
    {
        try
        {
            return Address.ForRecipient(communicator, recipient, topic);
        }
        catch (Exception e) when (e is AddressException or ArgumentException)
        {
            throw new InvalidDataException($"field 'recipient' is no address: {e.Message}", e);
        }
    }

    private static string ConversationOf(Address to) => to.Topic is null ? $"{to.Scheme}/{to.Target}" : $"{to.Scheme}/{to.Target}/{to.Topic}";

    private static string Checked(string field, string text) => text.Length <= LongestText ? text
        : throw new InvalidDataException($"field '{field}' has {text.Length} characters; the limit is {LongestText}");

    private static DateTimeOffset? Instant(string field, string? text) => text is null ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long milliseconds) && milliseconds < 253_402_300_800_000 ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset instant) ? instant
        : throw new InvalidDataException($"field '{field}' is '{RespText.Show(text)}', which is neither milliseconds since 1970 nor an instant as ISO 8601");

    private static T Json<T>(string field, string text, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw new InvalidDataException($"field '{field}' is null");
        }
        catch (Exception e) when (e is JsonException or ArgumentException or FormatException or NotSupportedException)
        {
            throw new InvalidDataException($"field '{field}' cannot be read: {e.Message}", e);
        }
    }
}
