using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;
using Postroom.Tests.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>A communicator of one's own with settings of its own, named by the configuration (CM-11), whose service posts forms (WH-6).</summary>
public sealed class OwnBackendTests
{
    private const string Pager = "communications.backends.pager";

    [Fact]
    public async Task Settings_of_ones_own_are_read_checked_and_given_to_the_factory()
    {
        await using MessageRuntime runtime = await StartAsync(
            app => app.RegisterBackend("pager", static (name, config, _) => new PagerCommunicator(name, (PagerConfig)config), PagerConfig.Read),
            "communications.enabled=true", $"{Pager}.type=pager", $"{Pager}.number=4711", $"{Pager}.key=s3canary-pager-key");

        PagerCommunicator pager = (PagerCommunicator)runtime.Rooms.Outbound.Routes.Find("pager")!.Communicator;

        Assert.Equal("4711", pager.Number);
        Assert.Contains(runtime.Configuration.Current.View(), view => view.Key == $"{Pager}.key" && view.Value == "***");
        ConfigurationException wrong = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(
            app => app.RegisterBackend("pager", static (name, config, _) => new PagerCommunicator(name, (PagerConfig)config), PagerConfig.Read),
            "communications.enabled=true", $"{Pager}.type=pager", $"{Pager}.nummer=4711", $"{Pager}.key=s3canary-pager-key"));
        Assert.Contains(wrong.Problems, problem => problem.Message.Contains("Did you mean 'number'?", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_few_settings_need_no_type_of_their_own()
    {
        string? number = null;
        await using MessageRuntime runtime = await StartAsync(
            app => app.RegisterBackend("pager", (name, config, _) => new PagerCommunicator(name, number = config.Extra.GetText("number") ?? "112")),
            "communications.enabled=true", $"{Pager}.type=pager", $"{Pager}.number=4711");

        Assert.Equal("4711", number);
    }

    [Fact]
    public async Task Wh6_a_service_posts_what_it_likes_to_the_path_of_its_communicator_and_a_foreign_page_nothing()
    {
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddCommunicator(static _ => new PagerCommunicator("pager", "4711")));
        await UntilAsync(async () => (await http.Runtime.View.GetStatusAsync(Cancel)).Communicators[0].Started);

        async Task<(int Status, string Body)> PostAsync(string path, string text, string type, string? origin = null)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new StringContent(text, System.Text.Encoding.UTF8, type) };
            if (origin is not null)
            {
                request.Headers.Add("Origin", origin);
            }

            using HttpResponseMessage answer = await http.Client.SendAsync(request, Cancel);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        }

        Assert.Equal((200, "application/x-www-form-urlencoded: from=7&text=hello"), await PostAsync("/pager", "from=7&text=hello", "application/x-www-form-urlencoded"));
        Assert.Equal((200, "text/xml: <page/>"), await PostAsync("/pager", "<page/>", "text/xml"));
        Assert.Equal(413, (await PostAsync("/pager", new string('x', 2_000), "text/xml")).Status);
        Assert.Equal(403, (await PostAsync("/pager", "from=7", "application/x-www-form-urlencoded", "https://evil.example")).Status);
        Assert.Equal(415, (await PostAsync("/api/v1/send", "from=7", "application/x-www-form-urlencoded")).Status);
    }

    [Fact]
    public async Task Wh7_of_a_stranger_without_any_proof_nothing_is_read_and_strangers_are_charged_by_their_address()
    {
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddCommunicator(static _ => new PagerCommunicator("pager", "4711") { Wants = "X-Pager-Signature" }), "intake.webhook.perAddress=3/min");
        await UntilAsync(async () => (await http.Runtime.View.GetStatusAsync(Cancel)).Communicators[0].Started);
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal("HTTP/1.1 200 OK", await FirstLineAsync("X-Pager-Signature: right\r\nContent-Type: text/xml\r\nContent-Length: 1\r\n\r\nx")); // who proves it is charged nothing
        }

        string[] strangers = [await FirstLineAsync(Unsent), await FirstLineAsync($"X-Pager-Signature: wrong\r\n{Unsent}x"), await FirstLineAsync(Unsent), await FirstLineAsync(Unsent)];

        Assert.Equal(["HTTP/1.1 401 Unauthorized", "HTTP/1.1 401 Unauthorized", "HTTP/1.1 401 Unauthorized", "HTTP/1.1 429 Too Many Requests"], strangers);
        Assert.Equal("HTTP/1.1 429 Too Many Requests", await FirstLineAsync("X-Pager-Signature: wrong\r\nContent-Type: text/xml\r\nContent-Length: 1\r\n\r\nx"));
        Assert.Equal("HTTP/1.1 200 OK", await FirstLineAsync("X-Pager-Signature: right\r\nContent-Type: text/xml\r\nContent-Length: 1\r\n\r\nx")); // strangers behind its address do not lock it out

        async Task<string> FirstLineAsync(string rest)
        {
            using System.Net.Sockets.TcpClient client = new();
            await client.ConnectAsync(http.Client.BaseAddress!.Host, http.Client.BaseAddress.Port, Cancel);
            await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes($"POST /pager HTTP/1.1\r\nHost: {http.Client.BaseAddress.Authority}\r\n{rest}"), Cancel);
            using StreamReader answer = new(client.GetStream());
            return await answer.ReadLineAsync(Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(3), Cancel) ?? "";
        }
    }

    // One byte is declared, and does not come unless it is written behind this: an answer that waits for it takes five seconds at least.
    private const string Unsent = "Content-Type: text/xml\r\nContent-Length: 1\r\n\r\n";

    private sealed record PagerConfig : CommunicatorBackendConfig
    {
        [SetsRequiredMembers]
        private PagerConfig(CommunicatorBackendConfig common)
            : base(common)
        {
        }

        public string Number { get; private init; } = "";

        public Secret Key { get; private init; } = new("");

        public static PagerConfig Read(CommunicatorBackendConfig common, SectionReader reader) => new(common)
        {
            Number = reader.RequireText("number", "Say which pager it is."),
            Key = reader.RequireSecret("key", "Write it as a reference, such as ${PAGER_KEY}."),
        };
    }

    private sealed class PagerCommunicator(string name, string number) : Communicator(name), IWebhookReceiver
    {
        public PagerCommunicator(string name, PagerConfig config)
            : this(name, config.Number)
        {
        }

        public string Number => number;

        /// <summary>The header that its service signs with; null for none.</summary>
        public string? Wants { get; init; }

        public bool MayBeProved(WebhookCall request) => Wants is null || request.Headers.ContainsKey(Wants);

        public override CommunicatorCapabilities Capabilities { get; } = new() { TextLimit = 160 };

        public string WebhookPath => "/pager";

        public long MaxWebhookBody => 1_024;

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => new(new DeliveryReceipt { Status = DeliveryStatus.Sent });

        public ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken) => Wants is not null && request.Headers[Wants] != "right"
            ? new(new WebhookReply(401, "{}"))
            : new(new WebhookReply(200, $"{request.Headers["Content-Type"].Split(';')[0]}: {System.Text.Encoding.UTF8.GetString(request.Body.Span)}", "text/plain"));
    }
}
