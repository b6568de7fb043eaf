using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Postroom.Testing;
using Postroom.Tests.Mail;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <content>The bot on its four channels at once, with servers that are not ours where there are any.</content>
public sealed partial class SampleTests
{
    private const string BotToken = "1234567:counterpart-canary";

    [Fact]
    public async Task The_sample_bot_talks_to_a_Telegram_emulator_Exim_and_Dovecot_that_are_not_ours()
    {
        CancellationToken cancel = RealProgram.Cancel;
        string emulator = Path.Combine(Samples, "..", "tests", "counterparts");
        Assert.SkipUnless(Directory.Exists(Path.Combine(emulator, "node_modules", "telegram-test-api")), "telegram-test-api is not installed: npm ci --prefix tests/counterparts.");
        await using RealMailServer exim = await RealMailServer.StartEximAsync(cancel);
        await using RealImapServer dovecot = await RealImapServer.StartAsync(exim, cancel);
        int port = ServerProcess.FreePort();
        await using ServerProcess telegram = await ServerProcess.StartAsync("node", [Path.Combine(emulator, "telegram.js"), port.ToString(CultureInfo.InvariantCulture)], port, cancel);
        using HttpClient people = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
        await using FakeWhatsAppServer whatsApp = new();
        await using RealProgram program = new();
        string built = await BuildSampleAsync("bot.cs", analyze: false);
        program.StartProcess(
            Path.Combine(built, "bot.dll"),
            ["--config", Path.Combine(Samples, "bot.yaml"), .. BotSettings(whatsApp, new Uri($"http://127.0.0.1:{port}/"), exim, dovecot)],
            []);
        await WaitAsync(async () => !program.Process.HasExited && await AnswersHealthAsync(program));

        // Who asks by Telegram is answered there.
        await SayAsync(people, 7, "hello");
        await WaitAsync(async () => (await ReadAsync(people, 7)).Contains("You wrote 5 characters."));

        // Who writes in the web chat reaches the operators, by Telegram and by mail.
        using HttpResponseMessage posted = await program.SendAsync(new { sender = "bob", msg_type = "chat", raw_msg = "/tell The shop is closed \u2013 \u65E5\u672C.", client_type = "chat" });
        Assert.True(posted.IsSuccessStatusCode);
        Assert.Equal("They are told.", Assert.Single(await program.ListenAsync("bob", 1, after: "0")).Text);
        await WaitAsync(async () => (await ReadAsync(people, 77)).Contains("The shop is closed \u2013 \u65E5\u672C."));
        IReadOnlyList<ReadMail> inbox = [];
        await WaitAsync(async () => (inbox = await dovecot.ReadAsync("user", cancel)).Count == 1);
        Assert.Equal(("The shop is closed \u2013 \u65E5\u672C.\n", "[INFO] Notification"), (inbox[0].Text, inbox[0].Subject));
        Assert.Equal(["user@example.test"], inbox[0].Addresses);

        // Who asks by mail is answered in the thread.
        dovecot.Deliver("From: user@example.test\nTo: bot@example.test\nSubject: Tea\nMessage-ID: <question@example.test>\n\nhello\n");
        await WaitAsync(async () => (inbox = await dovecot.ReadAsync("user", cancel)).Count == 2);
        Assert.Contains(inbox, mail => mail.Text == "You wrote 5 characters.\n" && mail.Subject == "Re: Tea");

        // Who asks by WhatsApp is answered there.
        string post = whatsApp.Post().Text("491701234567", "wamid.IN1", DateTimeOffset.UtcNow, "hello").ToString();
        Assert.Equal(200, (await whatsApp.PostAsync(new Uri(program.Address, "whatsapp-incoming"), post, cancel)).Status);
        await WaitAsync(() => Task.FromResult(whatsApp.Messages.Any(message => message.Type == "text")));

        Assert.Equal(0, (await program.StopAsync()).Code);
        Assert.DoesNotContain("canary", program.Process.Output, StringComparison.Ordinal);
    }

    private static IEnumerable<string> BotSettings(FakeWhatsAppServer whatsApp, Uri telegram, RealMailServer exim, RealImapServer dovecot)
    {
        const string Backends = "communications.backends";
        string[] settings =
        [
            $"{Backends}.telegram.token={BotToken}", $"{Backends}.telegram.baseUrl={telegram}", $"{Backends}.telegram.chats.operators.chatId=77",
            $"{Backends}.whatsapp.graphUrl={whatsApp.GraphUrl}", $"{Backends}.whatsapp.phoneNumberId={whatsApp.PhoneNumberId}", $"{Backends}.whatsapp.accessToken={whatsApp.AccessToken}",
            $"{Backends}.whatsapp.appSecret={whatsApp.AppSecret}", $"{Backends}.whatsapp.verifyToken=word", $"{Backends}.whatsapp.chats.default.number=+491700000000",
            $"{Backends}.mail.host=localhost", $"{Backends}.mail.port={exim.Port}", $"{Backends}.mail.caFile={exim.CaFile}", $"{Backends}.mail.username={RealMailServer.User}",
            $"{Backends}.mail.password={RealMailServer.Password}", $"{Backends}.mail.fromAddress=bot@example.test", $"{Backends}.mail.defaultRecipients=[\"user@example.test\"]",
            "sources.mailbox.host=localhost", $"sources.mailbox.port={dovecot.Port}", "sources.mailbox.security=implicit", $"sources.mailbox.caFile={dovecot.CaFile}", "sources.mailbox.username=bot",
            $"sources.mailbox.password={RealMailServer.Password}",
        ];
        return settings.SelectMany(setting => new[] { "--set", setting });
    }

    /// <summary>Writes to the bot as a person does.</summary>
    private static async Task SayAsync(HttpClient people, int chat, string text)
    {
        using HttpResponseMessage answer = await people.PostAsJsonAsync(
            "sendMessage",
            new { botToken = BotToken, from = new { id = chat, first_name = "Ann", is_bot = false }, chat = new { id = chat, first_name = "Ann", type = "private" }, date = DateTimeOffset.UtcNow.ToUnixTimeSeconds(), text },
            RealProgram.Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(RealProgram.Cancel));
    }

    /// <summary>What the bot has written to a chat.</summary>
    private static async Task<IReadOnlyList<string>> ReadAsync(HttpClient people, int chat)
    {
        using HttpResponseMessage answer = await people.PostAsJsonAsync("getUpdates", new { token = BotToken, chatId = chat }, RealProgram.Cancel);
        using JsonDocument read = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(RealProgram.Cancel));
        return [.. read.RootElement.GetProperty("result").EnumerateArray().Select(update => update.GetProperty("message").GetProperty("text").GetString()!)];
    }
}
