namespace Postroom.Configuration;

/// <summary>Settings of the command line: each <c>--set key=value</c>; the last one of a key wins.</summary>
/// <param name="settings">The values of <c>--set</c>, in order.</param>
/// <param name="name">The layer's name; null for that of the command line.</param>
public sealed class CommandLineConfigurationLayer(IReadOnlyList<string> settings, string? name = null) : IConfigurationLayer
{
    /// <inheritdoc/>
    public string Name { get; } = name ?? LayerNames.CommandLine;

    /// <inheritdoc/>
    public ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken)
    {
        var problems = new List<ConfigurationProblem>();
        SettingMap map = SettingMap.Empty;
        foreach (string setting in settings)
        {
            int equals = setting.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? setting : setting[..equals].Trim();
            var origin = new SettingOrigin(Name, $"--set {key}");
            if (equals < 0 || SettingKey.Split(key) is not { } path)
            {
                problems.Add(new ConfigurationProblem(key, $"--set {key} sets nothing. Write --set key=value, such as --set store.path=data/postroom.db.", origin));
                continue;
            }

            map = SettingTree.With(map, path, SettingTree.ReadInline(setting[(equals + 1)..], origin));
        }

        return problems.Count > 0 ? throw new ConfigurationException(problems) : ValueTask.FromResult(map);
    }

    /// <inheritdoc/>
    /// <remarks>The command line of a process does not change.</remarks>
    public Task WatchAsync(Action changed, CancellationToken cancellationToken) => Forever.UntilCancelled(cancellationToken);
}
