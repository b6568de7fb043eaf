using Postroom.Configuration;
using Postroom.Host;
using Postroom.Memory;
using Postroom.Sqlite;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Host;

/// <summary>Programs of one's own around a runtime: how they are told of a refused start, and how they end.</summary>
[Collection(PostOfficeCollection.Name)]
public sealed class ProgramTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_program_says_that_it_stopped_in_order_and_one_whose_start_was_refused_does_not()
    {
        using StringWriter log = new();
        HostedRuntime host = await HostedRuntime.StartAsync(Arguments(), null, TextWriter.Synchronized(log), Cancel);
        await host.DisposeAsync();
        string ended = log.ToString();
        using StringWriter refusal = new();
        await Assert.ThrowsAsync<ConfigurationException>(() => HostedRuntime.StartAsync(Arguments("store.kind=oracle"), null, TextWriter.Synchronized(refusal), Cancel));

        Assert.Contains("Stopped in order; nothing is in work.", ended, StringComparison.Ordinal);
        Assert.DoesNotContain("Stopped", refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_log_is_as_the_settings_say_from_the_start_on_and_names_no_instant_that_has_passed()
    {
        using StringWriter log = new();
        int attempts = 0;
        await using (HostedRuntime host = await HostedRuntime.StartAsync(
            Arguments("logging.format=json", "communications.enabled=true", "communications.backends.hook.type=webhook", "communications.backends.hook.url=http://127.0.0.1:1/", "communications.backends.hook.secret=x-canary"),
            app => app.AddQueue("work").AddWorkers("work").AddHandler(
                "order.received", PostroomJson.Default.IncomingMessage, (_, _, _) => new(Interlocked.Increment(ref attempts) == 1 ? HandlerResult.RetryAfter(TimeSpan.Zero, "not yet", countsAttempt: false) : HandlerResult.Completed), "work"),
            TextWriter.Synchronized(log),
            Cancel))
        {
            await host.Runtime.View.OpenSink("test").AcceptAsync([new SourceMessage("work", "order.received", """{"text":"x"}"""u8.ToArray())], null, Cancel);
            await UntilAsync(() => Volatile.Read(ref attempts) == 2);
        }

        string[] lines = log.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(lines, line => line.Contains("this is its first run", StringComparison.Ordinal));
        Assert.All(lines, line => Assert.StartsWith("{\"at\":", line, StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("is tried again at once: not yet", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("backends.hook.secret has fewer than 16 characters", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_second_runtime_in_a_folder_is_told_of_the_first_and_not_of_its_address()
    {
        await using HostedRuntime first = await HostedRuntime.StartAsync(Arguments(), null, TextWriter.Null, Cancel);

        StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(
            () => HostedRuntime.StartAsync(Arguments($"server.urls=[{first.Addresses[0]}]"), null, TextWriter.Null, Cancel));

        Assert.Equal(StoreOpenFailure.InUse, refused.Failure);
        Assert.Contains($"is in use by process {Environment.ProcessId}", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"It answers at {first.Addresses[0]}", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_that_is_refused_for_its_address_leaves_a_fresh_folder_as_it_was()
    {
        await using HostedRuntime first = await HostedRuntime.StartAsync(Arguments(), null, TextWriter.Null, Cancel);
        string fresh = _folder.File("fresh");

        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => HostedRuntime.StartAsync(
            Arguments($"server.urls=[{first.Addresses[0]}]", $"store.path={Path.Combine(fresh, "store.db")}", $"runtime.dataDirectory={fresh}"), null, TextWriter.Null, Cancel));

        Assert.Contains("server.urls", refused.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(fresh));
        Assert.Equal(first.Runtime.Node, (await File.ReadAllTextAsync(_folder.File("node"), Cancel)).Trim());
    }

    [Fact]
    public async Task A_refused_start_that_nobody_catches_is_told_in_words_with_the_exit_code_of_the_command_line()
    {
        Exception settings = await Assert.ThrowsAsync<ConfigurationException>(() => PostOffice.StartAsync(["--set", "store.kind=oracle"], cancellationToken: Cancel));
        Assert.Equal(3, Uncaught(settings));
        Assert.Equal(3, Uncaught(new AggregateException(settings))); // of a program that waits with Wait
        Exception word = await Assert.ThrowsAsync<ArgumentException>(() => PostOffice.StartAsync(["status"], cancellationToken: Cancel));
        Assert.Equal(2, Uncaught(word));

        Assert.Null(Uncaught(settings)); // an older one was caught
        Assert.Null(Uncaught(new InvalidOperationException("a fault of the program", word)));
        Exception fault = await Assert.ThrowsAnyAsync<Exception>(() => PostOffice.StartAsync([.. SettingWords()], _ => throw new NotSupportedException("a fault of the program"), Cancel));
        Assert.Null(Uncaught(fault)); // where it happened matters

        static int? Uncaught(Exception exception)
        {
            int? code = null;
            UncaughtStart.End(exception, exit => code = exit);
            return code;
        }
    }

    [Fact]
    public async Task A_receive_loop_goes_on_after_a_disk_that_was_full_for_a_moment()
    {
        await using PostOffice office = await PostOffice.StartAsync([.. SettingWords()], cancellationToken: Cancel);
        IMessageSink sink = office.Runtime.View.OpenSink("test");
        foreach (string text in (string[])["one", "two"])
        {
            await sink.AcceptAsync([new SourceMessage("in", "chat.text", System.Text.Encoding.UTF8.GetBytes($$"""{"text":"{{text}}"}"""))], null, Cancel);
        }

        int refusals = 0;
        List<string> received = [];
        await foreach (Message message in office.ReceiveAllAsync(Cancel))
        {
            received.Add(message.RawPayload);
            if (received.Count == 2)
            {
                await office.AckAsync(message, Cancel);
                break;
            }

            ((SqliteStore)office.Runtime.Store).Writer.CommitFault = committed =>
            {
                if (!committed && ++refusals <= 3)
                {
                    throw SqliteException.Create(SqliteCode.Full, "database or disk is full", "commit", _folder.Store);
                }
            };
        }

        Assert.Equal(["one", "two"], received);
        Assert.True(refusals > 3);
        await UntilAsync(async () => (await office.Runtime.Store.GetStatsAsync("in", Cancel)).Queues["in"].Acked == 2);
    }

    [Fact]
    public async Task A_crash_on_request_is_announced_on_the_terminal_before_the_process_dies()
    {
        using StringWriter terminal = new();
        string? atDeath = null;
        WelcomeHandler handler = new(new MemoryStore(), terminal, () => atDeath ??= terminal.ToString());
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddQueue("in")
            .AddHandler("chat.text", PostroomJson.Default.IncomingMessage, handler.HandleAsync, "in")
            .AddWorkers("in"));

        PublishResult crash = await runtime.Sender.PublishAsync("in", "chat.text", new IncomingMessage { Text = "/crash" }, null, Cancel);
        await UntilAsync(() => Volatile.Read(ref atDeath) is not null);

        Assert.Contains(crash.Id.ToString(), atDeath, StringComparison.Ordinal);
        Assert.EndsWith(Environment.NewLine, atDeath, StringComparison.Ordinal);
    }

    private HostArguments Arguments(params string[] more) => new() { Settings = [.. Settings(), .. more] };

    private IEnumerable<string> SettingWords() => Settings().SelectMany(setting => (string[])["--set", setting]);

    private string[] Settings() =>
        ["store.kind=sqlite", $"store.path={_folder.Store}", $"runtime.dataDirectory={_folder.Path}", "server.urls=[http://127.0.0.1:0]", "store.reserve=0"];
}

/// <summary>A process has one <see cref="PostOffice"/>: tests of it take turns.</summary>
[CollectionDefinition(Name)]
public sealed class PostOfficeCollection
{
    public const string Name = "post office";
}
