namespace Postroom.Configuration;

/// <summary>What a configuration is made from. Composed once, before the first load.</summary>
public sealed class ConfigurationSources
{
    /// <summary>The layers; later ones win. <see cref="Standard"/> gives the built-in ones, and others are inserted among them.</summary>
    public IList<IConfigurationLayer> Layers { get; init; } = [];

    /// <summary>The variables <c>${NAME}</c> and <c>${secret://env:NAME}</c> mean: those at the start of the process.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>Further secret stores; one with the name of a built-in store replaces it.</summary>
    public IList<ISecretStore> SecretStores { get; } = [];

    /// <summary>What this build knows and settings may name.</summary>
    public ConfigurationCatalog Catalog { get; init; } = new();

    /// <summary>The built-in layers in their order: platform file, application file, database, environment, command line; overrides come last with the load.</summary>
    /// <param name="platformFile">The file of <c>--config</c>; null looks for <c>postroom.yaml</c>, <c>.yml</c> and <c>.json</c> in the working directory.</param>
    /// <param name="applicationFile">The file of <c>--app-config</c>; null has none.</param>
    /// <param name="settings">The values of <c>--set</c>.</param>
    /// <param name="variables">The variables at the start of the process.</param>
    /// <param name="time">The clock of the watches.</param>
    /// <param name="database">Where settings of the database are; null has no such layer, and no override can persist.</param>
    public static ConfigurationSources Standard(
        string? platformFile, string? applicationFile, IReadOnlyList<string> settings, IReadOnlyDictionary<string, string> variables, TimeProvider time,
        ISettingsDatabase? database = null)
    {
        string[] names = ["postroom.yaml", "postroom.yml", "postroom.json"];
        string platform = platformFile ?? names.FirstOrDefault(File.Exists) ?? names[0];
        var layers = new List<IConfigurationLayer> { new FileConfigurationLayer(LayerNames.PlatformFile, platform, platformFile is not null, time) };
        if (applicationFile is not null)
        {
            layers.Add(new FileConfigurationLayer(LayerNames.ApplicationFile, applicationFile, mustExist: true, time));
        }

        if (database is not null)
        {
            layers.Add(new DatabaseConfigurationLayer(database, time));
        }

        layers.Add(new EnvironmentConfigurationLayer(variables));
        layers.Add(new CommandLineConfigurationLayer(settings));
        return new ConfigurationSources { Layers = layers, Variables = variables };
    }
}
