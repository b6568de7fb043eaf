using Microsoft.Playwright;
using Xunit;
using static Microsoft.Playwright.Assertions;
using static Postroom.EndToEnd.Tests.Chat.ChatSteps;

namespace Postroom.EndToEnd.Tests.Chat;

/// <summary>What developers do on the page: faults on purpose (EU-8), and saving a conversation (EU-9).</summary>
public sealed class ChatToolTests(ChatBrowser browser) : IClassFixture<ChatBrowser>
{
    [Theory]
    [InlineData(1200, false)]
    [InlineData(360, true)]
    public async Task Eu8_A_developer_sets_faults_sees_what_is_left_and_what_happens(int width, bool dark)
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page, width, height: 640, dark);
        await SayAsync(page, "hello");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        await Expect(page.Locator(".link")).ToHaveTextAsync("Connected as Telegram");
        await DeveloperAsync(page);
        await ShootAsync(page, $"tools-menu-{width}");
        await page.GetByRole(AriaRole.Button, new() { Name = "Faults on purpose…" }).ClickAsync();

        ILocator dialog = page.GetByRole(AriaRole.Dialog, new() { Name = "Faults on purpose" });
        await Expect(dialog).ToBeVisibleAsync();
        await dialog.GetByRole(AriaRole.Spinbutton, new() { Name = "Too many requests" }).FillAsync("2");
        await dialog.GetByRole(AriaRole.Combobox, new() { Name = "Status" }).SelectOptionAsync("503");
        await ShootAsync(page, $"faults-{width}");
        server.FaultProblem = "wait is 2h; it must be from 1s to 1h.";
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Set" }).ClickAsync();
        await Expect(dialog.GetByRole(AriaRole.Alert)).ToHaveTextAsync(server.FaultProblem);
        server.FaultProblem = null;
        await dialog.GetByRole(AriaRole.Spinbutton, new() { Name = "Too many requests" }).PressAsync("Enter");

        await Expect(dialog).ToBeHiddenAsync();
        await Expect(page.Locator("#faults-left")).ToHaveTextAsync("2 faults");
        Assert.Equal(("2", "503", "\"5000ms\""), (server.Faults["rateLimited"].ToString(), server.Faults["status"].ToString(), $"\"{server.Faults["wait"]}\""));
        server.Signal(server.Stored.First().Sender, "fault", new { text = "429 on purpose: too many requests, retry after 5s." });
        server.Answer(server.Stored.First().Sender, "You wrote 5 characters.");
        await Expect(page.Locator(".fault-line span")).ToHaveTextAsync("429 on purpose: too many requests, retry after 5s.");
        Assert.Equal(0, await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"));
        await Expect(page.Locator("#toast")).ToBeHiddenAsync();
        await ShootAsync(page, $"fault-line-{width}");

        await page.ReloadAsync();
        await Expect(page.Locator(".fault-line span")).ToHaveTextAsync("429 on purpose: too many requests, retry after 5s.");
    }

    [Fact]
    public async Task Eu8_The_dialog_is_left_with_Escape_and_nothing_is_set_where_the_page_may_not()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page);
        await DeveloperAsync(page);
        await page.FocusAsync("#open-faults");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#faults-dialog")).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Escape");
        await Expect(page.Locator("#faults-dialog")).ToBeHiddenAsync();

        server.Faults["mayChange"] = false;
        await page.ReloadAsync();
        await page.ClickAsync("#menu-button");

        await Expect(page.Locator("#save-script")).ToBeVisibleAsync();
        await Expect(page.Locator("#open-faults")).ToBeHiddenAsync();
    }

    [Fact]
    public async Task Eu9_A_conversation_is_saved_as_a_file()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page);
        await DeveloperAsync(page);

        IDownload file = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Button, new() { Name = "Save as a test" }).ClickAsync());

        Assert.Equal("conversation.json", file.SuggestedFilename);
        Assert.Contains("\"say\"", await File.ReadAllTextAsync(await file.PathAsync(), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu8_The_parts_of_an_answer_are_shown_each_once()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page);
        await SayAsync(page, "hello");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");
        string contact = server.Stored.First().Sender;

        foreach (string id in (string[])["7.1", "7.1", "7.2", "7.3"])
        {
            server.Part(contact, id, id == "7.3" ? "the end" : "the same text");
        }

        await Expect(page.Locator(".theirs .text")).ToHaveTextAsync(["the same text", "the same text", "the end"]);
    }

    private static async Task DeveloperAsync(IPage page)
    {
        await page.ClickAsync("#menu-button");
        await page.CheckAsync("#developer");
    }
}
