using Postroom.Mail;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>AC-59, ML-1, ML-2, ML-8: no credential leaves unless the connection is what the settings ask for.</summary>
public sealed class EmailSecurityTests : MailTest
{
    private const string Password = "canary-s3cret";

    [Theory]
    [InlineData(true, "PLAIN")]
    [InlineData(false, "PLAIN")]
    [InlineData(false, "LOGIN")]
    [InlineData(true, "XOAUTH2")]
    public async Task Ac59_Implicit_tls_and_starttls_deliver_with_each_login(bool isImplicit, string login)
    {
        FakeSmtpServer server = Serve(Locked with { ImplicitTls = isImplicit, Logins = [login] });
        EmailCommunicator communicator = await StartAsync(ConfigOf(server, isImplicit ? MailSecurity.Implicit : MailSecurity.StartTls, byToken: login == "XOAUTH2"));

        await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);

        FakeSmtpMail mail = Assert.Single(server.Mails);
        Assert.Equal((true, "bot@example.test"), (mail.Secure, mail.User));
        Assert.Empty(server.Violations);
    }

    [Fact]
    public async Task Em2_Auto_uses_starttls_where_it_is_offered_and_goes_without_where_nothing_is_at_stake()
    {
        FakeSmtpServer offering = Serve();
        FakeSmtpServer plain = Serve(new FakeSmtpOptions { StartTls = false });

        foreach (FakeSmtpServer server in new[] { offering, plain })
        {
            EmailCommunicator communicator = await StartAsync(ConfigOf(server));
            await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);
        }

        Assert.True(Assert.Single(offering.Mails).Secure);
        Assert.False(Assert.Single(plain.Mails).Secure);
    }

    [Fact]
    public async Task Ac59_A_server_without_starttls_gets_no_credential()
    {
        FakeSmtpServer server = Serve(Locked with { StartTls = false, LoginInTheOpen = true });

        DeliveryException failure = await StartFailsAsync(ConfigOf(server, MailSecurity.Auto));

        AssertNothingTold(server, failure);
        Assert.Contains("does not offer STARTTLS", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FakeCertificate.WrongName, true, "it is for another name")]
    [InlineData(FakeCertificate.Expired, true, "NotTimeValid")]
    [InlineData(FakeCertificate.SelfSigned, false, "UntrustedRoot")]
    [InlineData(FakeCertificate.WrongName, false, "it is for another name")]
    public async Task Ac59_F111_A_wrong_certificate_gets_no_credential(FakeCertificate certificate, bool isImplicit, string complaint)
    {
        FakeSmtpServer server = Serve(Locked with { ImplicitTls = isImplicit, Certificate = certificate });

        DeliveryException failure = await StartFailsAsync(ConfigOf(server, isImplicit ? MailSecurity.Implicit : MailSecurity.StartTls));

        AssertNothingTold(server, failure);
        Assert.Contains(complaint, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac59_A_certificate_of_an_authority_that_is_not_named_is_refused()
    {
        FakeSmtpServer server = Serve(Locked);

        DeliveryException failure = await StartFailsAsync(ConfigOf(server, MailSecurity.StartTls) with { CaFile = null });

        AssertNothingTold(server, failure);
    }

    [Fact]
    public async Task Ac59_Forged_bytes_before_the_handshake_end_the_connection()
    {
        FakeSmtpServer server = Serve(Locked).Next(FakeSmtpStep.StartTls, new FakeSmtpFault.Inject("250-forged\r\n250 AUTH PLAIN\r\n"));

        DeliveryException failure = await StartFailsAsync(ConfigOf(server, MailSecurity.StartTls));

        AssertNothingTold(server, failure);
        Assert.Contains("between STARTTLS and the handshake", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ml2_A_refused_starttls_is_not_passed_over()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.StartTls, new FakeSmtpFault.Answer("454 4.7.0 not now"));

        DeliveryException failure = await StartFailsAsync(ConfigOf(server));

        AssertNothingTold(server, failure);
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("LOGIN")]
    [InlineData("XOAUTH2")]
    public async Task Em7_A_refused_login_is_unauthorized_and_shows_no_secret(string login)
    {
        FakeSmtpServer server = Serve(Locked with { Logins = [login], Password = "other-canary" });

        // The fake's answer repeats what it was sent, as careless servers do.
        DeliveryException failure = await StartFailsAsync(ConfigOf(server, MailSecurity.StartTls, byToken: login == "XOAUTH2"));

        Assert.IsType<DeliveryFailure.Unauthorized>(failure.Failure);
        AssertNoSecret(failure);
        Assert.Contains("535 5.7.8", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith(". Check username and password, or accessToken.", failure.Message, StringComparison.Ordinal);
        Assert.Empty(server.Violations);
    }

    [Fact]
    public async Task No_common_login_is_unauthorized_and_names_what_there_is()
    {
        FakeSmtpServer server = Serve(Locked with { Logins = ["CRAM-MD5"] });

        DeliveryException failure = await StartFailsAsync(ConfigOf(server, MailSecurity.StartTls));

        Assert.IsType<DeliveryFailure.Unauthorized>(failure.Failure);
        Assert.Contains("offers CRAM-MD5", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_that_is_lost_shows_no_secret()
    {
        FakeSmtpServer server = Serve(Locked with { Logins = ["LOGIN"] }).Next(FakeSmtpStep.Auth, new FakeSmtpFault.Reset());

        AssertNoSecret(await StartFailsAsync(ConfigOf(server, MailSecurity.StartTls)));
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("LOGIN")]
    [InlineData("XOAUTH2")]
    public async Task A_server_that_repeats_the_login_instead_of_answering_it_has_nothing_of_it_shown(string login)
    {
        string secret = login switch
        {
            "PLAIN" => $"\0bot@example.test\0{Password}",
            "LOGIN" => Password,
            _ => $"user=bot@example.test\u0001auth=Bearer {Password}\u0001\u0001",
        };
        string echo = $"AUTH {login} {Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(secret))}";
        FakeSmtpServer server = Serve(Locked with { Logins = [login] }).Next(FakeSmtpStep.Auth, new FakeSmtpFault.Answer(echo));

        DeliveryException failure = await StartFailsAsync(ConfigOf(server, MailSecurity.StartTls, byToken: login == "XOAUTH2"));

        AssertNoSecret(failure);
        Assert.DoesNotContain(echo.Split(' ')[2], failure.ToString(), StringComparison.Ordinal);
        Assert.Contains("said something at the login that is not shown, which is no SMTP answer", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Credentials_never_go_unencrypted_to_another_machine()
    {
        EmailCommunicatorConfig config = new() { Host = "mail.example.org", FromAddress = "a@example.test", Username = "a", Password = new Secret(Password), Security = MailSecurity.None };

        Assert.Throws<ArgumentException>(() => Make(config));
    }

    private static FakeSmtpOptions Locked => new() { Username = "bot@example.test", Password = Password };

    private EmailCommunicatorConfig ConfigOf(FakeSmtpServer server, MailSecurity security, bool byToken = false) => ConfigOf(server) with
    {
        Username = "bot@example.test",
        Password = byToken ? null : new Secret(Password),
        AccessToken = byToken ? new Secret(Password) : null,
        Security = security,
    };

    private async Task<DeliveryException> StartFailsAsync(EmailCommunicatorConfig config)
    {
        EmailCommunicator communicator = Make(config);
        DeliveryException failure = await Assert.ThrowsAsync<DeliveryException>(() => communicator.StartAsync(Cancel));
        Assert.False(communicator.IsStarted);
        return failure;
    }

    private static void AssertNothingTold(FakeSmtpServer server, DeliveryException failure)
    {
        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), failure.Failure);
        Assert.DoesNotContain(server.Lines, line => line.Line.StartsWith("AUTH", StringComparison.Ordinal) || line.Line.StartsWith("MAIL", StringComparison.Ordinal) || line.Line == "***");
        Assert.Empty(server.Mails);
        AssertNoSecret(failure);
    }

    private static void AssertNoSecret(Exception failure)
    {
        string text = failure.ToString();
        Assert.DoesNotContain(Password, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(Password)), text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"\0bot@example.test\0{Password}")), text, StringComparison.Ordinal);
    }
}
