using System.Text.Json;
using Microsoft.Playwright;
using Postroom.EndToEnd.Tests.Chat;
using Postroom.EndToEnd.Tests.Program;
using Xunit;
using static Microsoft.Playwright.Assertions;
using static Postroom.EndToEnd.Tests.Chat.ChatSteps;

namespace Postroom.EndToEnd.Tests.Dashboard;

/// <summary>The dashboard in a real browser, over the shipped program.</summary>
[Collection(Processes.Name)]
public sealed class DashboardTests(ChatBrowser browser, DashboardProgram dashboard) : IClassFixture<ChatBrowser>, IClassFixture<DashboardProgram>
{
    private static readonly (string Place, string Title)[] Pages =
    [
        ("flow", "Flow"), ("messages", "Messages"), ("failed", "Failed & uncertain"), ("queues", "Queues"), ("workers", "Workers"), ("sources", "Sources & schedules"),
        ("communicators", "Communicators"), ("health", "Health"), ("traces", "Traces"), ("restarts", "Restarts"),
        ("configuration", "Configuration"), ("audit", "Audit"), ("keys", "Keys"),
    ];

    [Fact]
    public async Task Cp3_The_link_of_the_start_signs_in_once_and_every_page_loads_without_a_word_on_the_console()
    {
        IPage page = await browser.OpenAsync("about:blank");
        List<string> said = [];
        page.Console += (_, message) => said.Add($"{message.Type}: {message.Text}");
        page.PageError += (_, error) => said.Add(error);
        string link = await dashboard.LinkAsync();

        await page.GotoAsync(link);

        await Expect(page.Locator(".page h1")).ToHaveTextAsync("Flow");
        Assert.DoesNotContain("code=", page.Url, StringComparison.Ordinal);
        foreach ((string place, string title) in Pages)
        {
            await page.Locator($"#nav a[href='#/{place}']").ClickAsync();
            await Expect(page.Locator(".page h1")).ToHaveTextAsync(title);
            await Expect(page.Locator("#nav a[aria-current=page]")).ToHaveAttributeAsync("href", $"#/{place}");
            await ShootAsync(page, $"dashboard-{place}");
        }

        await page.ReloadAsync();
        await Expect(page.Locator(".page h1")).ToHaveTextAsync("Keys");
        Assert.Empty(said);

        IPage other = await browser.OpenAsync(link);
        await Expect(other.GetByRole(AriaRole.Alert).Filter(new() { HasText = "not valid any more" }).First).ToBeVisibleAsync();
        await Expect(other.Locator("#key")).ToBeFocusedAsync();
    }

    [Fact]
    public async Task Ui3_Every_page_is_usable_at_360_pixels_light_and_dark()
    {
        await dashboard.FailAsync("36000");
        string id = await dashboard.Program.PostAsync("36001", "hello");
        await dashboard.Program.UntilAsync(id, "acked");
        IPage page = await dashboard.OpenAsync(browser, width: 360, dark: true);

        foreach ((string place, string title) in Pages.Append(($"messages/{id}", "chat.text")))
        {
            await page.EvaluateAsync("place => { location.hash = '#/' + place; }", place);
            await Expect(page.Locator(".page h1")).ToHaveTextAsync(title);
            Assert.True(await DashboardProgram.SidewaysAsync(page) == 0, $"{place} scrolls sideways");
            await ShootAsync(page, $"dashboard-{place.Split('/')[0]}-360");
        }

        await Expect(page.Locator("#nav")).ToBeHiddenAsync();
        await page.ClickAsync("#nav-button");
        await page.Locator("#nav").GetByRole(AriaRole.Link, new() { Name = "Queues" }).ClickAsync();
        await Expect(page.Locator(".page h1")).ToHaveTextAsync("Queues");
        await Expect(page.Locator("#nav")).ToBeHiddenAsync();

        string dark = await BackgroundAsync(page);
        await page.ClickAsync("#user-button");
        await page.ClickAsync("#theme");
        Assert.NotEqual(dark, await BackgroundAsync(page));
        await page.ReloadAsync();
        Assert.NotEqual(dark, await BackgroundAsync(page));
    }

