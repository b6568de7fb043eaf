using System.Text;
using Postroom.Host;
using Postroom.Testing;
using Postroom.Tests.ControlPlane;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Chat;

/// <summary>One bot on Telegram, WhatsApp, e-mail and a webhook at once, in the real runtime over the store file.</summary>
public sealed class FourChannelsTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly FakeTelegramServer _telegram = new();
    private readonly FakeWhatsAppServer _whatsApp = new();
    private readonly FakeSmtpServer _smtp = new(new FakeSmtpOptions { Username = "bot", Password = "smtp-canary" });
    private FakeTelegramChat _chat = null!;

    public ValueTask InitializeAsync()
    {
        _chat = _telegram.AddChat(7);
        File.WriteAllText(_folder.File("ca.pem"), FakeSmtpServer.AuthorityPem);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _telegram.DisposeAsync();
        await _whatsApp.DisposeAsync();
        await _smtp.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_comes_in_by_any_channel_reaches_one_handler_and_is_answered_through_the_same_channel()
    {
        await using RealHttp http = await StartAsync();

        _telegram.Say(_chat, 7, "hello from telegram");
        await UntilAsync(() => _chat.Messages.Count == 1);
        Assert.Equal("You wrote: hello from telegram", _chat.Messages[0].Text);

        string post = _whatsApp.Post().Contact("491701234567", "Ann").Text("491701234567", "wamid.IN1", DateTimeOffset.UtcNow, "hello from whatsapp").ToString();
        Assert.Equal(401, (await PostAsync(http, post, "sha256=00")).Status);
        Assert.Equal(200, (await PostAsync(http, post, _whatsApp.Sign(post))).Status);
        Assert.Equal(200, (await PostAsync(http, post, _whatsApp.Sign(post))).Status); // the same again
        await UntilAsync(() => _whatsApp.Messages.Any(message => message.Type == "text"));
        await UntilAsync(async () => (await http.Runtime.Store.GetStatsAsync("in", Cancel)).Queues["in"] is { Pending: 0, Dispatched: 0 });
        FakeWhatsAppMessage answer = Assert.Single(_whatsApp.Messages, message => message.Type == "text");
        Assert.Equal(("491701234567", "You wrote: hello from whatsapp"), (answer.To.TrimStart('+'), answer.Body.GetProperty("text").GetProperty("body").GetString()));

        // A later status of that answer finds its message.
        string status = _whatsApp.Post().Status(answer, "read", DateTimeOffset.UtcNow).ToString();
        Assert.Equal(200, (await PostAsync(http, status, _whatsApp.Sign(status))).Status);
        await UntilAsync(async () =>
        {
            JournalPage page = await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.whatsapp" }, Cancel);
            JournalRecord? record = page.Items.Count == 0 ? null : await http.Runtime.Journal.GetAsync(page.Items[0].Envelope.Id, false, Cancel);
            return record?.Receipts.Any(receipt => receipt.Status == DeliveryStatus.Read) == true;
        });

        // One label, four channels.
        EmitResult sent = await http.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("operators", "The shop is closed.") { Severity = MessageSeverity.Warning }, Cancel);
        IReadOnlyList<EmitOutcome> outcomes = await sent.WaitAsync(TimeSpan.FromSeconds(30), Cancel);
        Assert.All(outcomes, outcome => Assert.True(outcome.State == MessageState.Acked, outcome.Error));
        Assert.Equal((3, "The shop is closed."), (outcomes.Count, _chat.Messages[^1].Text));
        FakeSmtpMail mail = Assert.Single(_smtp.Mails);
        Assert.Contains("Subject: [WARNING] Notification", mail.Text, StringComparison.Ordinal);
        Assert.Empty(_smtp.Violations);

        // No secret is in the store.
        string[] secrets = [_telegram.Token, _whatsApp.AccessToken, _whatsApp.AppSecret, "smtp-canary"];
        string[] files = [.. http.Files];
        await http.Runtime.StopAsync(Cancel);
        foreach (string file in files.Where(File.Exists))
        {
            string content = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, Cancel));
            Assert.All(secrets, secret => Assert.DoesNotContain(secret, content, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Ac53_a_service_that_is_down_costs_time_and_no_message_and_then_everything_arrives_in_order()
    {
        await using RealHttp http = await StartAsync();
        _telegram.IsUp = false;
        List<EmitResult> sent = [];
        for (int i = 0; i < 12; i++)
        {
            sent.Add(await http.Runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}") { To = Address.Parse("telegram:7") }, Cancel));
        }

        await UntilAsync(async () => (await http.Runtime.View.GetStatusAsync(Cancel)).Communicators.First(communicator => communicator.Name == "telegram").Problem is not null);
        _telegram.FailNext(FakeTelegramServer.Error(429, "Too Many Requests: retry after 1", 1), "sendMessage");
        _telegram.FailNext(FakeTelegramServer.Error(502, "Bad Gateway"), "sendMessage");
        _telegram.IsUp = true;
        foreach (EmitResult one in sent)
        {
            EmitOutcome outcome = (await one.WaitAsync(TimeSpan.FromSeconds(60), Cancel))[0];
            Assert.True(outcome.State == MessageState.Acked, outcome.Error);
        }

        Assert.Equal(Enumerable.Range(0, 12).Select(number => $"{number}"), _chat.Messages.Select(message => message.Text));
        JournalPage page = await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.telegram" }, Cancel);
        Assert.All(page.Items, item => Assert.Equal(0, item.Failures));
    }

    [Fact]
    public async Task Wa8_strangers_at_an_address_keep_neither_metas_verification_nor_its_posts_out()
    {
        await using RealHttp http = await StartAsync("intake.webhook.perAddress=2/h");
        Uri Verify(string word) => new($"/whatsapp-incoming?hub.mode=subscribe&hub.challenge=1158&hub.verify_token={word}", UriKind.Relative);

        List<int> strangers = [];
        for (int i = 0; i < 3; i++)
        {
            using HttpResponseMessage wrong = await http.Client.GetAsync(Verify("guess"), Cancel);
            strangers.Add((int)wrong.StatusCode);
        }

        using HttpResponseMessage right = await http.Client.GetAsync(Verify("word"), Cancel);
        string post = _whatsApp.Post().Contact("491701234567", "Ann").Text("491701234567", "wamid.IN1", DateTimeOffset.UtcNow, "hello").ToString();

        Assert.Equal([403, 403, 429], strangers);
        Assert.Equal((200, "1158"), ((int)right.StatusCode, await right.Content.ReadAsStringAsync(Cancel)));
        Assert.Equal((200, 429), ((await PostAsync(http, post, _whatsApp.Sign(post))).Status, (await PostAsync(http, post, "sha256=00")).Status));
    }

    private async Task<RealHttp> StartAsync(params string[] more)
    {
        string[] settings =
        [
            "communications.enabled=true",
            "communications.backends.telegram.type=telegram", $"communications.backends.telegram.token={_telegram.Token}", $"communications.backends.telegram.baseUrl={_telegram.Address}",
            "communications.backends.telegram.listenToCommands=true", """communications.backends.telegram.chats={"default":{"chatId":"7","commandAuthorized":true},"operators":{"chatId":"7"}}""",
            """communications.backends.telegram.labels=["operators"]""",
            "communications.backends.whatsapp.type=whatsapp", "communications.backends.whatsapp.client=business_api", $"communications.backends.whatsapp.graphUrl={_whatsApp.GraphUrl}",
            $"communications.backends.whatsapp.accessToken={_whatsApp.AccessToken}", $"communications.backends.whatsapp.phoneNumberId={_whatsApp.PhoneNumberId}",
            $"communications.backends.whatsapp.appSecret={_whatsApp.AppSecret}", "communications.backends.whatsapp.verifyToken=word",
            """communications.backends.whatsapp.chats={"default":{"number":"+491707654321"}}""", """communications.backends.whatsapp.labels=["operators"]""",
            "communications.backends.mail.type=email", "communications.backends.mail.host=localhost", $"communications.backends.mail.port={_smtp.Port}", "communications.backends.mail.security=starttls",
            $"communications.backends.mail.caFile={_folder.File("ca.pem")}", "communications.backends.mail.username=bot", "communications.backends.mail.password=smtp-canary",
            "communications.backends.mail.fromAddress=bot@example.org", """communications.backends.mail.defaultRecipients=["ops@example.org"]""", """communications.backends.mail.labels=["operators"]""",
            .. more,
        ];
        RealHttp http = await RealHttp.StartAsync(
            app => app.AddChannels().AddHandler(
                PayloadTypes.ChatText,
                PostroomJson.Default.IncomingMessage,
                (message, context, _) =>
                {
                    context.Reply($"You wrote: {message.Text}");
                    return new(HandlerResult.Completed);
                },
                "in"),
            settings);
        await UntilAsync(async () => (await http.Runtime.View.GetStatusAsync(Cancel)).Communicators.All(communicator => communicator.Started));
        return http;
    }

    private static async Task<(int Status, string Body)> PostAsync(RealHttp http, string body, string signature)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("/whatsapp-incoming", UriKind.Relative)) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("X-Hub-Signature-256", signature);
        using HttpResponseMessage answer = await http.Client.SendAsync(request, Cancel);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancel));
    }
}
