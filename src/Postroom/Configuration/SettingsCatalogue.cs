namespace Postroom.Configuration;

/// <summary>A setting as the page of all settings shows it.</summary>
/// <param name="Setting">What its reader says.</param>
/// <param name="Live">Whether a change is in force without a restart.</param>
/// <param name="Kind">The type of communicator or source that alone has it; null for settings of all.</param>
internal sealed record CataloguedSetting(SettingDescription Setting, bool Live, string? Kind);

/// <summary>Every setting of a build, told by the very code that reads them, so that nothing can be forgotten or told otherwise.</summary>
internal static class SettingsCatalogue
{
    private static readonly HashSet<string> AtRestart = new(SettingKey.Comparer)
    {
        "server.urls", "server.adminUrls", "server.port", "server.prefix", "server.trustedProxies", "communications.incoming", "limits.connections", "limits.connectionsPerAddress",

        // Read once by a gateway node.
        "outbound.consumerName", "outbound.autoclaimInterval", "outbound.autoclaimMinIdle", "outbound.claimTtl", "outbound.doneTtl", "outbound.maxDeliveries", "outbound.toolsDirectory",
    };

    /// <summary>All settings of Postroom's own sections, in the order of the sections, and those of each type of communicator and source behind them.</summary>
    public static IReadOnlyList<CataloguedSetting> Describe(ConfigurationCatalog catalog)
    {
        List<CataloguedSetting> all = [];
        IReadOnlySet<string> restarting = SectionsAtRestart(catalog);
        foreach (SettingsSection section in BuiltInSections.Create(catalog))
        {
            all.AddRange(Told(null, "", root => section.Read(root)));
        }

        foreach ((string type, SourceSchema schema) in catalog.Sources.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
        {
            all.AddRange(Told(type, "sources.{name}", reader => schema(new SourceConfig { Type = type }, reader)));
        }

        foreach ((string type, BackendSchema schema) in catalog.Backends.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
        {
            all.AddRange(Told(type, "communications.backends.{name}", reader => schema(new CommunicatorBackendConfig { Type = type }, reader)));
        }

        return all;

        IEnumerable<CataloguedSetting> Told(string? kind, string path, Action<SectionReader> read) =>
            BindingSession.Describe(path, read).DistinctBy(static setting => setting.Key, StringComparer.Ordinal).Select(setting => new CataloguedSetting(setting, !NeedsRestart(setting.Key, restarting, existed: true), kind));
    }

    /// <summary>The sections every change of which needs a restart.</summary>
    public static HashSet<string> SectionsAtRestart(ConfigurationCatalog catalog) =>
        BuiltInSections.Create(catalog).Concat(catalog.Sections).Where(static section => section.NeedsRestart).Select(static section => section.Name).ToHashSet(SettingKey.Comparer);

    /// <summary>Whether a change of a setting needs a restart.</summary>
    /// <param name="key">The setting.</param>
    /// <param name="sections">What <see cref="SectionsAtRestart"/> says.</param>
    /// <param name="existed">Whether what it belongs to was there before: a worker pool that is new has no former queue.</param>
    public static bool NeedsRestart(string key, IReadOnlySet<string> sections, bool existed) =>
        AtRestart.Contains(key) || sections.Contains(SectionOf(key)) || (existed && IsFixedOfPool(key));

    /// <summary>What a worker pool keeps until a restart.</summary>
    private static bool IsFixedOfPool(string key) =>
        SettingKey.Comparer.Equals(SectionOf(key), "workers") && (key.EndsWith(".queue", StringComparison.OrdinalIgnoreCase) || key.EndsWith(".settleWindow", StringComparison.OrdinalIgnoreCase));

    private static string SectionOf(string key) => key.Split('.', '[')[0];
}
