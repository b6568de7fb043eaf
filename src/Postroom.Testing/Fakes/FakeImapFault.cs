namespace Postroom.Testing;

/// <summary>Where a fake IMAP server can fail.</summary>
public enum FakeImapStep
{
    /// <summary>Instead of the greeting.</summary>
    Greeting,

    /// <summary>At <c>CAPABILITY</c>.</summary>
    Capability,

    /// <summary>At <c>STARTTLS</c>.</summary>
    StartTls,

    /// <summary>At <c>LOGIN</c> or <c>AUTHENTICATE</c>.</summary>
    Login,

    /// <summary>At <c>ID</c>.</summary>
    Id,

    /// <summary>At <c>ENABLE</c>.</summary>
    Enable,

    /// <summary>At <c>LIST</c>.</summary>
    List,

    /// <summary>At <c>SELECT</c> or <c>EXAMINE</c>.</summary>
    Select,

    /// <summary>At <c>UID SEARCH</c>.</summary>
    Search,

    /// <summary>At a <c>UID FETCH</c> that asks for no body.</summary>
    Fetch,

    /// <summary>At a <c>UID FETCH</c> that asks for bodies.</summary>
    Body,

    /// <summary>At <c>UID STORE</c>.</summary>
    Store,

    /// <summary>At <c>UID COPY</c> or <c>UID MOVE</c>.</summary>
    Copy,

    /// <summary>At <c>IDLE</c>, before it is taken.</summary>
    Idle,

    /// <summary>Within <c>IDLE</c>, as soon as it was taken. What is said with <c>{tag}</c> ends it.</summary>
    Idling,

    /// <summary>At <c>DONE</c>.</summary>
    Done,

    /// <summary>At <c>NOOP</c>.</summary>
    Noop,

    /// <summary>At <c>LOGOUT</c>.</summary>
    Logout,
}

/// <summary>How a fake IMAP server fails at a step. Closed.</summary>
/// <remarks>In every text <c>{tag}</c> stands for the tag of the command.</remarks>
public abstract record FakeImapFault
{
    private FakeImapFault()
    {
    }

    /// <summary>Refuses the command; nothing of it is done.</summary>
    /// <param name="Text">The status with its text, such as <c>NO [UNAVAILABLE] later</c> or <c>BAD what</c>.</param>
    public sealed record Refuse(string Text) : FakeImapFault;

    /// <summary>Says this in place of its own answer; what the command asks for is not done.</summary>
    /// <param name="Text">The bytes as Latin-1, with their line ends.</param>
    public sealed record Say(string Text) : FakeImapFault;

    /// <summary>Says a line again and again, then its own answer.</summary>
    /// <param name="Line">The line without its end, such as <c>* OK still here</c>.</param>
    /// <param name="Count">How often; 1 unless set.</param>
    public sealed record First(string Line, int Count = 1) : FakeImapFault;

    /// <summary>Says the beginning of its own answer and ends the connection.</summary>
    /// <param name="Bytes">How many bytes leave.</param>
    public sealed record Half(int Bytes) : FakeImapFault;

    /// <summary>Says its own answer in pieces.</summary>
    /// <param name="Bytes">How many bytes one piece has.</param>
    /// <param name="Every">The time between two, in real time.</param>
    public sealed record Trickle(int Bytes, TimeSpan Every) : FakeImapFault;

    /// <summary>Says goodbye and ends the connection.</summary>
    /// <param name="Text">What is said behind <c>* BYE</c>.</param>
    public sealed record Bye(string Text) : FakeImapFault;

    /// <summary>Ends the connection in order.</summary>
    public sealed record Close : FakeImapFault;

    /// <summary>Resets the connection.</summary>
    public sealed record Reset : FakeImapFault;

    /// <summary>Says nothing more; the connection stays open until the other side ends it or the server stops.</summary>
    public sealed record Silence : FakeImapFault;

    /// <summary>Waits, then goes on as usual.</summary>
    /// <param name="By">How long, in real time.</param>
    public sealed record Slow(TimeSpan By) : FakeImapFault;

    /// <summary>Gives its own answer and these bytes in the same piece: an attacker's, when they come in front of a handshake (CVE-2011-0411).</summary>
    /// <param name="Text">The bytes as Latin-1, with their line ends.</param>
    public sealed record Inject(string Text) : FakeImapFault;

    /// <summary>Does something before its own answer: lets a mail go in the middle of a fetch, for example.</summary>
    /// <param name="Action">What is done.</param>
    public sealed record Meanwhile(Action Action) : FakeImapFault;
}
