namespace Postroom.Testing;

/// <summary>
/// An SMTP server on a free loopback port that keeps what it is sent. It checks every line as a strict server would (RFC 5321, 3207, 4954, 2920, 1870, 6152,
/// 6531), notes each violation, and fails as it is told. Safe for concurrent use.
/// </summary>
public sealed class FakeSmtpServer : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly FakeConnections _connections;
    private readonly FakePlan<FakeSmtpStep, FakeSmtpFault> _plan = new();
    private readonly Dictionary<string, string> _refused = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<FakeSmtpMail> _mails = [];
    private readonly List<FakeSmtpLine> _lines = [];
    private readonly List<string> _violations = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiting = [];

    /// <summary>Makes a server and begins to listen.</summary>
    /// <param name="options">What it offers; null for the defaults.</param>
    public FakeSmtpServer(FakeSmtpOptions? options = null)
    {
        Options = options ?? new FakeSmtpOptions();
        _connections = new FakeConnections((client, number, stopping) => new FakeSmtpSession(this, client, number).RunAsync(stopping)) { IsUp = true };
    }

    /// <summary>What it offers.</summary>
    public FakeSmtpOptions Options { get; }

    /// <summary>The host its certificate is for.</summary>
    public static string Host => "localhost";

    /// <summary>The port it listens on.</summary>
    public int Port => _connections.Port;

    /// <summary>The certificate of the authority behind it, in PEM; the same for all servers of the process.</summary>
    public static string AuthorityPem => FakeCertificates.AuthorityPem;

    /// <summary>How many connections it took so far.</summary>
    public int Connections => _connections.Count;

    /// <summary>The mails it took, in order, those without an answer included.</summary>
    public IReadOnlyList<FakeSmtpMail> Mails => Copy(_mails);

    /// <summary>The lines it was sent, in order, without the mails.</summary>
    public IReadOnlyList<FakeSmtpLine> Lines => Copy(_lines);

    /// <summary>What a strict server would object to; empty for a client in order.</summary>
    public IReadOnlyList<string> Violations => Copy(_violations);

    /// <summary>Whether it takes connections; set to false it refuses them and ends those there are, set to true it listens on the same port again.</summary>
    public bool IsUp
    {
        get => _connections.IsUp;
        set => _connections.IsUp = value;
    }

    /// <summary>Queues what happens the next times a step is reached, in order; null is one time without a fault. With none queued nothing fails.</summary>
    /// <param name="step">The step.</param>
    /// <param name="faults">The faults.</param>
    public FakeSmtpServer Next(FakeSmtpStep step, params IEnumerable<FakeSmtpFault?> faults)
    {
        _plan.Add(step, faults);
        return this;
    }

    /// <summary>Refuses a recipient from now on.</summary>
    /// <param name="address">The address.</param>
    /// <param name="answer">The answer, such as <c>550 5.1.1 no such user</c>; null takes it again.</param>
    public FakeSmtpServer Refuse(string address, string? answer)
    {
        lock (_gate)
        {
            if (answer is null)
            {
                _refused.Remove(address);
            }
            else
            {
                _refused[address] = answer;
            }
        }

        return this;
    }

    /// <summary>Ends every open connection without a word; new ones are taken.</summary>
    public void DropConnections() => _connections.Drop();

    /// <summary>Waits until it took this many mails.</summary>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForMailsAsync(int count, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_mails.Count >= count)
            {
                return Task.CompletedTask;
            }

            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((count, reached));
            return reached.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Waits until a client meets <see cref="FakeSmtpFault.Silence"/> at a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForSilenceAsync(FakeSmtpStep step, CancellationToken cancellationToken) => _plan.Silence(step).Task.WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _connections.DisposeAsync();

    internal FakeSmtpFault? Take(FakeSmtpStep step) => _plan.Take(step);

    internal TaskCompletionSource Silence(FakeSmtpStep step) => _plan.Silence(step);

    internal string? RefusalOf(string address)
    {
        lock (_gate)
        {
            return _refused.GetValueOrDefault(address);
        }
    }

    internal void Note(FakeSmtpLine line)
    {
        lock (_gate)
        {
            _lines.Add(line);
        }
    }

    internal void Violated(string what)
    {
        lock (_gate)
        {
            _violations.Add(what);
        }
    }

    internal void Add(FakeSmtpMail mail)
    {
        lock (_gate)
        {
            _mails.Add(mail);
            foreach ((int count, TaskCompletionSource reached) in _waiting)
            {
                if (count <= _mails.Count)
                {
                    reached.TrySetResult();
                }
            }

            _waiting.RemoveAll(waiting => waiting.Count <= _mails.Count);
        }
    }

    private List<T> Copy<T>(List<T> list)
    {
        lock (_gate)
        {
            return [.. list];
        }
    }
}
