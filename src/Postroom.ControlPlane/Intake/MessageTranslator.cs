using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Postroom.ControlPlane;

/// <summary>Turns a posted message into what intake takes (WH-1, WH-4, WH-5).</summary>
internal static class MessageTranslator
{
    private const int MaxDedupKey = 512;

    /// <summary>Translates a message.</summary>
    /// <param name="message">As posted.</param>
    /// <param name="queue">The queue of the webhook.</param>
    /// <param name="channel">The communicator that <c>client_type</c> names; <c>test</c> or <c>unknown</c> otherwise.</param>
    /// <param name="headers">The request's headers: idempotency key and trace context.</param>
    /// <exception cref="MessageFormatException">A field cannot be translated.</exception>
    public static SourceMessage ToSource(Message message, string queue, string channel, IHeaderDictionary headers)
    {
        Envelope envelope = message.ToEnvelope(queue, channel);
        Dictionary<string, string> kept = new(envelope.Headers, StringComparer.Ordinal);
        TraceHeaders.Keep(headers, kept);

        return new SourceMessage(queue, envelope.Type, envelope.Body)
        {
            ContentType = envelope.ContentType,
            From = envelope.From,
            Conversation = envelope.Conversation,
            DedupKey = DedupKeyOf(message, channel, headers, envelope.Header(HeaderNames.ChannelMessageId)),
            Headers = kept,
            Attachments = envelope.Attachments,
        };
    }

    /// <summary>The channel of a <c>client_type</c> (WH-5).</summary>
    public static string ChannelOf(IRuntimeView runtime, string clientType) =>
        runtime.FindChannel(clientType) ?? (clientType == "test" ? "test" : "unknown");

    /// <summary>
    /// The key that reveals a repeat. It holds channel and sender: an id is unique for its sender only, and nobody can make a
    /// message of somebody else disappear by posting its id first. The length in front keeps two senders from meeting in one key.
    /// </summary>
    private static string? DedupKeyOf(Message message, string channel, IHeaderDictionary headers, string? outsideId)
    {
        StringValues given = headers["Idempotency-Key"];
        if (given.Count > 1 || (given.Count == 1 && (given[0] is not { Length: > 0 and <= 256 } || given[0]!.Any(char.IsControl))))
        {
            throw new MessageFormatException("Idempotency-Key", "Idempotency-Key is given more than once, empty, longer than 256 characters or holds control characters.");
        }

        string? key = given.Count == 1 ? given[0] : outsideId;
        if (string.IsNullOrEmpty(key))
        {
            return null;
        }

        string contact = message.Contact;
        return Bounded("webhook", string.Create(CultureInfo.InvariantCulture, $"{contact.Length}:{channel}/{contact}:{key}"));
    }

    /// <summary>A dedup key of a kind; one that is too long becomes its hash.</summary>
    public static string Bounded(string kind, string key)
    {
        string whole = $"{kind}:{key}";
        return whole.Length <= MaxDedupKey ? whole : $"{kind}:sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(whole)))}";
    }
}
