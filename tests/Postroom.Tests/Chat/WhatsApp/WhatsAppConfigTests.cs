using Postroom.Chat;
using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-1: the settings and what is said about wrong ones.</summary>
public sealed class WhatsAppConfigTests
{
    [Fact]
    public void Without_settings_it_is_the_bridge_of_this_machine_and_sends_again_what_is_uncertain()
    {
        WhatsAppCommunicatorConfig config = Read([], out IReadOnlyList<string> problems);

        Assert.Empty(problems);
        Assert.Equal((WhatsAppClientKind.Web, "http://localhost:3001", TimeSpan.FromSeconds(30)), (config.Client, config.BridgeUrl, config.RequestTimeout));
        Assert.Equal((UncertainPolicy.Retry, null), (config.Uncertain!.Value, config.AskTimeout));
    }

    [Fact]
    public void Wa5_the_cloud_api_is_asked_for_ten_minutes()
    {
        WhatsAppCommunicatorConfig config = Read(Cloud, out IReadOnlyList<string> problems);

        Assert.Empty(problems);
        Assert.Equal("https://graph.facebook.com/v24.0", config.GraphUrl);
        Assert.Equal((UncertainPolicy.Ask, TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(15)), (config.Uncertain!.Value, config.AskTimeout!.Value, config.RequestTimeout));
        Assert.Equal(["default", "vip"], config.Labels);
    }

    [Fact]
    public void Wa1_every_missing_setting_of_the_cloud_api_is_named_at_once()
    {
        Read([("client", "business_api")], out IReadOnlyList<string> problems);

        Assert.Equal(
            ["wa.accessToken is missing", "wa.phoneNumberId is missing", "wa.appSecret is missing", "wa.verifyToken is missing"],
            problems.Select(problem => problem.Split(',')[0]));
    }

    [Theory]
    [InlineData("client", "sms", "wa.client is 'sms', which is none of web, businessApi.")]
    [InlineData("bridgeUrl", "http://user:canary@host", "wa.bridgeUrl is no address such as http://localhost:3001.")]
    [InlineData("messagesPerSecond", "0", "wa.messagesPerSecond is '0'; it must be 1 to 1000.")]
    [InlineData("graphUrl", "graph.facebook.com", "wa.graphUrl is no address such as https://graph.facebook.com/v24.0.")]
    [InlineData("bridgeToken", "canary\nX-Evil: 1", "wa.bridgeToken has a blank, a line end or a letter outside ASCII")]
    [InlineData("timeout", "1h", "wa.timeout is '1h'; it must be 100ms to 5m.")]
    [InlineData("phoneNumberid", "1", "")]
    [InlineData("colour", "blue", "Unknown setting 'wa.colour'.")]
    public void A_wrong_setting_is_named_with_its_remedy_and_never_shows_a_secret(string name, string value, string problem)
    {
        Read([(name, value)], out IReadOnlyList<string> problems);

        Assert.Equal(problem.Length == 0 ? 0 : 1, problems.Count);
        Assert.All(problems, text => Assert.StartsWith(problem, text, StringComparison.Ordinal));
        Assert.All(problems, text => Assert.DoesNotContain("canary", text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("+49 (170) 123-45.67", "491701234567")]
    [InlineData("491701234567@c.us", "491701234567")]
    [InlineData("491701234567@s.whatsapp.net", "491701234567")]
    [InlineData("12345", "12345")]
    [InlineData("1234", null)]
    [InlineData("12345@g.us", null)]
    [InlineData("1234+5", null)]
    [InlineData("call me", null)]
    [InlineData("", null)]
    public void En10_a_number_is_its_digits_in_whatever_form_it_came(string text, string? digits)
    {
        bool read = PhoneNumber.TryParse(text, out PhoneNumber? number);

        Assert.Equal((digits is not null, digits), (read, number?.Digits));
    }

    [Fact]
    public void A_number_that_is_none_and_a_template_of_a_wrong_name_are_refused()
    {
        SettingMap chat = Map([("number", "abc")]);
        SettingMap template = Map([("name", "Two Words")]);
        List<ConfigurationProblem> problems = [];

        SectionReader.Bind(new SettingMap([new("chats", new SettingMap([new("vip", chat)], SettingOrigin.Defaults)), new("fallbackTemplate", template)], SettingOrigin.Defaults), "wa", Read, problems);

        Assert.Equal(2, problems.Count);
        Assert.StartsWith("wa.chats.vip.number is 'abc', which is no phone number.", problems[0].Message, StringComparison.Ordinal);
        Assert.StartsWith("wa.fallbackTemplate.name is 'Two Words'; it must be 1 to 512 lower-case letters", problems[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Printed_settings_show_no_secret()
    {
        WhatsAppCommunicatorConfig config = Read([.. Cloud, ("bridgeToken", "canary-5")], out _);

        Assert.DoesNotContain("canary", config.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_made_from_its_settings_and_refuses_those_of_another_type()
    {
        Assert.IsType<WhatsAppCommunicator>(WhatsAppCommunicator.Create("wa", Read(Cloud, out _), new NoServices()));
        ArgumentException refused = Assert.Throws<ArgumentException>(() => WhatsAppCommunicator.Create("wa", new CommunicatorBackendConfig { Type = "whatsapp" }, new NoServices()));
        Assert.Contains("RegisterBackend(\"whatsapp\", WhatsAppCommunicator.Create, WhatsAppCommunicatorConfig.Read)", refused.Message, StringComparison.Ordinal);
    }

    private static (string, string)[] Cloud =>
        [("client", "business_api"), ("accessToken", "canary-1"), ("phoneNumberId", "106540352242922"), ("appSecret", "canary-2"), ("verifyToken", "canary-3")];

    private static WhatsAppCommunicatorConfig Read((string Name, string Value)[] settings, out IReadOnlyList<string> problems)
    {
        List<ConfigurationProblem> found = [];
        WhatsAppCommunicatorConfig config = SectionReader.Bind(Map(settings), "wa", Read, found);
        problems = [.. found.Select(problem => problem.Message)];
        return config;
    }

    private static WhatsAppCommunicatorConfig Read(SectionReader reader) =>
        WhatsAppCommunicatorConfig.Read(new CommunicatorBackendConfig { Type = "whatsapp", Labels = ["default", "vip"] }, reader);

    private static SettingMap Map((string Name, string Value)[] settings) =>
        new([.. settings.Select(setting => new KeyValuePair<string, SettingNode>(setting.Name, new SettingValue(setting.Value, SettingOrigin.Defaults)))], SettingOrigin.Defaults);

    private sealed class NoServices : IServiceProvider
    {
        public object? GetService(Type serviceType) => null;
    }
}
