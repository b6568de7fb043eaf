namespace Postroom.Configuration;

/// <summary>Settings made while running. They win over every other layer and last until the process ends.</summary>
/// <remarks><see cref="RuntimeConfiguration.SetOverrideAsync"/> is the way to change them: it validates first.</remarks>
public sealed class OverrideConfigurationLayer : IConfigurationLayer
{
    /// <inheritdoc/>
    public string Name => LayerNames.Overrides;

    /// <summary>The overrides in force; written by <see cref="RuntimeConfiguration"/> under its lock.</summary>
    internal SettingMap Current { get; set; } = SettingMap.Empty;

    /// <inheritdoc/>
    public ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Current);

    /// <inheritdoc/>
    /// <remarks>Whoever sets an override publishes it, so there is nothing to tell.</remarks>
    public Task WatchAsync(Action changed, CancellationToken cancellationToken) => Forever.UntilCancelled(cancellationToken);
}
