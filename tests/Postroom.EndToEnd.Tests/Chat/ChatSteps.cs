using Microsoft.Playwright;

namespace Postroom.EndToEnd.Tests.Chat;

/// <summary>What several tests do on the page.</summary>
internal static class ChatSteps
{
    public static async Task SayAsync(IPage page, string text)
    {
        await page.FillAsync("#text", text);
        await page.ClickAsync("#send");
    }

    /// <summary>Keeps a picture where POSTROOM_SHOTS says; nowhere unless set.</summary>
    public static async Task ShootAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("POSTROOM_SHOTS") is { Length: > 0 } folder)
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png") });
        }
    }
}
