using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Postroom.Chat;

/// <summary>Sends to WhatsApp through Meta's Cloud API or a local bridge, and receives what the Cloud API posts (SPEC §15).</summary>
/// <remarks>
/// It translates and classifies; order, retries, claims and receipts are the lane's. What a bridge receives comes in through <c>/webhook</c>, not through here.
/// Safe for concurrent use.
/// </remarks>
public sealed class WhatsAppCommunicator : Communicator, ISignals, IWebhookReceiver, IDeliveryProbe, IAttachmentSource, IRateLimits, IHealthContributor, IConnectionCheck
{
    private readonly WhatsAppCommunicatorConfig _config;
    private readonly TimeProvider _clock;
    private readonly ContactMemory _contacts;
    private readonly StatusWaits _waits = new();
    private readonly SendLimit[] _limits;
    private readonly CloudWebhook _webhook;
    private volatile Session? _session;

    /// <summary>Makes a communicator; nothing connects before its start.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="clock">Measures time-outs and dates receipts; null for the system's.</param>
    /// <param name="log">Where what could not be read is told; null for nowhere.</param>
    /// <exception cref="FormatException">The name breaks the rule of communicator names.</exception>
    public WhatsAppCommunicator(string name, WhatsAppCommunicatorConfig config, TimeProvider? clock = null, ILogger<WhatsAppCommunicator>? log = null)
        : base(name)
    {
        _config = config;
        _clock = clock ?? TimeProvider.System;
        _limits = IsCloud ? [new SendLimit("", new Rate(config.MessagesPerSecond, TimeSpan.FromSeconds(1)), config.MessagesPerSecond)] : [];
        _contacts = new ContactMemory(() => Facts, _clock);
        _webhook = new CloudWebhook(name, config, _contacts, _waits, () => Incoming, log ?? NullLogger<WhatsAppCommunicator>.Instance);
    }

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities => IsCloud ? WhatsAppCloudClient.Capabilities : WhatsAppWebClient.Capabilities;

    /// <summary>True for the Cloud API; what a bridge receives comes in through <c>/webhook</c>.</summary>
    public override bool SupportsReceiving => IsCloud;

    /// <summary>What is wrong with the way to WhatsApp as far as is known, and what to do, without secrets; null when nothing is, or it is not started (WA-13).</summary>
    public string? StatusText => _session?.Client.StatusText;

    /// <inheritdoc/>
    public HealthViews Views => HealthViews.Status;

    /// <summary><c>/whatsapp-incoming</c> for the Cloud API, null for a bridge (WA-8, WA-9).</summary>
    public string? WebhookPath => IsCloud ? CloudWebhook.Path : null;

    /// <summary>4 MiB: Meta posts at most 3.</summary>
    public long MaxWebhookBody => CloudWebhook.MaxBody;

    private bool IsCloud => _config.Client == WhatsAppClientKind.BusinessApi;

