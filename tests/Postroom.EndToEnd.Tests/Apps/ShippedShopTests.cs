using System.Text.RegularExpressions;
using Postroom.EndToEnd.Tests.Program;
using Xunit;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>What <c>./run</c> starts without settings of one's own: the program with the settings of the mail order bot, on folders.</summary>
[Collection(Processes.Name)]
public sealed partial class ShippedShopTests
{
    [Fact]
    public async Task Mb_an_order_that_is_dropped_into_the_inbox_of_run_is_answered_in_its_outbox()
    {
        string root = Root();
        string settings = Configuration().Match(await File.ReadAllTextAsync(Path.Combine(root, "postroom"), RealProgram.Cancel)).Groups[1].Value;
        await using RealProgram program = new();
        await program.RunInsideAsync("--config", Path.Combine(root, settings));
        string shop = Path.Combine(program.Folder, "data", "shop");

        string mine = Path.Combine(program.Folder, "mine.eml");
        await File.WriteAllTextAsync(mine, OrderRun.Mail("mine", "Ann <ann@example.org>", "2 x TEA-001\n1 x POT-020"), RealProgram.Cancel);
        File.Move(mine, Path.Combine(shop, "inbox", "mine.eml"));
        string? letter = null;
        await program.UntilAsync(() => Task.FromResult(
            (letter = Letters(shop).Select(File.ReadAllText).FirstOrDefault(static text => text.Contains("In-Reply-To: <mine@example.org>", StringComparison.Ordinal))) is not null));
        await program.UntilAsync(() => Task.FromResult(File.Exists(Path.Combine(shop, "inbox", "done", "mine.eml"))));

        Assert.Equal("ann@example.org", OrderRun.Header(letter!, "To"));
        Assert.Contains("It is confirmed", letter, StringComparison.Ordinal);
        Assert.Contains("TEA-001", letter, StringComparison.Ordinal);
        Assert.Equal(0, (await program.ApiAsync("journal?state=failed")).GetProperty("items").GetArrayLength());
    }

    private static string[] Letters(string shop) => Directory.Exists(Path.Combine(shop, "outbox")) ? [.. Directory.EnumerateFiles(Path.Combine(shop, "outbox"), "*.eml", SearchOption.AllDirectories)] : [];

    private static string Root()
    {
        DirectoryInfo folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Postroom.slnx")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} has Postroom.slnx.");
        }

        return folder.FullName;
    }

    [GeneratedRegex("--config (apps/\\S+)", RegexOptions.NonBacktracking)]
    private static partial Regex Configuration();
}
