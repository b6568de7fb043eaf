using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;
using Postroom.Host;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.ControlPlane;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Mail;

/// <summary>Maildirs and folders as sources of a whole runtime (SR-17).</summary>
public sealed class FileSourceTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ConcurrentQueue<(string Type, string Name)> _handled = [];
    private volatile bool _refuse;

    public FileSourceTests()
    {
        foreach (string part in (string[])["new", "cur", "tmp"])
        {
            Directory.CreateDirectory(In("mail", part));
        }

        Directory.CreateDirectory(In("drop"));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task SR_17_a_mail_of_a_Maildir_stays_new_until_its_work_has_ended_and_its_flags_tell_how()
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _refuse = true;
        await using MessageRuntime runtime = await StartAsync(mayEnd.Task, Maildir());
        Deliver("1.good", Mail("good"));
        Deliver("2.bad", Mail("bad"));
        await UntilAsync(() => runtime.Pool().Busy == 2);
        Assert.Equal(["1.good", "2.bad"], Names("mail", "new"));

        mayEnd.SetResult();
        await UntilAsync(() => Names("mail", "cur").Length == 2);
        Assert.Equal(["1.good:2,S", "2.bad:2,F"], Names("mail", "cur"));

        _refuse = false;
        JournalEntry failed = await runtime.FailedAsync("work");
        await runtime.Journal.ReplayAsync(failed.Envelope.Id, new ReplayOptions(), Cancel);
        await UntilAsync(() => Names("mail", "cur") is ["1.good:2,S", "2.bad:2,S"]);
        Assert.Empty(Names("mail", "new"));
        Assert.Equal("email:ann@example.org", failed.Envelope.From?.ToString());
    }

    [Fact]
    public async Task SR_17_a_crash_between_append_and_move_makes_no_second_message()
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        string[] settings = [.. Maildir(), .. Drop()];
        await using (MessageRuntime first = await StartAsync(mayEnd.Task, settings))
        {
            Deliver("1.a", Mail("one"));
            File.WriteAllText(In("drop", "a.csv"), "1;2");
            await UntilAsync(() => first.Pool().Busy == 2);
        }

        mayEnd.SetResult();
        await using (MessageRuntime second = await StartAsync(Task.CompletedTask, settings))
        {
            await UntilAsync(() => Names("mail", "cur") is ["1.a:2,S"] && Names("drop", "done") is ["a.csv"]);
        }

        // The mark is lost with the file put back, as if the process had died before the move.
        File.Move(In("mail", "cur", "1.a:2,S"), In("mail", "new", "1.a"));
        File.Move(In("drop", "done", "a.csv"), In("drop", "a.csv"));
        await using MessageRuntime third = await StartAsync(Task.CompletedTask, settings);
        await UntilAsync(() => Names("mail", "cur") is ["1.a:2,S"] && Names("drop", "done") is ["a.csv"]);
        Assert.Equal(2, _handled.Count);
    }

    [Fact]
    public async Task SR_17_a_file_whose_message_is_kept_no_more_but_whose_key_is_known_is_not_shown_as_done_and_not_read_with_every_look()
    {
        RecordingSink sink = new();
        Deliver("1.a", Mail("one"));
        await using (RunningSource first = new(sink, In("mail")))
        {
            await sink.WaitForAsync(1, Cancel);
        }

        sink.SetState(0, null, keepKey: true); // it failed, and retention.failed is shorter than retention.dedup
        await using RunningSource second = new(sink, In("mail"));
        await UntilAsync(() => sink.Duplicates == 1);
        await second.PollAsync();
        await second.PollAsync();

        Assert.Empty(Names("mail", "cur"));
        Assert.Equal(["1.a"], Names("mail", "new"));
        Assert.Equal((1, 1), (sink.Messages.Count, sink.Duplicates));
    }

    [Fact]
    public async Task SR_17_a_file_that_is_passed_over_is_so_after_a_restart_too_even_once_its_key_is_forgotten_until_it_changes()
    {
        RecordingSink sink = new();
        Deliver("1.a", Mail("one"));
        await using (RunningSource first = new(sink, In("mail")))
        {
            await sink.WaitForAsync(1, Cancel);
        }

        sink.SetState(0, null, keepKey: true);
        LogLines log = new();
        await using (RunningSource second = new(sink, In("mail"), log))
        {
            await UntilAsync(() => sink.Duplicates == 1);
            await second.PollAsync();
        }

        sink.SetState(0, null, keepKey: false); // retention.dedup is over as well
        await using RunningSource third = new(sink, In("mail"), log);
        await third.PollAsync();
        await third.PollAsync();
        Assert.Equal((1, 1), (sink.Messages.Count, sink.Duplicates));
        Assert.Single(log.Texts, static line => line.Contains("passed over", StringComparison.Ordinal));

        File.Move(In("mail", "new", "1.a"), In("mail", "new", "2.a")); // a person decides that it is to be taken
        await third.PollAsync();
        await sink.WaitForAsync(2, Cancel);
    }

    [Theory]
    [InlineData("afterAccept", "1.a:2,S", "done/a.txt")]
    [InlineData("never", "1.a:2,", "a.txt")]
    public async Task SR_8_files_are_moved_when_the_settings_say(string policy, string mail, string file)
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        string[] settings = [.. Maildir($"markSeen={policy}"), .. Drop($"markSeen={policy}")];
        Deliver("1.a", Mail("one"));
        File.WriteAllText(In("drop", "a.txt"), "text");
        await using (MessageRuntime runtime = await StartAsync(mayEnd.Task, settings))
        {
            await UntilAsync(() => runtime.Pool().Busy == 2 && Names("mail", "cur").Length == 1);
            await UntilAsync(() => File.Exists(In("drop", file)));
            Assert.Equal([mail], Names("mail", "cur"));
            mayEnd.SetResult();
            await UntilAsync(() => _handled.Count == 2);
        }

        // Neither a restart nor a changed file of another name makes more of them.
        await using MessageRuntime again = await StartAsync(Task.CompletedTask, settings);
        Assert.Equal(0, await again.PollAsync("drop"));
        Assert.True(File.Exists(In("drop", file)));
        Assert.Equal(2, _handled.Count);
    }

    [Fact]
    public async Task SR_17_a_file_becomes_a_message_and_a_mail_one_of_mail_and_taken_names_get_a_number()
    {
        Directory.CreateDirectory(In("drop", "done"));
        File.WriteAllText(In("drop", "done", "order.csv"), "older");
        await using MessageRuntime runtime = await StartAsync(Task.CompletedTask, Drop("pattern=*.?m?", "pattern=*"));
        File.WriteAllText(In("drop", "order.csv"), "a;b");
        File.WriteAllText(In("drop", "Letter.EML"), Mail("by file"));
        await UntilAsync(() => Names("drop", "done").Length == 3);

        Assert.Equal(["Letter.EML", "order.1.csv", "order.csv"], Names("drop", "done"));
        Assert.Contains((PayloadTypes.MailReceived, "by file"), _handled);
        JournalEntry found = (await runtime.Journal.QueryAsync(new JournalQuery { Type = PayloadTypes.FileReceived }, Cancel)).Items.Single();
        Envelope envelope = (await runtime.Journal.GetAsync(found.Envelope.Id, withBody: true, Cancel))!.Entry.Envelope;
        ReceivedFile file = JsonSerializer.Deserialize(envelope.Body.Span, PostroomJson.Default.ReceivedFile)!;
        Attachment attached = Assert.Single(envelope.Attachments);
        Assert.Equal(("order.csv", 3, attached.Sha256), (file.Name, file.Length, file.Sha256));
        Assert.Equal(("order.csv", "text/csv", "a;b"), (attached.Name, attached.ContentType, Encoding.UTF8.GetString(attached.Data!.Value.Span)));
    }

    [Fact]
    public async Task SR_17_a_file_that_is_still_written_is_left_alone_and_a_new_one_of_the_same_name_is_not_taken_for_the_old()
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MessageRuntime runtime = await StartAsync(mayEnd.Task, Drop("settle=250ms"));
        string path = In("drop", "slow.txt");
        Stopwatch written = new();
        await using (FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite))
        {
            for (int part = 0; part < 8; part++)
            {
                await file.WriteAsync("part "u8.ToArray(), Cancel);
                await file.FlushAsync(Cancel);
                written.Restart();
                _ = await runtime.PollAsync("drop");
                await Task.Delay(50, Cancel);
            }
        }

        await UntilAsync(() => runtime.Pool().Busy == 1);
        Assert.InRange(written.Elapsed, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(20));

        File.WriteAllText(path, "another one under the same name");
        await UntilAsync(() => runtime.Pool().Busy == 2);
        mayEnd.SetResult();
        await UntilAsync(() => Names("drop", "done").Length == 1);
        Assert.Equal("another one under the same name", File.ReadAllText(In("drop", "done", "slow.txt")));
        Assert.Equal(2, _handled.Count);
    }

    [Fact]
    public async Task SE_hostile_names_links_pipes_and_files_that_may_not_be_read_harm_nobody()
    {
        string outside = In("secret.txt");
        File.WriteAllText(outside, "secret");
        File.CreateSymbolicLink(In("drop", "link.txt"), outside);
        Directory.CreateSymbolicLink(In("drop", "links"), _folder.Path);
        Process.Start("mkfifo", [In("drop", "pipe.txt")]).WaitForExit();
        Directory.CreateDirectory(In("drop", "folder.txt"));
        File.WriteAllText(In("drop", ".hidden"), "no");
        File.WriteAllText(In("drop", "large.bin"), new string('x', 2_000));
        string[] hostile = ["line\nbreak.txt", "-rf", "$(reboot).txt", "ünïcode 🎉.txt", "a'b\"c;d.txt", "done", new string('n', 251) + ".txt", "%2e%2e.txt", "..txt", "a:2,S"];
        foreach (string name in hostile.Where(name => name != "done"))
        {
            File.WriteAllText(In("drop", name), name);
        }

        await using MessageRuntime runtime = await StartAsync(Task.CompletedTask, Drop("maxFile=1KiB"));
        await UntilAsync(() => Names("drop", "done").Length == hostile.Length - 2 && Names("drop", "failed").Length == 1);

        Assert.Equal(hostile.Where(name => name is not ("done" or "..txt")).Order(StringComparer.Ordinal), Names("drop", "done"));
        Assert.Equal(["large.bin"], Names("drop", "failed"));
        Assert.Equal(["..txt", ".hidden", "link.txt", "pipe.txt"], Directory.EnumerateFiles(In("drop")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(_handled, handled => handled.Name is "link.txt" or "secret.txt" or "pipe.txt");
        Assert.Equal("secret", File.ReadAllText(outside));
    }

    [Fact]
    public async Task A_file_is_read_without_following_a_link_or_waiting_for_a_pipe()
    {
        string plain = In("plain");
        File.WriteAllText(plain, "text");
        File.CreateSymbolicLink(In("link"), plain);
        Process.Start("mkfifo", [In("pipe")]).WaitForExit();

        Assert.Equal("te", Encoding.UTF8.GetString((await PlainFile.ReadAsync(plain, 2, Cancel))!.Value.Bytes));
        Assert.Null(await PlainFile.ReadAsync(In("link"), 10, Cancel));
        Assert.Null(await PlainFile.ReadAsync(In("pipe"), 10, Cancel));
        Assert.Null(await PlainFile.ReadAsync(In("nothing"), 10, Cancel));
        foreach (string key in (string[])["", "1.2", "1.2.Li4", "1.2.Li4vYQ", "1.2.*", "-1.2.YQ", "99999999999999999999.1.YQ"])
        {
            Assert.Null(FoundFile.OfKey(key)); // ".." and "../a" among them
        }
    }

    [Fact]
    public async Task SR_5_a_folder_that_is_missing_is_named_with_the_remedy_and_found_once_it_is_there()
    {
        Directory.Delete(In("drop"));
        Directory.Delete(In("mail"), recursive: true);
        await using MessageRuntime runtime = await StartAsync(Task.CompletedTask, [.. Maildir(), .. Drop()]);
        await UntilAsync(() => runtime.Rooms.Sources.Status().Values.All(status => status.State == SourceState.Backoff));

        Assert.Contains("Make the folder, or set sources.drop.path.", runtime.Rooms.Sources.Status()["drop"].LastError, StringComparison.Ordinal);
        Assert.Contains("is no Maildir that source 'mail' can read", runtime.Rooms.Sources.Status()["mail"].LastError, StringComparison.Ordinal);
        Directory.CreateDirectory(In("drop"));
        File.WriteAllText(In("drop", "a.txt"), "here");
        await UntilAsync(() => Names("drop", "done") is ["a.txt"]);
    }

    [Fact]
    public async Task SR_14_a_mail_over_the_limit_comes_with_its_headers_and_the_beginning_of_its_text_and_senders_are_chosen()
    {
        Deliver("1.long", Mail("long", new string('x', 300_000)));
        Deliver("2.other", Mail("other").Replace("ann@example.org", "eve@evil.example", StringComparison.Ordinal));
        await using MessageRuntime runtime = await StartAsync(Task.CompletedTask, Maildir("maxMessage=100KiB", "acceptFrom=*@example.org"));
        await UntilAsync(() => Names("mail", "cur").Length == 1);

        Envelope stored = (await runtime.Journal.QueryAsync(new JournalQuery { Type = PayloadTypes.MailReceived }, Cancel)).Items.Single().Envelope;
        MailMessage mail = JsonSerializer.Deserialize((await runtime.Journal.GetAsync(stored.Id, withBody: true, Cancel))!.Entry.Envelope.Body.Span, PostroomJson.Default.MailMessage)!;
        Assert.True(mail.Oversize);
        Assert.InRange(mail.Text.Length, 60_000, 66_000);
        Assert.Equal(["2.other"], Names("mail", "new"));
    }

    [Fact]
    public async Task Settings_that_are_wrong_are_named_with_what_to_write()
    {
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(
            Task.CompletedTask, ["sources.a.type=maildir", "sources.b.type=folder", "sources.b.path=x", "sources.b.pattern=a/b", "sources.b.settle=2h", "sources.b.maxFile=1GiB", "sources.b.replyVia=no.dots"]));
        string all = string.Join('\n', refused.Problems.Select(problem => problem.Message));

        Assert.Equal(5, refused.Problems.Count);
        Assert.Contains("sources.a.path is missing. Say where the Maildir is", all, StringComparison.Ordinal);
        Assert.Contains("sources.b.pattern is 'a/b', but it is for the names of files in one folder.", all, StringComparison.Ordinal);
    }

    private static string Mail(string subject, string text = "Text.") =>
        $"From: Ann <ann@example.org>\r\nTo: shop@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject.Replace(' ', '-')}@example.org>\r\nDate: Thu, 15 Jan 2026 12:00:00 +0000\r\n\r\n{text}\r\n";

    private string[] Maildir(params string[] more) => [$"sources.mail.path={In("mail")}", "sources.mail.type=maildir", "sources.mail.into=work", "sources.mail.replyVia=email", .. more.Select(text => $"sources.mail.{text}")];

    private string[] Drop(params string[] more) => [$"sources.drop.path={In("drop")}", "sources.drop.type=folder", "sources.drop.into=work", "sources.drop.settle=20ms", .. more.Select(text => $"sources.drop.{text}")];

    private string In(params string[] parts) => Path.Combine([_folder.Path, .. parts]);

    private string[] Names(params string[] parts) => Directory.Exists(In(parts)) ? [.. Directory.EnumerateFiles(In(parts)).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)] : [];

    /// <summary>As mail servers do: written aside, then moved.</summary>
    private void Deliver(string name, string mail)
    {
        File.WriteAllText(In("mail", "tmp", name), mail);
        File.Move(In("mail", "tmp", name), In("mail", "new", name));
    }

    private Task<MessageRuntime> StartAsync(Task mayEnd, string[] settings)
    {
        return StartDurableAsync(
            _folder.Path,
            app =>
            {
                app.AddChannels();
                app.AddQueue("work", queue => queue.MaxAttempts = 1).AddWorkers("work")
                    .AddHandler(PayloadTypes.MailReceived, PostroomJson.Default.MailMessage, (mail, context, token) => HandleAsync(PayloadTypes.MailReceived, mail.Subject, token), "work")
                    .AddHandler(PayloadTypes.FileReceived, PostroomJson.Default.ReceivedFile, (file, context, token) => HandleAsync(PayloadTypes.FileReceived, file.Name, token), "work");
            },
            ["runtime.drainTimeout=50ms", "workers.work.cancelGrace=50ms", .. settings]);

        async ValueTask<HandlerResult> HandleAsync(string type, string name, CancellationToken cancellationToken)
        {
            await mayEnd.WaitAsync(cancellationToken);
            _handled.Enqueue((type, name));
            return name == "bad" && _refuse ? HandlerResult.Fail("no such order") : HandlerResult.Completed;
        }
    }

    private sealed class RunningSource : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        private readonly MaildirSource _source;
        private readonly Task _run;

        public RunningSource(IMessageSink sink, string path, LogLines? log = null)
        {
            _source = new MaildirSource("mail", new MaildirSourceConfig { Path = path, Into = "work" }, log is null ? null : new Logger<MaildirSource>(new LoggerFactory([log])));
            _run = _source.RunAsync(sink, _stop.Token);
        }

        public Task<int> PollAsync() => _source.PollNowAsync(Cancel).AsTask();

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stop.Dispose();
        }
    }
}
