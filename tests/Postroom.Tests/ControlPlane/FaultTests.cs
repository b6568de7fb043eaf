using System.Text;
using System.Text.Json;
using Postroom.Explaining;
using Postroom.Host;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>Faults on purpose, and a web chat that stands for another channel (EU-8), over the real lane and the store file.</summary>
public sealed class FaultTests
{
    private const string Chat = "communications.backends.emulator";

    [Fact]
    public async Task Eu8_Too_many_requests_wait_and_use_no_attempt()
    {
        await using RealHttp http = await StartAsync();
        await using Listener ann = await Listener.OpenAsync(http.Client, "ann");
        await SetAsync(http, "ann", """{"rateLimited":1,"wait":"1s"}""");

        await SayAsync(http, "ann", "hello");

        Assert.Equal("429 on purpose: too many requests, retry after 1s.", FaultOf(await ann.NextAsync(item => item.Name == "fault")));
        Assert.Equal("You wrote: hello", (await ann.NextAsync(item => item.Name is null)).Data);
        JournalRecord answer = await AnswerAsync(http, MessageState.Acked);
        Assert.Equal((1, 0), (answer.Entry.Attempt, answer.Entry.Failures));
        Assert.Contains("429 on purpose", await WhyAsync(http, answer), StringComparison.Ordinal);
        Assert.Equal(0, (await FaultsAsync(http, "ann")).GetProperty("rateLimited").GetInt32());
    }

