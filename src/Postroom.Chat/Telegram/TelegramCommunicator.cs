using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Postroom.Chat;

/// <summary>Sends and receives through a Telegram bot, by the HTTP Bot API (https://core.telegram.org/bots/api).</summary>
/// <remarks>
/// It has started when <c>getMe</c> has answered. Receiving runs in a loop of its own from then on, and what disturbs it shows in <see cref="CheckAsync"/>,
/// not in sends. The token is in no text that it gives. Safe for concurrent sends.
/// </remarks>
public sealed partial class TelegramCommunicator : Communicator, ISignals, IWebhookReceiver, IAttachmentSource, IRateLimits, IHealthContributor, IConnectionCheck
{
    private const int MostMoves = 2;

    private readonly TelegramCommunicatorConfig _config;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Random _random;
    private readonly TelegramMoves _moves;
    private readonly TelegramAccess _access;
    private readonly TelegramIntake _intake;
    private readonly TelegramWebhook _webhook;
    private readonly Secret _secretToken;
    private readonly BotLimit _limit;
    private TelegramApi? _api; // set by start and stop, which run in turn
    private InFlight _sends = new(); // as _api
    private TelegramReceiver? _receiver;
    private CancellationTokenSource? _stopping;
    private Task _loop = Task.CompletedTask;

