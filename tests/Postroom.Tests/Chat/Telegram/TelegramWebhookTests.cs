using System.Text;
using Postroom.Chat;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>TG-11: what comes in by webhook, and what is refused (T2).</summary>
public sealed class TelegramWebhookTests
{
    private const string Header = "X-Telegram-Bot-Api-Secret-Token";

    [Fact]
    public async Task The_webhook_is_set_at_the_start_and_its_calls_are_taken_and_answered_after_they_are_stored()
    {
        await using TelegramRun run = await StartAsync();
        await run.Server.WaitForCallsAsync("setWebhook", 1, TelegramRun.Cancel);
        WebhookCall call = await CallAsync(run, "hello");

        WebhookReply reply = await run.Bot.ReceiveAsync(call, TelegramRun.Cancel);

        Assert.Equal("https://bot.example.org/in/telegram/shop", run.Server.WebhookUrl);
        Assert.Equal("/telegram/shop", run.Bot.WebhookPath);
        Assert.Equal(200, reply.Status);
        Assert.Equal("hello", Assert.Single(run.Received).Text);
        Assert.DoesNotContain(run.Server.Calls, made => made.Method == "getUpdates");
    }

    [Fact]
    public async Task T2_a_call_without_the_secret_or_with_another_is_refused_and_nothing_is_stored()
    {
        await using TelegramRun run = await StartAsync();
        await run.Server.WaitForCallsAsync("setWebhook", 1, TelegramRun.Cancel);
        WebhookCall call = await CallAsync(run, "forged");
        string secret = call.Headers[Header];

        foreach (string wrong in (string[])["", secret[..^1], secret + "0", secret.ToUpperInvariant(), $"{secret}, {secret}"])
        {
            WebhookCall forged = call with { Headers = new Dictionary<string, string> { [Header] = wrong } };
            Assert.Equal((401, false), ((await run.Bot.ReceiveAsync(forged, TelegramRun.Cancel)).Status, run.Bot.MayBeProved(forged with { Body = default })));
        }

        Assert.True(run.Bot.MayBeProved(call with { Body = default }));

        Assert.Equal(401, (await run.Bot.ReceiveAsync(call with { Headers = new Dictionary<string, string>() }, TelegramRun.Cancel)).Status);
        Assert.Empty(run.Received);
    }

    [Fact]
    public async Task Calls_that_are_no_updates_are_refused_and_one_that_cannot_be_stored_comes_again()
    {
        await using TelegramRun run = await StartAsync();
        await run.Server.WaitForCallsAsync("setWebhook", 1, TelegramRun.Cancel);
        WebhookCall call = await CallAsync(run, "kept");

        async Task<int> StatusAsync(WebhookCall other) => (await run.Bot.ReceiveAsync(other, TelegramRun.Cancel)).Status;

        Assert.Equal(405, await StatusAsync(call with { Method = "GET" }));
        Assert.Equal(413, await StatusAsync(call with { Body = new byte[(1 << 20) + 1] }));
        Assert.Equal(400, await StatusAsync(call with { Body = Encoding.UTF8.GetBytes("{") }));
        Assert.Equal(400, await StatusAsync(call with { Body = Encoding.UTF8.GetBytes("[]") }));
        Assert.Equal(400, await StatusAsync(call with { Body = Encoding.UTF8.GetBytes("""{"update_id":1,"update_id":2}""") }));
        run.Refusals.Enqueue(new IntakeClosedException(IntakeRefusal.HighWater, TimeSpan.FromSeconds(5), "full"));
        Assert.Equal(503, await StatusAsync(call));
        run.Refusals.Enqueue(new StoreUnavailableException("The disk is full."));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => StatusAsync(call));
        Assert.Equal(200, await StatusAsync(call));
        Assert.Single(run.Received);
        await run.Bot.StopAsync(TelegramRun.Cancel);
        Assert.Equal(503, await StatusAsync(call));
    }

    [Fact]
    public async Task A_bot_that_polls_or_does_not_listen_has_no_path()
    {
        await using TelegramRun polls = new(config => config with { ListenToCommands = true });
        await using TelegramRun deaf = new(config => config with { Updates = TelegramUpdateMode.Webhook, PublicUrl = new Uri("https://bot.example.org") });

        Assert.Null(polls.Bot.WebhookPath);
        Assert.Null(deaf.Bot.WebhookPath);
        Assert.False(deaf.Bot.SupportsReceiving);
    }

    private static Task<TelegramRun> StartAsync()
    {
        return TelegramRun.StartAsync(config => config with { ListenToCommands = true, Updates = TelegramUpdateMode.Webhook, PublicUrl = new Uri("https://bot.example.org/in/") });
    }

    /// <summary>The call that the service makes once it has taken the address.</summary>
    private static async Task<WebhookCall> CallAsync(TelegramRun run, string text)
    {
        run.Server.Say(run.Chat, 7, text);
        await TelegramRun.WaitUntilAsync(() => run.Server.WebhookUrl is not null);
        return run.Server.TakeWebhookCall()!;
    }
}
