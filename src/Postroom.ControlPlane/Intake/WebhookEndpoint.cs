using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary><c>POST /webhook</c>: a message is stored before it is answered (WH-1 to WH-5).</summary>
internal sealed class WebhookEndpoint
{
    /// <summary>The name of this source in the record.</summary>
    public const string SourceName = "webhook";

    private static readonly TimeSpan HeldBack = TimeSpan.FromSeconds(3);

    private readonly IRuntimeView _runtime;
    private readonly IntakeAccess _access;
    private readonly WebChat? _chat;
    private readonly TimeProvider _clock;
    private readonly IntakeAnswers _answers;
    private volatile WebhookIntakeOptions _options;
    private volatile CallerRateLimiter _perSender;

    /// <summary>Makes the endpoint.</summary>
    /// <param name="runtime">The way in.</param>
    /// <param name="options">Limits and the queue.</param>
    /// <param name="access">Who may post.</param>
    /// <param name="chat">The web chat, to which alone its token posts; null without one.</param>
    /// <param name="clock">Limits.</param>
    /// <param name="logger">For refusals and failures.</param>
    public WebhookEndpoint(IRuntimeView runtime, WebhookIntakeOptions options, IntakeAccess access, WebChat? chat, TimeProvider clock, ILogger<WebhookEndpoint> logger)
    {
        _chat = chat;
        _clock = clock;
        _answers = new IntakeAnswers(clock, logger);
        _runtime = runtime;
        _options = options;
        _access = access;
        _perSender = new CallerRateLimiter(options.PerSender.Count, options.PerSender.Period, clock);
    }

    /// <summary>Goes by other settings from the next request on; senders begin with full limits.</summary>
    public void Change(WebhookIntakeOptions options)
    {
        _perSender = new CallerRateLimiter(options.PerSender.Count, options.PerSender.Period, _clock);
        _options = options;
    }

    /// <summary>Answers one request.</summary>
    public Task HandleAsync(HttpContext context) => _answers.GuardAsync(context, async request =>
    {
        if (await ReadAsync(request) is { } message)
        {
            await StoreAsync(request, message);
        }
    });

    // Ordered so that what costs least is asked first, and nothing is parsed for a stranger.
    private async ValueTask<Message?> ReadAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        bool chatOnly = !_access.AllowsUnsigned(context) && _access.AllowsChat(request);
        bool allowed = chatOnly || _access.AllowsUnsigned(context);
        bool proved = allowed && _access.NeedsProof;
        using IntakeCharge charge = _access.Enter(context, proved, maySign: !allowed && _access.MayBeSigned(request));
        if (charge.IsRefused)
        {
            return await TooManyAsync(context, charge.Wait);
        }

        if (!allowed && !_access.MayBeSigned(request))
        {
            return await RefuseAsync(context, StatusCodes.Status401Unauthorized, "the token or signature is missing or wrong");
        }

        if (!_runtime.TakesMessages)
        {
            charge.TakeBack();
            return await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "the service is starting or stopping", seconds: 2);
        }

        if (!RequestBody.IsJson(request.ContentType))
        {
            return await RefuseAsync(context, StatusCodes.Status415UnsupportedMediaType, "the body must be application/json in UTF-8");
        }

        RequestBody body = await charge.ReadBodyAsync(_options.MaxBody);
        if (body is RequestBody.Bytes bytes)
        {
            if (!allowed)
            {
                SignatureVerdict verdict = _access.JudgeSigned(request, bytes.Raw.Span);
                if (verdict != SignatureVerdict.Valid && charge.Wait is { } wait)
                {
                    return await TooManyAsync(context, wait);
                }

                if (verdict != SignatureVerdict.Valid)
                {
                    return await RefuseAsync(context, StatusCodes.Status401Unauthorized, verdict == SignatureVerdict.Untimely
                        ? "the signature is right, but its time is more than 5 minutes away from now"
                        : "the token or signature is missing or wrong");
                }

                charge.TakeBack();
            }

            body = RequestBody.ParseObject(bytes.Raw);
        }

        if (body is not RequestBody.Json json)
        {
            RequestBody.Refused refused = (RequestBody.Refused)body;
            string setting = refused.Status == StatusCodes.Status413PayloadTooLarge ? " The limit is intake.webhook.maxBody." : "";
            return await RefuseAsync(context, refused.Status, refused.Detail + setting);
        }

        using (json.Document)
        {
            Message message = Message.FromPayload(json.Document.RootElement);
            return chatOnly && _chat?.Has(MessageTranslator.ChannelOf(_runtime, message.ClientType)) != true
                ? await RefuseAsync(context, StatusCodes.Status401Unauthorized, "the token is the web chat's, which posts to the web chat only")
                : message;
        }
    }

    private ValueTask<Message?> TooManyAsync(HttpContext context, int? seconds) =>
        RefuseAsync(context, StatusCodes.Status429TooManyRequests, "too many messages from this address", "An address that sends without a valid token or signature has used up intake.webhook.perAddress.", seconds);

    private async Task StoreAsync(HttpContext context, Message message)
    {
        string channel = MessageTranslator.ChannelOf(_runtime, message.ClientType);
        message = message with { ChannelKind = _runtime.KindOf(channel) };
        if (_perSender.Take($"{channel}/{message.Contact}") is { } wait)
        {
            await RefuseAsync(context, StatusCodes.Status429TooManyRequests, "too many messages from this sender", "A sender has used up intake.webhook.perSender.", wait);
            return;
        }

        SourceMessage source = MessageTranslator.ToSource(message, _options.Into, channel, context.Request.Headers);

        // A caller that hangs up now must not undo the commit, only miss its answer.
        IReadOnlyList<AcceptResult> results = await _runtime.OpenSink(SourceName).AcceptAsync(Delivered(source, channel), checkpoint: null, CancellationToken.None);
        AcceptResult result = results[0];
        if (result is { Duplicate: true, SameBody: false })
        {
            await RefuseAsync(context, StatusCodes.Status409Conflict, "another message was posted with this id before");
            return;
        }

        await WebhookAnswer.WriteStoredAsync(context, result.Id.ToString(), result.Duplicate);
    }

    /// <summary>The message as it is delivered: as it is, or with what goes wrong on purpose in a conversation of the web chat (EU-8).</summary>
    private IReadOnlyList<SourceMessage> Delivered(SourceMessage source, string channel)
    {
        return (_chat?.TakeInputFault(channel, source.From is { } from ? Message.RecipientOf(from) : "") ?? InputFault.None) switch
        {
            InputFault.Duplicate => [source, Marked(source, HeaderNames.FaultTwice) with { DedupKey = source.DedupKey is null ? null : $"again:{source.DedupKey}" }],
            InputFault.Reorder => [Marked(source, "held back on purpose") with { NotBefore = _clock.GetUtcNow() + HeldBack }],
            _ => [source],
        };
    }

    private static SourceMessage Marked(SourceMessage source, string fault) => source with { Headers = new Dictionary<string, string>(source.Headers, StringComparer.Ordinal) { [HeaderNames.Fault] = fault } };

    private async ValueTask<Message?> RefuseAsync(HttpContext context, int status, string reason, string? detail = null, int? seconds = null)
    {
        await _answers.RefuseAsync(context, status, reason, detail, seconds);
        return null;
    }
}