    /// <summary>Makes a communicator; nothing connects before its start.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="clock">The time of receipts, waits and time-outs; null for the system's.</param>
    /// <param name="log">What happens, without the token; null for nowhere.</param>
    /// <param name="random">Varies waits after failures; null for one of its own.</param>
    /// <exception cref="FormatException">The name breaks the rule of communicator names.</exception>
    public TelegramCommunicator(string name, TelegramCommunicatorConfig config, TimeProvider? clock = null, ILogger? log = null, Random? random = null)
        : base(name)
    {
        _config = config;
        _clock = clock ?? TimeProvider.System;
        _log = log ?? NullLogger.Instance;
        _random = random ?? new Random();
        _moves = new TelegramMoves(() => Facts, _log);
        _access = new TelegramAccess(config, _moves);
        _intake = new TelegramIntake(name, _access, _moves, AcceptAsync, _log);
        _secretToken = config.SecretToken ?? new Secret(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)));
        _webhook = new TelegramWebhook(_secretToken, _intake);
        _limit = new BotLimit(_clock, TelegramRules.SendsPerSecond);
        Capabilities = new TelegramRules().Capabilities with { Receiving = config.ListenToCommands };
    }

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities { get; }

    /// <summary>Whether it hands over what comes in: <see cref="TelegramCommunicatorConfig.ListenToCommands"/>.</summary>
    public override bool SupportsReceiving => _config.ListenToCommands;

    /// <summary><c>/telegram/{name}</c> when updates come by webhook; null otherwise.</summary>
    public string? WebhookPath => SupportsReceiving && _config.Updates == TelegramUpdateMode.Webhook ? PathOf(Name) : null;

    /// <summary>1 MiB (TG-11).</summary>
    public long MaxWebhookBody => TelegramWebhook.MaxBody;

    /// <summary>Ready and status: receiving may be disturbed while sending works.</summary>
    public HealthViews Views => HealthViews.Ready | HealthViews.Status;

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        InFlight sends = _sends;
        if (_api is not { } api || !sends.TryEnter())
        {
            throw NotStarted();
        }

        try
        {
            return await SendAsync(new TelegramSender(api), message, context, cancellationToken);
        }
        catch (TelegramException e)
        {
            throw Failed(e, RecipientOf(context.Recipient ?? message.To, message.Label) ?? "");
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested && !context.BytesLeft)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), "The time for Telegram was over before a connection came about; nothing had left.", e);
        }
        finally
        {
            sends.Leave();
        }
    }

    /// <summary>Shows typing, which lasts five seconds or until a message comes, or sets a reaction. Presence is not known here and ignored.</summary>
    /// <param name="signal">The signal.</param>
    /// <param name="context">Which delivery it is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DeliveryException">The service did not take it.</exception>
    public async ValueTask SignalAsync(Signal signal, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (signal is not (Signal.Reaction or Signal.Typing { Ttl.Ticks: > 0 }))
        {
            return; // There is no way to hide typing either: it goes away by itself.
        }

        TelegramApi api = _api ?? throw NotStarted();
        TelegramChat chat = await FollowAsync(ChatOf(signal.Address, context.Conversation), cancellationToken);
        (string method, RequestBody body) = signal is Signal.Reaction reaction
            ? ("setMessageReaction", RequestBody.Json(ReactionOf(chat, reaction), TelegramJson.Default.ReactionRequest))
            : ("sendChatAction", RequestBody.Json(new ChatActionRequest(chat.Id, chat.Topic, "typing"), TelegramJson.Default.ChatActionRequest));
        using (body)
        {
            try
            {
                _ = await api.CallAsync(method, body, TelegramApi.RequestTimeout, cancellationToken);
            }
            catch (TelegramException e) when (signal is Signal.Reaction && e.Description.Contains("not modified", StringComparison.OrdinalIgnoreCase))
            {
                // Already there, or already gone.
            }
            catch (TelegramException e)
            {
                throw Failed(e, TelegramRules.KeyOf(chat.Id));
            }
        }
    }

    /// <inheritdoc/>
    public bool MayBeProved(WebhookCall request) => IsProved(request);

    /// <inheritdoc/>
    public bool IsProved(WebhookCall request) => _webhook.IsProved(request ?? throw new ArgumentNullException(nameof(request)));

    /// <inheritdoc/>
    public ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken)
    {
        return _api is { } api && WebhookPath is not null
            ? _webhook.ReceiveAsync(request, api, cancellationToken)
            : new ValueTask<WebhookReply>(new WebhookReply(503, """{"error":"The bot has not started."}"""));
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>> FetchAsync(Attachment attachment, CancellationToken cancellationToken)
    {
        TelegramApi api = _api ?? throw NotStarted();
        try
        {
            using RequestBody body = RequestBody.Json(new FileRequest(attachment.Reference ?? ""), TelegramJson.Default.FileRequest);
            JsonElement file = await api.CallAsync("getFile", body, TelegramApi.RequestTimeout, cancellationToken);
            return await api.DownloadAsync(file.Words("file_path") ?? "", Attachment.MaxLength, cancellationToken);
        }
        catch (TelegramException e)
        {
            // Asking twice changes nothing, so a lost answer is no uncertain one.
            throw e.Failure is DeliveryFailure.Uncertain ? new DeliveryException(new DeliveryFailure.Transient(), e.Message, e) : e.ToDelivery(_clock, BotRefusal.OfChat);
        }
    }

    private DeliveryException Failed(TelegramException e, string chat) => e.ToDelivery(_clock, e.RetryAfter is null ? BotRefusal.OfChat : _limit.Refused(chat));

    /// <summary>30 a second, 1 a second in a chat, 20 a minute in a group.</summary>
    /// <param name="message">What is to be sent.</param>
    /// <param name="recipient">Who gets it; null when label and settings decide.</param>
    public IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient)
    {
        if (TargetOf(message.Label, recipient ?? message.To, conversation: null)?.Chat is not { } target)
        {
            return TelegramRules.Limits(chat: null, isGroup: false);
        }

        TelegramChat chat = target with { Id = _moves.Known(target.Id) };
        return TelegramRules.Limits(chat.Id, chat.IsGroup);
    }

    /// <summary>The chat, the same with and without a topic, and by its label or its number.</summary>
    /// <inheritdoc/>
    public string? RecipientOf(Address? recipient, string label) =>
        TargetOf(label, recipient, conversation: null)?.Chat is { } chat ? TelegramRules.KeyOf(_moves.Known(chat.Id)) : null;

    /// <summary>Degraded while updates do not come in, with the reason and what to do.</summary>
    /// <param name="cancellationToken">Not used: nothing is asked for.</param>
    public ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken)
    {
        HealthResult result = _receiver?.Problem is { } problem ? new HealthResult(HealthState.Degraded, problem) : HealthResult.Healthy;
        return new ValueTask<HealthResult>(SupportsReceiving
            ? result with { Data = new Dictionary<string, string> { ["updatesIgnored"] = _intake.Ignored.ToString(CultureInfo.InvariantCulture) } }
            : result);
    }

    /// <summary>Asks for the bot (<c>getMe</c>); updates are not asked for, and no webhook is touched.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        using TelegramApi api = new(_config.BaseUrl, _config.Token, _clock, _log);
        try
        {
            return $"signed in as @{await NameOfBotAsync(api, cancellationToken)}";
        }
        catch (TelegramException e)
        {
            string setting = $"communications.backends.{Name}.{(e.Failure is DeliveryFailure.Unauthorized ? "token to the one that BotFather shows" : "baseUrl, or look at the network, the certificate of that address and its firewall")}";
            throw new InvalidOperationException($"{e.Message.TrimEnd('.')}. {(e.RetryAfter is { } wait ? $"Try again in {Duration.Format(wait)}" : $"Set {setting}")}.", e);
        }
    }

    private static async Task<string> NameOfBotAsync(TelegramApi api, CancellationToken cancellationToken)
    {
        using RequestBody body = RequestBody.Json(new NoParameters(), TelegramJson.Default.NoParameters);
        JsonElement bot = await api.CallAsync("getMe", body, TelegramApi.RequestTimeout, cancellationToken);
        return Names.Shorten(bot.Words("username"));
    }

    /// <summary>Where the service posts the updates of a bot.</summary>
    internal static string PathOf(string name) => $"/telegram/{name}";

    /// <inheritdoc/>
    protected override async Task OnStartAsync(CancellationToken cancellationToken)
    {
        TelegramApi api = new(_config.BaseUrl, _config.Token, _clock, _log);
        try
        {
            LogStarted(Name, await NameOfBotAsync(api, cancellationToken));
        }
        catch (Exception e)
        {
            api.Dispose();
            throw e is TelegramException failed ? failed.ToDelivery(_clock, BotRefusal.OfBot) : e;
        }

        _sends = new InFlight();
        _api = api;
        if (SupportsReceiving)
        {
            _stopping = new CancellationTokenSource();
            TelegramReceiver receiver = new(Name, _config, api, _intake, () => Facts, _clock, _random, _log);
            _receiver = receiver;
            CancellationToken stopping = _stopping.Token;
            _loop = Task.Run(() => _config.Updates == TelegramUpdateMode.Webhook ? receiver.RegisterAsync(_secretToken, stopping) : receiver.PollAsync(stopping), CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    protected override async Task OnStopAsync(CancellationToken cancellationToken)
    {
        if (_stopping is { } stopping)
        {
            await stopping.CancelAsync();
            await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stopping.Dispose();
            _stopping = null;
        }

        try
        {
            await _sends.CloseAsync(cancellationToken);
        }
        finally
        {
            _receiver = null;
            _api?.Dispose();
            _api = null;
        }
    }

    private async ValueTask<DeliveryReceipt> SendAsync(TelegramSender sender, OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (TargetOf(message.Label, context.Recipient ?? message.To, context.Conversation) is not { } target)
        {
            LogUnroutable(Name, message.Label, context.MessageId);
            throw new DeliveryException(
                new DeliveryFailure.Unroutable(), $"No chat of '{Name}' has the label '{Names.Shorten(message.Label)}', and none is named 'default'. Add it to communications.backends.{Name}.chats, or send to a chat.");
        }

        if (!target.IsActive)
        {
            return new DeliveryReceipt { Status = DeliveryStatus.Skipped, At = _clock.GetUtcNow(), Detail = $"The chat of the label '{Names.Shorten(message.Label)}' is not active." };
        }

        TelegramPlan plan = TelegramPlan.Of(message, _config.Format);
        if (plan.Steps.Count == 0)
        {
            throw new DeliveryException(new DeliveryFailure.Refused("empty"), "The message has neither text nor files, so there is nothing to send.");
        }

        TelegramChat chat = await FollowAsync(target.Chat, cancellationToken);
        List<string> sent = [.. context.Progress];
        List<string> degraded = [.. plan.Degraded];
        if (chat.Id != target.Chat.Id)
        {
            degraded.Add($"Group {target.Chat.Id} is {chat.Id} now.");
        }

        for (int moves = 0; sent.Count < plan.Steps.Count;)
        {
            try
            {
                int? replyTo = TelegramChat.NumberOf(message.ReplyTo);
                sent.Add(await sender.SendAsync(chat, plan, sent.Count, message, replyTo, () => Leaving(context), cancellationToken));
            }
            catch (TelegramException e) when (e.MovedTo is { } movedTo && ++moves <= MostMoves)
            {
                string now = movedTo.ToString(CultureInfo.InvariantCulture);
                degraded.Add($"Group {chat.Id} became the supergroup {now}; change chatId in the settings.");
                context.BytesLeft = false; // It was answered.
                await _moves.RememberAsync(chat.Id, now, cancellationToken);
                chat = chat with { Id = now };
                continue;
            }

            if (plan.Steps.Count > 1)
            {
                await context.SaveProgressAsync(sent[^1], CancellationToken.None); // The service has it: a stop must not make that uncertain.
            }

            context.BytesLeft = false; // Only now: a part whose progress was not stored has left.

            if (sent.Count < plan.Steps.Count)
            {
                await context.WaitForTurnAsync(cancellationToken);
            }
        }

        return new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = sent[0], At = _clock.GetUtcNow(), Parts = sent.Count > 1 ? sent : [], Degraded = degraded };
    }

    private void Leaving(DeliveryContext context)
    {
        context.BytesLeft = true;
        _limit.Note();
    }

    /// <summary>Where a message goes (TG-2): its recipient, else the chat of its label, else <c>default</c>.</summary>
    private (TelegramChat Chat, bool IsActive)? TargetOf(string label, Address? recipient, string? conversation)
    {
        if (recipient is { Kind: AddressKind.Recipient } to)
        {
            return (ChatOf(to, conversation), true);
        }

        return _access.ForLabel(recipient is { Kind: AddressKind.Label } byLabel ? byLabel.Target : label) is { } entry ? (new TelegramChat(entry.ChatId, entry.TopicId), entry.Active) : null;
    }

    /// <summary>The chat of an address; without a topic of its own it has that of the conversation.</summary>
    private TelegramChat ChatOf(Address address, string? conversation)
    {
        string chat = $"{Name}/{address.Target}/";
        string? topic = address.Topic ?? (conversation?.StartsWith(chat, StringComparison.Ordinal) is true ? conversation[chat.Length..] : null);
        return new TelegramChat(address.Target, TelegramChat.NumberOf(topic));
    }

    private async ValueTask<TelegramChat> FollowAsync(TelegramChat chat, CancellationToken cancellationToken) => chat with { Id = await _moves.CurrentAsync(chat.Id, cancellationToken) };

    private static ReactionRequest ReactionOf(TelegramChat chat, Signal.Reaction reaction)
    {
        return TelegramChat.NumberOf(reaction.MessageId) is { } message
            ? new ReactionRequest(chat.Id, message, reaction.Remove ? [] : [new EmojiReaction(reaction.Emoji)])
            : throw new DeliveryException(new DeliveryFailure.Refused("message_id"), $"'{Names.Shorten(reaction.MessageId)}' is not the number of a message, so nothing can react to it.");
    }

    private async ValueTask AcceptAsync(IReadOnlyList<IncomingMessage> messages, CancellationToken cancellationToken)
    {
        if (Incoming is { } sink)
        {
            _ = await sink.AcceptAsync(messages, [], cancellationToken);
            return;
        }

        Func<IncomingMessage, CancellationToken, ValueTask<AcceptResult>> handler = IncomingHandler
            ?? throw new IntakeClosedException(IntakeRefusal.NotRunning, TimeSpan.FromSeconds(5), $"Nobody takes what '{Name}' receives. Start the runtime, or call SetIncomingHandler.");
        foreach (IncomingMessage message in messages)
        {
            _ = await handler(message, cancellationToken);
        }
    }

    private DeliveryException NotStarted() => new(new DeliveryFailure.Transient(ServiceWide: true), $"Communicator '{Name}' is not started.");

    [LoggerMessage(6040, LogLevel.Information, "{Communicator} sends as bot {Bot}.")]
    private partial void LogStarted(string communicator, string bot);

    [LoggerMessage(6041, LogLevel.Warning, "{Communicator}: message {Message} has the label {Label}, which no chat has, and there is no chat 'default'.")]
    private partial void LogUnroutable(string communicator, string label, MessageId message);
}
