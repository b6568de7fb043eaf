using System.Text;
using Postroom.Configuration;
using Postroom.Host;
using Postroom.Hosting;
using Postroom.Tests.Architecture;
using Xunit;

namespace Postroom.Tests.Diagnostics;

/// <summary>The page of all settings says what the code that reads them says. After a change of a setting: POSTROOM_ACCEPT_SETTINGS=1, and then write what a new one is for.</summary>
public sealed class SettingsPageTests
{
    private const string Head = "| Setting | Type | Default | Range | Live | What for |\n|---|---|---|---|---|---|\n";

    private static readonly string Page = Repository.At("docs", "settings.md");

    [Fact]
    public void Every_setting_is_on_the_page_with_type_default_range_and_whether_it_is_live()
    {
        Dictionary<string, string> purposes = Purposes();
        StringBuilder expected = new(Introduction());
        foreach (IGrouping<string, CataloguedSetting> group in All().GroupBy(TitleOf))
        {
            expected.Append("\n## ").Append(group.Key).Append("\n\n").Append(Head);
            foreach (CataloguedSetting setting in group)
            {
                expected.Append(Row(setting)).Append(purposes.GetValueOrDefault(NameOf(setting), "")).Append(" |\n");
            }
        }

        if (Environment.GetEnvironmentVariable("POSTROOM_ACCEPT_SETTINGS") is not null)
        {
            File.WriteAllText(Page, expected.ToString());
        }

        Assert.Equal(expected.ToString(), File.ReadAllText(Page).ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Every_setting_says_what_it_is_for()
    {
        Dictionary<string, string> purposes = Purposes();

        Assert.All(All().Select(NameOf), name => Assert.True(purposes.GetValueOrDefault(name, "").Length >= 10, name));
    }

    [Fact]
    public void Settings_are_told_by_their_readers()
    {
        CataloguedSetting[] all = [.. All()];

        CataloguedSetting parallelism = Assert.Single(all, setting => setting.Setting.Key == "workers.{name}.parallelism");
        Assert.Equal(new SettingDescription("workers.{name}.parallelism", "number", "8", "1 to 1024"), parallelism.Setting);
        Assert.True(parallelism.Live);
        Assert.False(Assert.Single(all, setting => setting.Setting.Key == "store.path").Live);
        Assert.False(Assert.Single(all, setting => setting.Setting.Key == "server.urls").Live);
        Assert.False(Assert.Single(all, setting => setting.Setting.Key == "workers.{name}.settleWindow").Live);
        Assert.Equal("required", Assert.Single(all, setting => setting is { Kind: "telegram", Setting.Key: "communications.backends.{name}.token" }).Setting.Default);
    }

    private static IReadOnlyList<CataloguedSetting> All()
    {
        ApplicationBuilder builder = new();
        new PlatformModule().Configure(builder);
        return SettingsCatalogue.Describe(builder.Catalog);
    }

    private static string TitleOf(CataloguedSetting setting) => setting.Kind is { } kind
        ? $"{setting.Setting.Key[..setting.Setting.Key.IndexOf(".{name}", StringComparison.Ordinal)]}: type {kind}"
        : setting.Setting.Key.Split('.', '[')[0];

    private static string NameOf(CataloguedSetting setting) => setting.Kind is { } kind ? $"{kind}: {setting.Setting.Key}" : setting.Setting.Key;

    private static string Row(CataloguedSetting setting) =>
        $"| `{setting.Setting.Key}` | {setting.Setting.Type} | {Code(setting.Setting.Default)} | {Cell(setting.Setting.Range)} | {(setting.Live ? "yes" : "restart")} | ";

    private static string Code(string? text) => text switch { null => "", "required" => "required", _ => $"`{Cell(text)}`" };

    private static string Cell(string? text) => (text ?? "").Replace("|", "\\|", StringComparison.Ordinal);

    private static string Introduction()
    {
        string page = File.Exists(Page) ? File.ReadAllText(Page).ReplaceLineEndings("\n") : "# Settings\n";
        int first = page.IndexOf("\n## ", StringComparison.Ordinal);
        return first < 0 ? page : page[..first];
    }

    /// <summary>What the page says that settings are for, which no code knows.</summary>
    private static Dictionary<string, string> Purposes()
    {
        Dictionary<string, string> purposes = new(StringComparer.Ordinal);
        string kind = "";
        foreach (string line in File.Exists(Page) ? File.ReadLines(Page) : [])
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
            {
                int type = line.IndexOf(": type ", StringComparison.Ordinal);
                kind = type < 0 ? "" : $"{line[(type + 7)..]}: ";
            }
            else if (line.StartsWith("| `", StringComparison.Ordinal))
            {
                string[] cells = line.Replace("\\|", "\u0001", StringComparison.Ordinal).Split('|');
                purposes[kind + cells[1].Trim().Trim('`')] = cells[6].Trim().Replace("\u0001", "\\|", StringComparison.Ordinal);
            }
        }

        return purposes;
    }
}
