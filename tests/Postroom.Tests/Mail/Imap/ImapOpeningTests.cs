using Postroom.Mail;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Mail.Imap.ImapBench;

namespace Postroom.Tests.Mail.Imap;

/// <summary>The way in: what is sent before a connection is safe, and what of it (ML-1 to ML-3, ML-7).</summary>
public sealed class ImapOpeningTests
{
    [Fact]
    public async Task ML_2_nothing_secret_leaves_where_starttls_is_stripped_refused_or_forged()
    {
        await LeaksNothingAsync(new FakeImapOptions { StartTls = false }, "does not offer STARTTLS");
        await LeaksNothingAsync(new FakeImapOptions { StartTls = false, LoginInTheOpen = true }, "does not offer STARTTLS");
        await LeaksNothingAsync(new FakeImapOptions { LoginInTheOpen = true }, "offers STARTTLS and refuses it", server => server.Next(FakeImapStep.StartTls, new FakeImapFault.Refuse("NO not now")));
        await LeaksNothingAsync(new FakeImapOptions { LoginInTheOpen = true }, "between STARTTLS and the handshake", server => server.Next(FakeImapStep.StartTls, new FakeImapFault.Inject("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")));
        await LeaksNothingAsync(new FakeImapOptions { LoginInTheOpen = true, PreAuthenticated = true }, "as one that is logged in already");
        await LeaksNothingAsync(new FakeImapOptions { LoginInTheOpen = true }, "TLS with localhost failed", server => server.Next(FakeImapStep.StartTls, new FakeImapFault.Say("{tag} OK go on\r\n{garbage}\r\n")), mayBeOther: true);
    }

    [Theory]
    [InlineData(FakeCertificate.WrongName)]
    [InlineData(FakeCertificate.Expired)]
    [InlineData(FakeCertificate.SelfSigned)]
    public async Task ML_1_a_certificate_that_is_not_right_ends_the_connection(FakeCertificate certificate)
    {
        await LeaksNothingAsync(new FakeImapOptions { Certificate = certificate }, "certificate of localhost is refused");
        await LeaksNothingAsync(new FakeImapOptions { Certificate = certificate, ImplicitTls = true }, "certificate of localhost is refused");
    }

    [Fact]
    public async Task ML_2_what_was_said_before_the_handshake_is_forgotten()
    {
        // An attacker offers a way to log in that the server does not have.
        await using ImapBench bench = new(new FakeImapOptions { Logins = [], Capabilities = [] });
        bench.Server.Next(FakeImapStep.Capability, new FakeImapFault.First("* CAPABILITY AUTH=PLAIN SASL-IR LITERAL+"));

        await using ImapConnection connection = await bench.OpenAsync();

        Assert.Equal(2, bench.Server.Count("CAPABILITY") - 1); // before and after the handshake, and after the login
        Assert.Contains(new FakeImapLine(1, "LOGIN ***", Secure: true), bench.Server.Lines);
        bench.Correct();
    }