    /// <summary>Makes a communicator from its configuration. A <see cref="CommunicatorFactoryMethod"/>.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="config">Its settings, as <see cref="WhatsAppCommunicatorConfig.Read"/> gives them.</param>
    /// <param name="services">Gives the clock and the logger; without them it uses the system's clock and logs nothing.</param>
    /// <exception cref="ArgumentException">The settings are those of another type.</exception>
    public static ICommunicator Create(string name, CommunicatorBackendConfig config, IServiceProvider services)
    {
        return config is WhatsAppCommunicatorConfig whatsApp
            ? new WhatsAppCommunicator(
                name,
                whatsApp,
                services.GetService(typeof(TimeProvider)) as TimeProvider,
                (services.GetService(typeof(ILoggerFactory)) as ILoggerFactory)?.CreateLogger<WhatsAppCommunicator>())
            : throw new ArgumentException($"Communicator '{name}' has settings of another type. Register it with its schema: RegisterBackend(\"{WhatsAppCommunicatorConfig.Kind}\", WhatsAppCommunicator.Create, WhatsAppCommunicatorConfig.Read).", nameof(config));
    }

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        PhoneNumber to = Resolve(context.Recipient ?? message.To, message.Label);
        try
        {
            return await DoAsync(client => client.SendAsync(to, message, context, cancellationToken));
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested && !context.BytesLeft)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(), "The time was over while a file was uploaded; nothing of the message had left.", e);
        }
    }

    /// <summary>Shows typing on the contact's last message, or a reaction; ignores presence, and everything with a bridge (WA-12).</summary>
    /// <inheritdoc/>
    public async ValueTask SignalAsync(Signal signal, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (IsCloud && signal is Signal.Typing or Signal.Reaction)
        {
            PhoneNumber to = Resolve(signal.Address, signal.Address.Target);
            await DoAsync(async client =>
            {
                await client.SignalAsync(to, signal, cancellationToken);
                return true;
            });
        }
    }

    /// <summary><see cref="WhatsAppCommunicatorConfig.MessagesPerSecond"/> of the Cloud API; none of a bridge, which has its own pace.</summary>
    /// <remarks>What one recipient may get has no bound that could be kept to beforehand: it is told by code 131056, and that recipient waits (WA-4).</remarks>
    /// <inheritdoc/>
    public IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient) => _limits;

    /// <summary>The digits of the number, however it is written (WA-4).</summary>
    /// <inheritdoc/>
    public string? RecipientOf(Address? recipient, string label) => PhoneNumber.TryParse(NumberOf(recipient, label), out PhoneNumber? number) ? number.StoredForm : null;

    /// <summary>Degraded while <see cref="StatusText"/> says so.</summary>
    /// <param name="cancellationToken">Not used: nothing is asked for.</param>
    public ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken) =>
        new(StatusText is { } text ? new HealthResult(HealthState.Degraded, text) : HealthResult.Healthy);

    /// <summary>Reads the number that sends from the Cloud API, or asks the bridge for its state.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        await using IWhatsAppClient client = IsCloud ? new WhatsAppCloudClient(_config, _contacts, _waits, _clock) : new WhatsAppWebClient(_config, _clock);
        return await client.CheckAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public bool MayBeProved(WebhookCall request) => CloudWebhook.MayBeProved(request ?? throw new ArgumentNullException(nameof(request)));

    /// <inheritdoc/>
    public bool IsProved(WebhookCall request) => _webhook.IsProved(request ?? throw new ArgumentNullException(nameof(request)));

    /// <inheritdoc/>
    public ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken) => _webhook.ReceiveAsync(request, cancellationToken);

    /// <summary>Waits for a status callback that gives the key back (WA-5). A bridge is not asked: unknown.</summary>
    /// <inheritdoc/>
    public ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken) =>
        IsCloud ? _waits.FindAsync(idempotencyKey, cancellationToken) : new ValueTask<ProbeAnswer>(new ProbeAnswer.Unknown());

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken) => DoAsync(client => client.FetchAsync(attachment, cancellationToken));

    /// <inheritdoc/>
    protected override Task OnStartAsync(CancellationToken cancellationToken)
    {
        if (IsCloud)
        {
            _session = new Session(new WhatsAppCloudClient(_config, _contacts, _waits, _clock));
        }
        else
        {
            WhatsAppWebClient bridge = new(_config, _clock);
            bridge.Start();
            _session = new Session(bridge);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task OnStopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _session, null) is { } session)
        {
            try
            {
                await session.InFlight.CloseAsync(cancellationToken);
            }
            finally
            {
                await session.Client.DisposeAsync();
            }
        }
    }

    private async ValueTask<T> DoAsync<T>(Func<IWhatsAppClient, ValueTask<T>> work)
    {
        if (_session is not { } session || !session.InFlight.TryEnter())
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"Communicator '{Name}' is not started.");
        }

        try
        {
            return await work(session.Client);
        }
        finally
        {
            session.InFlight.Leave();
        }
    }

    /// <summary>The number of a recipient, else of the label's chat, else of chat <c>default</c>.</summary>
    private PhoneNumber Resolve(Address? recipient, string label)
    {
        string? text = NumberOf(recipient, label);
        return text is null
            ? throw new DeliveryException(new DeliveryFailure.Unroutable(), $"Communicator '{Name}' has no chat '{Names.Shorten(label)}' and no chat 'default'. Add one to chats, or give the message a recipient.")
            : PhoneNumber.TryParse(text, out PhoneNumber? number)
                ? number
                : throw new DeliveryException(new DeliveryFailure.Refused("invalid_number"), $"'{Names.Shorten(text)}' is no phone number; WhatsApp takes at least {PhoneNumber.MinDigits} digits. Write it with its country code.");
    }

    private string? NumberOf(Address? recipient, string label) =>
        recipient is { Kind: AddressKind.Recipient } ? Message.RecipientOf(recipient) : _config.Chats.GetValueOrDefault(label) ?? _config.Chats.GetValueOrDefault("default");

    /// <summary>From a start to the stop.</summary>
    private sealed record Session(IWhatsAppClient Client)
    {
        public InFlight InFlight { get; } = new();
    }
}
