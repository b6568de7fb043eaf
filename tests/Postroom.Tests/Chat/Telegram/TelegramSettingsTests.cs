using Postroom.Chat;
using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>TG-1: the settings of a bot.</summary>
public sealed class TelegramSettingsTests
{
    private const string Token = "987654321:AAFake-Token_canary-6789";
    private static readonly SettingOrigin Origin = new("test");

    [Fact]
    public void A_token_is_enough()
    {
        (TelegramCommunicatorConfig config, ConfigurationProblem[] problems) = Read(("token", Value(Token)));

        Assert.Empty(problems);
        Assert.Equal("shop", config.Labels[0]);
        Assert.Equal(new Uri("https://api.telegram.org"), config.BaseUrl);
        Assert.Equal((false, TelegramAcceptance.Configured, TelegramUpdateMode.Polling, TextFormat.Text, false), (config.ListenToCommands, config.AcceptFrom, config.Updates, config.Format, config.TakeOver));
        Assert.Equal(Token, config.Token.Reveal());
        Assert.DoesNotContain(Token, config.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Ac55_settings_of_mtproto_load_and_give_one_notice()
    {
        (TelegramCommunicatorConfig config, ConfigurationProblem[] problems) = Read(
            ("token", Value(Token)),
            ("api_id", Value("12345")),
            ("api_hash", Value("canary-hash")),
            ("session_string", Value("canary-session")),
            ("listen_to_commands", Value("true")),
            ("chats", Map(("operators", Map(("chat_id", Value("-1001234567890")), ("topic_id", Value("7")), ("command_authorized", Value("true")), ("active", Value("false")))))));

        ConfigurationProblem notice = Assert.Single(problems);
        Assert.True(notice.IsNotice);
        Assert.Equal("chat: apiId, apiHash, sessionString of MTProto are accepted and not used; the HTTP Bot API needs the token alone.", notice.Message);
        Assert.True(config.ListenToCommands);
        Assert.Equal(new TelegramChatConfig { ChatId = "-1001234567890", TopicId = 7, CommandAuthorized = true, Active = false }, config.Chats["operators"]);
        Assert.DoesNotContain("canary", config.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("token", "canary token", "chat.token is no bot token")]
    [InlineData("token", "", "chat.token is missing. Write the token")]
    [InlineData("apiId", "canary", "chat.apiId is no number.")]
    [InlineData("baseUrl", "ftp://x", "chat.baseUrl is no address")]
    [InlineData("baseUrl", "https://user:canary@x", "chat.baseUrl is no address")]
    [InlineData("secretToken", "canary token", "chat.secretToken has characters")]
    [InlineData("acceptFrom", "friends", "chat.acceptFrom is 'friends', which is none of configured, anyone.")]
    [InlineData("tokn", "x", "Unknown setting 'chat.tokn'. Did you mean 'token'?")]
    public void A_wrong_setting_is_named_with_its_remedy_and_without_its_secret(string name, string value, string problem)
    {
        (_, ConfigurationProblem[] problems) = name == "token" ? Read((name, Value(value))) : Read(("token", Value(Token)), (name, Value(value)));

        ConfigurationProblem error = Assert.Single(problems, found => !found.IsNotice);
        Assert.StartsWith(problem, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", string.Concat(problems.Select(found => found.Message)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_webhook_needs_an_address_and_a_chat_a_number()
    {
        (_, ConfigurationProblem[] problems) = Read(
            ("token", Value(Token)),
            ("listenToCommands", Value("true")),
            ("updates", Value("webhook")),
            ("chats", Map(("a", Map(("chatId", Value(" ")))), ("b", Map(("chatId", Value("bob")))), ("c", Map(("chatId", Value("@bob_1")))))));

        Assert.Equal(["chat.chats.a.chatId", "chat.chats.b.chatId", "chat.publicUrl"], problems.Select(problem => problem.Key).Order(StringComparer.Ordinal));
    }

    private static SettingValue Value(string text) => new(text, Origin);

    private static SettingMap Map(params (string Name, SettingNode Node)[] entries) => new([.. entries.Select(entry => KeyValuePair.Create(entry.Name, entry.Node))], Origin);

    private static (TelegramCommunicatorConfig Config, ConfigurationProblem[] Problems) Read(params (string Name, SettingNode Node)[] entries)
    {
        List<ConfigurationProblem> problems = [];
        CommunicatorBackendConfig common = new() { Type = "telegram", Labels = ["shop"] };
        TelegramCommunicatorConfig config = SectionReader.Bind(Map(entries), "chat", reader => TelegramCommunicatorConfig.Read(common, reader), problems);
        return (config, [.. problems]);
    }
}
