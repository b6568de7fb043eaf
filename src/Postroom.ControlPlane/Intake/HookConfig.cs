using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>The settings of a hook (WH-6). Bound from <c>sources.{name}</c> of type <c>webhook</c>. Immutable.</summary>
internal sealed record HookConfig : SourceConfig
{
    /// <summary>The type of such sources.</summary>
    public const string Kind = "webhook";

    private const int MostHeaders = 16;

    private static readonly (string Word, SignatureScheme Value)[] Schemes =
    [
        ("hmac-sha256-hex", SignatureScheme.HmacSha256Hex), ("hmac-sha256-base64", SignatureScheme.HmacSha256Base64), ("timestamped", SignatureScheme.Timestamped), ("token", SignatureScheme.Token),
    ];

    [SetsRequiredMembers]
    private HookConfig(SourceConfig common)
        : base(common)
    {
    }

    /// <summary>The type of its messages. <c>hook.{source}</c> unless set.</summary>
    public string PayloadType { get; init; } = "";

    /// <summary>How many bytes a body may have. 1 byte to 1 GiB; 1 MiB unless set.</summary>
    public long MaxBody { get; init; }

    /// <summary>What callers have to prove; null takes everybody, which has to be said.</summary>
    public HookAuth? Auth { get; init; }

    /// <summary>The request header that tells a repeat; null when it is in the body or nowhere.</summary>
    public string? IdempotencyHeader { get; init; }

    /// <summary>Where in the body the value is that tells a repeat; null when it is a header or nowhere.</summary>
    public JsonPointer? Idempotency { get; init; }

    /// <summary>Where the sender is; null leaves messages without one.</summary>
    public JsonPointer? Sender { get; init; }

    /// <summary>Where the conversation is; null begins a new one with each message.</summary>
    public JsonPointer? Conversation { get; init; }

    /// <summary>Request headers that are kept as metadata of the message; none unless set, at most 16.</summary>
    public IReadOnlyList<string> Headers { get; init; } = [];

    /// <summary>What is answered with 200; null for the message's id.</summary>
    public string? Answer { get; init; }

    /// <summary>Whether the answer is JSON.</summary>
    public bool AnswersJson { get; init; }

    /// <summary>Reads the settings; every problem is reported through the reader. A <see cref="SourceSchema"/>.</summary>
    public static SourceConfig Read(SourceConfig common, SectionReader reader)
    {
        string name = reader.Path[(reader.Path.IndexOf('.', StringComparison.Ordinal) + 1)..];
        string type = reader.ReadText("payloadType", $"hook.{name}")!;
        if (!Names.IsPayloadType(type))
        {
            reader.AddError("payloadType", reader.Has("payloadType")
                ? $"{reader.Path}.payloadType is '{Names.Shorten(type)}', which is no payload type. {Names.TypeRule}"
                : $"{reader.Path} has a name that makes no payload type of its own ('{type}'). Set payloadType, such as hook.orders.");
        }

        if (common.ReplyVia is { } via && !Names.IsCommunicatorName(via))
        {
            reader.AddError("replyVia", $"{reader.Path}.replyVia is '{Names.Shorten(via)}', which no communicator can be named. {Names.CommunicatorRule}");
        }

        string? idempotency = reader.ReadText("idempotency");
        bool isPointer = idempotency is ['/', ..];
        string? answer = reader.ReadText("answer");
        return new HookConfig(common)
        {
            PayloadType = type,
            MaxBody = reader.ReadSize("maxBody", 1L << 20, 1, 1L << 30),
            Auth = ReadAuth(reader),
            IdempotencyHeader = isPointer || idempotency is null ? null : ReadHeader(reader, "idempotency", idempotency),
            Idempotency = isPointer ? ReadPointer(reader, "idempotency", idempotency) : null,
            Sender = ReadPointer(reader, "sender", reader.ReadText("sender")),
            Conversation = ReadPointer(reader, "conversation", reader.ReadText("conversation")),
            Headers = ReadHeaders(reader),
            Answer = answer,
            AnswersJson = answer is not null && IsJson(answer),
        };
    }

