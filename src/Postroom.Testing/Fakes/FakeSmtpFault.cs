namespace Postroom.Testing;

/// <summary>Where a fake SMTP server can fail.</summary>
public enum FakeSmtpStep
{
    /// <summary>Instead of the greeting.</summary>
    Greeting,

    /// <summary>At <c>EHLO</c>.</summary>
    Ehlo,

    /// <summary>At <c>STARTTLS</c>.</summary>
    StartTls,

    /// <summary>At <c>AUTH</c>, or at its last line.</summary>
    Auth,

    /// <summary>At <c>MAIL</c>.</summary>
    Mail,

    /// <summary>At <c>RCPT</c>.</summary>
    Rcpt,

    /// <summary>At <c>DATA</c>.</summary>
    Data,

    /// <summary>Within the mail, after its first bytes and before its final dot.</summary>
    Body,

    /// <summary>After the final dot. Unless the fault is an answer of 400 or more the mail counts as delivered, as a real server's would.</summary>
    Dot,

    /// <summary>At <c>RSET</c>.</summary>
    Rset,

    /// <summary>At <c>NOOP</c>.</summary>
    Noop,

    /// <summary>At <c>QUIT</c>.</summary>
    Quit,
}

/// <summary>How a fake SMTP server fails at a step. Closed.</summary>
public abstract record FakeSmtpFault
{
    private FakeSmtpFault()
    {
    }

    /// <summary>Says this instead of its own answer.</summary>
    /// <param name="Text">The answer as it goes on the wire, without the last line end, such as <c>451 4.3.0 later</c>. After 421 the connection ends.</param>
    public sealed record Answer(string Text) : FakeSmtpFault;

    /// <summary>Ends the connection in order.</summary>
    public sealed record Close : FakeSmtpFault;

    /// <summary>Resets the connection.</summary>
    public sealed record Reset : FakeSmtpFault;

    /// <summary>Says nothing more; the connection stays open until the other side ends it or the server stops.</summary>
    public sealed record Silence : FakeSmtpFault;

    /// <summary>Waits, then goes on as usual.</summary>
    /// <param name="By">How long, in real time.</param>
    public sealed record Slow(TimeSpan By) : FakeSmtpFault;

    /// <summary>Gives its own answer and these bytes in the same piece: an attacker's, when they come in front of a handshake (CVE-2011-0411).</summary>
    /// <param name="Text">The bytes as text, with their line ends.</param>
    public sealed record Inject(string Text) : FakeSmtpFault;
}
