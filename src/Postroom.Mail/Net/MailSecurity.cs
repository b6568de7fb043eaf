namespace Postroom.Mail;

/// <summary>How a connection to a mail server is encrypted (SPEC EM-2, SR-9).</summary>
public enum MailSecurity
{
    /// <summary>
    /// By port: TLS from the first byte on 465 (SMTP) and 993 (IMAP); STARTTLS, required, on 587; elsewhere STARTTLS when the server offers it, and required as soon as
    /// there are credentials.
    /// </summary>
    Auto,

    /// <summary>TLS from the first byte, on any port (RFC 8314).</summary>
    Implicit,

    /// <summary>STARTTLS (RFC 3207, RFC 3501 §6.2.1), required: a server that does not offer it gets neither credentials nor mail.</summary>
    StartTls,

    /// <summary>No encryption. With credentials only to this machine.</summary>
    None,
}
