using System.Text;
using Postroom.ControlPlane;
using Postroom.Scripts;
using Postroom.Testing;
using Postroom.Tests.ControlPlane;
using Xunit;

namespace Postroom.Tests.Testing;

/// <summary>Saved conversations (EU-9), and their replay (TK-4).</summary>
public sealed class ConversationScriptTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Saved => Architecture.Repository.At("tests", "Postroom.Tests", "Testing", "conversation.json");

    [Fact]
    public async Task Tk4_The_conversation_is_answered_as_it_was_saved()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => Shop.Configure(app));
        ConversationScript script = ConversationScript.Load(Saved);

        ConversationResult result = await script.ReplayAsync(test, TestContext.Current.CancellationToken);

        result.Verify();
    }

    [Fact]
    public async Task Tk4_Differences_say_the_step_what_was_expected_and_what_came()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => Shop.Configure(app, "They are on the way."));

        ConversationResult result = await ConversationScript.Load(Saved).ReplayAsync(test, Cancel);

        ConversationDifference difference = Assert.Single(result.Differences);
        Assert.Equal((3, "chair 2", 15), (difference.Step, difference.Said, difference.FirstAt));
        Assert.Equal(
            "'conversation.json' is answered otherwise in 1 place.\nStep 3, to \"chair 2\":\n  expected: \"They are on their way.\"\n  answered: \"They are on the way.\"\n  they differ from character 16 on",
            result.ToString());
        Assert.Throws<Xunit.Sdk.TrueException>(result.Verify);
    }

    [Fact]
    public async Task Tk4_Missing_answers_and_answers_too_many_are_differences()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => Shop.Configure(app));

        ConversationResult result = await ConversationScript.Parse("""{"version":1,"steps":[{"say":"chair 2"},{"answer":{"pattern":"Order .*"}},{"say":"a chair"},{"answer":{"contains":"article"}},{"answer":"and this"}]}""").ReplayAsync(test, Cancel);

        Assert.Equal([(2, null, "\"They are on their way.\""), (5, "\"and this\"", null)], result.Differences.Select(one => (one.Step, one.Expected, one.Actual)));
    }

    [Theory]
    [InlineData("[]", "It has no version.")]
    [InlineData("{", "It is no JSON")]
    [InlineData("""{"version":2,"steps":[]}""", "It is of version 2, and this program reads version 1.")]
    [InlineData("""{"version":1,"steps":[]}""", "no list 'steps' of 1 to 10000")]
    [InlineData("""{"version":1,"steps":[{"answer":"x"}]}""", "Step 1 is an answer to nothing.")]
    [InlineData("""{"version":1,"steps":[{"say":"x"},{"answr":"x"}]}""", "Step 2: a step is")]
    [InlineData("""{"version":1,"steps":[{"say":"x"},{"answer":{"exact":"x","contains":"x"}}]}""", "Step 2: 'answer' is a text, or has one of exact, contains, like and pattern.")]
    [InlineData("""{"version":1,"steps":[{"say":"x"},{"answer":{"like":"{nummer}"}}]}""", "'{nummer}' is no variable of 'like'; there are {id}, {number}, {amount}, {time}, {any}")]
    [InlineData("""{"version":1,"steps":[{"say":"x"},{"answer":{"pattern":"(?=x)"}}]}""", "Look-arounds and back references are not available")]
    [InlineData("""{"version":1,"steps":[{"say":{"txt":"x"}}]}""", "Step 1: 'txt' is unknown; 'say' may have type, text, metadata, attachments.")]
    public void Eu9_A_file_that_is_no_script_says_where_and_what_to_do(string text, string problem)
    {
        Assert.Contains(problem, Assert.Throws<FormatException>(() => ConversationScript.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Order {id} of {time}", "Order 0198f2c4-7b1e-7c3a-9d21-0123456789ab of 2026-01-15T12:00:00.000Z", true)]
    [InlineData("{number} for {amount} at {time}", "-17 for 1,234.50 at 12:30", true)]
    [InlineData("{number} left", "many left", false)]
    [InlineData("{{id}} is {any}.", "{id} is whatever\nand more.", true)]
    [InlineData("Order {id}", "Order 17 and more", false)]
    public void Eu9_Variables_stand_for_what_changes(string like, string text, bool fits)
    {
        Assert.Equal(fits, new ExpectedText(TextMatch.Like, like).IsIn(text));
    }

    [Fact]
    public void Eu9_A_script_that_is_written_and_read_again_is_the_same()
    {
        ScriptFile file = new(
        [
            new ScriptStep.Say("chat", "\"\u2028 {}"),
            new ScriptStep.Answer(new ExpectedText(TextMatch.Like, "at {time}")) { Files = ["a.txt"] },
            new ScriptStep.Say("document", "aGk=") { Attachments = new Dictionary<string, string> { ["b.txt"] = "aGk=" } },
            new ScriptStep.Answer(new ExpectedText(TextMatch.Exact, "\u65E5\u672C <b>")),
        ]);

        byte[] written = file.Write();

        Assert.Equal(Encoding.UTF8.GetString(written), Encoding.UTF8.GetString(ScriptFile.Parse(written).Write()));
        Assert.Contains("\u65E5\u672C <b>", Encoding.UTF8.GetString(written), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu9_A_conversation_of_the_web_chat_is_saved_and_replays_in_a_test()
    {
        await using RealHttp http = await RealHttp.StartAsync(app => Shop.Configure(app), "communications.enabled=true", "communications.backends.emulator.type=emulator");
        await SayAsync(http, "ann", "chair 2");
        await SayAsync(http, "bob", "not hers");
        await SayAsync(http, "ann", "a chair");
        await Hosting.RuntimeHarness.UntilAsync(async () => (await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.emulator", States = [MessageState.Acked] }, Cancel)).Items.Count == 4);

        string saved = await http.Client.GetStringAsync(new Uri("/chat/script?sender=ann", UriKind.Relative), Cancel);

        Assert.Equal(4, saved.Split("\"answer\"").Length);
        Assert.Contains("{id}", saved, StringComparison.Ordinal);
        Assert.DoesNotContain("not hers", saved, StringComparison.Ordinal);
        await using TestRuntime test = await TestRuntime.StartAsync(app => Shop.Configure(app));
        (await ConversationScript.Parse(saved).ReplayAsync(test, Cancel)).Verify();
    }

    [Fact]
    public async Task Eu9_The_script_of_any_conversation_holds_bodies_and_is_for_operators()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        await http.Runtime.Store.AppendAsync([new Message { Sender = "7", MessageType = "vcard", RawPayload = "[\"BEGIN:VCARD\"]", ClientType = "telegram" }.ToEnvelope("in", "telegram")], null, Cancel);
        string viewer = await http.KeyAsync(ApiRole.Viewer);
        string operating = await http.KeyAsync(ApiRole.Operator);

        Answer script = await http.GetAsync("/api/v1/conversations/telegram%2F7/script", operating);

        Assert.Equal(403, (await http.GetAsync("/api/v1/conversations/telegram/7/script", viewer)).Status);
        Assert.Equal(404, (await http.GetAsync("/api/v1/conversations/telegram/8/script", operating)).Status);
        Assert.Equal("vcard", script.Json.GetProperty("steps")[0].GetProperty("say").GetProperty("type").GetString());
        Assert.Equal(1, ConversationScript.Parse(script.Text).Steps);
    }

    private static async Task SayAsync(RealHttp http, string contact, string text)
    {
        string body = $$"""{"sender":"{{contact}}","msg_type":"chat","raw_msg":"{{text}}","client_type":"emulator","metadata":{"sent_at":"2026-01-15T12:00:00Z","language":"en"} }""";
        Assert.Equal(200, (await http.Client.PostWebhookAsync(Encoding.UTF8.GetBytes(body), "application/json")).Status);
    }

    /// <summary>A shop that answers an order with two messages.</summary>
    private static class Shop
    {
        public static void Configure(IApplicationBuilder app, string last = "They are on their way.") => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            (message, context, _) =>
            {
                if (message.Text.Split(' ') is [{ } article, { } number] && int.TryParse(number, out int count))
                {
                    context.Reply($"Order {context.MessageId}: {count} of {article} for {19.5m * count:0.00} EUR, noted at {DateTimeOffset.UtcNow:yyyy-MM-dd'T'HH:mm:ss'Z'}.");
                    context.Reply(last);
                }
                else
                {
                    context.Reply("Write article and number, please.");
                }

                return new(HandlerResult.Completed);
            },
            "in");
    }
}
