using Microsoft.Playwright;
using Xunit;

namespace Postroom.EndToEnd.Tests.Chat;

/// <summary>One headless browser for the tests of a class, with a fresh profile per page.</summary>
public sealed class ChatBrowser : IAsyncLifetime
{
    public const string Executable = "/usr/bin/chromium";

    private static readonly string[] Arguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Executable))
        {
            return;
        }

        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Executable, Headless = true, Args = Arguments });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }

    /// <summary>A page of its own profile. Below 600 pixels it is a phone: touch, and two device pixels to one.</summary>
    internal async Task<IPage> OpenAsync(string address, int width = 1200, int height = 800, bool dark = false)
    {
        Assert.SkipWhen(_browser is null, $"No browser at {Executable}: install Debian's chromium to run these tests.");
        IBrowserContext context = await _browser.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = height },
            HasTouch = width < 600,
            IsMobile = width < 600,
            DeviceScaleFactor = width < 600 ? 2 : 1,
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            Locale = "en-GB",
        });
        context.SetDefaultTimeout(10_000);
        IPage page = await context.NewPageAsync();
        await page.GotoAsync(address);
        return page;
    }
}
