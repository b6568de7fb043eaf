using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Postroom.Chat;

/// <summary>Posts each message as JSON to one address of the configuration (SPEC §18). Send-only. Safe for concurrent sends.</summary>
public sealed class WebhookCommunicator : Communicator, IConnectionCheck
{
    private readonly WebhookCommunicatorConfig _config;
    private readonly TimeProvider _clock;
    private Session? _session;

    /// <summary>Makes a communicator; nothing connects before the first send.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="clock">Measures time-outs, dates receipts and signatures; null for the system's.</param>
    /// <exception cref="FormatException">The name breaks the rule of communicator names.</exception>
    public WebhookCommunicator(string name, WebhookCommunicatorConfig config, TimeProvider? clock = null)
        : base(name)
    {
        _config = config;
        _clock = clock ?? TimeProvider.System;
    }

    /// <summary>It shows nothing itself: what it posts is the whole message.</summary>
    public override CommunicatorCapabilities Capabilities { get; } = new()
    {
        Formats = [TextFormat.Html, TextFormat.Markdown],
        Attachments = true,
        Buttons = true,
        Lists = true,
        Links = true,
        Idempotent = true,
    };

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        Session session = _session ?? throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"Communicator '{Name}' has not started.");
        if (!session.Running.TryEnter())
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"Communicator '{Name}' is stopping.");
        }

        try
        {
            byte[] body = BodyOf(message, context);
            using ByteArrayContent content = new(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json") { CharSet = "utf-8" };
            ServiceAnswer answer = await session.Http.ExchangeAsync(
                new HttpMethod(_config.Method), _config.Url.AbsoluteUri, content, context, cancellationToken, headers: headers => AddHeaders(headers, body, context));
            return Classify(answer);
        }
        finally
        {
            session.Running.Leave();
        }
    }

    /// <summary>Resolves the name, connects and, with https, shakes hands; no request is sent, so neither path nor credentials are tried.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        try
        {
            string? encryption = await ServiceHttp.ConnectAsync(_config.Url, _clock, cancellationToken);
            return $"{encryption ?? "no encryption"}, {_config.Url.Host} takes connections; no request was sent";
        }
        catch (DeliveryException e)
        {
            throw new DeliveryException(e.Failure, $"{e.Message.TrimEnd('.')}. Check host and port of communications.backends.{Name}.url, its certificate and the firewall.", e);
        }
    }

    /// <inheritdoc/>
    protected override Task OnStartAsync(CancellationToken cancellationToken)
    {
        _session = new Session(new ServiceHttp($"The address of '{Name}'", null, _config.Timeout, _clock), new InFlight());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task OnStopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _session, null) is { } session)
        {
            await session.Running.CloseAsync(cancellationToken);
            session.Http.Dispose();
        }
    }

    private static byte[] BodyOf(OutgoingMessage message, DeliveryContext context)
    {
        JsonObject body = JsonSerializer.SerializeToNode(message, PostroomJson.Default.OutgoingMessage)!.AsObject();
        body["id"] = context.MessageId.ToString();
        body["to"] = context.Recipient?.ToString();
        body["conversation"] = context.Conversation;
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            body.WriteTo(writer);
        }

        return bytes.ToArray();
    }

    private void AddHeaders(HttpRequestHeaders headers, byte[] body, DeliveryContext context)
    {
        foreach ((string name, Secret value) in _config.Headers)
        {
            headers.TryAddWithoutValidation(name, value.Reveal());
        }

        headers.TryAddWithoutValidation("Idempotency-Key", context.IdempotencyKey);
        Activity? span = Activity.Current is { Source.Name: TraceService.SourceName } current ? current : null;
        if ((span?.Id ?? context.Envelope.Header(HeaderNames.TraceParent)) is { } trace)
        {
            headers.TryAddWithoutValidation("traceparent", trace);
        }

        if (_config.Secret is { } secret)
        {
            // Timestamped as in WH-7: the receiver refuses an old copy of a request.
            string time = _clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            byte[] signed = [.. Encoding.ASCII.GetBytes($"{time}."), .. body];
            string signature = Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret.Reveal()), signed));
            headers.TryAddWithoutValidation("X-Postroom-Signature", $"t={time},v1={signature}");
        }
    }

    private DeliveryReceipt Classify(ServiceAnswer answer)
    {
        if (answer.Succeeded)
        {
            return new DeliveryReceipt { Status = DeliveryStatus.Sent, At = _clock.GetUtcNow(), OutsideId = IdOf(answer.Body) };
        }

        string code = answer.Code.ToString(CultureInfo.InvariantCulture);
        DeliveryFailure failure = answer.Code switch
        {
            401 or 403 => new DeliveryFailure.Unauthorized(),
            408 or 425 or 429 => answer.RetryAfter is { } wait ? new DeliveryFailure.RateLimited(_clock.GetUtcNow() + wait, Lane: true) : new DeliveryFailure.Transient(),
            502 or 503 or 504 => new DeliveryFailure.Transient(ServiceWide: true),
            >= 500 => new DeliveryFailure.Transient(),
            _ => new DeliveryFailure.Refused(code), // redirects too, which are not followed
        };
        throw new DeliveryException(failure, $"The address of '{Name}' answered {code}.");
    }

    /// <summary>The id in a JSON answer; null when there is none.</summary>
    private static string? IdOf(byte[] body)
    {
        if (body.Length == 0)
        {
            return null;
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 32 });
            return json.RootElement is { ValueKind: JsonValueKind.Object } answer && answer.TryGetProperty("id", out JsonElement id)
                ? id.ValueKind switch { JsonValueKind.String => id.GetString(), JsonValueKind.Number => id.GetRawText(), _ => null }
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record Session(ServiceHttp Http, InFlight Running);
}
