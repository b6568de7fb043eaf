using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Postroom.EndToEnd.Tests.Chat;
using Postroom.EndToEnd.Tests.Program;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Postroom.EndToEnd.Tests.Dashboard;

/// <summary>One program for the tests of a class, and how they come into its dashboard.</summary>
public sealed partial class DashboardProgram : IAsyncLifetime
{
    /// <summary>The program itself.</summary>
    internal RealProgram Program { get; } = new();

    /// <summary>The key of the first administrator.</summary>
    internal string AdminKey { get; private set; } = "";

    internal Uri Page => new(Program.Address, "ui/");

    public async ValueTask InitializeAsync()
    {
        if (File.Exists(ChatBrowser.Executable))
        {
            await Program.RunAsync();
            AdminKey = (await File.ReadAllTextAsync(System.IO.Path.Combine(Program.Folder, "data", "admin.key"), RealProgram.Cancel)).Trim();
        }
    }

    public ValueTask DisposeAsync() => Program.DisposeAsync();

    /// <summary>The link that the latest start printed.</summary>
    internal async Task<string> LinkAsync()
    {
        await Program.UntilAsync(() => Task.FromResult(Link().IsMatch(Program.Process.Output)));
        return Link().Match(Program.Process.Output).Groups[1].Value;
    }

    /// <summary>Opens a place of the dashboard, signed in with a key; the administrator's unless another is given.</summary>
    internal async Task<IPage> OpenAsync(ChatBrowser browser, string place = "", string? key = null, int width = 1200, bool dark = false)
    {
        IPage page = await browser.OpenAsync($"{Page}{place}", width, height: 800, dark);
        await page.FillAsync("#key", key ?? AdminKey);
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".page h1")).ToBeVisibleAsync();
        return page;
    }

    /// <summary>Posts something to the API as the administrator; the answer.</summary>
    internal async Task<JsonElement> CallAsync(string path, object body)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(Program.Address, $"api/v1/{path}")) { Content = JsonContent.Create(body) };
        request.Headers.Authorization = new("Bearer", AdminKey);
        using HttpResponseMessage answer = await Program.Http.SendAsync(request, RealProgram.Cancel);
        string text = await answer.Content.ReadAsStringAsync(RealProgram.Cancel);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {(int)answer.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>Lets a message fail; its id.</summary>
    internal async Task<string> FailAsync(string sender)
    {
        string id = await Program.PostAsync(sender, "/fail");
        await Program.UntilAsync(id, "failed");
        return id;
    }

    /// <summary>How far the page is wider than its window.</summary>
    internal static Task<int> SidewaysAsync(IPage page) => page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth");

    [GeneratedRegex(@"Dashboard: (http\S+)")]
    private static partial Regex Link();
}
