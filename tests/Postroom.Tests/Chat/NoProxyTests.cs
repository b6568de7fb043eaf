using System.Net;
using System.Net.Sockets;
using Postroom.Chat;
using Postroom.Testing;
using Postroom.Tests.Chat.Telegram;
using Postroom.Tests.Testing;
using Xunit;

namespace Postroom.Tests.Chat;

/// <summary>RELIABILITY T18: what is sent goes to the address of the settings; a proxy that the environment or the machine names is not asked.</summary>
[Collection(nameof(AloneInTheProcess))]
public sealed class NoProxyTests
{
    [Fact]
    public async Task T18_No_client_of_a_service_uses_the_proxy_of_the_process()
    {
        using TcpListener proxy = new(IPAddress.Loopback, 0);
        proxy.Start();
        IWebProxy before = HttpClient.DefaultProxy;
        HttpClient.DefaultProxy = new WebProxy($"http://127.0.0.1:{((IPEndPoint)proxy.LocalEndpoint).Port}", BypassOnLocal: false); // what HTTP_PROXY sets when a program starts
        try
        {
            await using TelegramRun telegram = await TelegramRun.StartAsync();
            await using FakeHttpServer service = new(static (_, _) => new(new FakeAnswer.Reply(200, "{}")));
            WebhookCommunicator webhook = new("hook", new WebhookCommunicatorConfig { Type = "webhook", Url = new Uri($"{service.Address}/notices") });
            await webhook.StartAsync(TelegramRun.Cancel);

            await telegram.SendAsync(new OutgoingMessage("straight"));
            OutgoingMessage message = new("straight");
            await webhook.SendAsync(message, new TestDelivery(message), TelegramRun.Cancel);

            await webhook.StopAsync(TelegramRun.Cancel);
            Assert.False(proxy.Pending());
        }
        finally
        {
            HttpClient.DefaultProxy = before;
        }
    }
}
