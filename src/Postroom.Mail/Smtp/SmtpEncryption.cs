using System.Net;

namespace Postroom.Mail;

/// <summary>What the settings ask of a connection (EM-2).</summary>
/// <param name="FromTheFirstByte">TLS before the greeting.</param>
/// <param name="OnRequest">TLS with STARTTLS when the server offers it.</param>
/// <param name="IsRequired">Nothing is sent unless it is encrypted.</param>
internal readonly record struct SmtpEncryption(bool FromTheFirstByte, bool OnRequest, bool IsRequired)
{
    private const int ImplicitPort = 465; // RFC 8314 §3.3
    private const int SubmissionPort = 587;

    /// <summary>What the settings ask for.</summary>
    public static SmtpEncryption Of(EmailCommunicatorConfig config)
    {
        return config.Security switch
        {
            SmtpSecurity.Implicit => new(true, false, true),
            SmtpSecurity.StartTls => new(false, true, true),
            SmtpSecurity.None => default,
            _ when config.Port == ImplicitPort => new(true, false, true),
            _ => new(false, true, config.Port == SubmissionPort || config.HasLogin),
        };
    }

    /// <summary>What the settings of old meant.</summary>
    public static SmtpSecurity OfFlags(bool useTls, bool startTls, int port)
    {
        return startTls ? SmtpSecurity.StartTls
            : !useTls ? SmtpSecurity.None
            : port == ImplicitPort ? SmtpSecurity.Implicit
            : SmtpSecurity.Auto;
    }

    /// <summary>Whether a host is this machine, where nobody listens in between.</summary>
    public static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));
}
