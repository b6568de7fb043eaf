using Postroom.Mail;
using Postroom.Testing;

namespace Postroom.Tests.Mail.Imap;

/// <summary>The IMAP source does what every source does, over the fake server with polling.</summary>
public sealed class ImapPollingConformanceTests() : ImapConformance(ImapMode.Polling);

/// <summary>The IMAP source does what every source does, over the fake server with IDLE.</summary>
public sealed class ImapIdleConformanceTests() : ImapConformance(ImapMode.Idle);

public abstract class ImapConformance(ImapMode mode) : MessageSourceConformance
{
    private readonly Dictionary<string, uint> _uids = [];
    private ImapBench _bench = null!;

    protected override IReadOnlyList<string> Secrets => ["secret-canary"];

    protected override ValueTask BeginAsync()
    {
        _bench = new ImapBench(null, config => config with { Mode = mode }, new ManualClock());
        return default;
    }

    protected override ValueTask<IMessageSource> CreateAsync() => new(_bench.NewSource());

    protected override ValueTask ArriveAsync(string text)
    {
        _uids[text] = _bench.Inbox.Deliver(ImapBench.Letter(text));
        return default;
    }

    protected override string TextOf(SourceMessage message) => message.Headers[HeaderNames.Subject];

    protected override bool IsDone(string text) => _bench.Inbox.FlagsOf(_uids[text]) == @"\Seen";

    protected override ValueTask BreakAsync()
    {
        _bench.Server.DropConnections();
        return default;
    }

    protected override void Again() => ((ManualClock)_bench.Clock).Advance(TimeSpan.FromSeconds(10));

    protected override async ValueTask EndAsync()
    {
        _bench.Correct();
        await _bench.DisposeAsync();
    }
}

/// <summary>The IMAP source does what every source does, over a real Dovecot.</summary>
public sealed class ImapDovecotConformanceTests : MessageSourceConformance
{
    private readonly Dictionary<string, string> _names = [];
    private readonly ManualClock _clock = new();
    private RealImapServer _dovecot = null!;

    protected override async ValueTask BeginAsync() => _dovecot = await RealImapServer.StartAloneAsync(Cancel);

    protected override ValueTask<IMessageSource> CreateAsync() => new(new ImapSource(
        "inbox",
        new ImapSourceConfig
        {
            Host = "localhost",
            Port = _dovecot.Port,
            Security = MailSecurity.Implicit,
            CaFile = _dovecot.CaFile,
            Username = "bot",
            Password = new Secret(RealMailServer.Password),
            Into = "work",
            Mode = ImapMode.Idle,
            Timeout = TimeSpan.FromHours(1),
        },
        null,
        _clock));

    protected override ValueTask ArriveAsync(string text)
    {
        _names[text] = _dovecot.Deliver(ImapBench.Letter(text));
        return default;
    }

    protected override string TextOf(SourceMessage message) => message.Headers[HeaderNames.Subject];

    protected override bool IsDone(string text) => _dovecot.FlagsOf(_names[text]) == "S";

    protected override void Again() => _clock.Advance(TimeSpan.FromSeconds(10));

    protected override async ValueTask BreakAsync() => await _dovecot.RestartAsync(static () => { }, Cancel);

    protected override ValueTask EndAsync() => _dovecot.DisposeAsync();
}
