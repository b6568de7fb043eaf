using System.Globalization;

namespace Postroom.Mail;

/// <summary>One mail to some recipients over one connection (RFC 5321 §3.3): MAIL, RCPT, DATA, the mail, its answer.</summary>
/// <param name="wire">The connection.</param>
/// <param name="extensions">What the server offers.</param>
internal sealed class SmtpTransaction(SmtpWire wire, SmtpExtensions extensions)
{
    private const string Data = "DATA";

    /// <summary>Sends the mail.</summary>
    /// <param name="mail">The mail.</param>
    /// <param name="recipients">Who gets it; at least one.</param>
    /// <param name="resetFirst">Whether an earlier transaction was left half done.</param>
    /// <param name="leaving">Called just before the line leaves that makes the server responsible.</param>
    /// <param name="cancellationToken">Ends the transaction; the connection is then broken.</param>
    /// <returns>What decided over each recipient, in their order.</returns>
    /// <exception cref="SmtpRefusedException">The server ends its service.</exception>
    /// <exception cref="MailConnectionException">The connection broke, or DATA was answered with what is no answer to it: nothing was sent then.</exception>
    public async ValueTask<IReadOnlyList<SmtpResult>> RunAsync(SmtpMail mail, IReadOnlyList<Mailbox> recipients, bool resetFirst, Action leaving, CancellationToken cancellationToken)
    {
        List<string> commands = [.. resetFirst ? ["RSET"] : Array.Empty<string>(), MailCommand(mail, recipients), .. recipients.Select(recipient => $"RCPT TO:<{recipient.Address}>"), Data];
        SmtpReply[] replies = extensions.Pipelining
            ? await AskTogetherAsync(commands, cancellationToken)
            : await AskInTurnAsync(commands, cancellationToken);

        int first = commands.Count - 1 - recipients.Count;
        SmtpReply sender = replies[first - 1];
        SmtpReply data = replies[^1];
        SmtpResult[] results = [.. recipients.Select((recipient, i) => new SmtpResult(recipient, replies[first + i]))];
        if (!sender.IsDone || !results.Any(result => result.Reply.IsDone))
        {
            if (data.IsReady)
            {
                await EndEmptyAsync(cancellationToken);
            }

            return sender.IsDone ? results : [.. recipients.Select(recipient => new SmtpResult(recipient, sender))];
        }

        if (!data.IsReady && (data.IsDone || data.IsMore))
        {
            throw new MailConnectionException($"{wire.Server} answered DATA with {data}, where only 354 or a refusal is an answer. Nothing of the mail was sent.");
        }

        SmtpReply answer = data.IsReady ? await SendAsync(mail, leaving, cancellationToken) : data;
        return [.. results.Select(result => result.Reply.IsDone ? result with { Reply = answer } : result)];
    }

    private string MailCommand(SmtpMail mail, IReadOnlyList<Mailbox> recipients)
    {
        bool international = mail.NeedsSmtpUtf8 || recipients.Any(recipient => recipient.NeedsSmtpUtf8);
        string size = extensions.Size ? string.Create(CultureInfo.InvariantCulture, $" SIZE={mail.Bytes.Length}") : "";

        // Bodies are ASCII; only headers with international addresses have octets above 127.
        return $"MAIL FROM:<{mail.From.Address}>{size}{(international && extensions.EightBit ? " BODY=8BITMIME" : "")}{(international ? " SMTPUTF8" : "")}";
    }

    private async ValueTask<SmtpReply[]> AskTogetherAsync(List<string> commands, CancellationToken cancellationToken)
    {
        await wire.SendAsync(commands, cancellationToken);
        SmtpReply[] replies = new SmtpReply[commands.Count];
        for (int i = 0; i < replies.Length; i++)
        {
            replies[i] = Open(commands[i], await wire.ReadAsync(commands[i], commands[i] == Data ? wire.DataWait : wire.CommandTimeout, cancellationToken));
        }

        return replies;
    }

    /// <summary>One at a time; commands that make no sense after a refusal are left out and count as refused the same way.</summary>
    private async ValueTask<SmtpReply[]> AskInTurnAsync(List<string> commands, CancellationToken cancellationToken)
    {
        SmtpReply[] replies = new SmtpReply[commands.Count];
        int first = commands.FindIndex(command => command.StartsWith("RCPT", StringComparison.Ordinal));
        for (int i = 0; i < replies.Length; i++)
        {
            bool senseless = (i >= first && !replies[first - 1].IsDone) || (i == replies.Length - 1 && !replies[first..i].Any(reply => reply.IsDone));
            if (senseless)
            {
                replies[i] = replies[first - 1].IsDone ? replies[i - 1] : replies[first - 1];
                continue;
            }

            await wire.SendAsync([commands[i]], cancellationToken);
            replies[i] = Open(commands[i], await wire.ReadAsync(commands[i], commands[i] == Data ? wire.DataWait : wire.CommandTimeout, cancellationToken));
        }

        return replies;
    }

    private async ValueTask<SmtpReply> SendAsync(SmtpMail mail, Action leaving, CancellationToken cancellationToken)
    {
        await wire.SendMailAsync(mail.Bytes, cancellationToken);
        leaving();
        await wire.SendEndAsync(cancellationToken);
        return Open("the mail", await wire.ReadAsync("the mail", wire.MailWait, cancellationToken), SmtpStep.Mail);
    }

    /// <summary>A server that takes DATA for nobody (RFC 2920 §3.1) gets an empty mail, which it refuses.</summary>
    private async ValueTask EndEmptyAsync(CancellationToken cancellationToken)
    {
        await wire.SendEndAsync(cancellationToken);
        _ = await wire.ReadAsync(Data, wire.DataWait, cancellationToken);
    }

    /// <summary>421 ends the service, whatever it answers (RFC 5321 §3.8).</summary>
    private static SmtpReply Open(string command, SmtpReply reply, SmtpStep step = SmtpStep.Envelope) =>
        reply.Code == SmtpFailures.ServiceEnds ? throw new SmtpRefusedException(step, command.StartsWith("the ", StringComparison.Ordinal) ? command : command.Split(' ')[0], reply) : reply;
}
