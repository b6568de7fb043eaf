using System.Globalization;

namespace Postroom.Mail;

/// <summary>Writes each message as the mail that would be sent, one <c>.eml</c> file each, into a folder: for trying things out where there is no mail server.</summary>
/// <remarks>A repeat writes the same file. Files are never removed. Safe for concurrent sends.</remarks>
public sealed class MaildropCommunicator : Communicator, IConnectionCheck
{
    private readonly string _folder;
    private readonly TimeProvider _clock;
    private readonly EmailComposer _composer;
    private readonly IReadOnlyList<Mailbox> _defaultRecipients;

    /// <summary>Makes a communicator.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="config">Its settings.</param>
    /// <param name="clock">Dates receipts; null for the system's.</param>
    /// <exception cref="FormatException">The name breaks its rule, or an address of the settings is none.</exception>
    public MaildropCommunicator(string name, MaildropCommunicatorConfig config, TimeProvider? clock = null)
        : base(name)
    {
        ArgumentNullException.ThrowIfNull(config);
        _folder = config.Path;
        _clock = clock ?? TimeProvider.System;
        _composer = new EmailComposer(Mailbox.Parse(config.FromAddress), null);
        _defaultRecipients = [.. config.DefaultRecipients.Select(Mailbox.Parse)];
    }

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities { get; } = new() { Formats = [TextFormat.Html], Attachments = true, Idempotent = true };

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(context);
        cancellationToken.ThrowIfCancellationRequested();
        List<string> degraded = [];
        MailDraft draft = Compose(message, context, degraded);
        string name = $"{context.Envelope.CreatedAt.UtcDateTime.ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture)}-{context.MessageId}.eml";
        string file = Path.Combine(_folder, name);
        try
        {
            FileStream stream = new($"{file}.tmp", FileMode.Create, FileAccess.Write, FileShare.None, 4_096, FileOptions.Asynchronous);
            await using (stream)
            {
                await stream.WriteAsync(MimeWriter.Write(draft), cancellationToken);
                stream.Flush(flushToDisk: true);
            }

            File.Move($"{file}.tmp", file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), $"The mail could not be written to '{_folder}': {e.Message}", e);
        }

        return new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = draft.MessageId, At = _clock.GetUtcNow(), Degraded = degraded, Detail = file };
    }

    /// <summary>Looks whether mails can be written: for that a hidden empty file is made and deleted at once.</summary>
    /// <inheritdoc/>
    public ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
    {
        string folder = Path.GetFullPath(_folder);
        try
        {
            FolderAccess.RequireWritable(folder, cancellationToken);
            return new($"mails can be written to '{folder}'");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"No mail can be written to '{folder}': {e.Message} Let user '{Environment.UserName}' write there, or set communications.backends.{Name}.path.", e);
        }
    }

    /// <summary>Makes the folder.</summary>
    protected override Task OnStartAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(_folder);
        return Task.CompletedTask;
    }

    private MailDraft Compose(OutgoingMessage message, DeliveryContext context, List<string> degraded)
    {
        try
        {
            EmailRecipients recipients = EmailRecipients.Of(message, context.Recipient ?? message.To, _defaultRecipients);
            return recipients.To.Count > 0
                ? _composer.Compose(message, recipients, context, degraded)
                : throw new DeliveryException(new DeliveryFailure.Unroutable(), "The message has no mail recipient: no direct address, no metadata.recipients, and no defaultRecipients.");
        }
        catch (FormatException e)
        {
            throw new DeliveryException(new DeliveryFailure.Refused(SmtpFailures.Invalid), e.Message, e);
        }
    }
}