    [Theory]
    [InlineData("refused", FailureKind.Refused, "400: refused on purpose.")]
    [InlineData("serverError", FailureKind.Exhausted, "500 on purpose: the service failed.")]
    public async Task Eu8_A_send_that_fails_for_good_is_kept_with_its_reason(string fault, FailureKind kind, string error)
    {
        await using RealHttp http = await StartAsync();
        await SetAsync(http, "ann", $$"""{"{{fault}}":1}""");

        await SayAsync(http, "ann", "hello");

        JournalRecord answer = await AnswerAsync(http, MessageState.Failed);
        Assert.Equal(kind, answer.Entry.FailureKind);
        Assert.Contains(error, answer.Entry.Error, StringComparison.Ordinal);
        Assert.Contains(error, await WhyAsync(http, answer), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu8_A_service_that_cannot_be_reached_stops_the_lane_and_costs_no_attempt()
    {
        await using RealHttp http = await StartAsync();
        await SetAsync(http, "ann", """{"serverError":1,"status":503}""");

        await SayAsync(http, "ann", "hello");

        JournalRecord answer = await AnswerAsync(http, MessageState.Acked);
        Assert.Equal(0, answer.Entry.Failures);
        Assert.Contains("503 on purpose", await WhyAsync(http, answer), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu8_A_lost_answer_is_uncertain_and_sent_once_more_under_the_same_number()
    {
        await using RealHttp http = await StartAsync();
        await using Listener ann = await Listener.OpenAsync(http.Client, "ann");
        await SetAsync(http, "ann", """{"lostAnswer":1}""");

        await SayAsync(http, "ann", "hello");

        ReceivedEvent first = await ann.NextAsync(item => item.Name is null);
        ReceivedEvent again = await ann.NextAsync(item => item.Name is null);
        Assert.Equal((first.Id, first.Data), (again.Id, again.Data));
        JournalRecord answer = await AnswerAsync(http, MessageState.Acked);
        Assert.Contains("No answer on purpose", await WhyAsync(http, answer), StringComparison.Ordinal);

        await SetAsync(http, "ann", """{"lostAnswer":2}""");
        await SayAsync(http, "ann", "once more");
        Assert.Equal(FailureKind.Uncertain, (await AnswerAsync(http, MessageState.Failed)).Entry.FailureKind);
    }

    [Fact]
    public async Task Eu8_An_input_is_delivered_twice_and_another_is_overtaken()
    {
        await using RealHttp http = await StartAsync();
        await SetAsync(http, "ann", """{"duplicate":1}""");
        await SetAsync(http, "bob", """{"reorder":1}""");

        await SayAsync(http, "ann", "twice");
        await SayAsync(http, "bob", "first");
        await SayAsync(http, "bob", "second");
        await UntilAsync(async () => (await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.emulator", States = [MessageState.Acked] }, Cancel)).Items.Count == 4);

        JournalPage answers = await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.emulator", Ascending = true }, Cancel);
        string[] texts = [.. await Task.WhenAll(answers.Items.Select(item => TextAsync(http, item)))];
        Assert.Equal(2, texts.Count(text => text == "You wrote: twice"));
        Assert.Equal(["You wrote: second", "You wrote: first"], texts.Where(text => !text.EndsWith("twice", StringComparison.Ordinal)));
        JournalPage inputs = await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "in", Ascending = true }, Cancel);
        Assert.Contains("delivered twice on purpose", await WhyAsync(http, (await http.Runtime.Journal.GetAsync(inputs.Items[1].Envelope.Id, false, Cancel))!), StringComparison.Ordinal);
        Assert.Equal(inputs.Items[0].Envelope.Header(HeaderNames.ChannelMessageId), inputs.Items[1].Envelope.Header(HeaderNames.ChannelMessageId));
    }

    [Fact]
    public async Task Eu8_The_settings_give_each_conversation_its_faults_and_the_page_may_take_them_away()
    {
        await using RealHttp http = await StartAsync($"{Chat}.faults.refused=1", $"{Chat}.faults.delay=10ms");
        await SetAsync(http, "bob", "{}");

        await SayAsync(http, "ann", "hello");
        await SayAsync(http, "bob", "hello");

        Assert.Equal("emulator/ann", (await AnswerAsync(http, MessageState.Failed)).Entry.Envelope.Conversation);
        Assert.Equal("emulator/bob", (await AnswerAsync(http, MessageState.Acked)).Entry.Envelope.Conversation);
        Assert.Equal("0s", (await FaultsAsync(http, "bob")).GetProperty("delay").GetString());
    }

    [Theory]
    [InlineData("""{"delay":"21s"}""", "it must be from 0 to 20s")]
    [InlineData("""{"wait":"2h"}""", "it must be from 1s to 1h")]
    [InlineData("""{"status":418}""", "it must be one of 500, 502, 503, 504")]
    [InlineData("""{"refused":101}""", "refused is 101; it is how often, from 0 to 100.")]
    [InlineData("""{"delay":"soon"}""", "are durations")]
    [InlineData("""{"refused":"often"}""", "unknown or of the wrong type")]
    public async Task Eu8_Faults_have_bounds(string body, string problem)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Answer answer = await PutAsync(http.Client, "ann", body);

        Assert.Equal(400, answer.Status);
        Assert.Contains(problem, answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu7_Faults_and_scripts_need_what_the_page_needs_and_faults_a_setting_where_others_have_the_link()
    {
        await using HttpFixture open = await HttpFixture.StartAsync();
        await using HttpFixture closed = await HttpFixture.StartAsync(new WebhookIntakeOptions { Token = new Secret("t") });
        string token = closed.Service.ChatPath.Split("token=")[1];

        Assert.Equal((200, 400, 404), ((await open.GetAsync("/chat/faults?sender=ann")).Status, (await open.GetAsync("/chat/faults")).Status, (await open.GetAsync("/chat/script?sender=ann")).Status));
        Assert.Equal((401, 401), ((await closed.GetAsync("/chat/faults?sender=ann")).Status, (await closed.GetAsync("/chat/script?sender=ann")).Status));
        Assert.False((await closed.GetAsync($"/chat/faults?sender=ann&token={token}")).Json.GetProperty("mayChange").GetBoolean());
        Answer put = await PutAsync(closed.Client, $"ann&token={token}", """{"refused":1}""");
        Assert.Equal(403, put.Status);
        Assert.Contains("communications.backends.chat.faults.fromPage", put.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu8_A_chat_that_stands_for_Telegram_splits_reads_markup_and_keeps_its_rate()
    {
        await using RealHttp http = await StartAsync($"{Chat}.channel=telegram");
        string lines = string.Join('\n', Enumerable.Range(1, 65).Select(line => $"<b>{line}</b>"));
        await using Listener ann = await Listener.OpenAsync(http.Client, "ann");
        await SetAsync(http, "ann", """{"rateLimited":0,"lostAnswer":1}""");

        EmitResult sent = await http.Runtime.Dispatcher.EmitAsync(new OutgoingMessage(lines) { Format = TextFormat.Html, To = Address.Parse("emulator:ann") }, Cancel);
        IReadOnlyList<EmitOutcome> outcomes = await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.True(outcomes[0].State == MessageState.Acked, outcomes[0].Error);
        List<ReceivedEvent> parts = [];
        while (parts.Count < 4)
        {
            parts.Add(await ann.NextAsync(item => item.Name is null));
        }

        // The confirmation of the first part was lost, so it came again; the others came once.
        Assert.Equal([".1", ".1", ".2", ".3"], parts.Select(part => part.Id![part.Id!.IndexOf('.', StringComparison.Ordinal)..]));
        Assert.Equal([30, 30, 30, 5], parts.Select(part => part.Data!.Split('\n').Length));
        Assert.StartsWith("1\n2\n3", parts[0].Data, StringComparison.Ordinal);

        // Who comes back in the middle gets the rest.
        await using Listener back = await Listener.OpenAsync(http.Client, "ann", parts[2].Id);
        Assert.Equal((parts[3].Id, parts[3].Data), ((await back.NextAsync(item => item.Name is null)).Id, parts[3].Data));
        Assert.Equal("telegram", (await FaultsAsync(http, "ann")).GetProperty("channel").GetString());
    }

    [Fact]
    public async Task Eu8_A_chat_that_stands_for_WhatsApp_refuses_what_WhatsApp_refuses()
    {
        await using RealHttp http = await StartAsync($"{Chat}.channel=whatsapp");
        Interactive four = new Interactive.Buttons([.. Enumerable.Range(1, 4).Select(number => new Interactive.Choice($"{number}", $"Choice {number}"))]);
        Interactive two = new Interactive.Buttons([new("y", "Yes"), new("n", "No")]);
        await using Listener ann = await Listener.OpenAsync(http.Client, "ann");

        EmitOutcome refused = (await (await http.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("Choose:") { Interactive = four, To = Address.Parse("emulator:ann") }, Cancel)).WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0];
        EmitOutcome taken = (await (await http.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("Sure?") { Interactive = two, To = Address.Parse("emulator:ann") }, Cancel)).WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0];

        Assert.Equal(MessageState.Failed, refused.State);
        Assert.Contains("too_many", refused.Error, StringComparison.Ordinal);
        Assert.Equal(MessageState.Acked, taken.State);
        Assert.Equal("Sure?\n\n1. Yes\n2. No", (await ann.NextAsync(item => item.Name is null)).Data);
    }

    private static Task<RealHttp> StartAsync(params string[] settings) => RealHttp.StartAsync(
        app => app.AddChannels().AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            (message, context, _) =>
            {
                context.Reply($"You wrote: {message.Text}");
                return new(HandlerResult.Completed);
            },
            "in"),
        ["communications.enabled=true", $"{Chat}.type=emulator", .. settings]);

    private static async Task SayAsync(RealHttp http, string contact, string text)
    {
        Answer answer = await http.Client.PostWebhookAsync(
            Encoding.UTF8.GetBytes($$"""{"sender":"{{contact}}","msg_type":"chat","raw_msg":"{{text}}","client_type":"emulator","message_id":"{{Guid.NewGuid()}}"}"""), "application/json");
        Assert.Equal(200, answer.Status);
    }

    private static async Task<JournalRecord> AnswerAsync(RealHttp http, MessageState state)
    {
        JournalQuery query = new() { Queue = "out.emulator", States = [state], Limit = 1 };
        JournalPage? page = null;
        await UntilAsync(async () => (page = await http.Runtime.Journal.QueryAsync(query, Cancel)).Items.Count > 0);
        return (await http.Runtime.Journal.GetAsync(page!.Items[0].Envelope.Id, false, Cancel))!;
    }

    private static async Task<string> TextAsync(RealHttp http, JournalEntry entry)
    {
        JournalRecord? record = await http.Runtime.Journal.GetAsync(entry.Envelope.Id, withBody: true, Cancel);
        return Message.FromEnvelope(record!.Entry.Envelope).RawPayload;
    }

    private static async Task<string> WhyAsync(RealHttp http, JournalRecord record)
    {
        WhyReport? report = await new WhyReader(http.Runtime.Journal, http.Runtime.View.Facts, TimeProvider.System).ReadAsync(record.Entry.Envelope.Id, null, Cancel);
        return string.Join('\n', [report!.Reason, .. report.Timeline.Select(line => line.Text)]);
    }

    private static async Task SetAsync(RealHttp http, string contact, string body)
    {
        Answer answer = await PutAsync(http.Client, contact, body);
        Assert.True(answer.Status == 200, answer.Text);
    }

    private static async Task<Answer> PutAsync(HttpClient client, string contact, string body)
    {
        using HttpRequestMessage request = new(HttpMethod.Put, $"/chat/faults?sender={contact}") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        return await client.AnswerAsync(request);
    }

    private static async Task<JsonElement> FaultsAsync(RealHttp http, string contact)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, $"/chat/faults?sender={contact}");
        return (await http.Client.AnswerAsync(request)).Json;
    }

    private static string FaultOf(ReceivedEvent item) => JsonDocument.Parse(item.Data!).RootElement.GetProperty("text").GetString()!;
}
