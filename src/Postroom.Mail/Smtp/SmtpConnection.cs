using System.Net.Sockets;

namespace Postroom.Mail;

/// <summary>An open connection to an SMTP server, logged in. Used by one send at a time.</summary>
internal sealed class SmtpConnection(SmtpWire wire, SmtpExtensions extensions, Socket socket, TimeProvider clock) : IAsyncDisposable
{
    private static readonly TimeSpan QuitTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan TrustedIdle = TimeSpan.FromSeconds(5);

    private long _usedAt = clock.GetTimestamp();
    private bool _halfDone;

    /// <summary>Whether it can send another mail: nothing failed on it so far.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>How it is encrypted, in words.</summary>
    public string Encryption => wire.Encryption;

    /// <summary>How long nothing was sent.</summary>
    public TimeSpan Idle => clock.GetElapsedTime(_usedAt);

    /// <summary>What the server could only answer to a mail; null when it said nothing against such a one. See <see cref="SmtpFailures.Misfit"/>.</summary>
    public SmtpReply? Misfit(SmtpMail mail, IReadOnlyList<Mailbox> recipients) => SmtpFailures.Misfit(wire.Server, extensions, mail, recipients);

    /// <summary>Sends one mail; see <see cref="SmtpTransaction.RunAsync"/>.</summary>
    public async ValueTask<IReadOnlyList<SmtpResult>> SendAsync(SmtpMail mail, IReadOnlyList<Mailbox> recipients, Action leaving, CancellationToken cancellationToken)
    {
        // Whole again only when every answer was read: otherwise the next mail would get answers of this one.
        IsWhole = false;
        try
        {
            IReadOnlyList<SmtpResult> results = await new SmtpTransaction(wire, extensions).RunAsync(mail, recipients, _halfDone, leaving, cancellationToken);
            _halfDone = !results.Any(result => result.Reply.IsDone);
            IsWhole = true;
            return results;
        }
        finally
        {
            _usedAt = clock.GetTimestamp();
        }
    }

    /// <summary>Whether a kept connection still answers. One that was used a moment ago is only looked at.</summary>
    public async ValueTask<bool> IsAliveAsync(CancellationToken cancellationToken)
    {
        // Readable without a question means a farewell or an end.
        if (!IsWhole || wire.HasUnread || socket.Poll(TimeSpan.Zero, SelectMode.SelectRead))
        {
            return false;
        }

        if (Idle < TrustedIdle)
        {
            return true;
        }

        try
        {
            return (await wire.AskAsync("NOOP", cancellationToken)).IsDone;
        }
        catch (MailConnectionException)
        {
            return false;
        }
    }

    /// <summary>Says goodbye, for at most 2 seconds, and closes; whatever goes wrong is of no interest (EM-8).</summary>
    public async Task QuitAsync()
    {
        if (IsWhole)
        {
            try
            {
                using CancellationTokenSource limit = new(QuitTimeout, clock);
                await wire.AskAsync("QUIT", limit.Token);
            }
            catch (Exception e) when (e is MailConnectionException or OperationCanceledException)
            {
                // The server may have gone before.
            }
        }

        await DisposeAsync();
    }

    /// <summary>Closes without a word.</summary>
    public async ValueTask DisposeAsync()
    {
        IsWhole = false;
        try
        {
            await wire.DisposeAsync();
        }
        catch (IOException)
        {
            // The end of TLS could not be written any more.
        }
    }
}
