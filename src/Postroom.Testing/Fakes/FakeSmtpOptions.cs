namespace Postroom.Testing;

/// <summary>What a fake SMTP server offers and asks for.</summary>
public sealed record FakeSmtpOptions
{
    /// <summary>TLS from the first byte, as on port 465; false unless set.</summary>
    public bool ImplicitTls { get; init; }

    /// <summary>Offers <c>STARTTLS</c>; true unless set.</summary>
    public bool StartTls { get; init; } = true;

    /// <summary>Its certificate; a valid one unless set.</summary>
    public FakeCertificate Certificate { get; init; }

    /// <summary>Who may log in; null, the default, asks for no login.</summary>
    public string? Username { get; init; }

    /// <summary>The password of <see cref="Username"/>, and the token of XOAUTH2.</summary>
    public string Password { get; init; } = "";

    /// <summary>The ways to log in, each in capitals; <c>PLAIN</c>, <c>LOGIN</c> and <c>XOAUTH2</c> unless set.</summary>
    public IReadOnlyList<string> Logins { get; init; } = ["PLAIN", "LOGIN", "XOAUTH2"];

    /// <summary>Takes a login without TLS; false unless set.</summary>
    public bool LoginInTheOpen { get; init; }

    /// <summary>Offers <c>PIPELINING</c>; true unless set. Without it commands in one piece are a violation.</summary>
    public bool Pipelining { get; init; } = true;

    /// <summary>Offers <c>8BITMIME</c>; true unless set.</summary>
    public bool EightBitMime { get; init; } = true;

    /// <summary>Offers <c>SMTPUTF8</c>; true unless set.</summary>
    public bool SmtpUtf8 { get; init; } = true;

    /// <summary>The longest mail in bytes, told as <c>SIZE</c>; null, the default, tells none and takes 64 MiB.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>Gives enhanced status codes (RFC 2034); true unless set.</summary>
    public bool EnhancedCodes { get; init; } = true;

    /// <summary>Knows <c>EHLO</c>; true unless set. Without it only <c>HELO</c> is answered and nothing is offered.</summary>
    public bool Ehlo { get; init; } = true;

    /// <summary>The most recipients of one mail; 100 unless set (RFC 5321 §4.5.3.1.8).</summary>
    public int MaxRecipients { get; init; } = 100;
}

/// <summary>One mail that a fake SMTP server took.</summary>
/// <param name="From">The sender's address.</param>
/// <param name="Parameters">What was said behind it, such as <c>SIZE=120 SMTPUTF8</c>.</param>
/// <param name="Recipients">The recipients it took, in order.</param>
/// <param name="Bytes">The mail, dots unstuffed, without the final dot.</param>
/// <param name="Connection">The number of the connection it came by, from 1.</param>
/// <param name="User">Who had logged in; null for nobody.</param>
/// <param name="Secure">Whether the connection was encrypted.</param>
public sealed record FakeSmtpMail(string From, string Parameters, IReadOnlyList<string> Recipients, byte[] Bytes, int Connection, string? User, bool Secure)
{
    /// <summary>The mail as text, one character per byte of UTF-8 where it is that.</summary>
    public string Text => System.Text.Encoding.UTF8.GetString(Bytes);
}

/// <summary>One line that a fake SMTP server was sent; the rest of a login is <c>***</c>.</summary>
/// <param name="Connection">The number of the connection, from 1.</param>
/// <param name="Line">The line, without its end.</param>
/// <param name="Secure">Whether it came encrypted.</param>
public sealed record FakeSmtpLine(int Connection, string Line, bool Secure);