    private static HookAuth? ReadAuth(SectionReader reader)
    {
        SectionReader auth = reader.ReadSection("auth");
        bool none = auth.ReadFlag("none", false);
        SignatureScheme scheme = auth.ReadWord("scheme", SignatureScheme.HmacSha256Hex, Schemes);
        Secret? secrets = auth.ReadSecrets("secret");
        string? header = auth.ReadText("header", scheme == SignatureScheme.Timestamped ? WebhookSignature.TimestampedHeader : null);
        HookAuth read = new(scheme, header ?? "", auth.ReadText("prefix", "")!, secrets ?? new Secret(""), auth.ReadDuration("tolerance", WebhookSignature.DefaultTolerance, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)));
        if (none)
        {
            if (auth.Has("scheme") || secrets is not null)
            {
                auth.AddError("none", $"{auth.Path}.none is true beside a scheme or secret, so it is not clear whether callers have to prove anything. Remove the one or the other.");
            }

            auth.AddNotice("none", $"{auth.Path}.none is true: whoever reaches /hooks of this program can post to it.");
            return null;
        }

        if (auth.IsEmpty)
        {
            reader.AddError("auth", $"{reader.Path}.auth is missing. Say how callers prove themselves: scheme ({string.Join(", ", Schemes.Select(static scheme => scheme.Word))}), header and secret; or auth.none: true, which takes everybody.");
            return null;
        }

        if (!auth.Has("scheme"))
        {
            auth.AddError("scheme", $"{auth.Path}.scheme is missing. It is one of {string.Join(", ", Schemes.Select(static scheme => scheme.Word))}.");
        }

        if (secrets is null)
        {
            auth.AddError("secret", $"{auth.Path}.secret is missing. Give the secret that the service signs with; during a rotation both, separated by a blank.");
        }

        if (header is null)
        {
            auth.AddError("header", $"{auth.Path}.header is missing. Name the header that holds the {(scheme == SignatureScheme.Token ? "token" : "signature")}, such as X-Hub-Signature-256.");
        }
        else
        {
            ReadHeader(auth, "header", header);
        }

        return read;
    }

    private static string ReadHeader(SectionReader reader, string name, string header)
    {
        if (!IsHeader(header))
        {
            reader.AddError(name, $"{reader.Path}.{name} is '{Names.Shorten(header)}', which is no header name: 1 to 100 letters, digits, '-' and '_'.{(name == "idempotency" ? " A place in the body begins with '/', such as /id." : "")}");
        }

        return header;
    }

    private static IReadOnlyList<string> ReadHeaders(SectionReader reader)
    {
        IReadOnlyList<string> headers = reader.ReadTexts("headers");
        if (headers.Count > MostHeaders)
        {
            reader.AddError("headers", $"{reader.Path}.headers has {headers.Count} entries; at most {MostHeaders} are kept with a message.");
        }

        foreach (string header in headers)
        {
            ReadHeader(reader, "headers", header);
        }

        return headers;
    }

    private static JsonPointer? ReadPointer(SectionReader reader, string name, string? text)
    {
        JsonPointer? pointer = text is null ? null : JsonPointer.TryParse(text);
        if (text is not null && pointer is null)
        {
            reader.AddError(name, $"{reader.Path}.{name} is '{Names.Shorten(text)}', which names no place in a JSON body. Write a JSON pointer (RFC 6901), such as /sender/login or /items/0/id.");
        }

        return pointer;
    }

    private static bool IsHeader(string text) => text.Length is > 0 and <= 100 && text.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');

    private static bool IsJson(string text)
    {
        try
        {
            using JsonDocument _ = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

/// <summary>What a caller of a hook has to prove (WH-7).</summary>
/// <param name="Scheme">How.</param>
/// <param name="Header">The header that holds it.</param>
/// <param name="Prefix">A fixed text before it; empty for none.</param>
/// <param name="Secrets">All that are in force.</param>
/// <param name="Tolerance">How far a signed time may be from now, both ways.</param>
internal sealed record HookAuth(SignatureScheme Scheme, string Header, string Prefix, Secret Secrets, TimeSpan Tolerance);
