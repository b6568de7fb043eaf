using Microsoft.Playwright;
using Postroom.EndToEnd.Tests.Chat;
using Postroom.EndToEnd.Tests.Program;
using Xunit;
using static Microsoft.Playwright.Assertions;
using static Postroom.EndToEnd.Tests.Chat.ChatSteps;

namespace Postroom.EndToEnd.Tests.Dashboard;

/// <summary>The dashboard while its program is away.</summary>
[Collection(Processes.Name)]
public sealed class DashboardRestartTests(ChatBrowser browser, DashboardProgram dashboard) : IClassFixture<ChatBrowser>, IClassFixture<DashboardProgram>
{
    [Fact]
    public async Task Ui3_After_a_death_of_the_process_the_page_reconnects_says_how_long_it_was_away_and_is_still_signed_in()
    {
        IPage page = await dashboard.OpenAsync(browser, "#/messages");
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Live");

        await dashboard.Program.KillAsync();

        await Expect(page.Locator("#banner")).ToContainTextAsync("No connection for");
        await ShootAsync(page, "dashboard-lost");
        await dashboard.Program.RunAsync();
        string id = await dashboard.Program.PostAsync("9001", "after the restart");
        await Expect(page.Locator("#banner")).ToContainTextAsync("Postroom was restarted. There was no connection for", new() { Timeout = 20_000 });
        await Expect(page.Locator("#banner")).ToContainTextAsync(new System.Text.RegularExpressions.Regex(@"for \d+ (s|min)"));
        await Expect(page.Locator($"a[href='#/messages/{id}']")).ToBeVisibleAsync();
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Live");
    }
}
