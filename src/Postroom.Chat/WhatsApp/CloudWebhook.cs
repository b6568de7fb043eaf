using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Postroom.Chat;

/// <summary>Answers Meta's calls: verifies the address, and takes posts of messages and statuses (WA-8, WA-9).</summary>
internal sealed partial class CloudWebhook
{
    /// <summary>Where Meta calls.</summary>
    public const string Path = "/whatsapp-incoming";

    /// <summary>The longest body, in bytes.</summary>
    public const long MaxBody = 4 << 20;

    private const int MaxChallenge = 256;

    private readonly string _name;
    private readonly WhatsAppCommunicatorConfig _config;
    private readonly ContactMemory _contacts;
    private readonly StatusWaits _waits;
    private readonly Func<IIncomingSink?> _sink;
    private readonly ILogger _log;
    private readonly CloudMessageReader _reader;

    /// <summary>Makes it.</summary>
    /// <param name="name">The communicator's name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="contacts">Notes when contacts write.</param>
    /// <param name="waits">Is told of status callbacks.</param>
    /// <param name="sink">Takes what comes in; gives null until the dispatcher has set it.</param>
    /// <param name="log">Where what could not be read is told.</param>
    public CloudWebhook(string name, WhatsAppCommunicatorConfig config, ContactMemory contacts, StatusWaits waits, Func<IIncomingSink?> sink, ILogger log)
    {
        _name = name;
        _config = config;
        _contacts = contacts;
        _waits = waits;
        _sink = sink;
        _log = log;
        Dictionary<string, string> labels = new(StringComparer.Ordinal);
        foreach ((string label, string number) in config.Chats)
        {
            if (PhoneNumber.TryParse(number, out PhoneNumber? known))
            {
                labels.TryAdd(known.Digits, label);
            }
        }

        _reader = new CloudMessageReader(labels);
    }

    /// <summary>Verifies and answers one request.</summary>
    /// <exception cref="StoreUnavailableException">It cannot be stored now.</exception>
    public ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken)
    {
        return request.Method switch
        {
            "GET" => new ValueTask<WebhookReply>(Verify(request.Query)),
            "POST" => TakeAsync(request, cancellationToken),
            _ => new ValueTask<WebhookReply>(Refusal(405, "Only GET and POST are answered here.")),
        };
    }

    /// <summary>Whether a request may be Meta's: a post has a signature. The others have no body, and are asked for a word in their query.</summary>
    public static bool MayBeProved(WebhookCall request) => request.Method != "POST" || request.Headers.ContainsKey(CloudSignature.Header);

    /// <summary>Whether a request has the word that Meta verifies the address with (WA-8). A post is proved by its body only.</summary>
    public bool IsProved(WebhookCall request) => request.Method == "GET" && HasWord(request.Query);

    private bool HasWord(IReadOnlyDictionary<string, string> query) =>
        _config.VerifyToken is { IsEmpty: false } token && CloudSignature.IsWord(token, query.GetValueOrDefault("hub.verify_token"));

    private WebhookReply Verify(IReadOnlyDictionary<string, string> query)
    {
        return HasWord(query)
            && query.GetValueOrDefault("hub.mode") == "subscribe"
            && query.GetValueOrDefault("hub.challenge") is { Length: > 0 and <= MaxChallenge } challenge
            ? new WebhookReply(200, challenge, "text/plain; charset=utf-8")
            : Refusal(403, "The address is not verified: mode, token and challenge have to be those that Meta sends, and verifyToken the same on both sides.");
    }

    private async ValueTask<WebhookReply> TakeAsync(WebhookCall request, CancellationToken cancellationToken)
    {
        if (_config.AppSecret is not { IsEmpty: false } secret)
        {
            return Refusal(503, "No secret is configured, so nobody can tell whether a post is Meta's. Set appSecret.");
        }

        if (request.Body.Length > MaxBody)
        {
            return Refusal(413, $"A post has at most {MaxBody} bytes.");
        }

        if (!CloudSignature.IsValid(secret, request.Headers.GetValueOrDefault(CloudSignature.Header), request.Body.Span))
        {
            return Refusal(401, $"The signature in {CloudSignature.Header} is missing or not of this body and this app.");
        }

        CloudUpdate update;
        try
        {
            update = CloudUpdate.Read(request.Body, _config.PhoneNumberId, _reader);
        }
        catch (Exception e) when (e is JsonException or MessageFormatException)
        {
            return Refusal(400, e is MessageFormatException ? e.Message : "The body is no JSON.");
        }

        return await StoreAsync(update, cancellationToken);
    }

    private async ValueTask<WebhookReply> StoreAsync(CloudUpdate update, CancellationToken cancellationToken)
    {
        if (update.Foreign > 0)
        {
            LogForeign(_name, update.Foreign, _config.PhoneNumberId);
        }

        if (update.Invalid > 0)
        {
            LogInvalid(_name, update.Invalid);
        }

        if (update.Messages.Count + update.Receipts.Count == 0)
        {
            return Success("\"message\":\"There were no messages in it.\"");
        }

        if (_sink() is not { } sink)
        {
            return Refusal(503, "Nothing takes messages yet. Try again.");
        }

        // Before the messages: an answer to one of them must not find the contact's window closed.
        foreach ((PhoneNumber contact, LastMessage last) in update.Contacts)
        {
            await _contacts.NoteAsync(contact, last, cancellationToken);
        }

        IReadOnlyList<AcceptResult> results;
        try
        {
            results = await sink.AcceptAsync(update.Messages, update.Receipts, cancellationToken);
        }
        catch (IntakeClosedException e)
        {
            return Refusal(503, e.Message);
        }

        foreach ((string key, DeliveryReceipt receipt) in update.Callbacks)
        {
            _waits.Tell(key, receipt);
        }

        int duplicates = results.Count(result => result.Duplicate);
        return Success(string.Create(
            CultureInfo.InvariantCulture,
            $"\"messages\":{results.Count - duplicates},\"duplicates\":{duplicates},\"receipts\":{update.Receipts.Count},\"invalid\":{update.Invalid}"));
    }

    private static WebhookReply Success(string members) => new(200, $"{{\"success\":true,{members}}}");

    private static WebhookReply Refusal(int status, string error) =>
        new(status, $"{{\"success\":false,\"error\":{JsonSerializer.Serialize(error, WhatsAppJson.Default.String)}}}");

    [LoggerMessage(720, LogLevel.Warning, "Communicator '{Name}' left out {Count} changes of a post: they are for another phone number than {PhoneNumberId}. That number needs a communicator of its own; where it has one, all is well.")]
    private partial void LogForeign(string name, int count, string phoneNumberId);

    [LoggerMessage(721, LogLevel.Warning, "Communicator '{Name}' could not read {Count} elements of a post; they are stored as Failed (invalid).")]
    private partial void LogInvalid(string name, int count);
}
