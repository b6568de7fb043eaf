using System.Diagnostics;
using System.Text.Json;
using Microsoft.Playwright;
using Postroom.EndToEnd.Tests.Chat;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>What a newcomer sees of the shipped program.</summary>
[Collection(Processes.Name)]
public sealed class WelcomeTests(ChatBrowser browser, ITestOutputHelper output) : IClassFixture<ChatBrowser>
{
    [Fact]
    public async Task Ac98_Text_audio_voice_notes_and_contact_cards_reach_the_welcome_module_and_each_is_answered()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        string sound = Convert.ToBase64String(new byte[2_048]);
        string cards = JsonSerializer.Serialize((string[])["BEGIN:VCARD\nFN:Ada Lovelace\nTEL:+44 20 7946 0000\nEND:VCARD"]);

        foreach ((string kind, string payload) in ((string, string)[])[("chat", "hello"), ("audio", sound), ("ptt", sound), ("vcard", cards)])
        {
            using HttpResponseMessage answer = await program.SendAsync(new { sender = "1098", msg_type = kind, raw_msg = payload, client_type = "emulator" });
            Assert.True(answer.IsSuccessStatusCode, kind);
        }

        string[] answers = [.. (await program.ListenAsync("1098", 4, after: "0")).Select(message => message.Text)];
        Assert.Equal("You said: hello", answers[0]);
        Assert.Contains("2 KiB", answers[1], StringComparison.Ordinal);
        Assert.Contains("2 KiB", answers[2], StringComparison.Ordinal);
        Assert.Contains("Ada Lovelace: +44 20 7946 0000", answers[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac89_A_new_user_chats_ends_the_process_inside_the_handler_is_answered_once_on_attempt_2_and_explains_and_replays_a_failure()
    {
        await using RealProgram program = new(); // a clean folder
        Dictionary<string, TimeSpan> walk = [];
        long begun = Stopwatch.GetTimestamp();

        await program.RunAsync();
        Step("postroom run, until it is ready");

        await program.PostAsync("1097", "hello");
        Assert.Equal("You said: hello", Assert.Single(await program.ListenAsync("1097", 1, after: "0")).Text);
        Step("a message and its answer");

        // The process may die before it has answered the post.
        try
        {
            await program.PostAsync("1097", "/crash");
        }
        catch (HttpRequestException)
        {
        }

        await program.Process.WaitAsync().WaitAsync(TimeSpan.FromMinutes(1), RealProgram.Cancel);
        Assert.Contains("/crash: this process kills itself now", program.Process.Output, StringComparison.Ordinal);
        (_, string left) = await program.CommandAsync("journal", "list", "--state", "dispatched", "--quiet");
        (_, string story) = await program.CommandAsync("why", left.Split(' ')[0]);
        Assert.Contains("It was in work, attempt 1, when its runtime ended without an outcome.", story, StringComparison.Ordinal);
        Step("the process ends inside the handler, and the file says what was in work");

        await program.RunAsync();
        await program.UntilAsync(left.Split(' ')[0], "acked");
        string[] answers = [.. (await program.AnswersAsync("1097"))];
        Assert.Equal(2, answers.Length);
        Assert.Contains("attempt 2", answers[1], StringComparison.Ordinal);
        Step("the next start handles it on attempt 2 and answers once");

        string failed = await program.PostAsync("1097", "/fail");
        await program.UntilAsync(failed, "failed");
        (_, string list) = await program.CommandAsync("journal", "list", "--state", "failed");
        Assert.Contains(failed, list, StringComparison.Ordinal);
        Step("a message fails, and is listed");

        (int explained, string why) = await program.CommandAsync("why", failed);
        Assert.Equal(0, explained);
        Assert.Contains("You asked for a failure with /fail.", why, StringComparison.Ordinal);
        Step("why explains it");

        (int replayed, string said) = await program.CommandAsync("replay", failed);
        Assert.True(replayed == 0, said);
        await program.UntilAsync(failed, "acked");
        Step("a replay succeeds");

        TimeSpan all = TimeSpan.FromTicks(walk.Values.Sum(static time => time.Ticks));
        output.WriteLine($"In all {all.TotalSeconds:0.0} s: {string.Join("; ", walk.Select(static step => $"{step.Key} {step.Value.TotalSeconds:0.0} s"))}.");
        Assert.True(all < TimeSpan.FromMinutes(10), $"{all}");

        void Step(string what)
        {
            walk.Add(what, Stopwatch.GetElapsedTime(begun));
            begun = Stopwatch.GetTimestamp();
        }
    }

    [Fact]
    public async Task Ac63_The_web_chat_resumes_over_a_restart_and_keeps_lines_and_contacts_apart()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        await program.PostAsync("1063", "one");
        await program.PostAsync("1063", "two\nlines\r\nand a third");
        IReadOnlyList<(string Id, string Text)> before = await program.ListenAsync("1063", 2, after: "0");

        await program.KillAsync();
        await program.RunAsync();
        await program.PostAsync("1063", "three");
        await program.PostAsync("2063", "somebody else");
        IReadOnlyList<(string Id, string Text)> missed = await program.ListenAsync("1063", 2, after: before[0].Id);

        Assert.Equal("You said: one", before[0].Text);
        Assert.Equal(["You said: two\nlines\nand a third", "You said: three"], missed.Select(message => message.Text));
        Assert.Equal("You said: somebody else", Assert.Single(await program.ListenAsync("2063", 1, after: "0")).Text);
    }

    [Fact]
    public async Task A_conversation_in_the_browser_goes_on_over_a_kill_without_loss()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        IPage page = await browser.OpenAsync(new Uri(program.Address, "chat").ToString());
        await Expect(page.Locator("#link-text")).ToHaveTextAsync("Connected");
        await SayAsync(page, "Hello from a real browser");
        await Expect(page.Locator(".theirs .text")).ToHaveTextAsync("You said: Hello from a real browser");
        await Expect(page.Locator(".mine")).ToHaveAttributeAsync("data-state", "acked");
        await ShootAsync(page, "1-answered");

        await program.KillAsync();
        await Expect(page.Locator("#banner")).ToContainTextAsync("Reconnecting", new() { Timeout = 30_000 });
        await SayAsync(page, "Written while it was dead");
        await ShootAsync(page, "2-killed");
        await program.RunAsync();

        await Expect(page.Locator(".theirs .text")).ToHaveTextAsync(["You said: Hello from a real browser", "You said: Written while it was dead"], new() { Timeout = 60_000 });
        await SayAsync(page, "/fail");
        await Expect(page.Locator(".mine[data-state=failed] .note")).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await SayAsync(page, "And on it goes");
        await Expect(page.Locator(".theirs .text").Last).ToHaveTextAsync("You said: And on it goes", new() { Timeout = 30_000 });
        await Expect(page.Locator(".mine[data-state=acked]")).ToHaveCountAsync(3);
        await ShootAsync(page, "3-back");
        Assert.Equal("4", await program.SqlAsync("select count(*) from messages m join names q on q.id = m.queue where q.name = 'in'"));
    }

    private static async Task SayAsync(IPage page, string text)
    {
        await page.FillAsync("#text", text);
        await page.ClickAsync("#send");
    }

    /// <summary>Keeps a picture where POSTROOM_SHOTS says; nowhere unless set.</summary>
    private static async Task ShootAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("POSTROOM_SHOTS") is { Length: > 0 } folder)
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png") });
        }
    }
}
