namespace Postroom.Mail;

/// <summary>Says what each failure means for the message (EM-7), in one place.</summary>
internal static class SmtpFailures
{
    /// <summary>The code of texts that could break out of their header or command.</summary>
    public const string Invalid = "invalid";

    /// <summary>The server closes, whatever it was asked (RFC 5321 §3.8).</summary>
    public const int ServiceEnds = 421;

    private const int LoginRequired = 530; // RFC 4954 §6
    private const string TooLarge = "5.3.4"; // RFC 3463: message too big for system
    private const string NotInternational = "5.6.7"; // RFC 6531 §3.5

    /// <summary>A connection that was not made or broke before the server had the whole mail.</summary>
    public static DeliveryException Of(MailConnectionException e) => new(new DeliveryFailure.Transient(ServiceWide: true), e.Message, e);

    /// <summary>A connection that broke when the server may have had the whole mail.</summary>
    public static DeliveryException Uncertain(MailConnectionException e) =>
        new(new DeliveryFailure.Uncertain(), $"{e.Message} The whole mail had left, so nobody can tell whether it was taken.", e);

    /// <summary>A refused command.</summary>
    public static DeliveryException Of(SmtpRefusedException e, string server) => new(Failure(e.Step, e.Reply), $"SMTP {server}: {e.Message.TrimEnd('.', ' ')}.{(Failure(e.Step, e.Reply) is DeliveryFailure.Unauthorized ? " Check username and password, or accessToken." : "")}", e);

    /// <summary>An open connection that broke before the final dot, twice or in silence: of this message, since the server can be reached.</summary>
    public static DeliveryException Lost(MailConnectionException e) => new(new DeliveryFailure.Transient(), e.Message, e);

    /// <summary>Every recipient was refused, or some are to be tried again.</summary>
    /// <param name="server">Host and port.</param>
    /// <param name="first">The answer that stands for all.</param>
    /// <param name="count">How many recipients had such an answer.</param>
    public static DeliveryException Of(string server, SmtpResult first, int count)
    {
        string others = count > 1 ? $" and {count - 1} more" : "";
        return new DeliveryException(Failure(SmtpStep.Envelope, first.Reply), $"SMTP {server} did not take recipient '{first.Recipient.Address}'{others} ({first.Reply}).");
    }

    /// <summary>Whether an answer is a no that another try would not change.</summary>
    public static bool IsFinal(SmtpReply reply) => Failure(SmtpStep.Envelope, reply) is DeliveryFailure.Refused;

    /// <summary>The server offers no way to log in that fits the settings.</summary>
    public static DeliveryException NoLogin(string server, SmtpExtensions extensions, EmailCommunicatorConfig config)
    {
        string offered = extensions.Logins.Count == 0 ? "no login" : Names.Shorten(string.Join(", ", extensions.Logins), 200);
        string wanted = config.AccessToken is null ? "PLAIN or LOGIN" : "XOAUTH2";
        return new DeliveryException(new DeliveryFailure.Unauthorized(), $"SMTP {server} offers {offered}; the settings need {wanted}. Check port, security and credentials.");
    }

    /// <summary>A send whose time was over, or that was cancelled, before the server had the whole mail.</summary>
    /// <param name="e">The cancellation.</param>
    /// <param name="server">Host and port.</param>
    /// <param name="connecting">Whether it still waited for a connection: then the service is at fault, else the message.</param>
    public static DeliveryException GivenUp(OperationCanceledException e, string server, bool connecting) =>
        new(new DeliveryFailure.Transient(ServiceWide: connecting), $"The time for SMTP {server} was over {(connecting ? "before a connection was free and open" : "before it had the whole mail")}; nothing was delivered.", e);

    /// <summary>What a server could only answer to a mail that it said beforehand it cannot take (ML-9); null when it can.</summary>
    public static SmtpReply? Misfit(string server, SmtpExtensions extensions, SmtpMail mail, IReadOnlyList<Mailbox> recipients)
    {
        if (extensions.MaxBytes is { } most && mail.Bytes.Length > most)
        {
            return new SmtpReply(552, [$"{TooLarge} The mail has {mail.Bytes.Length} bytes; SMTP {server} takes {most}. Send files as links."]);
        }

        return !extensions.SmtpUtf8 && (mail.NeedsSmtpUtf8 || recipients.Any(recipient => recipient.NeedsSmtpUtf8))
            ? new SmtpReply(550, [$"{NotInternational} An address of the mail has characters beyond ASCII before its at sign, and SMTP {server} does not offer SMTPUTF8."])
            : null;
    }

    /// <summary>A mail that the server said it cannot take: refused before anything is sent.</summary>
    public static DeliveryException Unfit(SmtpReply misfit) => new(new DeliveryFailure.Refused(misfit.StatusCode), misfit.Lines[0][(misfit.StatusCode.Length + 1)..]);

    private static DeliveryFailure Failure(SmtpStep step, SmtpReply reply)
    {
        return (step, reply) switch
        {
            // Nothing of the message was said yet: the service is not to be had now, and the message is not at fault.
            (_, { Code: ServiceEnds }) or (SmtpStep.Opening, _) or (SmtpStep.Login, { IsTemporary: true, Code: not 432 }) => new DeliveryFailure.Transient(ServiceWide: true),
            (SmtpStep.Login, _) or (_, { Code: LoginRequired }) => new DeliveryFailure.Unauthorized(),
            (_, { IsTemporary: true }) => new DeliveryFailure.Transient(),
            _ => new DeliveryFailure.Refused(reply.StatusCode),
        };
    }
}