    [Fact]
    public async Task Ac86_Hostile_strings_in_every_field_are_shown_as_text()
    {
        const string Hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
        string failed = await dashboard.FailAsync($"{Hostile}1");
        await dashboard.CallAsync($"journal/{failed}/discard", new { reason = Hostile });
        string posted = await dashboard.Program.PostAsync(Hostile, Hostile);
        await dashboard.Program.UntilAsync(posted, "acked");
        await dashboard.CallAsync("send", new { message = Hostile, label = "default", to = $"emulator:{Hostile}", subject = Hostile, source = Hostile });
        IPage page = await dashboard.OpenAsync(browser, $"#/messages/{posted}");

        await page.GetByRole(AriaRole.Button, new() { Name = "Show", Exact = true }).ClickAsync();
        await Expect(page.Locator("pre.content")).ToContainTextAsync("onerror");
        await Expect(page.Locator(".timeline")).ToContainTextAsync(Hostile);
        await ShootAsync(page, "dashboard-hostile");
        await NothingRanAsync(page);
        foreach (string place in (string[])["flow", $"messages?q={Uri.EscapeDataString("onerror")}", $"messages/{failed}", $"messages?conversation={Uri.EscapeDataString($"emulator/{Hostile}")}", "failed", "workers", "health", "audit", "audit?user=%3Cimg%20src%3Dx%3E"])
        {
            await page.EvaluateAsync("place => { location.hash = '#/' + place; }", place);
            await Expect(page.Locator(".page h1")).ToBeVisibleAsync();
            await Expect(page.Locator(".page.loading")).ToHaveCountAsync(0);
            await NothingRanAsync(page);
        }

        await page.EvaluateAsync("place => { location.hash = '#/' + place; }", $"messages?q={Uri.EscapeDataString("onerror")}");
        await Expect(page.Locator("tbody")).ToContainTextAsync(Hostile);
    }

    [Fact]
    public async Task Ui1_A_trace_shows_where_the_time_of_a_message_and_of_its_answer_went()
    {
        string id = await dashboard.Program.PostAsync("4711", "where does my time go");
        await dashboard.Program.UntilAsync(id, "acked");
        IPage page = await dashboard.OpenAsync(browser, "#/traces");

        await page.Locator($"tr[data-key='{id}'] a[data-row]").ClickAsync();

        await Expect(page.Locator(".page h1")).ToHaveTextAsync("Trace");
        await Expect(page.Locator("tbody")).ToContainTextAsync("handled");
        await Expect(page.Locator("tbody")).ToContainTextAsync("delivered");
        await Expect(page.Locator("tbody svg.bar").First).ToBeVisibleAsync();
        await Expect(page.Locator(".facts")).ToContainTextAsync("2 messages");
        await ShootAsync(page, "dashboard-trace");
        await page.Locator("tbody a[data-row]").First.ClickAsync();
        await Expect(page.Locator(".page h1")).ToHaveTextAsync("chat.text");
    }

    [Fact]
    public async Task Ui2_Failed_messages_are_selected_and_replayed_with_one_question_that_says_how_many()
    {
        string[] failed = [await dashboard.FailAsync("5001"), await dashboard.FailAsync("5002")];
        IPage page = await dashboard.OpenAsync(browser, "#/failed");
        foreach (string id in failed)
        {
            await page.Locator($"input[data-id='{id}']").CheckAsync();
        }

        await Expect(page.Locator(".tray")).ToContainTextAsync("2 selected");
        await page.Locator(".tray").GetByRole(AriaRole.Button, new() { Name = "Replay" }).ClickAsync();
        ILocator question = page.GetByRole(AriaRole.Dialog, new() { Name = "Replay the selected messages?" });
        await Expect(question.Locator(".touched")).ToHaveTextAsync("2 messages");
        await question.GetByRole(AriaRole.Button, new() { Name = "Replay" }).ClickAsync();
        ILocator progress = page.GetByRole(AriaRole.Dialog, new() { Name = "Replaying" });
        await Expect(progress.GetByRole(AriaRole.Status)).ToHaveTextAsync("2 of 2 messages done.");
        await progress.GetByRole(AriaRole.Button, new() { Name = "Close" }).ClickAsync();

        foreach (string id in failed)
        {
            await Expect(page.Locator($"tr[data-key='{id}']")).ToHaveCountAsync(0);
            Assert.Equal(1, (await dashboard.Program.UntilAsync(id, "acked")).GetProperty("replays").GetInt32());
        }

        await page.GotoAsync($"{dashboard.Page}#/messages/{failed[0]}");
        await Expect(page.Locator(".way .there")).ToContainTextAsync(["Arrived", "Begun", "Handled", "Sent"]);
        await Expect(page.Locator(".timeline")).ToContainTextAsync("replayed by admin");
    }

