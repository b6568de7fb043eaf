using System.Text.Json;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class WebChatTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_answer_reaches_its_contact_with_its_lines_and_nobody_else()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        await using Listener ann = await Listener.OpenAsync(http, "ann");
        await using Listener bob = await Listener.OpenAsync(http, "bob");

        await AnswerAsync(http, "ann", "one\r\ntwo\nthree");
        await AnswerAsync(http, "bob", "other");

        ReceivedEvent received = await ann.NextAsync(item => item.Name is null && item.Data is not null);
        Assert.Equal("one\ntwo\nthree", received.Data);
        Assert.Equal("other", (await bob.NextAsync(item => item.Name is null && item.Data is not null)).Data);
        Assert.Equal("delivered", JsonDocument.Parse((await ann.NextAsync(item => item.Name == "receipt")).Data!).RootElement.GetProperty("status").GetString());
        JournalRecord? record = await http.Runtime.Journal.GetAsync(http.LastAnswer(), false, Cancel);
        Assert.Contains(record!.Receipts, receipt => receipt.Status == DeliveryStatus.Sent);
    }

    [Fact]
    public async Task Who_comes_back_gets_what_was_missed_once_and_the_states_of_its_own_messages()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        string entry = (await http.PostAsync("""{"sender":"ann","msg_type":"chat","raw_msg":"hi","client_type":"emulator"}""")).EntryId;
        string last;
        await using (Listener first = await Listener.OpenAsync(http, "ann"))
        {
            await AnswerAsync(http, "ann", "seen");
            last = (await first.NextAsync(item => item.Data == "seen")).Id!;
        }

        await AnswerAsync(http, "ann", "missed 1");
        await AnswerAsync(http, "bob", "not for ann");
        await AnswerAsync(http, "ann", "missed 2");
        MessageLease lease = await http.Runtime.LeaseAsync("in", Cancel);
        await http.Runtime.Store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        await using Listener again = await Listener.OpenAsync(http, "ann", last);

        Assert.Equal("missed 1", (await again.NextAsync(_ => true)).Data);
        Assert.Equal("missed 2", (await again.NextAsync(_ => true)).Data);
        ReceivedEvent state = await again.NextAsync(_ => true);
        Assert.Equal(("state", null), (state.Name, state.Id));
        JsonElement data = JsonDocument.Parse(state.Data!).RootElement;
        Assert.Equal((entry, "acked"), (data.GetProperty("id").GetString(), data.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task Who_knows_more_than_the_store_is_told_everything_again_for_the_store_went_back_to_a_copy()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        await AnswerAsync(http, "ann", "known or not");

        await using Listener ann = await Listener.OpenAsync(http, "ann", "1000000");

        ReceivedEvent restored = await ann.NextAsync(_ => true);
        ReceivedEvent told = await ann.NextAsync(_ => true);
        Assert.Equal(("restored", null), (restored.Name, restored.Id));
        Assert.Equal(told.Id, JsonDocument.Parse(restored.Data!).RootElement.GetProperty("newest").GetRawText());
        Assert.Equal("known or not", told.Data);
    }

    [Fact]
    public async Task An_answer_that_is_shown_but_not_settled_yet_is_replayed()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        MessageLease lease = await SendAsync(http, "ann", "in between");

        await using Listener ann = await Listener.OpenAsync(http, "ann", "0");

        Assert.Equal("in between", (await ann.NextAsync(_ => true)).Data);
        Assert.Equal("chat", http.Communicator.Name);
        await http.Runtime.Store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
    }

    [Fact]
    public async Task An_answer_that_another_conversation_sent_is_replayed_too()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        await AnswerAsync(http, "ann", "own");
        await AnswerAsync(http, "ann", "from a mail", conversation: "mail/7");
        await AnswerAsync(http, "anna", "not for ann", conversation: "mail/7");

        await using Listener ann = await Listener.OpenAsync(http, "ann", "0");

        Assert.Equal("own", (await ann.NextAsync(_ => true)).Data);
        Assert.Equal("from a mail", (await ann.NextAsync(_ => true)).Data);
        await AnswerAsync(http, "ann", "live");
        Assert.Equal("live", (await ann.NextAsync(item => item.Name is null)).Data);
    }

    [Theory]
    [InlineData("ann")]
    [InlineData(null)]
    public async Task An_older_answer_of_another_conversation_that_is_shown_later_is_replayed(string? contact)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        Envelope waiting = Answer("ann", "from a mail, tried again", conversation: "mail/7");
        await http.Runtime.Store.AppendAsync([waiting], null, Cancel);
        MessageLease held = await http.Runtime.LeaseAsync("out.chat", Cancel);
        await AnswerAsync(http, "ann", "before");
        string last;
        await using (Listener first = await Listener.OpenAsync(http, contact, "0"))
        {
            await AnswerAsync(http, "ann", "seen");
            last = (await first.NextAsync(item => item.Data == "seen")).Id!;
        }

        await http.Communicator.SendAsync(ChatMessage("ann", "from a mail, tried again"), new LeasedDelivery(held), Cancel);
        await http.Runtime.Store.SettleAsync(held, Settlement.Acknowledge, [], Cancel);
        await using Listener again = await Listener.OpenAsync(http, contact, last);
        await AnswerAsync(http, "ann", "live");

        Assert.Equal("from a mail, tried again", (await NextAnswerAsync(again)).Data);
        Assert.Equal("live", (await NextAnswerAsync(again)).Data);
    }

    [Fact]
    public void Answers_that_were_shown_late_are_those_shown_after_the_last_one_a_client_has()
    {
        PublishedAnswers published = new();
        MessageId early = MessageId.New();
        MessageId late = MessageId.New();
        published.Add(3, early, "ann");
        published.Add(9, MessageId.New(), "ann");
        published.Add(5, late, "ann");
        published.Add(6, MessageId.New(), "bob");
        published.Add(4, MessageId.New()); // replayed, and so shown before

        Assert.Equal([(5, late)], published.ShownLate(9, "ann"));
        Assert.Equal([3, 5], published.ShownLate(7, "ann").Select(answer => answer.Seq).Order()); // 7 was shown by a process before this one
        Assert.Equal([5, 6], published.ShownLate(9, null).Select(answer => answer.Seq).Order());
        Assert.Equal(early, published.Find(3));
    }

    [Fact]
    public async Task A_new_contact_begins_behind_the_newest_message_but_before_an_answer_that_waits()
    {
        RuntimeDouble runtime = new(TimeProvider.System);
        ChatJournal journal = new(runtime, new Dictionary<string, EmulatedChannel> { ["chat"] = new(EmulatorCommunicatorConfig.Of(new CommunicatorBackendConfig { Type = "emulator" }), Rules: null) }, new PublishedAnswers(), tellReasons: static () => false, (_, _) => { });
        Assert.Equal("0", await journal.PositionAsync("ann", Cancel));
        await runtime.Store.AppendAsync([new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray())], null, Cancel);
        Assert.Equal("1", await journal.PositionAsync("ann", Cancel));

        Envelope waiting = new(MessageId.New(), "out.chat", PayloadTypes.Notify, "{}"u8.ToArray()) { To = Address.ForRecipient("chat", "ann") };
        await runtime.Store.AppendAsync([new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray()), waiting], null, Cancel);

        Assert.Equal(("2", "3", "2"), (await journal.PositionAsync("ann", Cancel), await journal.PositionAsync("bob", Cancel), await journal.PositionAsync(null, Cancel)));
    }

    [Fact]
    public async Task The_states_of_a_message_and_signals_are_shown_as_they_move()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        await using Listener ann = await Listener.OpenAsync(http, "ann");

        string entry = (await http.PostAsync("""{"sender":"ann","msg_type":"chat","raw_msg":"hi","client_type":"emulator"}""")).EntryId;
        MessageLease lease = await http.Runtime.LeaseAsync("in", Cancel);
        await http.Communicator.SignalAsync(new Signal.Typing(Address.Parse("chat:ann")), null!, Cancel);
        await http.Runtime.Store.SettleAsync(lease, Settlement.Fail(FailureKind.Rejected, "no such article"), [], Cancel);

        List<string> states = [];
        while (states.Count < 3)
        {
            JsonElement state = JsonDocument.Parse((await ann.NextAsync(item => item.Name == "state")).Data!).RootElement;
            Assert.Equal(entry, state.GetProperty("id").GetString());
            states.Add(state.GetProperty("state").GetString()!);
        }

        Assert.Equal(["pending", "dispatched", "failed"], states);
        Assert.True(JsonDocument.Parse(ann.All.First(item => item.Name == "typing").Data!).RootElement.GetProperty("on").GetBoolean());
        Assert.All(ann.All.Where(item => item.Name is not null), item => Assert.Null(item.Id));
    }

    [Fact]
    public void A_file_goes_along_as_one_object()
    {
        OutgoingMessage message = new("see file") { Attachments = [Attachment.FromBytes("a.png", new byte[] { 1 }), Attachment.FromBytes("transcript.txt", "hi"u8.ToArray())] };

        JsonElement data = JsonDocument.Parse(ChatEvents.Message("7", message).Data!).RootElement;

        Assert.Equal("see file", data.GetProperty("text").GetString());
        Assert.Equal("aGk=", data.GetProperty("transcript_file").GetString());
    }

    [Fact]
    public async Task The_page_and_the_stream_need_what_a_post_needs()
    {
        await using HttpFixture open = await HttpFixture.StartAsync();
        await using HttpFixture closed = await HttpFixture.StartAsync(new WebhookIntakeOptions { Token = new Secret("t") });

        Assert.Equal((200, 200, 200), ((await open.GetAsync("/chat")).Status, (await open.GetAsync("/")).Status, (await open.GetAsync("/chat/chat.js")).Status));
        Assert.Equal(401, (await open.GetAsync("/chat", null, ("X-Forwarded-For", "1.2.3.4"))).Status);
        Assert.Equal((401, 401, 200), ((await closed.GetAsync("/chat")).Status, (await closed.GetAsync("/events?sender=a&token=x")).Status, (await closed.GetAsync("/chat?token=t")).Status));
        Assert.Equal(404, (await open.GetAsync("/chat/nothing.js")).Status);
    }

    [Theory]
    [InlineData("a token", null)]
    [InlineData(null, "a secret")]
    public async Task The_link_of_the_page_has_a_token_of_its_own_that_opens_the_chat_and_nothing_else(string? token, string? secret)
    {
        WebhookIntakeOptions webhook = new() { Token = token is null ? null : new Secret(token), Secret = secret is null ? null : new Secret(secret) };
        await using HttpFixture http = await HttpFixture.StartAsync(webhook);
        string link = http.Service.ChatPath;
        string own = link[(link.IndexOf('=', StringComparison.Ordinal) + 1)..];
        const string Chat = """{"sender":"ann","msg_type":"chat","raw_msg":"hi","client_type":"emulator"}""";

        Assert.DoesNotContain(token ?? secret!, Uri.UnescapeDataString(link), StringComparison.Ordinal);
        Assert.Equal((200, 401), ((await http.GetAsync(link)).Status, (await http.GetAsync("/chat")).Status));
        Assert.Equal(200, (await http.PostAsync(Chat, ("X-Postroom-Token", own))).Status);
        Assert.Equal(401, (await http.PostAsync(Chat.Replace("emulator", "whatsapp", StringComparison.Ordinal), ("X-Postroom-Token", own))).Status);
        Assert.Equal(401, (await http.PostAsync(Chat.Replace("emulator", "unknown", StringComparison.Ordinal), ("X-Postroom-Token", own))).Status);
        Assert.Equal(401, (await http.PostAsync(Chat, ("X-Postroom-Token", own[..^1] + "."))).Status);
    }

    [Fact]
    public async Task The_link_without_a_token_to_prove_is_bare_and_a_person_without_one_gets_a_page_that_says_what_to_do()
    {
        await using HttpFixture open = await HttpFixture.StartAsync();
        await using HttpFixture closed = await HttpFixture.StartAsync(new WebhookIntakeOptions { Secret = new Secret("s") });

        Answer page = await closed.GetAsync("/chat", null, ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"));
        Answer program = await closed.GetAsync("/chat");

        Assert.Equal("/chat", open.Service.ChatPath);
        Assert.Equal((401, "text/html"), (page.Status, page.ContentHeaders.ContentType?.MediaType));
        Assert.Contains("Open the link that Postroom printed when it started", page.Text, StringComparison.Ordinal);
        Assert.Equal((401, "application/problem+json"), (program.Status, program.ContentHeaders.ContentType?.MediaType));
    }

    [Fact]
    public async Task The_stream_of_everybody_is_for_operators_once_there_is_a_key()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        await using (Listener all = await Listener.OpenAsync(http, contact: null))
        {
            await AnswerAsync(http, "ann", "to ann");
            Assert.Equal("to ann", (await all.NextAsync(item => item.Data is not null)).Data);
        }

        string viewer = await http.KeyAsync(ApiRole.Viewer);

        Assert.Equal(401, (await http.GetAsync("/events")).Status);
        Assert.Equal(403, (await http.GetAsync("/events", viewer)).Status);
        http.Runtime.State = RuntimeState.Starting;
        Assert.Equal(503, (await http.GetAsync("/events?sender=ann")).Status);
    }

    [Fact]
    public async Task A_stop_ends_the_streams()
    {
        HttpFixture http = await HttpFixture.StartAsync();
        await using Listener ann = await Listener.OpenAsync(http, "ann");

        await http.Service.StopAsync(TimeSpan.FromSeconds(20), Cancel).WaitAsync(TimeSpan.FromSeconds(10), Cancel);

        await http.DisposeAsync();
    }

    private static async Task AnswerAsync(HttpFixture http, string contact, string text, string? conversation = null)
    {
        MessageLease lease = await SendAsync(http, contact, text, conversation);
        await http.Runtime.Store.WriteAsync(new StoreWrite { Settlements = [new StoreSettlement(lease, Settlement.Acknowledge) { Receipt = http.Receipt }] }, Cancel);
    }

    private static async Task<MessageLease> SendAsync(HttpFixture http, string contact, string text, string? conversation = null)
    {
        await http.Runtime.Store.AppendAsync([Answer(contact, text, conversation)], null, Cancel);
        MessageLease lease = await http.Runtime.LeaseAsync("out.chat", Cancel);
        http.Receipt = await http.Communicator.SendAsync(ChatMessage(contact, text), new LeasedDelivery(lease), Cancel);
        return lease;
    }

    private static Envelope Answer(string contact, string text, string? conversation)
    {
        OutgoingMessage message = ChatMessage(contact, text);
        return new Envelope(MessageId.New(), "out.chat", PayloadTypes.Notify, JsonSerializer.SerializeToUtf8Bytes(message, PostroomJson.Default.OutgoingMessage))
        {
            Direction = MessageDirection.Outbound,
            To = message.To,
            Conversation = conversation ?? $"chat/{contact}",
        };
    }

    private static OutgoingMessage ChatMessage(string contact, string text) => new(text) { To = Address.ForRecipient("chat", contact) };

    private static Task<ReceivedEvent> NextAnswerAsync(Listener listener) => listener.NextAsync(item => item.Name is null && item.Data is not null);
}
