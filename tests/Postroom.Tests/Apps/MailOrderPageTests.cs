using System.Text.RegularExpressions;
using Postroom.Configuration;
using Postroom.Host;
using Postroom.Tests.Architecture;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>What the bot's page and its settings file say is so.</summary>
public sealed partial class MailOrderPageTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Page => File.ReadAllText(Repository.At("docs/mail-order-bot.md")).ReplaceLineEndings("\n");

    [Fact]
    public async Task The_table_names_every_setting_with_its_default()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        IReadOnlyList<SettingView> settings = shop.Runtime.Runtime.Configuration.Current.View();
        (string Key, string Default)[] rows = [.. Row().Matches(Page[Page.IndexOf("| Under `mailOrder`", StringComparison.Ordinal)..]).Select(match => (match.Groups[1].Value, match.Groups[2].Value))];

        SettingView[] own = [.. settings.Where(setting => setting.Key.StartsWith("mailOrder.", StringComparison.Ordinal))];
        Assert.Equal(own.Select(setting => setting.Key["mailOrder.".Length..]).Order(StringComparer.Ordinal), rows.Select(row => row.Key).Order(StringComparer.Ordinal));
        Assert.All(own.Where(setting => setting.Key is not ("mailOrder.database" or "mailOrder.catalogueFile")), setting => Assert.Equal(
            setting.Value is null or "" or "[]" ? "none" : setting.Value, rows.Single(row => $"mailOrder.{row.Key}" == setting.Key).Default));
        Assert.Equal(("data/shop.db", "none"), (rows[0].Default, rows[1].Default));
    }

    [Fact]
    public async Task The_settings_for_a_real_account_are_valid_and_bring_the_bot_with_them()
    {
        using TempFolder folder = new();
        string yaml = Yaml().Match(Page).Groups[1].Value.Replace("${SHOP_PASSWORD}", "s3cret", StringComparison.Ordinal);
        await File.WriteAllTextAsync(folder.File("shop.yaml"), yaml, Cancel);

        CompositionReport report = await CheckAsync(folder.File("shop.yaml"));

        Assert.Equal(["platform 1", "mail-order-bot 1"], report.Modules);
        Assert.Equal(["shop-mail (email)", "team (email)"], report.Communicators);
        Assert.Contains("orders/mail.received → ProcessOrderMail", report.Handlers);
        Assert.Contains("orders on orders × 4", report.Pools);
        Assert.Empty(report.Notices);
    }

    [Fact]
    public async Task The_settings_of_the_first_start_are_valid_and_keep_the_web_chat()
    {
        CompositionReport report = await CheckAsync(Repository.At("apps/MailOrderBot/mail-order-bot.yaml"));

        Assert.Equal(["platform 1", "welcome 1", "mail-order-bot 1"], report.Modules);
        Assert.Equal(["emulator (emulator)", "shop-mail (maildrop)"], report.Communicators);
    }

    [Fact]
    public void The_sample_shop_is_made_once_with_orders_to_read()
    {
        using TempFolder folder = new();
        string shop = folder.File("shop");

        MailOrderBot.Services.SampleShop.Furnish(shop);
        File.Delete(Path.Combine(shop, "inbox", "order-unclear.eml"));
        MailOrderBot.Services.SampleShop.Furnish(shop);

        Assert.Equal(["order-in-words.eml"], Directory.GetFiles(Path.Combine(shop, "inbox")).Select(Path.GetFileName));
        Assert.Empty(MailOrderBot.Domain.CatalogueReader.Read(File.ReadAllText(Path.Combine(shop, "catalogue.csv")), "EUR").Problems);
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(shop, "maildir", "new")));
    }

    [Fact]
    public async Task The_sample_orders_are_answered_as_the_page_says()
    {
        using TempFolder folder = new();
        string sample = folder.File("shop");
        await using ShopFixture shop = await ShopFixture.StartAsync($"mailOrder.samples={sample}", $"mailOrder.catalogueFile={sample}/catalogue.csv");

        await shop.ReceiveAsync([.. Directory.GetFiles(Path.Combine(sample, "inbox")).Order(StringComparer.Ordinal).Append(Path.Combine(sample, "maildir/new/1.sample")).Select(File.ReadAllText)]);

        Assert.Equal(3, shop.Letters.Count);
        Assert.Contains("is confirmed", shop.Letters[0], StringComparison.Ordinal);
        Assert.Contains("Did you mean CUP-010", shop.Letters[1], StringComparison.Ordinal);
        Assert.Contains("only 8 are available", shop.Letters[1], StringComparison.Ordinal);
        Assert.Contains("STR-030", shop.Letters[2], StringComparison.Ordinal);
        Assert.Contains("is confirmed", shop.Letters[2], StringComparison.Ordinal);
    }

    /// <summary>How the page says an operator cancels an order.</summary>
    internal static string OperatorCancels => Cancelling().Match(Page) is { Success: true } match ? match.Groups[1].Value : throw new InvalidOperationException("The page does not say how an operator cancels an order.");

    private static async Task<CompositionReport> CheckAsync(string file)
    {
        await using HostedRuntime host = HostedRuntime.Create(new HostArguments { Config = file }, configure: null, standalone: true, output: null);
        return await host.Runtime.CheckAsync(Cancel);
    }

    [GeneratedRegex(@"^\| `([\w.]+)` \| `?([^`|]*?)`? \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`(update orders set status = 'cancelled' [^`]*)`")]
    private static partial Regex Cancelling();

    [GeneratedRegex("```yaml\n([^`]*)```")]
    private static partial Regex Yaml();
}
