using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary><c>POST /webhook</c>: a message is stored before it is answered (WH-1 to WH-5).</summary>
internal sealed partial class WebhookEndpoint
{
    /// <summary>The name of this source in the record.</summary>
    public const string SourceName = "webhook";

    private static readonly TimeSpan HeldBack = TimeSpan.FromSeconds(3);

    private readonly IRuntimeView _runtime;
    private readonly WebhookIntakeOptions _options;
    private readonly IntakeAccess _access;
    private readonly ILogger _logger;
    private readonly CallerRateLimiter _perSender;
    private readonly WebChat? _chat;
    private readonly TimeProvider _clock;
    private readonly RefusalLog _refusals;

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
        _refusals = new RefusalLog(clock);
        _runtime = runtime;
        _options = options;
        _access = access;
        _logger = logger;
        _perSender = new CallerRateLimiter(options.PerSender.Count, options.PerSender.Period, clock);
    }

    /// <summary>Answers one request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            if (await ReadAsync(context) is { } message)
            {
                await StoreAsync(context, message);
            }
        }
        catch (MessageFormatException e)
        {
            await WebhookAnswer.WriteErrorAsync(context, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (IntakeClosedException e)
        {
            int status = e.Refusal == IntakeRefusal.TooManyPerKey ? StatusCodes.Status429TooManyRequests : StatusCodes.Status503ServiceUnavailable;
            string reason = e.Refusal switch
            {
                IntakeRefusal.NotRunning => "the service is starting or stopping",
                IntakeRefusal.StoreUnavailable => "messages cannot be stored now",
                IntakeRefusal.TooManyPerKey => "too many messages of this sender wait",
                _ => "too many messages wait",
            };
            await RefuseAsync(context, status, reason, e.Message, (int)Math.Clamp(Math.Ceiling(e.RetryAfter.TotalSeconds), 1, 60));
        }
        catch (StoreUnavailableException e)
        {
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "messages cannot be stored now", e.Message, 5);
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            string id = Problem.NewId();
            Log.Failed(_logger, e, id);
            await WebhookAnswer.WriteErrorAsync(context, StatusCodes.Status500InternalServerError, "something went wrong here", id);
        }
    }

    // Ordered so that what costs least is asked first, and nothing is parsed for a stranger.
    private async ValueTask<Message?> ReadAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        bool chatOnly = !_access.AllowsUnsigned(context) && _access.AllowsChat(request);
        bool allowed = chatOnly || _access.AllowsUnsigned(context);
        bool proved = allowed && _access.NeedsProof;
        if (!proved && _access.Charge(context) is { } wait)
        {
            return await RefuseAsync(context, StatusCodes.Status429TooManyRequests, "too many messages from this address", "An address that sends without token or signature has used up intake.webhook.perAddress.", wait);
        }

        if (!allowed && !_access.MayBeSigned(request))
        {
            return await RefuseAsync(context, StatusCodes.Status401Unauthorized, "the token or signature is missing or wrong");
        }

        if (_runtime.State != RuntimeState.Running)
        {
            return await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "the service is starting or stopping", seconds: 2);
        }

        if (!RequestBody.IsJson(request.ContentType))
        {
            return await RefuseAsync(context, StatusCodes.Status415UnsupportedMediaType, "the body must be application/json in UTF-8");
        }

        RequestBody body = await RequestBody.ReadAsync(request, _options.MaxBody, context.RequestAborted);
        if (body is RequestBody.Bytes bytes)
        {
            if (!allowed)
            {
                SignatureVerdict verdict = _access.JudgeSigned(request, bytes.Raw.Span);
                if (verdict != SignatureVerdict.Valid)
                {
                    return await RefuseAsync(context, StatusCodes.Status401Unauthorized, verdict == SignatureVerdict.Untimely
                        ? "the signature is right, but its time is more than 5 minutes away from now"
                        : "the token or signature is missing or wrong");
                }

                _access.TakeBackCharge(context);
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

    private async Task StoreAsync(HttpContext context, Message message)
    {
        string channel = MessageTranslator.ChannelOf(_runtime, message.ClientType);
        if (_perSender.Take($"{channel}/{Message.ContactOf(message.Sender)}") is { } wait)
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
        string? id = null;
        if (detail is not null)
        {
            (id, long? unlogged) = _refusals.Next(reason);
            if (unlogged is { } more)
            {
                Log.Refused(_logger, status, more == 0 ? detail : $"{detail} ({more} more were answered so since the last such line.)", id);
            }
        }

        await WebhookAnswer.WriteErrorAsync(context, status, reason, id, seconds);
        return null;
    }

    private static partial class Log
    {
        [LoggerMessage(4100, LogLevel.Error, "A webhook failed; the caller was told id {Id}.")]
        public static partial void Failed(ILogger logger, Exception exception, string id);

        [LoggerMessage(4101, LogLevel.Warning, "A webhook was answered with {Status} (id {Id}): {Detail}")]
        public static partial void Refused(ILogger logger, int status, string detail, string id);
    }
}
