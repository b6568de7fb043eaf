using Microsoft.Playwright;
using Xunit;
using static Microsoft.Playwright.Assertions;
using static Postroom.EndToEnd.Tests.Chat.ChatSteps;

namespace Postroom.EndToEnd.Tests.Chat;

/// <summary>What the page says beside the texts: states for developers, waits, hints, and how it is closed.</summary>
public sealed class ChatDetailTests(ChatBrowser browser) : IClassFixture<ChatBrowser>
{
    [Theory]
    [InlineData(1200)]
    [InlineData(360)]
    public async Task Developer_details_show_number_state_and_attempt_in_the_message_itself(int width)
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page, width, height: 640);
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");
        await SayAsync(page, "/crash");
        ILocator message = page.Locator(".mine");
        await Expect(message).ToHaveAttributeAsync("data-state", "pending");
        StoredMessage stored = Assert.Single(server.Stored);
        await page.ClickAsync("#menu-button");
        await page.CheckAsync("#developer");
        await page.Keyboard.PressAsync("Escape");

        server.State(stored, "acked", attempt: 2);

        await Expect(message.Locator(".meta .developer-only")).ToBeVisibleAsync();
        await Expect(message.Locator(".meta .developer-only")).ToHaveTextAsync($"{stored.EntryId} · acked · attempt 2");
        Assert.Equal(0, await page.EvaluateAsync<int>("() => document.querySelector('#log').scrollWidth - document.querySelector('#log').clientWidth"));
        await ShootAsync(page, $"developer-{width}");
    }

    [Fact]
    public async Task A_pasted_text_that_is_too_long_is_cut_and_the_page_says_by_how_much()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page);
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");

        await page.EvaluateAsync(
            """
            () => {
              const field = document.querySelector('#text');
              field.focus();
              const clipboardData = new DataTransfer();
              clipboardData.setData('text/plain', 'x'.repeat(100_010));
              field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
            }
            """);

        await Expect(page.Locator("#hint")).ToHaveTextAsync("A message has at most 100,000 characters; 10 of the pasted text are cut off.");
    }

    [Fact]
    public async Task A_message_that_waits_to_be_tried_again_says_so_on_the_page()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page);
        await SayAsync(page, "Price of 17?");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "pending");

        server.State(Assert.Single(server.Stored), "pending", attempt: 2);

        await Expect(page.Locator(".note")).ToBeVisibleAsync();
        await Expect(page.Locator(".note")).ToHaveTextAsync("Waiting to try again after attempt 2.");
        await ShootAsync(page, "waiting");
    }

    [Theory]
    [InlineData(1200)]
    [InlineData(360)]
    public async Task The_empty_page_of_the_welcome_module_hints_at_what_to_try_and_sends_nothing_by_itself(int width)
    {
        await using ChatServer server = await ChatServer.StartAsync(welcoming: true);
        await using ChatServer other = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page, width, height: 640);
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");
        await ShootAsync(page, $"empty-{width}");

        await page.GetByRole(AriaRole.Button, new() { Name = "/crash" }).ClickAsync();

        await Expect(page.Locator("#text")).ToHaveValueAsync("/crash");
        Assert.Empty(server.Stored);
        IPage without = await browser.OpenAsync(other.Page, width, height: 640);
        await Expect(without.Locator("#empty")).ToBeVisibleAsync();
        await Expect(without.Locator(".hints")).ToBeHiddenAsync();
    }

    [Fact]
    public async Task A_file_has_the_size_that_its_answer_names()
    {
        await using ChatServer server = await ChatServer.StartAsync();
        IPage page = await browser.OpenAsync(server.Page);

        await page.SetInputFilesAsync("#files", new FilePayload { Name = "a.txt", MimeType = "text/plain", Buffer = new byte[34_304] });

        await Expect(page.Locator("#tray li .faint")).ToHaveTextAsync("33.5 KiB");
    }

    [Theory]
    [InlineData(1200)]
    [InlineData(360)]
    public async Task Without_its_token_the_page_says_where_the_link_is(int width)
    {
        await using ChatServer server = await ChatServer.StartAsync();

        IPage page = await browser.OpenAsync($"{server.Page}/closed.html", width, height: 640);

        await Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("This chat needs its link");
        Assert.Equal(0, await page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"));
        await ShootAsync(page, $"closed-{width}");
    }
}
