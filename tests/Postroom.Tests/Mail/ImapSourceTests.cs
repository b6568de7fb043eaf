using System.Collections.Concurrent;
using System.Globalization;
using Postroom.Host;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Mail;

/// <summary>A mailbox of a real Dovecot as the source of a whole runtime (SR-9 to SR-16).</summary>
public sealed class ImapSourceTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly ConcurrentQueue<MailMessage> _handled = [];
    private RealImapServer? _dovecot;

    private RealImapServer Dovecot => _dovecot!;

    public async ValueTask InitializeAsync() => _dovecot = await RealImapServer.StartAloneAsync(Cancel);

    public async ValueTask DisposeAsync()
    {
        await Dovecot.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task AC_39_a_mail_is_unread_until_its_work_has_ended_and_a_failed_one_is_marked_as_that_and_left_alone_until_its_replay()
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool refuse = true;
        await using MessageRuntime runtime = await StartAsync(async mail =>
        {
            await mayEnd.Task;
            return mail.Subject == "bad" && refuse ? HandlerResult.Fail("no such order") : HandlerResult.Completed;
        });
        string good = Dovecot.Deliver(Mail("good"));
        string bad = Dovecot.Deliver(Mail("bad"));
        await UntilAsync(() => runtime.Pool().Busy == 2);

        Assert.Equal(("", ""), (Dovecot.FlagsOf(good), Dovecot.FlagsOf(bad)));
        mayEnd.SetResult();
        await UntilAsync(() => Dovecot.FlagsOf(good) == "S" && Dovecot.FlagsOf(bad) == "$ProcessingFailed");
        int again = await runtime.Rooms.Sources.PollAsync("inbox", Cancel);
        JournalEntry failed = await runtime.FailedAsync("work");
        refuse = false;
        await runtime.Journal.ReplayAsync(failed.Envelope.Id, new ReplayOptions(), Cancel);
        await UntilAsync(() => Dovecot.FlagsOf(bad) == "S");

        Assert.Equal((0, 3), (again, _handled.Count));
    }

    [Theory]
    [InlineData("polling")]
    [InlineData("idle")]
    public async Task AC_39_a_restart_and_a_changed_UIDVALIDITY_make_no_second_message(string mode)
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        string one = Dovecot.Deliver(Mail("one"));
        string two = Dovecot.Deliver(Mail("two"));
        string copy = Dovecot.Deliver(Mail("two"));
        await using (MessageRuntime first = await StartAsync(async _ => await Wait(mayEnd), $"sources.inbox.mode={mode}", "runtime.drainTimeout=100ms"))
        {
            await UntilAsync(() => first.Pool().Busy == 2);
        }

        await Dovecot.RestartAsync(Dovecot.ForgetNumbers, Cancel);
        mayEnd.SetResult();
        await using MessageRuntime second = await StartAsync(async _ => await Wait(mayEnd), $"sources.inbox.mode={mode}");
        await UntilAsync(() => Dovecot.FlagsOf(one) == "S" && Dovecot.FlagsOf(two) == "S" && Dovecot.FlagsOf(copy) == "S");

        JournalPage all = await second.Journal.QueryAsync(new JournalQuery { Queue = "work" }, Cancel);
        Assert.Equal(2, all.Items.Count);
        Assert.All(all.Items, item => Assert.Equal(MessageState.Acked, item.State));
    }

    [Fact]
    public async Task SR_15_with_idle_a_new_mail_is_in_the_handler_at_once_although_nobody_polls()
    {
        await using MessageRuntime runtime = await StartAsync(_ => new(HandlerResult.Completed), "sources.inbox.mode=auto", "sources.inbox.safetyPoll=1h", "sources.inbox.pollInterval=1h");
        await UntilAsync(() => Checkpoint(runtime).Contains("IDLE", StringComparison.Ordinal));

        for (int i = 0; i < 5; i++)
        {
            string file = Dovecot.Deliver(Mail($"mail {i}"));
            await UntilAsync(() => _handled.Count == i + 1 && Dovecot.FlagsOf(file) == "S");
        }

        Assert.Equal(["mail 0", "mail 1", "mail 2", "mail 3", "mail 4"], _handled.Select(mail => mail.Subject));
    }

    /// <summary>Many of them: <c>POSTROOM_IDLE_MAILS=1000</c>.</summary>
    [Fact]
    public async Task SR_15_with_idle_a_mail_is_in_the_handler_within_a_second_of_its_arrival()
    {
        int mails = int.TryParse(Environment.GetEnvironmentVariable("POSTROOM_IDLE_MAILS"), CultureInfo.InvariantCulture, out int many) ? many : 10;
        ConcurrentDictionary<string, long> handledAt = [];
        await using MessageRuntime runtime = await StartAsync(
            mail =>
            {
                handledAt[mail.Subject] = System.Diagnostics.Stopwatch.GetTimestamp();
                return new(HandlerResult.Completed);
            },
            "sources.inbox.mode=idle",
            "sources.inbox.safetyPoll=1h");
        await UntilAsync(() => Checkpoint(runtime).Contains("IDLE", StringComparison.Ordinal));
        Random random = new(15);
        List<double> waits = [];
        for (int i = 0; i < mails; i++)
        {
            long arrived = System.Diagnostics.Stopwatch.GetTimestamp();
            Dovecot.Deliver(Mail($"mail {i}"));
            await UntilAsync(() => handledAt.ContainsKey($"mail {i}"));
            waits.Add(System.Diagnostics.Stopwatch.GetElapsedTime(arrived, handledAt[$"mail {i}"]).TotalMilliseconds);
            await Task.Delay(random.Next(1, 60), Cancel); // some come while the last is being marked, others out of IDLE
        }

        waits.Sort();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"From the file in the mailbox to the handler, with IDLE over Dovecot and TLS: median {waits[mails / 2]:0} ms, p99 {waits[(int)Math.Ceiling(mails * 0.99) - 1]:0} ms, longest {waits[^1]:0} ms, n = {mails}."));
        Assert.True(waits[(int)Math.Ceiling(mails * 0.99) - 1] < 1_000, $"{waits[^1]:0} ms");
    }

    [Fact]
    public async Task AC_59_a_mailbox_is_read_over_starttls_and_nothing_is_sent_where_the_certificate_is_not_trusted()
    {
        string file = Dovecot.Deliver(Mail("one"));
        await using (MessageRuntime runtime = await StartAsync(_ => new(HandlerResult.Completed), Port(Dovecot.PlainPort)))
        {
            await UntilAsync(() => Dovecot.FlagsOf(file) == "S");
        }

        await using MessageRuntime untrusting = await StartAsync(_ => new(HandlerResult.Completed), $"sources.inbox.caFile={OtherAuthority()}");
        await UntilAsync(() => Status(untrusting).LastError is not null);

        Assert.Contains("certificate of localhost is refused", Status(untrusting).LastError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reply_is_a_mail_in_the_thread_through_the_communicator_that_is_named()
    {
        Dovecot.Deliver(Mail("Order of tea", "Message-ID: <two@example.org>\nReferences: <root@example.org> <one@example.org>\nIn-Reply-To: <one@example.org>\nReply-To: Sales <sales@example.org>\n"));
        await using MessageRuntime runtime = await StartAsync(_ => new(HandlerResult.Completed), "sources.inbox.replyVia=shop-mail");
        await UntilAsync(() => !_handled.IsEmpty);

        JournalEntry entry = (await runtime.Journal.QueryAsync(new JournalQuery { Queue = "work" }, Cancel)).Items[0];
        Assert.Equal("shop-mail:sales@example.org", entry.Envelope.From?.ToString());
        Assert.Equal("<root@example.org>", entry.Envelope.Conversation);
        Assert.Equal("<two@example.org>", entry.Envelope.Header(HeaderNames.ChannelMessageId));
        Assert.Equal("<root@example.org> <one@example.org>", entry.Envelope.Header(HeaderNames.References));
        Assert.Equal("mail:bot@localhost:<two@example.org>", entry.Envelope.DedupKey);
    }

    private static async ValueTask<HandlerResult> Wait(TaskCompletionSource mayEnd)
    {
        await mayEnd.Task;
        return HandlerResult.Completed;
    }

    private static SourceStatus Status(MessageRuntime runtime) => runtime.Rooms.Sources.Status()["inbox"];

    private static string Checkpoint(MessageRuntime runtime) => Status(runtime).Checkpoint ?? "";

    private static string Port(int port) => string.Create(CultureInfo.InvariantCulture, $"sources.inbox.port={port}");

    private string OtherAuthority()
    {
        using System.Security.Cryptography.RSA key = System.Security.Cryptography.RSA.Create(2048);
        System.Security.Cryptography.X509Certificates.CertificateRequest request = new("CN=other", key, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.RSASignaturePadding.Pkcs1);
        File.WriteAllText(_folder.File("other.pem"), request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1)).ExportCertificatePem());
        return _folder.File("other.pem");
    }

    private static string Mail(string subject, string headers = "") => $"From: Ann <ann@example.org>\nTo: bot@example.test\nSubject: {subject}\n{(headers.Contains("Message-ID", StringComparison.Ordinal) ? "" : $"Message-ID: <{subject.Replace(' ', '-')}@example.org>\n")}{headers}\nText of {subject}\n";

    private Task<MessageRuntime> StartAsync(Func<MailMessage, ValueTask<HandlerResult>> handle, params string[] settings)
    {
        const string Source = "sources.inbox";
        return StartDurableAsync(
            _folder.Path,
            app => app
                .AddChannels()
                .AddQueue("work")
                .AddHandler<MailMessage>(
                    PayloadTypes.MailReceived,
                    PostroomJson.Default.MailMessage,
                    async (mail, _, _) =>
                    {
                        HandlerResult result = await handle(mail);
                        _handled.Enqueue(mail);
                        return result;
                    },
                    "work")
                .AddWorkers("work"),
            [
                $"{Source}.type=imap", $"{Source}.host=localhost", Port(Dovecot.Port), $"{Source}.security=auto", $"{Source}.username=bot", $"{Source}.password={RealMailServer.Password}",
                $"{Source}.caFile={Dovecot.CaFile}", $"{Source}.into=work", $"{Source}.pollInterval=1s", .. settings.Any(setting => setting.StartsWith($"{Source}.port", StringComparison.Ordinal)) ? Array.Empty<string>() : [$"{Source}.security=implicit"], .. settings,
            ]);
    }
}
