namespace Postroom.Configuration;

/// <content>Overrides: single settings over what the layers held when they were last accepted.</content>
public sealed partial class RuntimeConfiguration
{
    /// <summary>Lays one override over the layers as they are in force. None is read: a broken file does not matter, and what a step back left out does not come back.</summary>
    private async Task<ReloadResult> OverrideAsync(string key, IReadOnlyList<string> path, string? value, IWritableConfigurationLayer? keeper, CancellationToken cancellationToken)
    {
        SettingMap overrides = Change(_overrides.Current, path, value, new SettingOrigin(LayerNames.Overrides, key));
        List<ConfigurationLoader.Layer> layers = [.. _layers.Select(layer => layer.Name == LayerNames.Overrides ? layer with { Settings = overrides } : layer)];
        if (keeper is not null)
        {
            if (WhyNotKept(key, path, value, keeper) is { } why)
            {
                return Refused([new ConfigurationProblem(key, why, new SettingOrigin(keeper.Name))]);
            }

            int place = layers.FindIndex(layer => layer.Name == keeper.Name);
            layers[place] = layers[place] with { Settings = Change(layers[place].Settings, path, value, new SettingOrigin(keeper.Name, key)) };
        }

        ConfigurationLoader.Candidate candidate = await _loader.BuildAsync(layers, cancellationToken);
        if (candidate.Problems.Count > 0)
        {
            return Refused(candidate.Problems);
        }

        if (keeper is not null)
        {
            if (value is not null && FindPlainSecret(candidate, key, overrides) is { } secret)
            {
                return Refused([new ConfigurationProblem(secret, $"{secret} is a secret, and the database would hold it as plain text. Keep a reference to it, such as ${{secret://env:NAME}}, or leave out persist.", new SettingOrigin(keeper.Name))]);
            }

            try
            {
                await keeper.WriteAsync(key, value, cancellationToken);
            }
            catch (ConfigurationException e)
            {
                return Refused(e.Problems);
            }
        }

        _overrides.Current = overrides;
        _layers = candidate.Layers;
        return await PublishAsync(Next(candidate));
    }

    private static SettingMap Change(SettingMap map, IReadOnlyList<string> path, string? value, SettingOrigin origin)
    {
        SettingMap without = SettingTree.Without(map, path);
        return value is null ? without : SettingTree.With(without, path, SettingTree.ReadInline(value, origin));
    }

    /// <summary>Why a setting would not be in force after the next start, though it was kept.</summary>
    private string? WhyNotKept(string key, IReadOnlyList<string> path, string? value, IWritableConfigurationLayer keeper)
    {
        if (keeper is DatabaseConfigurationLayer database && database.WhyNot(key) is { } forbidden)
        {
            return forbidden;
        }

        ConfigurationLoader.Layer? winner = value is null ? null : _layers.LastOrDefault(layer => layer.Name != LayerNames.Overrides && LayerNames.IsLater(layer.Name, keeper.Name) && SettingTree.Find(layer.Settings, path) is not null);
        return winner is null ? null : $"{key} is set by {SettingTree.Find(winner.Settings, path)!.Origin} as well, which would win over the kept one after the next start. Remove it there, or leave out persist.";
    }

    /// <summary>A secret among what an override wrote that is no mere reference; null for none.</summary>
    private static string? FindPlainSecret(ConfigurationLoader.Candidate candidate, string key, SettingMap overrides)
    {
        foreach (SettingReading reading in candidate.Readings.Where(reading => reading.IsSecret && reading.Origin.Layer == LayerNames.Overrides && reading.Origin.Source == key))
        {
            string place = reading.Key.Split('[')[0];
            SettingNode? written = SettingKey.Split(place) is { } path ? SettingTree.Find(overrides, path) : null;
            if (!IsReference(written))
            {
                return place;
            }
        }

        return null;
    }

    private static bool IsReference(SettingNode? node) => node switch
    {
        SettingValue { Text: { } text } => text.StartsWith("${", StringComparison.Ordinal) && text.IndexOf('}', StringComparison.Ordinal) == text.Length - 1 && (text.StartsWith("${secret://", StringComparison.Ordinal) || !text.Contains(":-", StringComparison.Ordinal)),
        SettingValue => true,
        SettingList list => list.Items.All(IsReference),
        _ => false,
    };
}