    [Fact]
    public async Task Ui2_A_viewer_sees_no_contents_and_is_offered_no_actions()
    {
        JsonElement made = await dashboard.CallAsync("keys", new { name = "looks-only", role = "viewer" });
        string failed = await dashboard.FailAsync("6001");
        IPage page = await dashboard.OpenAsync(browser, $"#/messages/{failed}", made.GetProperty("key").GetString());

        await Expect(page.Locator(".reason")).ToContainTextAsync("/fail");
        await Expect(page.GetByText("Contents are for operators.")).ToBeVisibleAsync();
        foreach (string place in (string[])["messages/" + failed, "failed", "queues", "workers", "communicators", "health", "configuration"])
        {
            await page.EvaluateAsync("place => { location.hash = '#/' + place; }", place);
            await Expect(page.Locator(".page.loading")).ToHaveCountAsync(0);
            await Expect(page.Locator("main").GetByRole(AriaRole.Button).Filter(new() { HasTextRegex = new("Replay|Discard|Pause|Stop|Start|Test|Scale|Reload|Override|Purge") })).ToHaveCountAsync(0);
        }

        await Expect(page.Locator("#nav a[href='#/keys']")).ToHaveCountAsync(0);
        await page.EvaluateAsync("() => { location.hash = '#/keys'; }");
        await Expect(page.GetByRole(AriaRole.Alert).Filter(new() { HasText = "for the role admin" }).First).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Ui3_The_keyboard_searches_moves_opens_and_goes_back()
    {
        string id = await dashboard.Program.PostAsync("70707070", "by keys");
        await dashboard.Program.UntilAsync(id, "acked");
        IPage page = await dashboard.OpenAsync(browser);

        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("70707070");
        await Expect(page.Locator(".lead")).ToContainTextAsync("2 messages with “70707070”");
        await page.Keyboard.PressAsync("Escape");
        await page.Keyboard.PressAsync("j");
        await page.Keyboard.PressAsync("j");
        await Expect(page.Locator($"a[href='#/messages/{id}']")).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".crumb")).ToContainTextAsync(id);
        await page.Keyboard.PressAsync("u");
        await Expect(page.Locator("#search")).ToHaveValueAsync("70707070");
        await page.Keyboard.PressAsync("?");
        await Expect(page.GetByRole(AriaRole.Dialog, new() { Name = "Keyboard" })).ToBeVisibleAsync();
        await page.Keyboard.PressAsync("Escape");
        await page.Keyboard.PressAsync("g");
        await page.Keyboard.PressAsync("q");
        await Expect(page.Locator(".page h1")).ToHaveTextAsync("Queues");
    }

    [Fact]
    public async Task Ui1_The_flow_is_live_and_keeps_the_last_hour_over_a_reload()
    {
        IPage page = await dashboard.OpenAsync(browser);
        await Expect(page.Locator("[data-node='queue/in']")).ToBeVisibleAsync();
        int done = await DoneAsync();

        string id = await dashboard.Program.PostAsync("8001", "count me");
        await dashboard.Program.UntilAsync(id, "acked");

        await Expect(page.Locator(".tile", new() { HasText = "done" }).Locator(".tile-value")).Not.ToHaveTextAsync(done.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await Expect(page.Locator(".plot svg")).ToHaveCountAsync(4);
        await dashboard.Program.UntilAsync(async () => (await dashboard.Program.ApiAsync("stats/history")).GetProperty("samples").GetArrayLength() > 0);
        await page.ReloadAsync();
        await Expect(page.Locator(".plot svg").First).ToHaveAttributeAsync("aria-label", new System.Text.RegularExpressions.Regex("^Messages of the last hour, per s. stored: now .*, at most (?!0;)"));

        async Task<int> DoneAsync() => (await dashboard.Program.ApiAsync("status")).GetProperty("counts").GetProperty("acked").GetInt32();
    }

    private static async Task NothingRanAsync(IPage page)
    {
        Assert.DoesNotContain("taken", await page.TitleAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await page.Locator("body img, main script, dialog script").CountAsync());
    }

    private static Task<string> BackgroundAsync(IPage page) => page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor");
}