    [Theory]
    [InlineData(true, "IDLE,LITERAL+,SASL-IR,ID,ENABLE,UTF8=ACCEPT", "PLAIN")]
    [InlineData(false, "IDLE", "PLAIN")]
    [InlineData(true, "IDLE", "")]
    [InlineData(true, "LITERAL+", "")]
    [InlineData(false, "SASL-IR", "XOAUTH2")]
    [InlineData(false, "", "XOAUTH2")]
    public async Task ML_3_every_way_to_log_in_works_with_any_password_and_a_refusal_shows_none_of_it(bool login, string capabilities, string ways)
    {
        const string Password = "p\u00E4ss \"w\\rd\"";
        FakeImapOptions options = new() { LoginCommand = login, Password = Password, Capabilities = Words(capabilities), Logins = Words(ways) };
        await using ImapBench bench = new(options, config => Credentials(config, Password));
        await using (await bench.OpenAsync())
        {
            Assert.All(bench.Server.Lines, line => Assert.DoesNotContain(Password, line.Line, StringComparison.Ordinal));
        }

        bench.Config = Credentials(bench.Config, "another-canary");
        ImapLoginException refused = await Assert.ThrowsAsync<ImapLoginException>(bench.OpenAsync);

        Assert.Contains("refused the login of 'bot' (AUTHENTICATIONFAILED)", refused.Message, StringComparison.Ordinal);
        Assert.Contains("(it repeats the credentials)", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("another-canary", refused.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("another-canary"u8)[..12], refused.ToString(), StringComparison.Ordinal);
        bench.Correct();

        ImapSourceConfig Credentials(ImapSourceConfig config, string password) =>
            ways == "XOAUTH2" ? config with { Password = null, AccessToken = new Secret(password) } : config with { Password = new Secret(password) };
    }

    [Fact]
    public async Task ML_3_LOGINDISABLED_is_honoured_and_a_way_that_is_not_offered_is_not_tried()
    {
        await LeaksNothingAsync(new FakeImapOptions { LoginCommand = false, Logins = ["XOAUTH2"] }, "LOGINDISABLED");
        await using ImapBench bench = new(new FakeImapOptions { Logins = ["PLAIN"] }, config => config with { Password = null, AccessToken = new Secret("token-canary") });

        ImapLoginException refused = await Assert.ThrowsAsync<ImapLoginException>(bench.OpenAsync);

        Assert.Contains("does not offer XOAUTH2", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, bench.Server.Count("AUTHENTICATE"));
        bench.Correct();
    }

    [Theory]
    [InlineData("UNAVAILABLE", false)]
    [InlineData("INUSE", false)]
    [InlineData("AUTHENTICATIONFAILED", true)]
    [InlineData("EXPIRED", true)]
    [InlineData("OVERQUOTA", false)]
    public async Task ML_7_a_server_that_takes_no_login_for_now_is_no_refusal_of_the_credentials(string code, bool refusesCredentials)
    {
        await using ImapBench bench = new();
        bench.Server.Next(FakeImapStep.Login, new FakeImapFault.Refuse($"NO [{code}] sorry"));

        Exception e = await bench.FailAsync();

        Assert.Equal(refusesCredentials, e is OriginRefusedException);
        Assert.Contains(code, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("NO [ALERT] Too many simultaneous connections. (Failure)", false)] // Gmail
    [InlineData("NO [ALERT] Invalid credentials (Failure)", true)] // Gmail
    [InlineData("NO [ALERT] Please log in via your web browser: https://support.example (Failure)", true)] // Gmail
    [InlineData("NO [ALERT] Application-specific password required", true)] // Gmail
    [InlineData("NO [WEBALERT https://accounts.example] Web login required.", true)] // Gmail
    [InlineData("NO Temporary authentication failure.", false)] // Dovecot before 2.1
    [InlineData("NO Server error - Please try again later", false)] // Yahoo
    [InlineData("NO LOGIN failed.", true)] // Exchange
    [InlineData("NO Wrong password, please try again", true)]
    [InlineData("NO Too many login failures, try again later", true)] // Soon again would lock the account for longer.
    [InlineData("NO Account temporarily locked: too many failed logins", true)]
    [InlineData("NO [ALERT] Your account is temporarily locked", true)]
    [InlineData("NO [ALERT] Your account has been temporarily locked due to suspicious activity", true)]
    [InlineData("NO The user bot is locked, try again later", true)]
    [InlineData("NO Temporarily locked, try again in 15 minutes", true)]
    [InlineData("NO You are locked out for 30 minutes, please try later", true)]
    [InlineData("NO The mailbox of the user is locked by another session, try again later", false)]
    [InlineData("NO Temporary failure: mailbox is locked", false)]
    [InlineData("NO Temporarily refused after 10 login failures", true)]
    [InlineData("NO [AUTHENTICATIONFAILED] service temporarily unavailable", true)] // The code is the word that counts.
    public async Task ML_7_SR_5_a_refusal_without_a_code_that_decides_is_of_the_time_or_of_the_credentials_by_its_words(string answer, bool refusesCredentials)
    {
        await using ImapBench bench = new();
        bench.Server.Next(FakeImapStep.Login, new FakeImapFault.Refuse(answer));

        Exception e = await bench.FailAsync();

        Assert.Equal((refusesCredentials, !refusesCredentials), (e is OriginRefusedException, e is ImapConnectionException));
    }

    [Fact]
    public async Task A_server_that_shows_the_credentials_as_it_goes_is_not_quoted()
    {
        await using ImapBench bench = new();
        bench.Server.Next(FakeImapStep.Login, new FakeImapFault.Bye($"no {Convert.ToBase64String("\0bot\0secret-canary"u8)} here"), new FakeImapFault.Say("what is secret-canary\r\n"));

        Exception goodbye = await bench.FailAsync();
        Exception garbage = await Assert.ThrowsAsync<ImapConnectionException>(bench.OpenAsync);

        Assert.Equal($"localhost:{bench.Server.Port} ended the connection within the login.", goodbye.Message);
        Assert.DoesNotContain("canary", garbage.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("* BYE too many connections\r\n", "does not take the connection: BYE too many connections")]
    [InlineData("* NO\r\n", "does not take the connection: NO")]
    [InlineData("A1 OK\r\n", "does not take the connection")]
    [InlineData("220 mail ESMTP\r\n", "which is no IMAP answer")]
    public async Task ML_7_a_greeting_that_is_none_is_a_broken_connection(string greeting, string message)
    {
        await using ImapBench bench = new();
        bench.Server.Next(FakeImapStep.Greeting, new FakeImapFault.Say(greeting));

        Assert.Contains(message, (await Assert.ThrowsAsync<ImapConnectionException>(bench.OpenAsync)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ML_4_mailbox_names_are_UTF_8_only_where_the_server_grants_it(bool grants)
    {
        await using ImapBench bench = new();
        FakeImapMailbox orders = bench.Server.Add(grants ? "Bestellungen \u00FC" : "Bestellungen &APw-");
        if (!grants)
        {
            bench.Server.Next(FakeImapStep.Enable, new FakeImapFault.Say("{tag} OK nothing enabled\r\n"));
        }

        uint uid = bench.Inbox.Deliver(Letter("one"));
        await using ImapConnection connection = await bench.OpenAsync();
        await connection.SelectAsync("INBOX", readOnly: false, Cancel);
        await connection.CopyAsync([uid], "Bestellungen \u00FC", Cancel);
        await connection.MoveAsync([uid], "Bestellungen \u00FC", Cancel);

        Assert.Contains("Bestellungen \u00FC", await connection.ListAsync("*", Cancel));
        Assert.Equal((0, 2), (bench.Inbox.Uids.Count, orders.Uids.Count));
        Assert.Equal("NONEXISTENT", (await Assert.ThrowsAsync<ImapCommandException>(() => connection.SelectAsync("Other", readOnly: true, Cancel).AsTask())).Code);
        await connection.LogoutAsync();
        bench.Correct();
    }

    [Fact]
    public async Task ML_4_the_conversation_of_an_old_server_without_extensions_is_held()
    {
        FakeImapOptions options = new()
        {
            ImplicitTls = true,
            Script =
            [
                "S: * OK [CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT QUOTA] Courier-IMAP ready.",
                "C: CAPABILITY", "S: * CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE", "S: {tag} OK CAPABILITY completed",
                "C: LOGIN \"bot\" \"secret-canary\"", "S: {tag} OK LOGIN Ok.",
                "C: CAPABILITY", "S: * CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE", "S: {tag} OK CAPABILITY completed",
                "C: SELECT \"INBOX\"", @"S: * FLAGS ($ProcessingFailed \Draft \Answered \Flagged \Deleted \Seen \Recent)", "S: * 1 EXISTS", "S: * 1 RECENT",
                "S: * OK [UIDVALIDITY 1] Ok", @"S: * OK [PERMANENTFLAGS ($ProcessingFailed \* \Draft \Answered \Flagged \Deleted \Seen)] Limited", "S: {tag} OK [READ-WRITE] Ok",
                "C: UID SEARCH UNSEEN UNKEYWORD $ProcessingFailed", "S: * SEARCH 7", "S: * OK [ALERT] The disk is nearly full", "S: {tag} OK SEARCH done.",
                "C: UID FETCH 7 (UID INTERNALDATE RFC822.SIZE)", "S: * 1 FETCH (UID 7 INTERNALDATE \" 3-Nov-2025 10:02:00 +0100\" RFC822.SIZE 20)", "S: {tag} OK FETCH completed.",
                "C: UID FETCH 7 (UID BODY.PEEK[])", "S: * 1 FETCH (UID 7 BODY[] {20}", "S: Subject: old", "S: ", "S: hi", "S: )", @"S: * 1 FETCH (FLAGS (\Recent))", "S: {tag} OK FETCH completed.",
            ],
        };
        await using ImapBench bench = new(options);

        _ = bench.Start();
        await bench.TakenAsync(1);

        Assert.Equal(["old"], bench.Subjects);
        bench.Correct();
    }

    private static string[] Words(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries);

    private static async Task LeaksNothingAsync(FakeImapOptions options, string why, Action<FakeImapServer>? prepare = null, bool mayBeOther = false)
    {
        await using ImapBench bench = new(options);
        prepare?.Invoke(bench.Server);

        Exception e = (await Record.ExceptionAsync(bench.OpenAsync))!;

        Assert.True(e is ImapConnectionException or ImapLoginException, e.ToString());
        Assert.True(mayBeOther || e.Message.Contains(why, StringComparison.Ordinal), $"'{e.Message}' does not say '{why}'.");
        Assert.DoesNotContain(bench.Server.Lines, line => line.Line.StartsWith("LOGIN", StringComparison.Ordinal) || line.Line.StartsWith("AUTHENTICATE", StringComparison.Ordinal));
        bench.Correct();
    }
}
