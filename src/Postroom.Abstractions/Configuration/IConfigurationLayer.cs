namespace Postroom.Configuration;

/// <summary>One place settings come from: a file, the environment, the command line, the database. Later layers win.</summary>
/// <remarks>Calls do not overlap, except that <see cref="WatchAsync"/> runs beside loads.</remarks>
public interface IConfigurationLayer
{
    /// <summary>The name views and errors show, such as <c>platform file</c>.</summary>
    string Name { get; }

    /// <summary>Reads all settings of this layer, unexpanded.</summary>
    /// <param name="cancellationToken">Ends the read.</param>
    /// <returns>The settings; an empty map when there are none.</returns>
    /// <exception cref="ConfigurationException">They cannot be read; every problem has its line.</exception>
    ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken);

    /// <summary>Runs until cancelled and tells of each change of the place it reads. A layer that never changes just waits.</summary>
    /// <param name="changed">Called after a change; cheap, and safe to call often.</param>
    /// <param name="cancellationToken">Ends the watch, which is not an error.</param>
    Task WatchAsync(Action changed, CancellationToken cancellationToken);
}
