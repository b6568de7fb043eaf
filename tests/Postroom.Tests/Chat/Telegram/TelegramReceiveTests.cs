using System.Text.Json.Nodes;
using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>TG-9 to TG-13: what comes in by polling.</summary>
public sealed class TelegramReceiveTests
{
    private const long Group = -1000000000001;

    [Fact]
    public async Task A_text_comes_in_with_what_the_service_says_of_it()
    {
        await using TelegramRun run = await ListenAsync();
        JsonObject more = JsonNode.Parse("""{"reply_to_message":{"message_id":3},"forward_origin":{"type":"user","date":1700000000},"entities":[{"type":"bold","offset":0,"length":2}]}""")!.AsObject();

        long update = run.Server.Say(run.Chat, 7, "hello", more: more);

        IncomingMessage message = await run.NextAsync();
        Assert.Equal(("hello", "Ada Byron", "7", "default", "shop"), (message.Text, message.Sender, message.SenderId, message.ChatLabel, message.BackendName));
        Assert.Equal((update.ToString(), message.Meta("message_id")), (message.RepeatKey, message.ChannelMessageId));
        Assert.NotNull(message.Timestamp);
        Assert.Equal(("chat.text", "7", null, "3", "1700000000"), (message.Meta("type"), message.Meta("chat"), message.Meta("topic"), message.Meta("reply_to_message_id"), message.Meta("forward_date")));
        Assert.Contains("bold", message.Meta("entities")!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_update_is_confirmed_only_after_it_was_stored()
    {
        await using TelegramRun run = new(config => config with { ListenToCommands = true });
        run.Refusals.Enqueue(new IntakeClosedException(IntakeRefusal.HighWater, TimeSpan.FromMilliseconds(1), "full"));
        run.Refusals.Enqueue(new StoreUnavailableException("The disk is full."));
        long update = run.Server.Say(run.Chat, 7, "kept");

        await run.Bot.StartAsync(TelegramRun.Cancel);
        await run.Server.WaitForCallsAsync("getUpdates", 2, TelegramRun.Cancel);
        Assert.Contains(update, run.Server.Unconfirmed);

        Assert.Equal("kept", (await run.NextAsync()).Text);
        await TelegramRun.WaitUntilAsync(() => run.Server.Unconfirmed.Count == 0);
        Assert.Equal((update + 1).ToString(), run.Facts.Values["offset"]);
        Assert.Equal("kept", Assert.Single(run.Received).Text);
    }

    [Fact]
    public async Task Ac54_F100_after_a_crash_before_the_confirmation_the_same_update_comes_with_the_same_id()
    {
        await using TelegramRun run = new(config => config with { ListenToCommands = true });
        run.Server.FailNext(new FakeAnswer.Reset(), "getUpdates", skip: 1); // the poll that would confirm
        long update = run.Server.Say(run.Chat, 7, "once");
        await run.Bot.StartAsync(TelegramRun.Cancel);
        IncomingMessage first = await run.NextAsync();
        await run.Server.WaitForCallsAsync("getUpdates", 2, TelegramRun.Cancel);
        await run.Bot.StopAsync(TelegramRun.Cancel);
        Assert.Contains(update, run.Server.Unconfirmed);

        run.Facts.Values.Clear(); // as after a crash between the append and the note of the offset
        await run.Bot.StartAsync(TelegramRun.Cancel);
        IncomingMessage second = await run.NextAsync();

        Assert.Equal((first.ChannelMessageId, first.Text, first.Timestamp), (second.ChannelMessageId, second.Text, second.Timestamp));
    }

    [Fact]
    public async Task Ac54_replies_inside_an_authorised_topic_are_taken_and_other_chats_are_not()
    {
        await using TelegramRun run = await TelegramRun.StartAsync(config => config with
        {
            ListenToCommands = true,
            Chats = new Dictionary<string, TelegramChatConfig>
            {
                ["shut"] = new() { ChatId = "8" },
                ["topic"] = new() { ChatId = Group.ToString(), TopicId = 4, CommandAuthorized = true, Active = false },
            },
        });
        FakeTelegramChat group = run.Server.AddChat(Group, topics: [4, 9]);
        FakeTelegramChat shut = run.Server.AddChat(8);

        run.Server.Say(run.Chat, 7, "from a chat that is not configured");
        run.Server.Say(shut, 8, "from a chat that is not authorised");
        run.Server.Say(group, 9, "in another topic", topic: 9);
        run.Server.Say(group, 9, "in no topic");
        run.Server.Say(group, 9, "in the topic", topic: 4, more: new JsonObject { ["reply_to_message"] = new JsonObject { ["message_id"] = 1 } });

        IncomingMessage taken = await run.NextAsync();
        Assert.Equal(("in the topic", "topic", "4"), (taken.Text, taken.ChatLabel, taken.Meta("topic")));
        Assert.Single(run.Received);
        Assert.Equal("4", (await run.Bot.CheckAsync(TelegramRun.Cancel)).Data["updatesIgnored"]);
    }

    [Fact]
    public async Task A_public_bot_takes_everybody()
    {
        await using TelegramRun run = await ListenAsync(config => config with { AcceptFrom = TelegramAcceptance.Anyone, Chats = new Dictionary<string, TelegramChatConfig>() });

        run.Server.Say(run.Server.AddChat(99), 99, "stranger");

        Assert.Equal(("stranger", "default"), ((await run.NextAsync()) is var message ? message.Text : "", message.ChatLabel));
    }

    [Theory]
    [InlineData("chat.image", """{"caption":"c","photo":[{"file_id":"small"},{"file_id":"big","file_size":9}]}""", "photo.jpg", "image/jpeg", "big")]
    [InlineData("chat.voice", """{"caption":"c","voice":{"file_id":"v","mime_type":"audio/ogg"}}""", "voice.ogg", "audio/ogg", "v")]
    [InlineData("chat.audio", """{"caption":"c","audio":{"file_id":"a","file_name":"../s.mp3","mime_type":"audio/mpeg"}}""", "s.mp3", "audio/mpeg", "a")]
    [InlineData("chat.video", """{"caption":"c","animation":{"file_id":"g"},"document":{"file_id":"d"}}""", "animation.mp4", "video/mp4", "g")]
    [InlineData("chat.document", """{"caption":"c","document":{"file_id":"d","file_name":"a.pdf","mime_type":"application/pdf"}}""", "a.pdf", "application/pdf", "d")]
    public async Task Files_come_in_as_references(string type, string content, string name, string mediaType, string reference)
    {
        await using TelegramRun run = await ListenAsync();

        run.Server.Say(run.Chat, 7, null, more: JsonNode.Parse(content)!.AsObject());

        IncomingMessage message = await run.NextAsync();
        Attachment file = Assert.Single(message.Attachments);
        Assert.Equal((type, "c"), (message.Meta("type"), message.Text));
        Assert.Equal((name, mediaType, reference, null), (file.Name, file.ContentType, file.Reference, (object?)file.Data));
    }

    [Fact]
    public async Task A_file_is_fetched_when_it_is_opened_and_a_path_outside_is_not()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        byte[] bytes = [0, 1, 255];
        string id = run.Server.AddFile("documents/a b#1.pdf", bytes);
        string evil = run.Server.AddFile("../../getMe", bytes);

        Assert.Equal(bytes, (await run.Bot.FetchAsync(new Attachment { Name = "a", Reference = id }, TelegramRun.Cancel)).ToArray());
        Assert.Equal("file_path", Assert.IsType<DeliveryFailure.Refused>((await FetchAsync(run, evil)).Failure).Code);
        Assert.IsType<DeliveryFailure.Refused>((await FetchAsync(run, "gone")).Failure);
        run.Server.FailNext(new FakeAnswer.Reset(), "getFile");
        Assert.Equal(new DeliveryFailure.Transient(), (await FetchAsync(run, id)).Failure);
    }

    [Fact]
    public async Task A_press_comes_in_as_text_and_is_answered_and_reactions_and_edits_have_types_of_their_own()
    {
        await using TelegramRun run = await ListenAsync();
        _ = await run.SendAsync(new OutgoingMessage("choose") { Interactive = new Interactive.Buttons([new("yes", "Yes")]) });

        run.Server.Press(run.Chat, 7, run.Chat.Messages[0], "yes");
        IncomingMessage press = await run.NextAsync();
        run.Server.React(run.Chat, 7, 101, null, "\U0001F44D");
        IncomingMessage reaction = await run.NextAsync();
        run.Server.Say(run.Chat, 7, "better", edited: true);
        IncomingMessage edit = await run.NextAsync();
        run.Server.Say(run.Chat, 7, null, more: JsonNode.Parse("""{"contact":{"phone_number":"+49 1","first_name":"A;B"}}""")!.AsObject());
        IncomingMessage contact = await run.NextAsync();
        run.Server.Say(run.Chat, 7, null, more: JsonNode.Parse("""{"location":{"latitude":1.5,"longitude":-2}}""")!.AsObject());
        IncomingMessage place = await run.NextAsync();

        Assert.Equal(("chat.text", "yes", "button", "7"), (press.Meta("type"), press.Text, press.Meta("interactive"), press.SenderId));
        Assert.Single(run.Server.AnsweredPresses);
        Assert.Equal(("chat.reaction", "\U0001F44D", "101"), (reaction.Meta("type"), reaction.Text, reaction.Meta("message_id")));
        Assert.Equal(("chat.edit", "better"), (edit.Meta("type"), edit.Text));
        Assert.Equal("chat.contact", contact.Meta("type"));
        Assert.Contains("A\\\\;B", contact.Text, StringComparison.Ordinal);
        Assert.Equal(("chat.location", "1.5", "-2"), (place.Meta("type"), place.Meta("latitude"), place.Meta("longitude")));
    }

    [Fact]
    public async Task An_answer_to_an_update_replies_to_its_message()
    {
        await using TelegramRun run = await ListenAsync();
        run.Server.Say(run.Chat, 7, "first");
        run.Server.Say(run.Chat, 7, "second");
        _ = await run.NextAsync();
        IncomingMessage second = await run.NextAsync();

        _ = await run.SendAsync(new OutgoingMessage("answer") { ReplyTo = second.ChannelMessageId });

        Assert.Equal(second.Meta("message_id"), run.Chat.Messages[0].ReplyTo.ToString());
    }

    [Fact]
    public async Task Tg5_an_answer_after_a_restart_still_replies_to_its_message_and_repeats_are_found_by_the_update()
    {
        await using TelegramRun run = await ListenAsync();
        run.Server.Say(run.Chat, 7, "a question");
        IncomingMessage question = await run.NextAsync();
        await run.Bot.StopAsync(TelegramRun.Cancel);
        TelegramCommunicator later = new(
            "shop",
            new TelegramCommunicatorConfig { Type = TelegramCommunicatorConfig.Kind, Token = new Secret(run.Server.Token), BaseUrl = run.Server.Address, Chats = new Dictionary<string, TelegramChatConfig> { ["default"] = new() { ChatId = "7" } } },
            null,
            run.Log,
            new Random(1));
        later.SetFacts(run.Facts);
        await later.StartAsync(TelegramRun.Cancel);

        _ = await later.SendAsync(new OutgoingMessage("an answer") { ReplyTo = question.ChannelMessageId }, new TelegramRun.Delivery(), TelegramRun.Cancel);
        await later.StopAsync(TelegramRun.Cancel);

        Assert.Equal(question.Meta("message_id"), run.Chat.Messages[^1].ReplyTo.ToString());
        Assert.NotEqual(question.ChannelMessageId, question.RepeatKey);
        SourceMessage stored = Intake.IncomingTranslation.ToSource("shop", question);
        Assert.Equal(($"shop:{question.RepeatKey}", question.Meta("message_id")), (stored.DedupKey, stored.Headers[HeaderNames.ChannelMessageId]));
    }

    [Fact]
    public async Task F98_another_poller_is_named_and_polling_goes_on_every_30_seconds()
    {
        ManualClock clock = new();
        await using TelegramRun run = new(config => config with { ListenToCommands = true }, clock);
        run.Server.HasOtherPoller = true;
        await run.Bot.StartAsync(TelegramRun.Cancel);

        HealthResult health = await DegradedAsync(run);
        Assert.Contains("Another program asks for the updates", health.Text, StringComparison.Ordinal);
        run.Server.HasOtherPoller = false;
        run.Server.Say(run.Chat, 7, "after");
        await TelegramRun.WaitUntilAsync(() => clock.ArmedTimers == 1);
        clock.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(1, run.Server.Calls.Count(call => call.Method == "getUpdates"));
        clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("after", (await run.NextAsync()).Text);
        await TelegramRun.WaitUntilAsync(() => run.Bot.CheckAsync(TelegramRun.Cancel).Result.State == HealthState.Healthy);
        Assert.DoesNotContain(run.Server.Calls, call => call.Method == "deleteWebhook");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tg10_a_webhook_of_another_is_taken_away_only_where_that_is_allowed(bool takeOver)
    {
        await using TelegramRun run = new(config => config with { ListenToCommands = true, TakeOver = takeOver });
        run.Server.WebhookUrl = "https://other.example.org/";
        run.Server.Say(run.Chat, 7, "waiting");

        await run.Bot.StartAsync(TelegramRun.Cancel);

        if (takeOver)
        {
            Assert.Equal("waiting", (await run.NextAsync()).Text);
            Assert.Null(run.Server.WebhookUrl);
            return;
        }

        Assert.Contains("A webhook is set for this bot", (await DegradedAsync(run)).Text, StringComparison.Ordinal);
        Assert.NotNull(run.Server.WebhookUrl);
    }

    [Fact]
    public async Task F99_answers_that_fail_or_are_no_answers_skip_no_update()
    {
        await using TelegramRun run = new(config => config with { ListenToCommands = true });
        run.Server.Say(run.Chat, 7, "kept");
        run.Server.FailNext(FakeTelegramServer.Error(429, "Too Many Requests: retry after 0", retryAfter: 0), "getUpdates");
        run.Server.FailNext(new FakeAnswer.Reply(200, """{"ok":true,"result":[{"message":{}}]}"""), "getUpdates");
        run.Server.FailNext(new FakeAnswer.Reply(200, new string(' ', TelegramApi.MaxReply + 1)), "getUpdates");

        await run.Bot.StartAsync(TelegramRun.Cancel);

        Assert.Equal("kept", (await run.NextAsync()).Text);
        Assert.Equal(["100", "100", "100", "50"], run.Server.Calls.Where(call => call.Method == "getUpdates").Take(4).Select(call => call.Parameters["limit"]));
        Assert.Equal("50", run.Server.Calls.First(call => call.Method == "getUpdates").Parameters["timeout"]);
    }

    [Fact]
    public async Task A_move_is_kept_of_chats_of_the_settings_and_of_those_that_may_write_only()
    {
        await using TelegramRun run = await ListenAsync(config => config with
        {
            Chats = new Dictionary<string, TelegramChatConfig> { ["default"] = new() { ChatId = "7", CommandAuthorized = true }, ["told"] = new() { ChatId = "-55" } },
        });
        run.Server.Say(run.Server.AddChat(-66), 1, null, more: new JsonObject { ["migrate_to_chat_id"] = -1000000000066 }); // anybody can put a bot into a group
        run.Server.Say(run.Server.AddChat(-55), 1, null, more: new JsonObject { ["migrate_to_chat_id"] = -1000000000055 });
        run.Server.Say(run.Chat, 1, "after");

        Assert.Equal("after", (await run.NextAsync()).Text);
        Assert.Equal(("-1000000000055", false), (run.Facts.Values["moved/-55"], run.Facts.Values.ContainsKey("moved/-66")));
    }

    private static Task<TelegramRun> ListenAsync(Func<TelegramCommunicatorConfig, TelegramCommunicatorConfig>? change = null)
    {
        return TelegramRun.StartAsync(config => (change?.Invoke(config) ?? config) with { ListenToCommands = true });
    }

    private static async Task<DeliveryException> FetchAsync(TelegramRun run, string reference)
    {
        return await Assert.ThrowsAsync<DeliveryException>(async () => await run.Bot.FetchAsync(new Attachment { Name = "a", Reference = reference }, TelegramRun.Cancel));
    }

    private static async Task<HealthResult> DegradedAsync(TelegramRun run)
    {
        await TelegramRun.WaitUntilAsync(() => run.Bot.CheckAsync(TelegramRun.Cancel).Result.State == HealthState.Degraded);
        return await run.Bot.CheckAsync(TelegramRun.Cancel);
    }
}
