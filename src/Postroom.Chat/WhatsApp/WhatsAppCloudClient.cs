namespace Postroom.Chat;

/// <summary>Sends through Meta's Cloud API (WA-3 to WA-7, WA-12).</summary>
internal sealed class WhatsAppCloudClient : IWhatsAppClient
{
    /// <summary>What the Cloud API can do.</summary>
    public static readonly CommunicatorCapabilities Capabilities = new()
    {
        TextLimit = CloudLimits.Text,
        SplitsText = true,
        Attachments = true,
        Buttons = true,
        Lists = true,
        Links = true,
        Typing = true,
        TypingInterval = TimeSpan.FromSeconds(20), // it is shown for 25 s
        Reactions = true,
        Receiving = true,
        CanBeAsked = true,
    };

    private static readonly TimeSpan Window = TimeSpan.FromHours(24);

    private readonly WhatsAppCommunicatorConfig _config;
    private readonly ContactMemory _contacts;
    private readonly StatusWaits _waits;
    private readonly TimeProvider _clock;
    private readonly ServiceHttp _http;
    private readonly CloudAnswers _answers;
    private readonly CloudMedia _media;

    /// <summary>Makes a client; nothing connects yet.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="contacts">When contacts wrote last.</param>
    /// <param name="waits">What callbacks told of sends.</param>
    /// <param name="clock">Time-outs, waits and the service window.</param>
    public WhatsAppCloudClient(WhatsAppCommunicatorConfig config, ContactMemory contacts, StatusWaits waits, TimeProvider clock)
    {
        _config = config;
        _contacts = contacts;
        _waits = waits;
        _clock = clock;
        _http = new ServiceHttp("WhatsApp Cloud API", config.AccessToken, config.RequestTimeout, clock);
        _answers = new CloudAnswers(_http, clock);
        _media = new CloudMedia(_http, _answers, config.GraphUrl, config.PhoneNumberId);
    }

    /// <inheritdoc/>
    public string? StatusText => null;

    private string MessagesUrl => $"{_config.GraphUrl}/{_config.PhoneNumberId}/messages";

    /// <summary>Reads the number that sends.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckAsync(CancellationToken cancellationToken)
    {
        ServiceAnswer answer;
        try
        {
            answer = await _http.ExchangeAsync(HttpMethod.Get, $"{_config.GraphUrl}/{_config.PhoneNumberId}?fields=display_phone_number,verified_name", content: null, context: null, cancellationToken);
            _answers.ThrowUnlessTaken(answer, recipient: null);
        }
        catch (DeliveryException e) when (e.Failure is not DeliveryFailure.Unauthorized)
        {
            throw new DeliveryException(e.Failure, $"{e.Message.TrimEnd('.')}. {(e.Failure is DeliveryFailure.Refused ? "Check phoneNumberId, and that the token may use it." : "Check graphUrl, the network and its firewall, or try again later.")}", e);
        }

        return JsonText.Of(answer.Body, "display_phone_number") is { Length: > 0 } number
            ? $"signed in, sends as {_http.Shown(number)}{(JsonText.Of(answer.Body, "verified_name") is { Length: > 0 } name ? $" ({_http.Shown(name)})" : "")}"
            : throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"What answers at {_config.GraphUrl} tells no number of '{_config.PhoneNumberId}', so it is not the Cloud API. Check graphUrl and phoneNumberId.");
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryReceipt> SendAsync(PhoneNumber to, OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        IReadOnlyList<CloudPart> parts = CloudLimits.PartsOf(message);
        List<string> degraded = [.. parts.OfType<CloudPart.Media>().Select(Changed).OfType<string>()];
        if (parts[0] is not CloudPart.Template && await _contacts.LastAsync(to, cancellationToken) is { } last && _clock.GetUtcNow() - last.At > Window)
        {
            if (context.Progress.Count > 0)
            {
                // A template in place of what is left would tell of a whole that the contact never got.
                throw new DeliveryException(
                    new DeliveryFailure.Refused("window_closed"),
                    $"The contact wrote last on {last.At:u}, more than {Duration.Format(Window)} ago, and WhatsApp then takes templates only. {context.Progress.Count} of the {parts.Count} parts of this message had arrived before; the rest waits for the contact. Replay the message once they have written, or send a template (metadata.template).");
            }

            if (_config.FallbackTemplate is not { } fallback)
            {
                throw new DeliveryException(
                    new DeliveryFailure.Refused("window_closed"),
                    $"The contact wrote last on {last.At:u}, more than {Duration.Format(Window)} ago, and WhatsApp then takes templates only. Send a template (metadata.template), or set fallbackTemplate.");
            }

            parts = [new CloudPart.Template(fallback.Name, fallback.Language, null)];
            degraded = [$"Template '{fallback.Name}' was sent instead: the contact wrote last more than {Duration.Format(Window)} ago."];
        }

        IReadOnlyList<string> ids = await PartByPart.SendAsync(parts.Count, context, index => SendPartAsync(to, parts, index, message.ReplyTo, context, cancellationToken), cancellationToken);
        return new DeliveryReceipt
        {
            Status = DeliveryStatus.Sent,
            OutsideId = ids[^1],
            Parts = ids.Count > 1 ? ids : [],
            At = _clock.GetUtcNow(),
            Degraded = degraded,
        };
    }

