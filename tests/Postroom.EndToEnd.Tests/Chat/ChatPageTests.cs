using System.Text.Json;
using Microsoft.Playwright;
using Xunit;
using static Microsoft.Playwright.Assertions;
using static Postroom.EndToEnd.Tests.Chat.ChatSteps;

namespace Postroom.EndToEnd.Tests.Chat;

public sealed class ChatPageTests(ChatBrowser browser) : IClassFixture<ChatBrowser>
{
    private static readonly string[] ThreeWhileAway = ["before", "first", "second", "third"];

    [Fact]
    public async Task A_message_is_posted_as_the_emulator_does_and_its_answer_appears()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        server.Script = message =>
        {
            server.Answer(message.Sender, $"You said: {message.Text}");
            return Task.CompletedTask;
        };
        IPage page = await OpenConnectedAsync(server);

        await SayAsync(page, "Hello");

        await Expect(page.Locator(".theirs .text")).ToHaveTextAsync("You said: Hello");
        StoredMessage stored = Assert.Single(server.Stored);
        Assert.Equal("chat", stored.Type);
        Assert.Equal("emulator", stored.Body.GetProperty("client_type").GetString());
        Assert.StartsWith("web-", stored.Sender, StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Object, stored.Body.GetProperty("attachments").ValueKind);
    }

    [Fact]
    public async Task The_state_of_a_message_is_shown_as_it_moves_and_said_in_words()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        await SayAsync(page, "Hello");
        ILocator message = page.Locator(".mine");

        await Expect(message).ToHaveAttributeAsync("data-state", "pending");
        StoredMessage stored = Assert.Single(server.Stored);
        server.State(stored, "dispatched", attempt: 2);
        await Expect(message.Locator(".meta .sr")).ToHaveTextAsync("Working");
        server.State(stored, "acked", attempt: 2);
        await Expect(message.Locator(".meta .sr")).ToHaveTextAsync("Done");

        await message.Locator(".meta").ClickAsync();
        await Expect(message.Locator(".details")).ToContainTextAsync(stored.EntryId);
        await Expect(message.Locator(".moves")).ToContainTextAsync("working, attempt 2");
    }

    [Fact]
    public async Task A_failed_message_says_why_and_can_be_sent_again()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        await SayAsync(page, "Price of 17?");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");

        server.State(Assert.Single(server.Stored), "failed", reason: "Article 17 is unknown.");
        await Expect(page.Locator(".note")).ToContainTextAsync("Article 17 is unknown.");
        await page.GetByRole(AriaRole.Button, new() { Name = "Send again" }).ClickAsync();

        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        Assert.Equal(2, server.Stored.Count);
        Assert.Equal(0, server.Duplicates);
    }

    [Fact]
    public async Task What_is_written_during_an_outage_arrives_afterwards_once_and_in_order()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        await SayAsync(page, "before");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        string contact = server.Stored.First().Sender;

        server.Fail();
        await SayAsync(page, "first");
        await SayAsync(page, "second");
        await SayAsync(page, "third");
        server.Answer(contact, "missed one");
        server.Answer(contact, "missed two");
        await Expect(page.Locator("#banner")).ToContainTextAsync("Reconnecting");
        server.LoseAnswers = 1;
        server.Available = true;

        await Expect(page.Locator("#banner")).ToContainTextAsync("Back, nothing missed");
        await Expect(page.Locator(".mine[data-state=pending]")).ToHaveCountAsync(4, new() { Timeout = 20_000 });
        await Expect(page.Locator(".theirs .text")).ToHaveTextAsync(["missed one", "missed two"]);
        Assert.Equal(ThreeWhileAway, server.Stored.Select(message => message.Text));
        Assert.Equal(1, server.Duplicates);
    }

    [Fact]
    public async Task A_reload_shows_the_conversation_and_fetches_what_was_missed()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        await SayAsync(page, "Hello");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        string contact = server.Stored.First().Sender;
        server.Answer(contact, "one");
        await Expect(page.Locator(".theirs")).ToHaveCountAsync(1);

        await page.GotoAsync("about:blank");
        server.Answer(contact, "two");
        await page.GotoAsync(server.Page);

        await Expect(page.Locator(".message .text")).ToHaveTextAsync(["Hello", "one", "two"]);
    }

    [Fact]
    public async Task An_answer_missed_before_the_first_one_ever_arrived_is_replayed()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        await SayAsync(page, "Hello");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");

        server.Fail();
        server.Answer(server.Stored.First().Sender, "while you were away");
        server.Available = true;

        await Expect(page.Locator(".theirs .text")).ToHaveTextAsync("while you were away");
    }

    [Fact]
    public async Task Unsent_messages_survive_closing_the_page()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        server.Fail();
        await SayAsync(page, "do not lose me");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "sending");

        await page.GotoAsync("about:blank");
        server.Available = true;
        await page.GotoAsync(server.Page);

        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        Assert.Equal("do not lose me", Assert.Single(server.Stored).Text);
    }

    [Fact]
    public async Task Shift_Enter_breaks_the_line_and_Enter_sends()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);

        await page.FocusAsync("#text");
        await page.Keyboard.TypeAsync("one");
        await page.Keyboard.PressAsync("Shift+Enter");
        await page.Keyboard.TypeAsync("two");
        await page.Keyboard.PressAsync("Enter");

        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        Assert.Equal("one\ntwo", Assert.Single(server.Stored).Text);
        await Expect(page.Locator("#text")).ToHaveValueAsync("");
    }

    [Theory]
    [InlineData("<img src=x onerror=\"document.title='hit'\">")]
    [InlineData("<script>document.title='hit'</script>")]
    [InlineData("javascript:document.title='hit'")]
    [InlineData("https://example.org/\"onmouseover=\"document.title='hit'")]
    [InlineData("{\"text\": 5, \"transcript_file\": \"x\"}")]
    [InlineData("\u202Eright to left\u202C \u0000 \uFEFF &amp; ${1+1} {{7*7}}")]
    public async Task Hostile_texts_are_shown_as_text_in_both_directions(string text)
    {
        await using ChatServer server = await ChatServer.StartAsync();
        server.Script = message =>
        {
            server.Answer(message.Sender, text);
            server.State(message, "failed", reason: text);
            return Task.CompletedTask;
        };
        IPage page = await OpenConnectedAsync(server);

        await SayAsync(page, text);

        await Expect(page.Locator(".theirs .text")).ToHaveCountAsync(1);
        Assert.Equal(text, await page.Locator(".theirs .text").EvaluateAsync<string>("element => element.textContent"));
        Assert.Equal(text, await page.Locator(".note > span").EvaluateAsync<string>("element => element.textContent"));
        Assert.Equal(0, await page.Locator(".messages img, .messages script").CountAsync());
        Assert.DoesNotContain("hit", await page.TitleAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await page.Locator(".messages a:not([href^='http'])").CountAsync());
    }

    [Fact]
    public async Task Files_are_sent_as_attachments_and_pictures_are_shown()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        byte[] pixel = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

        await page.SetInputFilesAsync("#files",
            [
                new FilePayload { Name = "a.png", MimeType = "image/png", Buffer = pixel },
                new FilePayload { Name = "a.png", MimeType = "text/plain", Buffer = "text"u8.ToArray() },
            ]);
        await Expect(page.Locator("#tray li")).ToHaveCountAsync(2);
        await page.ClickAsync("#send");

        await Expect(page.Locator(".mine .picture img")).ToHaveCountAsync(1);
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        JsonElement attachments = Assert.Single(server.Stored).Body.GetProperty("attachments");
        Assert.Equal(Convert.ToBase64String(pixel), attachments.GetProperty("a.png").GetString());
        Assert.Equal(Convert.ToBase64String("text"u8), attachments.GetProperty("a (2).png").GetString());
    }

    [Fact]
    public async Task A_recording_is_sent_as_ptt()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);

        await page.ClickAsync("#mic");
        await Expect(page.Locator("#voice-time")).ToHaveTextAsync("0:01");
        await page.ClickAsync("#voice-send");

        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        StoredMessage stored = Assert.Single(server.Stored);
        Assert.Equal("ptt", stored.Type);
        Assert.True(Convert.FromBase64String(stored.Text).Length > 100);
        await Expect(page.Locator(".mine .play")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Typing_reactions_receipts_and_transcripts_are_shown()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await OpenConnectedAsync(server);
        await SayAsync(page, "Hello");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        StoredMessage stored = Assert.Single(server.Stored);

        server.Signal(stored.Sender, "typing", new { on = true, ttlMs = 8000 });
        await Expect(page.Locator("#typing")).ToBeVisibleAsync();
        server.Answer(stored.Sender, JsonSerializer.Serialize(new { text = "Noted", transcript_file = Convert.ToBase64String("words"u8) }));
        await Expect(page.Locator("#typing")).ToBeHiddenAsync();
        await Expect(page.Locator(".theirs .file")).ToContainTextAsync("transcript.txt");
        server.Signal(stored.Sender, "receipt", new { id = "1", status = "read" });
        await Expect(page.Locator(".theirs .meta")).ToContainTextAsync("read");
        server.Signal(stored.Sender, "reaction", new { id = stored.EntryId, emoji = "👍", remove = false });
        await Expect(page.Locator(".reactions").First).ToContainTextAsync("👍");
    }

    [Fact]
    public async Task The_token_in_the_address_opens_the_chat_and_without_it_the_refusal_is_explained()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        server.Token = "s3-canary";

        IPage page = await browser.OpenAsync($"{server.Page}?token=s3-canary");
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");
        await SayAsync(page, "with");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");

        IPage stranger = await browser.OpenAsync(server.Page);
        await SayAsync(stranger, "without");
        await Expect(stranger.Locator(".note")).ToContainTextAsync("token");
        Assert.Single(server.Stored);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nothing_scrolls_sideways_at_360_pixels(bool dark)
    {
        await using ChatServer server = await ChatServer.StartAsync();
        server.Script = message =>
        {
            server.Answer(message.Sender, $"https://example.org/{new string('x', 300)} {new string('W', 400)}");
            server.State(message, "failed", reason: new string('r', 300));
            return Task.CompletedTask;
        };
        IPage page = await browser.OpenAsync(server.Page, width: 360, height: 640, dark: dark);
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");

        await SayAsync(page, new string('M', 500));
        await Expect(page.Locator(".theirs")).ToHaveCountAsync(1);
        await page.Locator(".mine .meta").ClickAsync();
        await page.ClickAsync("#menu-button");

        int[] widths = await page.EvaluateAsync<int[]>(
            "() => ['html', 'body', '#log', '#messages', '.app'].map(name => { const e = document.querySelector(name); return e.scrollWidth - e.clientWidth; })");
        Assert.All(widths, beyond => Assert.Equal(0, beyond));
        Assert.Equal(360, await page.EvaluateAsync<int>("() => Math.round(visualViewport.width)"));
        Assert.True(await page.Locator("#menu").EvaluateAsync<bool>("e => e.getBoundingClientRect().left >= 0 && e.getBoundingClientRect().right <= 360"));
    }

    private async Task<IPage> OpenConnectedAsync(ChatServer server)
    {
        IPage page = await browser.OpenAsync(server.Page);
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");
        return page;
    }
}
