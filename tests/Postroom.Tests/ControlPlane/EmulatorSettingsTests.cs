using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>The settings of a web chat.</summary>
public sealed class EmulatorSettingsTests
{
    private const string Chat = "communications.backends.chat";

    [Theory]
    [InlineData("channel=signal", "channel is 'signal'")]
    [InlineData("faults.delay=21s", "faults.delay")]
    [InlineData("faults.refused=101", "faults.refused")]
    [InlineData("faults.wait=0s", "faults.wait")]
    [InlineData("faults.status=418", "faults.status")]
    [InlineData("faults.refuse=1", "Did you mean 'refused'?")]
    [InlineData("contct=1", "Did you mean 'contact'?")]
    public async Task Eu8_What_is_wrong_is_named_with_its_setting(string setting, string problem)
    {
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(setting));

        Assert.Contains(problem, string.Join('\n', refused.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu8_A_delay_is_shorter_than_a_send_may_take()
    {
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync("faults.delay=5s", "outbound.sendTimeout=2s"));

        Assert.Contains("a send may take 2s", string.Join('\n', refused.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu8_A_channel_whose_rules_are_not_in_the_program_leaves_a_chat_that_says_so()
    {
        await using RealHttp http = await RealHttp.StartAsync(_ => { }, "communications.enabled=true", $"{Chat}.type=emulator", $"{Chat}.channel=telegram");

        RuntimeStatus status = await http.Runtime.View.GetStatusAsync(RuntimeHarness.Cancel);

        Assert.Contains("stands for telegram, whose rules are not in this program", status.Communicators.Single(one => one.Name == "chat").Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cf8_A_web_chat_comes_and_goes_with_the_configuration_and_its_page_with_it()
    {
        await using RealHttp http = await RealHttp.StartAsync(_ => { }, "communications.enabled=true", $"{Chat}.type=emulator");
        Assert.Equal((200, true), await SeenAsync("chat"));

        await SetAsync(http, $"{Chat}.contact", "\"ann\""); // replaced: the page stays
        await RuntimeHarness.UntilAsync(async () => await SeenAsync("chat") == (200, true));
        await SetAsync(http, $"{Chat}.enabled", "false");
        await RuntimeHarness.UntilAsync(async () => await SeenAsync("chat") == (404, false));
        await SetAsync(http, "communications.backends.other", """{ "type": "emulator" }""");
        await RuntimeHarness.UntilAsync(async () => await SeenAsync("other") == (200, true));

        Assert.Equal((200, false), await SeenAsync("chat"));

        async Task<(int Page, bool Has)> SeenAsync(string name)
        {
            using HttpResponseMessage page = await http.Client.GetAsync(new Uri("/chat", UriKind.Relative), RuntimeHarness.Cancel);
            return ((int)page.StatusCode, http.Runtime.Services.GetRequiredService<WebChat>().Has(name));
        }
    }

    private static async Task SetAsync(RealHttp http, string key, string value) =>
        Assert.Empty((await http.Runtime.Configuration.SetOverrideAsync(key, value, persist: false, RuntimeHarness.Cancel)).Problems);

    private static async Task StartAsync(params string[] settings)
    {
        await using RealHttp http = await RealHttp.StartAsync(_ => { }, ["communications.enabled=true", $"{Chat}.type=emulator", .. settings.Select(setting => $"{Chat}.{setting}")]);
    }
}
