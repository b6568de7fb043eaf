using System.Collections.Concurrent;
using System.Diagnostics;
using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>TG-8: what the answers and failures of the service mean.</summary>
public sealed class TelegramAnswerTests
{
    private const string Html = "<html><body>Bad gateway</body></html>";

    public static TheoryData<string, FakeAnswer, DeliveryFailure> Answers() => new()
    {
        { "400", FakeTelegramServer.Error(400, "Bad Request: chat not found"), new DeliveryFailure.Refused("400") },
        { "403", FakeTelegramServer.Error(403, "Forbidden: bot was blocked by the user"), new DeliveryFailure.Refused("403") },
        { "413 in HTML", new FakeAnswer.Reply(413, Html, "text/html"), new DeliveryFailure.Refused("413") },
        { "401", FakeTelegramServer.Error(401, "Unauthorized"), new DeliveryFailure.Unauthorized() },
        { "404", FakeTelegramServer.Error(404, "Not Found"), new DeliveryFailure.Unauthorized() },
        { "500", FakeTelegramServer.Error(500, "Internal Server Error"), new DeliveryFailure.Transient() },
        { "502 in HTML", new FakeAnswer.Reply(502, Html, "text/html"), new DeliveryFailure.Transient(ServiceWide: true) },
        { "503", FakeTelegramServer.Error(503, "Service Unavailable"), new DeliveryFailure.Transient(ServiceWide: true) },
        { "504, cut", new FakeAnswer.Cut(120, new FakeAnswer.Reply(504, new string('x', 500), "text/html")), new DeliveryFailure.Transient(ServiceWide: true) },
        { "200 in HTML", new FakeAnswer.Reply(200, Html, "text/html"), new DeliveryFailure.Transient(ServiceWide: true) },
        { "a redirect", new FakeAnswer.Reply(302, "") { Headers = new Dictionary<string, string> { ["Location"] = "https://example.org/" } }, new DeliveryFailure.Transient(ServiceWide: true) },
        { "200, ok is false", new FakeAnswer.Reply(200, """{"ok":false,"error_code":400,"description":"Bad Request"}"""), new DeliveryFailure.Refused("400") },
        { "200 without a number", new FakeAnswer.Reply(200, """{"ok":true,"result":{}}"""), new DeliveryFailure.Uncertain() },
        { "200, cut", new FakeAnswer.Cut(110, new FakeAnswer.Reply(200, """{"ok":true,"result":{"message_id":12345}}""")), new DeliveryFailure.Uncertain() },
        { "200, empty", new FakeAnswer.Reply(200, ""), new DeliveryFailure.Uncertain() },
        { "200, too long", new FakeAnswer.Reply(200, new string(' ', TelegramApi.MaxReply + 1)), new DeliveryFailure.Uncertain() },
        { "no answer, reset", new FakeAnswer.Reset(), new DeliveryFailure.Uncertain() },
        { "no answer, closed", new FakeAnswer.Cut(0, new FakeAnswer.Reply(200, "")), new DeliveryFailure.Uncertain() },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task An_answer_is_classified(string what, FakeAnswer answer, DeliveryFailure failure)
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        run.Server.FailNext(answer);

        DeliveryException error = await run.RefuseAsync(new OutgoingMessage(what));

        Assert.Equal(failure, error.Failure);
        Assert.Empty(run.Chat.Messages);
        Assert.Equal(1, run.Server.Calls.Count(call => call.Method == "sendMessage")); // nothing is retried by itself
    }

    [Fact]
    public async Task Ac53_the_wait_that_the_service_asks_for_is_told_to_the_lane()
    {
        ManualClock clock = new();
        await using TelegramRun run = await TelegramRun.StartAsync(clock: clock);
        run.Server.FailNext(FakeTelegramServer.Error(429, "Too Many Requests: retry after 7", retryAfter: 7));

        Assert.Equal(new DeliveryFailure.RateLimited(clock.GetUtcNow() + TimeSpan.FromSeconds(7)), (await run.RefuseAsync(new OutgoingMessage("one"))).Failure);

        // With 30 sends in the last second the bucket is the bot's.
        for (int i = 0; i < 29; i++)
        {
            _ = await run.SendAsync(new OutgoingMessage("more"));
        }

        run.Server.FailNext(FakeTelegramServer.Error(429, "Too Many Requests: retry after 2", retryAfter: 2));
        Assert.Equal(new DeliveryFailure.RateLimited(clock.GetUtcNow() + TimeSpan.FromSeconds(2), Lane: true), (await run.RefuseAsync(new OutgoingMessage("last"))).Failure);
    }

    [Fact]
    public async Task Tg8_a_text_and_a_reaction_to_one_group_are_of_one_chat_and_that_three_chats_are_the_bot_is_a_guess()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        run.Server.FailNext(FakeTelegramServer.Error(429, "Too Many Requests: retry after 7", retryAfter: 7), times: 4);

