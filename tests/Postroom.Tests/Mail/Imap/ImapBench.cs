using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail.Imap;

/// <summary>An IMAP source over a fake server, and a sink that records.</summary>
internal sealed class ImapBench : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<(Task Run, CancellationTokenSource Stop)> _runs = [];
    private readonly CancellationTokenSource _limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

    public ImapBench(FakeImapOptions? options = null, Func<ImapSourceConfig, ImapSourceConfig>? change = null, TimeProvider? clock = null)
    {
        _limit.CancelAfter(TimeSpan.FromSeconds(120));
        Server = new FakeImapServer(options);
        File.WriteAllText(_folder.File("ca.pem"), FakeImapServer.AuthorityPem);
        ImapSourceConfig config = new()
        {
            Host = FakeImapServer.Host,
            Port = Server.Port,
            Security = Server.Options.ImplicitTls ? MailSecurity.Implicit : MailSecurity.Auto,
            CaFile = _folder.File("ca.pem"),
            Username = "bot",
            Password = new Secret("secret-canary"),
            Into = "work",
            PollInterval = TimeSpan.FromHours(1),
            SafetyPoll = TimeSpan.FromHours(1),

            // What a test lets pass on a clock of its own, the server has not taken.
            Timeout = clock is ManualClock ? TimeSpan.FromHours(1) : TimeSpan.FromSeconds(60),
        };
        Config = change is null ? config : change(config);
        Clock = clock ?? TimeProvider.System;
        Source = NewSource();
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Ends the waits of a test that would hang.</summary>
    public CancellationToken Limit => _limit.Token;

    public FakeImapServer Server { get; }

    public FakeImapMailbox Inbox => Server.Inbox;

    public ImapSourceConfig Config { get; set; }

    public TimeProvider Clock { get; }

    public RecordingSink Sink { get; } = new();

    public ImapSource Source { get; private set; }

    /// <summary>Another source of the same settings, as after a restart.</summary>
    public ImapSource NewSource() => Source = new ImapSource("inbox", Config, null, Clock);

    /// <summary>Runs the source until the test ends or <see cref="StopAsync"/>.</summary>
    public Task Start()
    {
        CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task run = Source.RunAsync(Sink, stop.Token);
        _runs.Add((run, stop));
        return run;
    }

    public async Task StopAsync()
    {
        foreach ((Task run, CancellationTokenSource stop) in _runs)
        {
            await stop.CancelAsync();
            await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stop.Dispose();
        }

        _runs.Clear();
    }

    /// <summary>Runs the source until it fails, and says how.</summary>
    public async Task<Exception> FailAsync() => (await Record.ExceptionAsync(() => Start().WaitAsync(TimeSpan.FromSeconds(20), Cancel)))!;

    /// <summary>Runs the source again and again as its supervisor does, but at once, until something holds.</summary>
    public async Task RunUntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            (Clock as ManualClock)?.Advance(TimeSpan.FromSeconds(10)); // the time between logins; nobody else waits now
            Task run = Start();
            while (!run.IsCompleted && !condition())
            {
                if (Limit.IsCancellationRequested)
                {
                    throw new TimeoutException($"{Sink.Messages.Count} came; the server was told {string.Join(" | ", Server.Lines.TakeLast(12).Select(line => line.Line))}");
                }

                await Task.Delay(2, Cancel);
            }
        }

        await StopAsync();
    }

    public Task<ImapConnection> OpenAsync() => ImapOpening.OpenAsync(Config.Account, Clock, null, Cancel);

    public static string Letter(string subject, string headers = "") =>
        $"From: Ann <ann@example.org>\nTo: bot@example.test\nSubject: {subject}\nMessage-ID: <{subject.Replace(' ', '-')}@example.org>\n{headers}\nText of {subject}\n";

    public string[] Subjects => [.. Sink.Messages.Select(message => message.Headers[HeaderNames.Subject])];

    public ValueTask MarkAsync(int index, string outcome = MarkRequest.Seen) => Source.MarkAsync(new MarkRequest("inbox", Sink.Messages[index].OriginKey!, outcome), Cancel);

    /// <summary>Waits until so many messages were taken; when the source fails before, that is the failure of the test.</summary>
    public async Task TakenAsync(int count)
    {
        Task taken = Sink.WaitForAsync(count, Limit);
        if (await Task.WhenAny(taken, _runs[^1].Run) is { IsFaulted: true } failed)
        {
            await failed;
        }

        try
        {
            await taken;
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{Sink.Messages.Count} of {count} came; the server was told {string.Join(" | ", Server.Lines.TakeLast(5).Select(line => line.Line))}; {string.Join(" ", Server.Violations)}", e);
        }
    }

    public async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(2, Limit);
        }
    }

    /// <summary>The last words about the wire: the client broke no rule.</summary>
    public void Correct() => Assert.Empty(Server.Violations);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Server.DisposeAsync();
        _folder.Dispose();
        _limit.Dispose();
    }
}
