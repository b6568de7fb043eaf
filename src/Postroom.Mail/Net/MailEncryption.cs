using System.Net;

namespace Postroom.Mail;

/// <summary>What the settings ask of a connection (EM-2).</summary>
/// <param name="FromTheFirstByte">TLS before the greeting.</param>
/// <param name="OnRequest">TLS with STARTTLS when the server offers it.</param>
/// <param name="IsRequired">Nothing is sent unless it is encrypted.</param>
internal readonly record struct MailEncryption(bool FromTheFirstByte, bool OnRequest, bool IsRequired)
{
    private const int SmtpsPort = 465; // RFC 8314 §3.3
    private const int ImapsPort = 993;
    private const int SubmissionPort = 587;

    /// <summary>What the settings ask for.</summary>
    public static MailEncryption Of(MailSecurity security, int port, bool hasLogin)
    {
        return security switch
        {
            MailSecurity.Implicit => new(true, false, true),
            MailSecurity.StartTls => new(false, true, true),
            MailSecurity.None => default,
            _ when port is SmtpsPort or ImapsPort => new(true, false, true),
            _ => new(false, true, port == SubmissionPort || hasLogin),
        };
    }

    /// <summary>What the settings of old meant.</summary>
    public static MailSecurity OfFlags(bool useTls, bool startTls, int port)
    {
        return startTls ? MailSecurity.StartTls
            : !useTls ? MailSecurity.None
            : port == SmtpsPort ? MailSecurity.Implicit
            : MailSecurity.Auto;
    }

    /// <summary>Whether a host is this machine, where nobody listens in between.</summary>
    public static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));
}
