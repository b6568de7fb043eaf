namespace Postroom.Testing;

/// <summary>What a fake IMAP server offers and asks for.</summary>
public sealed record FakeImapOptions
{
    /// <summary>TLS from the first byte, as on port 993; false unless set.</summary>
    public bool ImplicitTls { get; init; }

    /// <summary>Offers <c>STARTTLS</c> before there is TLS; true unless set.</summary>
    public bool StartTls { get; init; } = true;

    /// <summary>Its certificate; a valid one unless set.</summary>
    public FakeCertificate Certificate { get; init; }

    /// <summary>Who may log in; <c>bot</c> unless set.</summary>
    public string Username { get; init; } = "bot";

    /// <summary>The password of <see cref="Username"/>, and the token of XOAUTH2; <c>secret-canary</c> unless set.</summary>
    public string Password { get; set; } = "secret-canary";

    /// <summary>The ways of <c>AUTHENTICATE</c>, each in capitals; <c>PLAIN</c> and <c>XOAUTH2</c> unless set.</summary>
    public IReadOnlyList<string> Logins { get; init; } = ["PLAIN", "XOAUTH2"];

    /// <summary>Takes the command <c>LOGIN</c> once there is TLS, or with <see cref="LoginInTheOpen"/>; otherwise <c>LOGINDISABLED</c> is said. True unless set.</summary>
    public bool LoginCommand { get; init; } = true;

    /// <summary>Takes a login without TLS; false unless set.</summary>
    public bool LoginInTheOpen { get; init; }

    /// <summary>Greets as if the client had logged in; false unless set.</summary>
    public bool PreAuthenticated { get; init; }

    /// <summary>Further capabilities after login; <c>IDLE</c>, <c>LITERAL+</c>, <c>SASL-IR</c>, <c>ID</c>, <c>ENABLE</c>, <c>UTF8=ACCEPT</c> and <c>MOVE</c> unless set.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = ["IDLE", "LITERAL+", "SASL-IR", "ID", "ENABLE", "UTF8=ACCEPT", "MOVE"];

    /// <summary>Tells of new mails and of those that are gone, within IDLE at once; true unless set. Without it a client learns of them by its own searches only.</summary>
    public bool Announces { get; init; } = true;

    /// <summary>Finds mails by keyword; true unless set. Without it such a search is answered as Exchange does, with <c>BAD Command Argument Error. 11</c>.</summary>
    public bool KeywordSearch { get; init; } = true;

    /// <summary>The conversation that every connection has, line by line: <c>S: </c> is said, <c>C: </c> is waited for, where <c>*</c> stands for any text and
    /// <c>{tag}</c> for the tag that the client chose last. Null, the default, answers as a server does.</summary>
    public IReadOnlyList<string>? Script { get; init; }
}

/// <summary>One line that a fake IMAP server was sent; what a login consists of is <c>***</c>.</summary>
/// <param name="Connection">The number of the connection, from 1.</param>
/// <param name="Line">The line without its tag and its end; a literal is a quoted text.</param>
/// <param name="Secure">Whether it came encrypted.</param>
public sealed record FakeImapLine(int Connection, string Line, bool Secure);
