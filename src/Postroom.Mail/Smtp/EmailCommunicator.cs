using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

/// <summary>Sends messages as mail by SMTP (SPEC §16). It only sends; mail comes in by sources.</summary>
/// <remarks>
/// One connection is opened at the start and kept; up to four are open while sends run side by side. A retry is the same mail to the byte, with the same
/// Message-ID, and goes only to the recipients for whom nothing is settled yet. Safe for concurrent sends.
/// </remarks>
public sealed partial class EmailCommunicator : Communicator, IPreparesSends, IHealthContributor, IConnectionCheck
{
    private readonly EmailCommunicatorConfig _config;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly string _server;
    private readonly EmailComposer _composer;
    private readonly IReadOnlyList<Mailbox> _defaultRecipients;
    private readonly ReplyLimit _replies;
    private SmtpConnections? _connections;

    /// <summary>Makes a communicator that is not connected yet.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="logger">Gets a warning for each message without a recipient.</param>
    /// <param name="clock">Ends waits, ages idle connections and dates receipts; null for the system's.</param>
    /// <exception cref="FormatException">The name breaks its rule, or an address of the settings is none.</exception>
    /// <exception cref="ArgumentException">The settings would send credentials unencrypted to another machine.</exception>
    public EmailCommunicator(string name, EmailCommunicatorConfig config, ILogger<EmailCommunicator> logger, TimeProvider? clock = null)
        : base(name)
    {
        if (config is { Security: MailSecurity.None, HasLogin: true } && !MailEncryption.IsLoopback(config.Host))
        {
            throw new ArgumentException($"Security is none with credentials for '{config.Host}'. Use auto, starttls or implicit.", nameof(config));
        }

        _config = config;
        _logger = logger;
        _clock = clock ?? TimeProvider.System;
        _server = string.Create(CultureInfo.InvariantCulture, $"{config.Host}:{config.Port}");
        _composer = new EmailComposer(Mailbox.Parse(config.FromAddress), config.ReplyTo is { } replyTo ? Mailbox.Parse(replyTo) : null);
        _replies = new ReplyLimit(config.RepliesPerHour, _clock);
        _defaultRecipients = [.. config.DefaultRecipients.Select(Mailbox.Parse)];
    }

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities { get; } = new() { Formats = [TextFormat.Html], Attachments = true };

    /// <inheritdoc/>
    public HealthViews Views => HealthViews.Status;

