using Postroom.Configuration;
using Postroom.Mail;
using Xunit;

namespace Postroom.Tests.Mail;

public sealed class MailConfigTests
{
    [Fact]
    public void Em1_Settings_have_their_defaults()
    {
        (EmailCommunicatorConfig config, IReadOnlyList<ConfigurationProblem> problems) = Read(("fromAddress", "bot@example.test"));

        Assert.Empty(problems);
        Assert.Equal(("localhost", 587, "", MailSecurity.Auto, 100), (config.Host, config.Port, config.Username, config.Security, config.MaxRecipients));
        Assert.Equal((TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60)), (config.Timeout, config.KeepAlive));
        Assert.Equal(("ops", "email"), (Assert.Single(config.Labels), config.Type));
        Assert.Null(config.Password);
    }

    [Theory]
    [InlineData("465", "true", null, "implicit")]
    [InlineData("587", "true", null, "auto")]
    [InlineData("25", "true", "false", "auto")]
    [InlineData("587", null, "true", "starttls")]
    [InlineData("465", "false", "true", "starttls")]
    [InlineData("2525", "false", "false", "none")]
    [InlineData("2525", "false", null, "none")]
    public void Em2_One_notice_says_what_the_flags_of_old_were_taken_to_mean(string port, string? useTls, string? startTls, string meaning)
    {
        (EmailCommunicatorConfig config, IReadOnlyList<ConfigurationProblem> problems) = Read(("fromAddress", "bot@example.test"), ("port", port), ("useTls", useTls), ("startTls", startTls));

        ConfigurationProblem notice = Assert.Single(problems);
        Assert.True(notice.IsNotice);
        Assert.Contains($"security: {meaning}.", notice.Message, StringComparison.Ordinal);
        Assert.Equal(meaning, config.Security.ToString().ToLowerInvariant());
    }

    [Fact]
    public void Em2_The_flags_are_not_read_beside_security()
    {
        (EmailCommunicatorConfig config, IReadOnlyList<ConfigurationProblem> problems) = Read(("fromAddress", "bot@example.test"), ("security", "implicit"), ("useTls", "false"));

        Assert.Equal(MailSecurity.Implicit, config.Security);
        Assert.Contains("not read because security is set (implicit)", Assert.Single(problems).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mail.example.org", 1)]
    [InlineData("127.0.0.1", 0)]
    [InlineData("::1", 0)]
    [InlineData("localhost", 0)]
    public void Em2_No_encryption_with_credentials_is_only_for_this_machine(string host, int errors)
    {
        (_, IReadOnlyList<ConfigurationProblem> problems) = Read(("fromAddress", "bot@example.test"), ("host", host), ("security", "none"), ("username", "bot"), ("password", "canary-77"));

        Assert.Equal(errors, problems.Count(problem => !problem.IsNotice));
        Assert.DoesNotContain(problems, problem => problem.Message.Contains("canary", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_problem_is_told_at_once_with_its_path()
    {
        (_, IReadOnlyList<ConfigurationProblem> problems) = Read(
            ("fromAddress", "not an address"), ("replyTo", "a@b@"), ("defaultRecipients", "\"x y\"@example.test"), ("host", "https://mail.example.org"), ("heloName", "two words"),
            ("caFile", "/nowhere/ca.pem"), ("port", "0"), ("maxRecipients", "0"), ("keepAlive", "2h"), ("password", "a\0b"), ("securty", "auto"));

        string[] paths = [.. problems.Where(problem => !problem.IsNotice).Select(problem => problem.Key.Replace("communications.backends.mail.", "", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.Equal(["caFile", "defaultRecipients", "fromAddress", "heloName", "host", "keepAlive", "maxRecipients", "password", "port", "replyTo", "securty"], paths);
    }

    [Fact]
    public void A_missing_sender_is_one_error()
    {
        Assert.Contains("fromAddress is missing", Assert.Single(Read().Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_a_login_is_a_notice()
    {
        Assert.Contains("does not log in", Assert.Single(Read(("fromAddress", "bot@example.test"), ("username", "bot")).Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_secret_is_printed()
    {
        (EmailCommunicatorConfig config, _) = Read(("fromAddress", "bot@example.test"), ("username", "bot"), ("password", "canary-77"), ("accessToken", "canary-78"));

        Assert.DoesNotContain("canary", config.ToString(), StringComparison.Ordinal);
        Assert.True(config.HasLogin);
    }

    private static (EmailCommunicatorConfig Config, IReadOnlyList<ConfigurationProblem> Problems) Read(params (string Name, string? Text)[] settings)
    {
        List<ConfigurationProblem> problems = [];
        SettingMap map = new([.. settings.Where(setting => setting.Text is not null).Select(setting => KeyValuePair.Create<string, SettingNode>(setting.Name, new SettingValue(setting.Text, SettingOrigin.Defaults)))], SettingOrigin.Defaults);
        CommunicatorBackendConfig common = new() { Type = "email", Labels = ["ops"] };
        return (SectionReader.Bind(map, "communications.backends.mail", reader => EmailCommunicatorConfig.Read(common, reader), problems), problems);
    }
}
