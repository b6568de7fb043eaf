namespace Postroom.Mail;

/// <summary>A mail as it goes out: who sends it and its bytes.</summary>
/// <param name="From">The sender.</param>
/// <param name="Bytes">The whole mail.</param>
/// <param name="NeedsSmtpUtf8">Whether a header holds an address that only a server with SMTPUTF8 takes.</param>
internal sealed record SmtpMail(Mailbox From, ReadOnlyMemory<byte> Bytes, bool NeedsSmtpUtf8);

/// <summary>The answer that decided over one recipient: to <c>RCPT</c> when it was refused, otherwise to the mail.</summary>
/// <param name="Recipient">The recipient.</param>
/// <param name="Reply">The answer.</param>
internal sealed record SmtpResult(Mailbox Recipient, SmtpReply Reply);