    /// <summary>Degraded while replies to an address are held (SE-10).</summary>
    /// <inheritdoc/>
    public ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken)
    {
        return new(_replies.Held() is [var first, ..] held
            ? new HealthResult(HealthState.Degraded, $"Replies to '{first}'{(held.Count > 1 ? string.Create(CultureInfo.InvariantCulture, $" and {held.Count - 1} more") : "")} are held: {_config.RepliesPerHour} went there within an hour (repliesPerHour), so two programs may be answering each other. Discard what waits if they do.")
            : HealthResult.Healthy);
    }

    /// <summary>Opens a connection of its own, login included, and ends it with <c>QUIT</c>; no mail is begun.</summary>
    /// <inheritdoc/>
    public async ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        try
        {
            SmtpConnection connection = await SmtpOpening.OpenAsync(_config, _clock, cancellationToken);
            string found = $"{connection.Encryption}, {(_config.HasLogin ? $"signed in as {_config.Username}" : "without a login")}";
            await connection.QuitAsync();
            return found;
        }
        catch (SmtpRefusedException e)
        {
            throw SmtpFailures.Of(e, _server);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (_connections is not { } connections)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"Communicator '{Name}' is not started.");
        }

        List<string> degraded = [];
        (MailDraft draft, IReadOnlyList<Mailbox> recipients) = Compose(message, context, degraded);
        IReadOnlyList<RecipientResult> results = await SendAsync(new EmailAttempt(connections, _server, _config.MaxRecipients, context), draft, recipients, context, cancellationToken);
        return new DeliveryReceipt
        {
            Status = DeliveryStatus.Sent,
            OutsideId = draft.MessageId,
            At = _clock.GetUtcNow(),
            Recipients = results.Count == 1 ? [] : results,
            Degraded = degraded,
            Detail = results.First(result => result.Accepted).Detail,
        };
    }

    /// <summary>Takes a connection for a send, and opens one where none is free.</summary>
    /// <param name="message">What is to be sent.</param>
    /// <param name="context">Which delivery it is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DeliveryException">None can be had.</exception>
    public async ValueTask<IAsyncDisposable?> PrepareAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (_connections is not { } connections || !HasRecipients(message, context))
        {
            return null; // The send says so, and needs no connection for that.
        }

        try
        {
            return await SmtpSlot.TakeAsync(connections, cancellationToken);
        }
        catch (MailConnectionException e)
        {
            throw SmtpFailures.Of(e);
        }
        catch (SmtpRefusedException e)
        {
            throw SmtpFailures.Of(e, _server);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw SmtpFailures.GivenUp(e, _server, connecting: true);
        }
    }

    /// <summary>Opens the first connection, login included, so that wrong settings show at the start.</summary>
    protected override async Task OnStartAsync(CancellationToken cancellationToken)
    {
        SmtpConnections connections = new(token => SmtpOpening.OpenAsync(_config, _clock, token), _config.KeepAlive, _clock);
        try
        {
            await connections.ReturnAsync(await connections.TakeAsync(cancellationToken));
        }
        catch (MailConnectionException e)
        {
            throw SmtpFailures.Of(e);
        }
        catch (SmtpRefusedException e)
        {
            throw SmtpFailures.Of(e, _server);
        }

        _connections = connections;
    }

    /// <inheritdoc/>
    protected override async Task OnStopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _connections, null) is { } connections)
        {
            await connections.CloseAsync(cancellationToken);
        }
    }

    private async ValueTask<IReadOnlyList<RecipientResult>> SendAsync(EmailAttempt attempt, MailDraft draft, IReadOnlyList<Mailbox> recipients, DeliveryContext context, CancellationToken cancellationToken)
    {
        if (draft.InReplyTo is null)
        {
            return await attempt.RunAsync(draft, recipients, cancellationToken);
        }

        RecipientProgress settled = RecipientProgress.Read(context.Progress);
        Mailbox[] open = [.. recipients.Where(recipient => settled.Of(recipient) is null)];
        if (_replies.Take(open, out string? held, out long at) is var wait && wait > TimeSpan.Zero)
        {
            if (held is not null)
            {
                Log.RepliesHeld(_logger, Name, held, _config.RepliesPerHour);
            }

            throw new DeliveryException(
                new DeliveryFailure.RateLimited(_clock.GetUtcNow() + wait) { OnlyMessage = true },
                $"{_config.RepliesPerHour} replies went to a recipient within an hour (repliesPerHour), so this one is held: two programs may be answering each other. It goes in {Duration.Format(wait)}; discard it if they do.");
        }

        try
        {
            return await attempt.RunAsync(draft, recipients, cancellationToken);
        }
        finally
        {
            _replies.GiveBack(open.Where(recipient => !attempt.HasReached(recipient)), at);
        }
    }

    private bool HasRecipients(OutgoingMessage message, DeliveryContext context)
    {
        try
        {
            return EmailRecipients.Of(message, context.Recipient ?? message.To, _defaultRecipients).To.Count > 0;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private (MailDraft Draft, IReadOnlyList<Mailbox> Recipients) Compose(OutgoingMessage message, DeliveryContext context, List<string> degraded)
    {
        try
        {
            EmailRecipients recipients = EmailRecipients.Of(message, context.Recipient ?? message.To, _defaultRecipients);
            return recipients.To.Count > 0 ? (_composer.Compose(message, recipients, context, degraded), recipients.All) : throw Unroutable(message, context);
        }
        catch (FormatException e)
        {
            throw new DeliveryException(new DeliveryFailure.Refused(SmtpFailures.Invalid), e.Message, e);
        }
    }

    private DeliveryException Unroutable(OutgoingMessage message, DeliveryContext context)
    {
        string reason = message.Metadata.ContainsKey("recipients") ? "and metadata.recipients is empty" : "no metadata.recipients, and no defaultRecipients";
        Log.NoRecipient(_logger, context.MessageId, Name, reason);
        return new DeliveryException(new DeliveryFailure.Unroutable(), $"The message has no mail recipient: no direct address, {reason}.");
    }
}
