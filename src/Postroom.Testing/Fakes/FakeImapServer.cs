namespace Postroom.Testing;

/// <summary>
/// An IMAP server in memory on a free loopback port, with mailboxes, UIDs, flags, keywords, IDLE and TLS. It checks every command as a strict server would (RFC 3501,
/// 2177, 4959, 5161, 6851, 7888), notes each violation, and fails as it is told. Safe for concurrent use.
/// </summary>
public sealed class FakeImapServer : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly FakeConnections _connections;
    private readonly FakePlan<FakeImapStep, FakeImapFault> _plan = new();
    private readonly Dictionary<string, FakeImapMailbox> _mailboxes = new(StringComparer.Ordinal);
    private readonly Dictionary<uint, FakeImapFault> _badMails = [];
    private readonly Dictionary<uint, FakeImapFault> _badFacts = [];
    private readonly HashSet<FakeImapSession> _sessions = [];
    private readonly List<FakeImapLine> _lines = [];
    private readonly List<string> _violations = [];
    private readonly List<(Func<bool> Holds, TaskCompletionSource Reached)> _waiting = [];

    /// <summary>Makes a server with an empty <c>INBOX</c> and begins to listen.</summary>
    /// <param name="options">What it offers; null for the defaults.</param>
    public FakeImapServer(FakeImapOptions? options = null)
    {
        Options = options ?? new FakeImapOptions();
        Inbox = Add("INBOX");
        _connections = new FakeConnections((client, number, stopping) => new FakeImapSession(this, client, number).RunAsync(stopping)) { IsUp = true };
    }

    /// <summary>What it offers.</summary>
    public FakeImapOptions Options { get; }

    /// <summary>The mailbox <c>INBOX</c>.</summary>
    public FakeImapMailbox Inbox { get; }

    /// <summary>The host its certificate is for.</summary>
    public static string Host => "localhost";

    /// <summary>The port it listens on.</summary>
    public int Port => _connections.Port;

    /// <summary>The certificate of the authority behind it, in PEM; the same for all servers of the process.</summary>
    public static string AuthorityPem => FakeCertificates.AuthorityPem;

    /// <summary>How many connections it took so far.</summary>
    public int Connections => _connections.Count;

    /// <summary>The commands it was sent, in order.</summary>
    public IReadOnlyList<FakeImapLine> Lines
    {
        get
        {
            lock (_gate)
            {
                return [.. _lines];
            }
        }
    }

    /// <summary>What a strict server would object to; empty for a client in order.</summary>
    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_gate)
            {
                return [.. _violations];
            }
        }
    }

    /// <summary>Whether it takes connections; set to false it refuses them and ends those there are, set to true it listens on the same port again.</summary>
    public bool IsUp
    {
        get => _connections.IsUp;
        set => _connections.IsUp = value;
    }

    /// <summary>Adds an empty mailbox.</summary>
    /// <param name="name">Its name in Unicode.</param>
    public FakeImapMailbox Add(string name)
    {
        FakeImapMailbox mailbox = new(name);
        lock (_gate)
        {
            _mailboxes.Add(name, mailbox);
        }

        return mailbox;
    }

    /// <summary>Queues what happens the next times a step is reached, in order; null is one time without a fault. With none queued nothing fails.</summary>
    /// <param name="step">The step.</param>
    /// <param name="faults">The faults.</param>
    public FakeImapServer Next(FakeImapStep step, params IEnumerable<FakeImapFault?> faults)
    {
        _plan.Add(step, faults);
        return this;
    }

    /// <summary>Fails each time that the body of a mail is asked for, from now on.</summary>
    /// <param name="uid">The mail's UID.</param>
    /// <param name="fault">The fault; null takes it again.</param>
    public FakeImapServer FailBody(uint uid, FakeImapFault? fault) => Fail(_badMails, uid, fault);

    /// <summary>Fails each time that something but the body of a mail is asked for, alone or with others, from now on.</summary>
    /// <param name="uid">The mail's UID.</param>
    /// <param name="fault">The fault; null takes it again.</param>
    public FakeImapServer FailFetch(uint uid, FakeImapFault? fault) => Fail(_badFacts, uid, fault);

    /// <summary>Says something on every connection that has a mailbox open, unasked.</summary>
    /// <param name="text">The bytes as Latin-1, with their line ends.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task SayAsync(string text, CancellationToken cancellationToken)
    {
        FakeImapSession[] sessions;
        lock (_gate)
        {
            sessions = [.. _sessions];
        }

        foreach (FakeImapSession session in sessions)
        {
            await session.SayUnaskedAsync(text, cancellationToken);
        }
    }

    /// <summary>Ends every open connection without a word; new ones are taken.</summary>
    public void DropConnections() => _connections.Drop();

    /// <summary>Waits until so many lines began with a word.</summary>
    /// <param name="word">The word, such as <c>IDLE</c> or <c>UID SEARCH</c>.</param>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForAsync(string word, int count, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((() => Count(word) >= count, reached));
            Look();
            return reached.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>How many lines began with a word so far.</summary>
    /// <param name="word">The word, such as <c>IDLE</c> or <c>UID SEARCH</c>.</param>
    public int Count(string word)
    {
        lock (_gate)
        {
            return _lines.Count(line => line.Line.StartsWith(word, StringComparison.Ordinal));
        }
    }

    /// <summary>Waits until a client meets <see cref="FakeImapFault.Silence"/> at a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForSilenceAsync(FakeImapStep step, CancellationToken cancellationToken) => _plan.Silence(step).Task.WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _connections.DisposeAsync();

    internal FakeImapFault? Take(FakeImapStep step) => _plan.Take(step);

    internal TaskCompletionSource Silence(FakeImapStep step) => _plan.Silence(step);

    internal FakeImapFault? BadMail(IEnumerable<uint> uids, bool bodies)
    {
        lock (_gate)
        {
            return uids.Select(uid => (bodies ? _badMails : _badFacts).GetValueOrDefault(uid)).FirstOrDefault(fault => fault is not null);
        }
    }

    internal FakeImapMailbox? Find(string name)
    {
        lock (_gate)
        {
            return _mailboxes.GetValueOrDefault(name.Equals("INBOX", StringComparison.OrdinalIgnoreCase) ? "INBOX" : name);
        }
    }

    internal IReadOnlyList<string> Names()
    {
        lock (_gate)
        {
            return [.. _mailboxes.Keys];
        }
    }

    internal void Open(FakeImapSession session, bool isOpen)
    {
        lock (_gate)
        {
            _ = isOpen ? _sessions.Add(session) : _sessions.Remove(session);
        }
    }

    internal void Note(FakeImapLine line)
    {
        lock (_gate)
        {
            _lines.Add(line);
            Look();
        }
    }

    internal void Violated(string what)
    {
        lock (_gate)
        {
            _violations.Add(what);
        }
    }

    private FakeImapServer Fail(Dictionary<uint, FakeImapFault> mails, uint uid, FakeImapFault? fault)
    {
        lock (_gate)
        {
            if (fault is null)
            {
                mails.Remove(uid);
            }
            else
            {
                mails[uid] = fault;
            }
        }

        return this;
    }

    private void Look()
    {
        foreach ((Func<bool> holds, TaskCompletionSource reached) in _waiting)
        {
            if (holds())
            {
                reached.TrySetResult();
            }
        }

        _waiting.RemoveAll(waiting => waiting.Reached.Task.IsCompleted);
    }
}
