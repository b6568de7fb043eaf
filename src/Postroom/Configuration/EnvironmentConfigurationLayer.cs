using System.Collections;

namespace Postroom.Configuration;

/// <summary>
/// Settings of the environment: <c>POSTROOM__store__path</c>, list items by number, lists as <c>[a, b]</c>, lists and maps as JSON, and a few short names.
/// </summary>
/// <remarks>
/// <c>PORT</c> is the port of the first of <c>server.urls</c>. <c>VERIFY_TOKEN</c>, <c>WHATSAPP_CLIENT_TYPE</c>, <c>WHATSAPP_ACCESS_TOKEN</c> and
/// <c>WHATSAPP_PHONE_NUMBER_ID</c> fill in the communicator <c>whatsapp</c> where one is configured.
/// </remarks>
/// <param name="variables">The variables at the start of the process.</param>
public sealed class EnvironmentConfigurationLayer(IReadOnlyDictionary<string, string> variables) : IConfigurationLayer
{
    private const string Prefix = "POSTROOM__";

    private static readonly (string Variable, string Setting)[] WhatsAppNames =
    [
        ("VERIFY_TOKEN", "verifyToken"),
        ("WHATSAPP_CLIENT_TYPE", "client"),
        ("WHATSAPP_ACCESS_TOKEN", "accessToken"),
        ("WHATSAPP_PHONE_NUMBER_ID", "phoneNumberId"),
    ];

    /// <inheritdoc/>
    public string Name => LayerNames.Environment;

    /// <summary>The variables of this process.</summary>
    public static IReadOnlyDictionary<string, string> ReadProcess() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value ?? "", StringComparer.Ordinal);

    /// <inheritdoc/>
    public ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken)
    {
        var problems = new List<ConfigurationProblem>();
        SettingMap map = ReadShortNames();
        SettingMap own = SettingMap.Empty;
        foreach ((string variable, string text) in variables.Where(entry => entry.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)).OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            var origin = new SettingOrigin(Name, variable);
            string[] path = variable[Prefix.Length..].Split("__");
            if (path.Any(string.IsNullOrEmpty))
            {
                problems.Add(new ConfigurationProblem("", $"The variable {variable} names no setting. Write POSTROOM__section__setting.", origin));
            }
            else if (SettingTree.Find(own, path) is { } earlier and not SettingMap)
            {
                problems.Add(new ConfigurationProblem(string.Join('.', path), $"The variables {earlier.Origin.Source} and {variable} name the same setting. Remove one.", origin));
            }
            else
            {
                own = SettingTree.With(own, path, SettingTree.ReadInline(text, origin));
            }
        }

        return problems.Count > 0 ? throw new ConfigurationException(problems) : ValueTask.FromResult(Over(map, own));
    }

    /// <inheritdoc/>
    /// <remarks>The environment of a process does not change.</remarks>
    public Task WatchAsync(Action changed, CancellationToken cancellationToken) => Forever.UntilCancelled(cancellationToken);

    private SettingMap ReadShortNames()
    {
        List<KeyValuePair<string, SettingNode>> root = [];
        if (Value("PORT") is { } port)
        {
            root.Add(Entry("server", SettingTree.Single(["port"], port)));
        }

        List<KeyValuePair<string, SettingNode>> settings = [];
        foreach ((string variable, string setting) in WhatsAppNames)
        {
            if (Value(variable) is { } value)
            {
                settings.Add(Entry(setting, value));
            }
        }

        if (settings.Count > 0)
        {
            // Other programs use some of these names too, so they never make a communicator, they only fill one in.
            var whatsApp = new SettingMap(settings, new SettingOrigin(Name)) { FillsOnly = true };
            root.Add(Entry("communications", SettingTree.Single(["backends"], new SettingMap([Entry("whatsapp", whatsApp)], whatsApp.Origin))));
        }

        return new SettingMap(root, new SettingOrigin(Name));
    }

    /// <summary>Lays the full names over the short ones without settling those yet: a file may hold the communicator.</summary>
    private static SettingMap Over(SettingMap shortNames, SettingMap own)
    {
        List<KeyValuePair<string, SettingNode>> entries = [];
        foreach ((string name, SettingNode node) in shortNames.Entries)
        {
            entries.Add(Entry(name, (node, own.Find(name)) switch
            {
                (SettingMap below, SettingMap above) => Over(below, above) is var merged && below.FillsOnly ? new SettingMap(merged.Entries, merged.Origin) : Over(below, above),
                (_, { } above) => above,
                _ => node,
            }));
        }

        entries.AddRange(own.Entries.Where(entry => shortNames.Find(entry.Key) is null));
        return new SettingMap(entries, shortNames.Origin) { FillsOnly = shortNames.FillsOnly };
    }

    private SettingValue? Value(string variable) =>
        variables.TryGetValue(variable, out string? text) && text.Length > 0 ? new SettingValue(text, new SettingOrigin(Name, variable)) : null;

    private static KeyValuePair<string, SettingNode> Entry(string name, SettingNode node) => KeyValuePair.Create(name, node);
}
