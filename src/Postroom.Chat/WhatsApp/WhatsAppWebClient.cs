using System.Globalization;
using System.Net;

namespace Postroom.Chat;

/// <summary>Sends through a local bridge that holds a paired session (WA-2, WA-13). What the bridge receives it posts to <c>/webhook</c>.</summary>
internal sealed class WhatsAppWebClient : IWhatsAppClient
{
    /// <summary>What the bridge can do.</summary>
    public static readonly CommunicatorCapabilities Capabilities = new() { TextLimit = CloudLimits.Text, SplitsText = true, Attachments = true };

    private readonly string _url;
    private readonly TimeProvider _clock;
    private readonly ServiceHttp _http;
    private readonly BridgeProbe _probe;

    /// <summary>Makes a client; nothing connects yet.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="clock">Time-outs and the probe's interval.</param>
    public WhatsAppWebClient(WhatsAppCommunicatorConfig config, TimeProvider clock)
    {
        _url = config.BridgeUrl;
        _clock = clock;
        _http = new ServiceHttp("WhatsApp bridge", config.BridgeToken, config.RequestTimeout, clock);
        _probe = new BridgeProbe(_http, config.BridgeUrl, clock);
    }

    /// <inheritdoc/>
    public string? StatusText => _probe.StatusText;

    /// <summary>Begins to probe the bridge.</summary>
    public void Start() => _probe.Start();

    /// <summary>Asks the bridge whether it is paired.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckAsync(CancellationToken cancellationToken)
    {
        ServiceAnswer? answer = await _probe.AskAsync(cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        return _probe.StatusText is { } problem ? throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), problem)
            : answer is { Succeeded: false } ? throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"What answers at {_url} gave {answer.Code} to GET /status, so it may be no bridge. Check bridgeUrl.")
            : $"the bridge at {_url} answers and is paired";
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryReceipt> SendAsync(PhoneNumber to, OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (message.Attachments.FirstOrDefault(file => file.Data is null) is { } reference)
        {
            throw new DeliveryException(new DeliveryFailure.Refused("no_data"), $"File '{reference.Name}' has no bytes, and the bridge knows no ids of files. Send the file itself.");
        }

        IReadOnlyList<string> texts = TextSplitter.Split(message.Message, CloudLimits.Text);
        if (texts.Count == 0)
        {
            texts = message.Attachments.Count > 0 ? [""] : throw new DeliveryException(new DeliveryFailure.Refused("empty"), "The message has no text and no file. Give it one of them.");
        }

        // The bridge tells no ids, so the number of a part stands for it.
        IReadOnlyList<string> parts = await PartByPart.SendAsync(texts.Count, context, SendPartAsync, cancellationToken);
        return new DeliveryReceipt
        {
            Status = DeliveryStatus.Sent,
            At = _clock.GetUtcNow(),
            Parts = parts.Count > 1 ? parts : [],
            Recipients = [new RecipientResult(to.StoredForm, Accepted: true)],
        };

        async ValueTask<string> SendPartAsync(int index)
        {
            // Files go with the last part, so that what earlier attempts delivered is counted in texts.
            await PostAsync(to, texts[index], index == texts.Count - 1 ? message.Attachments : [], context, cancellationToken);
            return (index + 1).ToString(CultureInfo.InvariantCulture);
        }
    }

    /// <summary>The bridge knows no signals.</summary>
    public ValueTask SignalAsync(PhoneNumber to, Signal signal, CancellationToken cancellationToken) => default;

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken)
    {
        throw new DeliveryException(new DeliveryFailure.Refused("no_reference"), $"File '{attachment.Name}' cannot be fetched: the bridge sends files whole.");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _probe.DisposeAsync();
        _http.Dispose();
    }

    private async ValueTask PostAsync(PhoneNumber to, string text, IReadOnlyList<Attachment> files, DeliveryContext context, CancellationToken cancellationToken)
    {
        HttpContent content = CloudRequest.Write(json =>
        {
            json.WriteString("number", to.BridgeForm);
            json.WriteString("message", text);
            if (files.Count > 0)
            {
                json.WriteStartObject("attachments");
                foreach ((string name, string base64) in Message.FilesByName(files))
                {
                    json.WriteString(name, base64);
                }

                json.WriteEndObject();
            }
        });
        ServiceAnswer answer = await _http.ExchangeAsync(HttpMethod.Post, $"{_url}/send-message", content, context, cancellationToken);
        _probe.Note(answer);
        if (!answer.Succeeded)
        {
            string why = _http.Shown(JsonText.Of(answer.Body, "error") ?? JsonText.Of(answer.Body, "message") ?? "no reason told");
            throw new DeliveryException(Classify(answer), $"WhatsApp bridge answered {answer.Code}: {why}");
        }
    }

    private static DeliveryFailure Classify(ServiceAnswer answer)
    {
        return answer.Status switch
        {
            HttpStatusCode.Unauthorized => new DeliveryFailure.Unauthorized(),
            HttpStatusCode.ServiceUnavailable => new DeliveryFailure.Transient(ServiceWide: true),
            HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError => new DeliveryFailure.Transient(),
            // Nobody follows a redirect: the address in the settings is wrong, and messages wait until it is mended.
            < HttpStatusCode.BadRequest => new DeliveryFailure.Transient(ServiceWide: true),
            _ => new DeliveryFailure.Refused($"http_{answer.Code.ToString(CultureInfo.InvariantCulture)}"),
        };
    }
}