    /// <inheritdoc/>
    public async ValueTask SignalAsync(PhoneNumber to, Signal signal, CancellationToken cancellationToken)
    {
        HttpContent? content = signal switch
        {
            Signal.Reaction reaction => CloudRequest.Reaction(to, reaction),
            // Typing is shown on a message of the contact, and ends by itself.
            Signal.Typing typing when typing.Ttl > TimeSpan.Zero && await _contacts.LastAsync(to, cancellationToken) is { } last => CloudRequest.Typing(last.MessageId),
            _ => null,
        };
        if (content is not null)
        {
            ServiceAnswer answer = await _http.ExchangeAsync(HttpMethod.Post, MessagesUrl, content, context: null, cancellationToken);
            _answers.ThrowUnlessTaken(answer, signal is Signal.Typing ? null : to.Digits); // A sign that is no message says nothing of how many the pair takes.
        }
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken) => _media.FetchAsync(attachment, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return default;
    }

    private async ValueTask<string> SendPartAsync(
        PhoneNumber to, IReadOnlyList<CloudPart> parts, int index, string? replyTo, DeliveryContext context, CancellationToken cancellationToken)
    {
        string? media = parts[index] switch
        {
            CloudPart.Media { File: { Data: null, Reference: { } known } } => known,
            CloudPart.Media file => await _media.UploadAsync(file, cancellationToken),
            _ => null,
        };

        // Only the last part carries the bare id: a callback with it proves that the whole message was taken.
        bool last = index == parts.Count - 1;
        string opaque = last ? context.IdempotencyKey : $"{context.IdempotencyKey}/{index + 1}";
        HttpContent content = CloudRequest.Message(parts[index], to, opaque, index == 0 ? replyTo : null, media);
        _waits.Forget(opaque);
        ServiceAnswer answer = await _http.ExchangeAsync(HttpMethod.Post, MessagesUrl, content, context, cancellationToken);
        _answers.ThrowUnlessTaken(answer, to.Digits);
        return JsonText.Of(answer.Body, "messages", "0", "id") is { Length: > 0 and <= 512 } id
            ? id
            : throw new DeliveryException(new DeliveryFailure.Uncertain(), $"WhatsApp Cloud API answered {answer.Code} without the id of the message, so nobody can tell whether it took it.");
    }

    private static string? Changed(CloudPart.Media part)
    {
        return part.Type.Kind == "document" && part.Type.ContentType.StartsWith("image/", StringComparison.Ordinal) ? $"Picture '{part.File.Name}' was sent as a document: it is over 5 MiB."
            : !part.File.ContentType.StartsWith(part.Type.ContentType, StringComparison.OrdinalIgnoreCase) ? $"File '{part.File.Name}' was sent as {part.Type.ContentType}."
            : null;
    }
}
