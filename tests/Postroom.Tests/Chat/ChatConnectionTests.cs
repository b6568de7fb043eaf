using System.Net;
using System.Net.Sockets;
using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat;

/// <summary>What doctor hears of chats and webhooks (CL-3): their logins are tried, and nothing is sent.</summary>
public sealed class ChatConnectionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cl3_A_bot_tells_its_name_a_wrong_token_and_an_address_where_nobody_is_tell_the_setting_to_mend()
    {
        await using FakeTelegramServer server = new();
        const string WrongToken = "987654321:AAWrongTokenCanary_0123456789abcdef";

        string good = await Of(server.Token).CheckConnectionAsync(Cancel);
        string wrong = await FailAsync(Of(WrongToken));
        server.IsUp = false;
        string down = await FailAsync(Of(server.Token));

        Assert.Equal($"signed in as @{Assert.Single(System.Text.RegularExpressions.Regex.Matches(good, "@(\\w+)$")).Groups[1].Value}", good);
        Assert.Contains("communications.backends.tg.token", wrong, StringComparison.Ordinal);
        Assert.DoesNotContain("Canary", wrong, StringComparison.Ordinal);
        Assert.Contains("communications.backends.tg.baseUrl", down, StringComparison.Ordinal);
        Assert.All(server.Calls, call => Assert.Equal("getMe", call.Method));

        TelegramCommunicator Of(string token) => new("tg", new TelegramCommunicatorConfig { Type = "telegram", Token = new Secret(token), BaseUrl = server.Address, ListenToCommands = true });
    }

    [Fact]
    public async Task Cl3_The_Cloud_API_tells_its_number_a_wrong_token_and_a_wrong_number_tell_the_setting_to_mend()
    {
        await using FakeWhatsAppServer server = new();

        string good = await Of(server.AccessToken, server.PhoneNumberId).CheckConnectionAsync(Cancel);
        string wrong = await FailAsync(Of("EAAGwrongCanary", server.PhoneNumberId));
        string other = await FailAsync(Of(server.AccessToken, "1"));
        server.IsUp = false;
        string down = await FailAsync(Of(server.AccessToken, server.PhoneNumberId));

        Assert.Equal("signed in, sends as +1 555-078-3881 (Postroom Test)", good);
        Assert.Contains("set accessToken", wrong, StringComparison.Ordinal);
        Assert.DoesNotContain("Canary", wrong, StringComparison.Ordinal);
        Assert.Contains("Check phoneNumberId", other, StringComparison.Ordinal);
        Assert.Contains("Check graphUrl", down, StringComparison.Ordinal);
        Assert.All(server.Requests, request => Assert.Equal("GET", request.Method));

        WhatsAppCommunicator Of(string token, string number) =>
            new("wa", new WhatsAppCommunicatorConfig { Type = WhatsAppCommunicatorConfig.Kind, Client = WhatsAppClientKind.BusinessApi, GraphUrl = server.GraphUrl, AccessToken = new Secret(token), PhoneNumberId = number });
    }

    [Fact]
    public async Task Cl3_A_bridge_tells_whether_it_is_paired_and_one_that_is_not_there_is_to_be_started()
    {
        await using FakeWhatsAppBridge bridge = new();
        WhatsAppCommunicator communicator = new("wa", new WhatsAppCommunicatorConfig { Type = WhatsAppCommunicatorConfig.Kind, BridgeUrl = bridge.Url });

        string good = await communicator.CheckConnectionAsync(Cancel);
        bridge.IsPaired = false;
        string unpaired = await FailAsync(communicator);
        bridge.IsUp = false;
        string down = await FailAsync(communicator);

        Assert.Equal($"the bridge at {bridge.Url} answers and is paired", good);
        Assert.Contains("pair it again", unpaired, StringComparison.Ordinal);
        Assert.Contains("Start the bridge", down, StringComparison.Ordinal);
        Assert.Empty(bridge.Messages);
    }

    [Fact]
    public async Task Cl3_A_webhook_is_connected_to_without_a_request_and_a_certificate_that_is_not_trusted_is_told()
    {
        int requests = 0;
        await using FakeHttpServer plain = new((_, _) =>
        {
            Interlocked.Increment(ref requests);
            return new(new FakeAnswer.Reply(200, "{}"));
        });
        await using FakeImapServer secure = new(new FakeImapOptions { ImplicitTls = true, Certificate = FakeCertificate.SelfSigned }); // it shakes hands as any server does
        WebhookCommunicator good = Of($"{plain.Address}/hooks/canary?key=canary");

        string found = await good.CheckConnectionAsync(Cancel);
        string untrusted = await FailAsync(Of($"https://localhost:{secure.Port}/hooks/canary"));
        plain.IsUp = false;
        string down = await FailAsync(good);

        Assert.Equal("no encryption, 127.0.0.1 takes connections; no request was sent", found);
        Assert.Equal(0, requests);
        Assert.Contains("certificate", untrusted, StringComparison.Ordinal);
        Assert.Contains("communications.backends.hook.url", untrusted, StringComparison.Ordinal);
        Assert.Contains("cannot be reached", down, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", untrusted + down, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cl3_Services_that_say_nothing_are_let_go_of_when_the_time_is_over()
    {
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        string address = $"127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}";
        IConnectionCheck[] all =
        [
            new TelegramCommunicator("tg", new TelegramCommunicatorConfig { Type = "telegram", Token = new Secret("987654321:AAx"), BaseUrl = new Uri($"http://{address}") }),
            new WhatsAppCommunicator("wa", new WhatsAppCommunicatorConfig { Type = WhatsAppCommunicatorConfig.Kind, BridgeUrl = $"http://{address}" }),
            Of($"https://{address}/"),
        ];
        foreach (IConnectionCheck one in all)
        {
            using CancellationTokenSource limit = new(TimeSpan.FromMilliseconds(100));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one.CheckConnectionAsync(limit.Token).AsTask());
        }
    }

    private static WebhookCommunicator Of(string url) => new("hook", new WebhookCommunicatorConfig { Type = "webhook", Url = new Uri(url) });

    private static async Task<string> FailAsync(IConnectionCheck check) => (await Assert.ThrowsAnyAsync<Exception>(() => check.CheckConnectionAsync(Cancel).AsTask())).Message;
}
