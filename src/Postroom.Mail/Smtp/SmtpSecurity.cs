namespace Postroom.Mail;

/// <summary>How a connection to a mail server is encrypted (SPEC EM-2).</summary>
public enum SmtpSecurity
{
    /// <summary>
    /// By port: TLS from the first byte on 465; STARTTLS, required, on 587; elsewhere STARTTLS when the server offers it, and required as soon as there are credentials.
    /// </summary>
    Auto,

    /// <summary>TLS from the first byte, on any port (RFC 8314).</summary>
    Implicit,

    /// <summary>STARTTLS (RFC 3207), required: a server that does not offer it gets neither credentials nor mail.</summary>
    StartTls,

    /// <summary>No encryption. With credentials only to this machine.</summary>
    None,
}
