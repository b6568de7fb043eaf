using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>What doctor hears of mail servers, mailboxes and folders (CL-3): logins are tried, and nothing is sent or marked.</summary>
public sealed class MailConnectionTests : MailTest
{
    [Fact]
    public async Task Cl3_A_mail_server_is_logged_in_to_and_left_without_a_mail()
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { Username = "bot", Password = "secret-canary" });
        EmailCommunicatorConfig config = ConfigOf(server) with { Username = "bot", Password = new Secret("secret-canary") };

        string good = await Make(config).CheckConnectionAsync(Cancel);
        string wrong = await FailAsync(Make(config with { Password = new Secret("wrong-canary") }));
        string open = await Make(ConfigOf(Serve())).CheckConnectionAsync(Cancel);
        server.IsUp = false;
        string down = await FailAsync(Make(config));

        Assert.Matches("^TLS 1.[23], signed in as bot$", good);
        Assert.Matches("^TLS 1.[23], without a login$", open);
        Assert.Contains("Check username and password", wrong, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", wrong, StringComparison.Ordinal);
        Assert.Contains("Check host and port", down, StringComparison.Ordinal);
        Assert.Empty(server.Mails);
        Assert.DoesNotContain(server.Lines, line => line.Line.StartsWith("MAIL", StringComparison.OrdinalIgnoreCase));
        Assert.Contains(server.Lines, line => line.Line == "QUIT");
    }

    [Fact]
    public async Task Cl3_A_mailbox_is_examined_and_no_mail_of_it_is_touched()
    {
        await using FakeImapServer server = new();
        ImapSourceConfig config = Account(server);

        string good = await new ImapSource("inbox", config).CheckConnectionAsync(Cancel);
        string wrong = await FailAsync(new ImapSource("inbox", config with { Password = new Secret("wrong-canary") }));
        string missing = await FailAsync(new ImapSource("inbox", config with { Mailbox = "Nowhere" }));

        Assert.Matches("^TLS 1.[23], signed in as bot, 0 messages in INBOX$", good);
        Assert.Contains("Check username and password", wrong, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", wrong, StringComparison.Ordinal);
        Assert.Contains("Set sources.inbox.mailbox", missing, StringComparison.Ordinal);
        Assert.Equal((0, 0, 0), (server.Count("SELECT"), server.Count("UID STORE"), server.Count("UID FETCH")));
        Assert.Equal(2, server.Count("EXAMINE"));
        Assert.True(server.Count("LOGOUT") >= 2);
        Assert.Empty(server.Violations);
        server.IsUp = false;
        Assert.Contains("Check host and port", await FailAsync(new ImapSource("inbox", config)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FakeCertificate.WrongName, "it is for another name")]
    [InlineData(FakeCertificate.SelfSigned, "UntrustedRoot")]
    [InlineData(FakeCertificate.Expired, "NotTimeValid")]
    public async Task Cl3_A_certificate_that_is_refused_is_told_before_a_credential_is_sent(FakeCertificate certificate, string why)
    {
        FakeSmtpServer smtp = Serve(new FakeSmtpOptions { Certificate = certificate, Username = "bot", Password = "secret-canary" });
        await using FakeImapServer imap = new(new FakeImapOptions { Certificate = certificate });

        string mail = await FailAsync(Make(ConfigOf(smtp) with { Username = "bot", Password = new Secret("secret-canary") }));
        string mailbox = await FailAsync(new ImapSource("inbox", Account(imap)));

        Assert.All([mail, mailbox], text =>
        {
            Assert.Contains(why, text, StringComparison.Ordinal);
            Assert.Contains("caFile", text, StringComparison.Ordinal);
        });
        Assert.DoesNotContain(smtp.Lines, line => line.Line.StartsWith("AUTH", StringComparison.OrdinalIgnoreCase));
        Assert.Equal(0, imap.Count("AUTHENTICATE") + imap.Count("LOGIN"));
    }

    [Fact]
    public async Task Cl3_Servers_that_say_nothing_are_let_go_of_when_the_time_is_over()
    {
        FakeSmtpServer smtp = Serve().Next(FakeSmtpStep.Greeting, new FakeSmtpFault.Silence());
        await using FakeImapServer imap = new FakeImapServer().Next(FakeImapStep.Greeting, new FakeImapFault.Silence());
        foreach (IConnectionCheck one in (IConnectionCheck[])[Make(ConfigOf(smtp)), new ImapSource("inbox", Account(imap))])
        {
            using CancellationTokenSource limit = new(TimeSpan.FromMilliseconds(100));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one.CheckConnectionAsync(limit.Token).AsTask());
        }
    }

    [Fact]
    public async Task Cl3_Folders_are_looked_at_and_left_as_they_are()
    {
        using TempFolder place = new();
        string maildir = place.File("maildir");
        string drop = place.File("drop");
        IConnectionCheck[] all =
        [
            new MaildirSource("mails", new MaildirSourceConfig { Path = maildir }),
            new DropFolderSource("files", new DropFolderSourceConfig { Path = drop }),
        ];
        string[] missing = [await FailAsync(all[0]), await FailAsync(all[1])];
        Directory.CreateDirectory(Path.Combine(maildir, "new"));
        Directory.CreateDirectory(drop);
        await File.WriteAllTextAsync(Path.Combine(drop, "a.csv"), "1", Cancel);
        string[] before = Directory.GetFileSystemEntries(place.Path, "*", SearchOption.AllDirectories);

        string mails = await all[0].CheckConnectionAsync(Cancel);
        string files = await all[1].CheckConnectionAsync(Cancel);
        string written = await new MaildropCommunicator("drop", new MaildropCommunicatorConfig { Path = place.File("sent"), FromAddress = "bot@example.test" }).CheckConnectionAsync(Cancel);

        Assert.Contains("sources.mails.path", missing[0], StringComparison.Ordinal);
        Assert.Contains("sources.files.path", missing[1], StringComparison.Ordinal);
        Assert.Equal($"'{Path.Combine(maildir, "new")}' can be read and its files moved, 0 files in it", mails);
        Assert.Equal($"'{drop}' can be read and its files moved, 1 file in it", files);
        Assert.Equal($"mails can be written to '{place.File("sent")}'", written);
        Assert.Equal(before, Directory.GetFileSystemEntries(place.Path, "*", SearchOption.AllDirectories));
        string taken = await FailAsync(new MaildropCommunicator("drop", new MaildropCommunicatorConfig { Path = Path.Combine(drop, "a.csv", "in"), FromAddress = "bot@example.test" }));
        Assert.Contains("communications.backends.drop.path", taken, StringComparison.Ordinal);
    }

    private ImapSourceConfig Account(FakeImapServer server) => new()
    {
        Host = FakeImapServer.Host,
        Port = server.Port,
        Security = MailSecurity.StartTls,
        CaFile = CaFile,
        Username = server.Options.Username,
        Password = new Secret(server.Options.Password),
    };

    private static async Task<string> FailAsync(IConnectionCheck check) => (await Assert.ThrowsAnyAsync<Exception>(() => check.CheckConnectionAsync(Cancel).AsTask())).Message;
}