        DeliveryException text = await run.RefuseAsync(new OutgoingMessage("x") { To = Address.Parse("shop:-100") });
        DeliveryException reaction = await Assert.ThrowsAsync<DeliveryException>(
            async () => await run.Bot.SignalAsync(new Signal.Reaction(Address.Parse("shop:-100"), "5", "\U0001F44D"), new TelegramRun.Delivery(), TelegramRun.Cancel));
        DeliveryException second = await run.RefuseAsync(new OutgoingMessage("x") { To = Address.Parse("shop:8") });
        DeliveryException third = await run.RefuseAsync(new OutgoingMessage("x") { To = Address.Parse("shop:9") });

        Assert.All([text, reaction, second], refused => Assert.False(Assert.IsType<DeliveryFailure.RateLimited>(refused.Failure).Lane));
        DeliveryFailure.RateLimited ofBot = Assert.IsType<DeliveryFailure.RateLimited>(third.Failure);
        Assert.Equal((true, true), (ofBot.Lane, ofBot.IsGuess));
    }

    [Fact]
    public async Task A_service_that_is_not_reached_leaves_nothing_uncertain()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        run.Server.IsUp = false;
        TelegramRun.Delivery context = new();

        DeliveryException error = await run.RefuseAsync(new OutgoingMessage("text"), context);

        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), error.Failure);
        Assert.False(context.BytesLeft);
        run.Server.IsUp = true;
        _ = await run.SendAsync(new OutgoingMessage("again"));
        Assert.Single(run.Chat.Messages);
    }

    [Fact]
    public async Task An_answer_that_does_not_come_within_30_seconds_is_uncertain_although_the_message_arrived()
    {
        ManualClock clock = new();
        await using TelegramRun run = await TelegramRun.StartAsync(clock: clock);
        run.Server.FailNext(new FakeAnswer.Silence(), afterWork: true);
        TelegramRun.Delivery context = new();

        Task<DeliveryException> send = run.RefuseAsync(new OutgoingMessage("text"), context);
        await run.Server.WaitForCallsAsync("sendMessage", 1, TelegramRun.Cancel);
        clock.Advance(TimeSpan.FromSeconds(30));

        Assert.IsType<DeliveryFailure.Uncertain>((await send).Failure);
        Assert.True(context.BytesLeft);
        Assert.Single(run.Chat.Messages);
    }

    [Fact]
    public async Task A_send_that_is_cancelled_says_whether_it_had_left()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        run.Server.FailNext(new FakeAnswer.Silence());
        using CancellationTokenSource cancelled = new();
        TelegramRun.Delivery context = new();

        Task<DeliveryReceipt> send = run.Bot.SendAsync(new OutgoingMessage("text"), context, cancelled.Token).AsTask();
        await run.Server.WaitForCallsAsync("sendMessage", 1, TelegramRun.Cancel);
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => send);
        Assert.True(context.BytesLeft);
    }

    [Fact]
    public async Task A_start_fails_as_its_question_does()
    {
        await using TelegramRun run = new(config => config with { Token = new Secret("1:wrong-canary") });

        DeliveryException error = await Assert.ThrowsAsync<DeliveryException>(() => run.Bot.StartAsync(TelegramRun.Cancel));

        Assert.IsType<DeliveryFailure.Unauthorized>(error.Failure);
        Assert.False(run.Bot.IsStarted);
    }

    [Fact]
    public async Task Ac55_the_token_is_in_no_log_error_view_or_trace()
    {
        ConcurrentQueue<string> traced = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity => traced.Enqueue($"{activity.DisplayName} {string.Join(' ', activity.TagObjects)}"),
        };
        ActivitySource.AddActivityListener(listener);
        await using TelegramRun run = await TelegramRun.StartAsync(config => config with { ListenToCommands = true });
        string token = run.Server.Token;
        List<string> texts = [];

        _ = await run.SendAsync(new OutgoingMessage("text"));
        foreach (FakeAnswer answer in Answers().Select(row => row.Data.Item2))
        {
            run.Server.FailNext(answer, "sendMessage");
            texts.Add((await run.RefuseAsync(new OutgoingMessage("text"))).ToString());
        }

        run.Server.IsUp = false;
        texts.Add((await run.RefuseAsync(new OutgoingMessage("text"))).ToString());
        texts.Add((await run.Bot.CheckAsync(TelegramRun.Cancel)).ToString());
        texts.Add(new TelegramCommunicatorConfig { Type = "telegram", Token = new Secret(token) }.ToString());

        Assert.Contains(run.Log.Lines, line => line.Contains("/bot***/", StringComparison.Ordinal));
        Assert.All(texts.Concat(run.Log.Lines).Concat(traced), text => Assert.DoesNotContain(token[10..], text, StringComparison.Ordinal));
    }
}
