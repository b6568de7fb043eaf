using System.Globalization;

namespace Postroom.Mail;

/// <summary>What a server offers in its answer to <c>EHLO</c> (RFC 5321 §4.1.1.1); nothing after <c>HELO</c>.</summary>
internal sealed record SmtpExtensions
{
    /// <summary>A server that knows none.</summary>
    public static SmtpExtensions None { get; } = new();

    /// <summary>Encryption on request (RFC 3207).</summary>
    public bool StartTls { get; private init; }

    /// <summary>Commands in one piece (RFC 2920).</summary>
    public bool Pipelining { get; private init; }

    /// <summary>Octets above 127 in bodies (RFC 6152).</summary>
    public bool EightBit { get; private init; }

    /// <summary>UTF-8 in addresses and headers (RFC 6531).</summary>
    public bool SmtpUtf8 { get; private init; }

    /// <summary>Whether a length may be told with <c>MAIL</c> (RFC 1870).</summary>
    public bool Size { get; private init; }

    /// <summary>The longest mail in bytes; null when the server does not say.</summary>
    public long? MaxBytes { get; private init; }

    /// <summary>The ways to log in, in capitals (RFC 4954).</summary>
    public IReadOnlyList<string> Logins { get; private init; } = [];

    /// <summary>Reads the answer; what is unknown or malformed is passed over.</summary>
    public static SmtpExtensions Read(SmtpReply reply)
    {
        SmtpExtensions read = None;
        foreach (string line in reply.Lines.Skip(1))
        {
            // Old servers write AUTH=LOGIN.
            string[] words = line.ToUpperInvariant().Split([' ', '='], StringSplitOptions.RemoveEmptyEntries);
            read = words switch
            {
                ["STARTTLS", ..] => read with { StartTls = true },
                ["PIPELINING", ..] => read with { Pipelining = true },
                ["8BITMIME", ..] => read with { EightBit = true },
                ["SMTPUTF8", ..] => read with { SmtpUtf8 = true },
                ["SIZE", .. var size] => read with
                {
                    Size = true,
                    MaxBytes = size is [var most, ..] && long.TryParse(most, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && bytes > 0 ? bytes : null,
                },
                ["AUTH", .. var logins] => read with { Logins = [.. read.Logins.Union(logins)] },
                _ => read,
            };
        }

        return read;
    }
}
