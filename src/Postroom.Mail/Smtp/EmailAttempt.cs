namespace Postroom.Mail;

/// <summary>One attempt to deliver a mail: its transactions, one reopened connection at most, and what is settled for each recipient.</summary>
/// <param name="connections">The open connections.</param>
/// <param name="server">Host and port, for error messages.</param>
/// <param name="maxRecipients">The most recipients of one transaction.</param>
/// <param name="context">Which delivery it is.</param>
internal sealed class EmailAttempt(SmtpConnections connections, string server, int maxRecipients, DeliveryContext context)
{
    private readonly HashSet<Mailbox> _reached = [];
    private SmtpConnection? _connection;
    private bool _isConnecting = true;
    private bool _reopened;

    /// <summary>Whether a recipient took the mail in this attempt, or may have.</summary>
    public bool HasReached(Mailbox recipient) => _reached.Contains(recipient);

    /// <summary>Sends the mail to everyone for whom earlier attempts settled nothing.</summary>
    /// <param name="draft">The mail.</param>
    /// <param name="recipients">Everyone who gets it, each once.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <returns>What became of each recipient, in their order; at least one was taken.</returns>
    /// <exception cref="DeliveryException">Nobody was taken, or some are to be tried again.</exception>
    public async ValueTask<IReadOnlyList<RecipientResult>> RunAsync(MailDraft draft, IReadOnlyList<Mailbox> recipients, CancellationToken cancellationToken)
    {
        RecipientProgress progress = RecipientProgress.Read(context.Progress);
        Mailbox[] open = [.. recipients.Where(recipient => progress.Of(recipient) is null)];
        IReadOnlyList<SmtpResult> results = open.Length == 0 ? [] : await TranslateAsync(draft, open, progress, cancellationToken);
        SmtpResult[] later = [.. results.Where(result => !result.Reply.IsDone && !SmtpFailures.IsFinal(result.Reply))];
        if (later.Length > 0)
        {
            throw SmtpFailures.Of(server, later[0], later.Length);
        }

        RecipientResult[] settled = [.. recipients.Select(recipient => progress.Of(recipient)!)];
        if (settled.Any(result => result.Accepted))
        {
            return settled;
        }

        // Everything may have been refused in earlier attempts already; then only codes are left of the answers.
        throw results.Count > 0
            ? SmtpFailures.Of(server, results[0], settled.Length)
            : new DeliveryException(new DeliveryFailure.Refused(settled[0].Detail ?? SmtpFailures.Invalid), $"SMTP {server} refused every recipient in earlier attempts.");
    }

    private async ValueTask<IReadOnlyList<SmtpResult>> TranslateAsync(MailDraft draft, Mailbox[] open, RecipientProgress progress, CancellationToken cancellationToken)
    {
        try
        {
            SmtpSlot? prepared = context.Prepared as SmtpSlot;
            SmtpSlot slot = prepared ?? await SmtpSlot.TakeAsync(connections, cancellationToken);
            _connection = slot.Connection;
            _isConnecting = false;
            try
            {
                // Written only now: no more mails are in memory than there are connections.
                return await SendAllAsync(new SmtpMail(draft.From, MimeWriter.Write(draft), draft.NeedsSmtpUtf8), open, progress, cancellationToken);
            }
            finally
            {
                slot.Connection = _connection;
                if (prepared is null)
                {
                    await slot.DisposeAsync();
                }
            }
        }
        catch (MailConnectionException e)
        {
            throw SmtpFailures.Of(e);
        }
        catch (SmtpRefusedException e)
        {
            throw SmtpFailures.Of(e, server);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested && !context.BytesLeft)
        {
            throw SmtpFailures.GivenUp(e, server, _isConnecting);
        }
    }

    private async ValueTask<IReadOnlyList<SmtpResult>> SendAllAsync(SmtpMail mail, Mailbox[] open, RecipientProgress progress, CancellationToken cancellationToken)
    {
        List<SmtpResult> all = [];
        if (_connection!.Misfit(mail, open) is { } misfit && !progress.HasTaken)
        {
            throw SmtpFailures.Unfit(misfit); // Before the first of several transactions: nobody is to have what is refused as a whole.
        }

        foreach (Mailbox[] group in open.Chunk(maxRecipients))
        {
            IReadOnlyList<SmtpResult> results = await SendAsync(mail, group, progress, cancellationToken);
            all.AddRange(results);
            _reached.ExceptWith(results.Where(result => !result.Reply.IsDone).Select(result => result.Recipient));

            // A mail that goes on, or will be tried again, must not repeat itself to those who have it.
            bool goesOn = all.Count < open.Length || results.Any(result => !result.Reply.IsDone && !SmtpFailures.IsFinal(result.Reply));
            await progress.AddAsync(results, goesOn ? context : null, CancellationToken.None); // The server has answered: a stop must not make that uncertain.
            context.BytesLeft = false;
        }

        return all;
    }

    private async ValueTask<IReadOnlyList<SmtpResult>> SendAsync(SmtpMail mail, Mailbox[] group, RecipientProgress progress, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await SendFittingAsync(_connection!, mail, group, progress, cancellationToken);
            }
            catch (SmtpRefusedException)
            {
                _reached.ExceptWith(group); // The server ended its service in place of taking the mail.
                throw;
            }
            catch (MailConnectionException e) when (context.BytesLeft)
            {
                throw SmtpFailures.Uncertain(e);
            }
            catch (MailConnectionException e) when (_reopened || e.TimedOut)
            {
                throw SmtpFailures.Lost(e);
            }
            catch (MailConnectionException)
            {
                _reopened = true;
            }

            _isConnecting = true;
            _connection = await connections.ReplaceAsync(_connection!, cancellationToken);
            _isConnecting = false;
        }
    }

    /// <summary>A connection that was opened again may be to a server that takes less: when some have the mail already, only those whom it cannot reach are refused.</summary>
    private async ValueTask<IReadOnlyList<SmtpResult>> SendFittingAsync(SmtpConnection connection, SmtpMail mail, Mailbox[] group, RecipientProgress progress, CancellationToken cancellationToken)
    {
        SmtpResult[] refused = [.. group.Select(recipient => (Recipient: recipient, Misfit: connection.Misfit(mail, [recipient]))).Where(one => one.Misfit is not null).Select(one => new SmtpResult(one.Recipient, one.Misfit!))];
        if (refused.Length > 0 && !progress.HasTaken)
        {
            throw SmtpFailures.Unfit(refused[0].Reply);
        }

        Mailbox[] fitting = [.. group.Except(refused.Select(result => result.Recipient))];
        return fitting.Length == 0 ? refused : [.. refused, .. await connection.SendAsync(mail, fitting, () => Leaving(fitting), cancellationToken)];
    }

    /// <summary>From here on nobody can tell what the server has until it answers.</summary>
    private void Leaving(Mailbox[] recipients)
    {
        context.BytesLeft = true;
        _reached.UnionWith(recipients);
    }
}
