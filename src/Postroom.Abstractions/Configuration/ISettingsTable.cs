namespace Postroom.Configuration;

/// <summary>Settings as rows of a database: where <c>DatabaseConfigurationLayer</c> reads them and keeps them.</summary>
/// <remarks>Calls do not overlap.</remarks>
public interface ISettingsTable
{
    /// <summary>What an error calls it, such as <c>table 'settings' of 'team.db'</c>.</summary>
    string Place { get; }

    /// <summary>Reads all settings, in any order.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IOException">They cannot be read; the message says why and what to do.</exception>
    ValueTask<IReadOnlyList<StoredSetting>> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Stores or removes settings, all or none, and returns after they are durable.</summary>
    /// <param name="changes">The settings; a value of null removes one. Keys are spelled as they were read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IOException">They cannot be written; the message says why and what to do.</exception>
    ValueTask WriteAsync(IReadOnlyList<StoredSetting> changes, CancellationToken cancellationToken);
}

/// <summary>One setting as a database holds it.</summary>
/// <param name="Key">The path, such as <c>workers.orders.parallelism</c>.</param>
/// <param name="Value">The value as text, lists and maps as JSON; null says "as if it were not set" where it is read, and removes it where it is written.</param>
public sealed record StoredSetting(string Key, string? Value);

/// <summary>Finds the tables of settings of one kind of database.</summary>
public interface ISettingsDatabase
{
    /// <summary>The settings kept in a store that this process has not opened yet.</summary>
    /// <param name="store">Where the store is, by all layers but the database.</param>
    /// <returns>What only reads; null when a store of that kind cannot be read before it is opened, or keeps nothing.</returns>
    ISettingsTable? OpenStore(StoreOptions store);

    /// <summary>The table <c>settings</c> of a database of its own, with the columns <c>key</c> and <c>value</c>.</summary>
    /// <param name="path">The file of <c>config.database</c>.</param>
    ISettingsTable OpenFile(string path);
}
