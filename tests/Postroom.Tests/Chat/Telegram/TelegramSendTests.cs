using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

public sealed class TelegramSendTests
{
    private static readonly byte[] Bytes = [1, 2, 3, 13, 10, 45, 45, 0, 255];

    [Fact]
    public async Task A_text_is_in_the_chat_and_the_receipt_has_its_number()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();

        DeliveryReceipt receipt = await run.SendAsync(new OutgoingMessage("5 < 6 & <b>7</b> \U0001F600"));

        FakeTelegramMessage shown = Assert.Single(run.Chat.Messages);
        Assert.Equal("5 < 6 & <b>7</b> \U0001F600", shown.Text);
        Assert.Empty(shown.Entities);
        Assert.False(shown.IsSilent);
        Assert.Equal((DeliveryStatus.Sent, shown.Id.ToString()), (receipt.Status, receipt.OutsideId));
        Assert.Empty(receipt.Parts);
    }

    [Fact]
    public async Task Ac52_95_lines_are_parts_of_30_30_30_and_5_in_order()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        string text = string.Join("\r\n", Enumerable.Range(1, 95));

        TelegramRun.Delivery context = new();
        DeliveryReceipt receipt = await run.SendAsync(new OutgoingMessage(text), context);

        Assert.Equal([30, 30, 30, 5], run.Chat.Messages.Select(message => message.Text.Split('\n').Length));
        Assert.Equal(text.ReplaceLineEndings("\n"), string.Join('\n', run.Chat.Messages.Select(message => message.Text)));
        Assert.Equal(run.Chat.Messages.Select(message => message.Id.ToString()), receipt.Parts);
        Assert.Equal(receipt.Parts, context.Progress);
    }

    [Fact]
    public async Task Ac52_a_send_whose_third_part_failed_goes_on_at_the_third()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        OutgoingMessage message = new(string.Join('\n', Enumerable.Range(1, 95)));
        TelegramRun.Delivery first = new();
        run.Server.FailNext(FakeTelegramServer.Error(500, "Internal Server Error"), "sendMessage", skip: 2);

        DeliveryException failure = await run.RefuseAsync(message, first);
        Assert.Equal(new DeliveryFailure.Transient(), failure.Failure);
        Assert.Equal(2, first.Progress.Count);

        DeliveryReceipt receipt = await run.SendAsync(message, new TelegramRun.Delivery([.. first.Progress]));

        Assert.Equal(["1", "31", "61", "91"], run.Chat.Messages.Select(shown => shown.Text.Split('\n')[0]));
        Assert.Equal(4, receipt.Parts.Count);
        Assert.Equal(first.Progress, receipt.Parts.Take(2));
    }

    [Fact]
    public async Task Ac52_a_line_of_10000_characters_is_three_parts_that_cut_no_pair_and_no_tag()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        string line = string.Concat(Enumerable.Repeat("\U0001F600", 5_000));

        _ = await run.SendAsync(new OutgoingMessage($"<b>{line}</b>") { Format = TextFormat.Html });

        Assert.Equal(3, run.Chat.Messages.Count);
        Assert.Equal(line, string.Concat(run.Chat.Messages.Select(message => message.Text)));
        Assert.All(run.Chat.Messages, message => Assert.Equal([$"b:{message.Text}"], message.Entities));
        Assert.DoesNotContain(run.Chat.Messages, message => char.IsLowSurrogate(message.Text[0]));
    }

    [Fact]
    public async Task Ac54_a_message_goes_to_its_recipient_the_chat_of_its_label_or_the_default_chat()
    {
        await using TelegramRun run = await TelegramRun.StartAsync(config => config with
        {
            Chats = new Dictionary<string, TelegramChatConfig>
            {
                ["operators"] = new() { ChatId = "-1001", TopicId = 4 },
                ["quiet"] = new() { ChatId = "-1001", Active = false },
                ["default"] = new() { ChatId = "7" },
            },
        });
        FakeTelegramChat group = run.Server.AddChat(-1001, topics: [4, 9]);
        FakeTelegramChat open = run.Server.AddChat(-1002, "channel", "postroom_news");

        _ = await run.SendAsync(new OutgoingMessage("operators", "by label"));
        _ = await run.SendAsync(new OutgoingMessage("nobody", "by default"));
        _ = await run.SendAsync(new OutgoingMessage("operators", "direct") { To = Address.Parse("shop:-1001/9") });
        _ = await run.SendAsync(new OutgoingMessage("by context"), new TelegramRun.Delivery { To = Address.Parse("shop:-1001"), In = "shop/-1001/9" });
        _ = await run.SendAsync(new OutgoingMessage("by name"), new TelegramRun.Delivery { To = Address.Parse("shop:@postroom_news") });
        DeliveryReceipt skipped = await run.SendAsync(new OutgoingMessage("quiet", "to nobody"));

        Assert.Equal([("by label", 4), ("direct", 9), ("by context", 9)], group.Messages.Select(message => (message.Text, message.Topic ?? 0)));
        Assert.Equal(["by default"], run.Chat.Messages.Select(message => message.Text));
        Assert.Equal(["by name"], open.Messages.Select(message => message.Text));
        Assert.Equal(DeliveryStatus.Skipped, skipped.Status);
    }

    [Fact]
    public async Task Ac54_a_message_without_any_chat_is_unroutable_and_a_warning_says_so()
    {
        await using TelegramRun run = await TelegramRun.StartAsync(config => config with { Chats = new Dictionary<string, TelegramChatConfig>() });

        DeliveryException failure = await run.RefuseAsync(new OutgoingMessage("nobody", "text"));

        Assert.IsType<DeliveryFailure.Unroutable>(failure.Failure);
        Assert.Contains(run.Log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains("nobody", StringComparison.Ordinal));
        Assert.DoesNotContain(run.Server.Calls, call => call.Method.StartsWith("send", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_reply_names_its_message_and_is_sent_also_when_that_is_gone()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();

        _ = await run.SendAsync(new OutgoingMessage("to one") { ReplyTo = "5" });
        _ = await run.SendAsync(new OutgoingMessage("to none") { ReplyTo = "777777" });
        _ = await run.SendAsync(new OutgoingMessage("quiet") { Severity = MessageSeverity.Debug });

        Assert.Equal([(5, false), (0, false), (0, true)], run.Chat.Messages.Select(message => (message.ReplyTo ?? 0, message.IsSilent)));
    }

    [Fact]
    public async Task Files_go_by_their_kind_with_the_text_as_caption()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        (string Name, string Type, string Kind)[] files =
        [
            ("a \"b\" ü.jpg", "image/jpeg", "photo"), ("v.ogg", "audio/ogg; codecs=opus", "voice"), ("s.mp3", "audio/mpeg", "audio"), ("f.mp4", "video/mp4", "video"), ("d.pdf", "application/pdf", "document"), ("x", "nonsense", "document"),
        ];

        DeliveryReceipt receipt = await run.SendAsync(new OutgoingMessage("look")
        {
            Attachments = [.. files.Select(file => Attachment.FromBytes(file.Name, Bytes, file.Type))],
        });

        Assert.Equal(files.Select(file => file.Kind), run.Chat.Messages.Select(message => message.Kind));
        Assert.Equal(files.Select(file => file.Name), run.Chat.Messages.Select(message => message.FileName));
        Assert.All(run.Chat.Messages, message => Assert.Equal(Bytes, message.File.ToArray()));
        Assert.Equal(["look", "", "", "", "", ""], run.Chat.Messages.Select(message => message.Text));
        Assert.Equal(6, receipt.Parts.Count);
        Assert.Empty(receipt.Degraded);
    }

    [Fact]
    public async Task A_caption_has_1024_units_and_the_rest_is_text()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        string text = string.Join(' ', Enumerable.Repeat("word", 1_500));

        _ = await run.SendAsync(new OutgoingMessage(text) { Attachments = [Attachment.FromBytes("a.png", Bytes, "image/png")] });

        Assert.Equal(["photo", "text", "text"], run.Chat.Messages.Select(message => message.Kind));
        Assert.Equal(text, string.Join(' ', run.Chat.Messages.Select(message => message.Text)));
        Assert.InRange(run.Chat.Messages[0].Text.Length, 1_000, 1_024);
    }

    [Fact]
    public async Task A_file_that_came_in_goes_out_by_its_id_and_one_without_bytes_becomes_a_line()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        string known = run.Server.AddFile("photos/1.jpg", Bytes);

        DeliveryReceipt receipt = await run.SendAsync(new OutgoingMessage("both")
        {
            Attachments = [new Attachment { Name = "1.jpg", ContentType = "image/jpeg", Reference = known }, new Attachment { Name = "lost.bin", Data = default(ReadOnlyMemory<byte>) }],
        });

        FakeTelegramMessage shown = Assert.Single(run.Chat.Messages);
        Assert.Equal(("photo", "both\n[lost.bin: not sent]"), (shown.Kind, shown.Text));
        Assert.Equal(Bytes, shown.File.ToArray());
        Assert.Contains("lost.bin", Assert.Single(receipt.Degraded), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Choices_are_buttons_below_the_last_part_and_a_list_where_they_do_not_fit()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();

        _ = await run.SendAsync(new OutgoingMessage(string.Join('\n', Enumerable.Range(1, 31))) { Interactive = new Interactive.Buttons([new("yes", "Yes <b>"), new("no", "No")]) });
        _ = await run.SendAsync(new OutgoingMessage("*pay*") { Format = TextFormat.Markdown, Interactive = new Interactive.CtaUrl("Pay", new Uri("https://example.org/p?a=1&b=2")) { Header = "<Bill>", Footer = "thanks" } });
        DeliveryReceipt listed = await run.SendAsync(new OutgoingMessage("pick") { Interactive = new Interactive.Buttons([new(new string('x', 65), "One"), new("2", "Two", "the second")]) });
        _ = await run.SendAsync(new OutgoingMessage("menu") { Interactive = new Interactive.List("open", [new("Hot", [new("t", "Tea", "green")]), new("Cold", [new("w", "Water")])]) });

        IReadOnlyList<FakeTelegramMessage> shown = run.Chat.Messages;
        Assert.Empty(shown[0].Buttons);
        Assert.Equal([[("Yes <b>", "yes")], [("No", "no")]], shown[1].Buttons);
        Assert.Equal("<Bill>\n\npay\n\nthanks", shown[2].Text);
        Assert.Equal(["i:pay"], shown[2].Entities);
        Assert.Equal([[("Pay", "https://example.org/p?a=1&b=2")]], shown[2].Buttons);
        Assert.Equal("pick\n\n1. One\n2. Two – the second", shown[3].Text);
        Assert.Single(listed.Degraded);
        Assert.Equal("menu\n\nHot\n• Tea – green\nCold\n• Water", shown[4].Text);
        Assert.Equal([[("Tea", "t")], [("Water", "w")]], shown[4].Buttons);
    }

    [Fact]
    public async Task A_group_that_became_a_supergroup_is_followed_at_once_and_remembered()
    {
        await using TelegramRun run = await TelegramRun.StartAsync(config => config with { Chats = new Dictionary<string, TelegramChatConfig> { ["default"] = new() { ChatId = "-55" } } });
        run.Server.AddChat(-55).MovedTo = -1000000000099;
        FakeTelegramChat moved = run.Server.AddChat(-1000000000099);

        DeliveryReceipt first = await run.SendAsync(new OutgoingMessage("one"));
        DeliveryReceipt second = await run.SendAsync(new OutgoingMessage("two"));

        Assert.Equal(["one", "two"], moved.Messages.Select(message => message.Text));
        Assert.Equal(3, run.Server.Calls.Count(call => call.Method == "sendMessage"));
        Assert.Contains("-1000000000099", Assert.Single(first.Degraded), StringComparison.Ordinal);
        Assert.Single(second.Degraded);
        Assert.Equal("-1000000000099", run.Facts.Values["moved/-55"]);
        Assert.Contains(run.Log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains("-1000000000099", StringComparison.Ordinal));
        Assert.Contains(run.Bot.LimitsOf(new OutgoingMessage("x"), null), limit => limit.Key == "group/-1000000000099");
    }

    [Fact]
    public async Task Ac64_typing_and_reactions_are_shown_and_a_reaction_that_is_there_already_is_success()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        Address chat = Address.Parse("shop:7");

        await run.Bot.SignalAsync(new Signal.Typing(chat), new TelegramRun.Delivery(), TelegramRun.Cancel);
        await run.Bot.SignalAsync(new Signal.Typing(chat) { Ttl = TimeSpan.Zero }, new TelegramRun.Delivery(), TelegramRun.Cancel);
        await run.Bot.SignalAsync(new Signal.Presence(chat, "online"), new TelegramRun.Delivery(), TelegramRun.Cancel);
        await run.Bot.SignalAsync(new Signal.Reaction(chat, "5", "\U0001F44D"), new TelegramRun.Delivery(), TelegramRun.Cancel);
        await run.Bot.SignalAsync(new Signal.Reaction(chat, "6", "\U0001F44D"), new TelegramRun.Delivery(), TelegramRun.Cancel);
        await run.Bot.SignalAsync(new Signal.Reaction(chat, "6", "\U0001F44D", Remove: true), new TelegramRun.Delivery(), TelegramRun.Cancel);
        run.Server.FailNext(FakeTelegramServer.Error(400, "Bad Request: message is not modified"));
        await run.Bot.SignalAsync(new Signal.Reaction(chat, "5", "\U0001F44D"), new TelegramRun.Delivery(), TelegramRun.Cancel);

        Assert.Equal(["typing"], run.Chat.Actions);
        Assert.Equal("\U0001F44D", Assert.Single(run.Chat.Reactions).Value);
    }

    [Fact]
    public async Task A_send_falls_under_the_limits_of_bot_chat_and_group()
    {
        await using TelegramRun run = new();

        Assert.Equal(["", "chat/7"], run.Bot.LimitsOf(new OutgoingMessage("x"), null).Select(limit => limit.Key));
        Assert.Equal(["chat/7", "chat/-100", "chat/-100"], new[] { null, "shop:-100", "shop:-100/7" }.Select(to => run.Bot.RecipientOf(to is null ? null : Address.Parse(to), "default")));
        Assert.Equal(
            [new SendLimit("", new Rate(30, TimeSpan.FromSeconds(1)), 30), new SendLimit("chat/-100", new Rate(1, TimeSpan.FromSeconds(1)), 3), new SendLimit("group/-100", new Rate(20, TimeSpan.FromMinutes(1)), 20)],
            run.Bot.LimitsOf(new OutgoingMessage("x"), Address.Parse("shop:-100")));
    }

    [Fact]
    public async Task A_stop_waits_for_the_send_in_progress()
    {
        await using TelegramRun run = await TelegramRun.StartAsync();
        run.Server.FailNext(new FakeAnswer.Reply(200, """{"ok":true,"result":{"message_id":9}}""") { Delay = TimeSpan.FromMilliseconds(300) });

        Task<DeliveryReceipt> send = run.SendAsync(new OutgoingMessage("slow")).AsTask();
        await run.Server.WaitForCallsAsync("sendMessage", 1, TelegramRun.Cancel);
        await run.Bot.StopAsync(TelegramRun.Cancel);

        Assert.True(send.IsCompletedSuccessfully);
        Assert.Equal("9", (await send).OutsideId);
        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), (await run.RefuseAsync(new OutgoingMessage("late"))).Failure);
    }
}
