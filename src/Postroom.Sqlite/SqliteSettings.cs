using System.Text;
using Postroom.Configuration;

namespace Postroom.Sqlite;

/// <summary>Settings in SQLite files: the facts of a store, and the table <c>settings</c> of another file.</summary>
public sealed class SqliteSettings : ISettingsDatabase
{
    /// <inheritdoc/>
    public ISettingsTable? OpenStore(StoreOptions store) => store.Kind == "sqlite" ? new StoreTable(store.Path) : null;

    /// <inheritdoc/>
    public ISettingsTable OpenFile(string path) => new FileTable(path);

    /// <summary>The facts of a store before the runtime opens it.</summary>
    private sealed class StoreTable(string path) : ISettingsTable
    {
        public string Place => $"the store '{path}'";

        public ValueTask<IReadOnlyList<StoredSetting>> ReadAsync(CancellationToken cancellationToken)
        {
            try
            {
                if (File.Exists(path))
                {
                    using SqliteConnection connection = ColdConnection.Open(path);
                    return new([.. StoreFacts.List(connection, FactScopes.Settings, TimeProvider.System).Select(static fact => new StoredSetting(fact.Key, Encoding.UTF8.GetString(fact.Value.Span)))]);
                }
            }
            catch (Exception e) when (e is SqliteException or InvalidDataException or IOException or UnauthorizedAccessException)
            {
                // Opening the store tells what is wrong with it; once it is open, its settings are read again.
            }

            return new([]);
        }

        public ValueTask WriteAsync(IReadOnlyList<StoredSetting> changes, CancellationToken cancellationToken) =>
            throw new IOException($"'{path}' is not open, so no setting can be kept in it. Start the runtime first.");
    }

    /// <summary>A table that other programs may write as well.</summary>
    private sealed class FileTable(string path) : ISettingsTable
    {
        private const string HowToMake = "create table settings (key text primary key, value text)";

        public string Place => $"table 'settings' of '{path}'";

        public ValueTask<IReadOnlyList<StoredSetting>> ReadAsync(CancellationToken cancellationToken) => Use(SqliteAccess.ReadOnly, connection =>
        {
            List<StoredSetting> settings = [];
            using SqliteStatement all = connection.Prepare("settings", "select key, value from settings");
            while (all.Step())
            {
                settings.Add(new StoredSetting(all.GetText(0), all.GetOptionalText(1)));
            }

            return new ValueTask<IReadOnlyList<StoredSetting>>(settings);
        });

        public ValueTask WriteAsync(IReadOnlyList<StoredSetting> changes, CancellationToken cancellationToken) => Use(SqliteAccess.ReadWrite, connection =>
        {
            connection.Execute("begin", "begin immediate");
            using SqliteStatement remove = connection.Prepare("remove setting", "delete from settings where key = ?1");
            using SqliteStatement keep = connection.Prepare("keep setting", "insert into settings (key, value) values (?1, ?2)");
            foreach (StoredSetting change in changes)
            {
                remove.BindText(1, change.Key);
                remove.Run();
                if (change.Value is not null)
                {
                    keep.BindText(1, change.Key);
                    keep.BindText(2, change.Value);
                    keep.Run();
                }
            }

            connection.Execute("commit", "commit"); // closing the connection undoes what did not come so far
            return ValueTask.CompletedTask;
        });

        private T Use<T>(SqliteAccess access, Func<SqliteConnection, T> use)
        {
            if (!File.Exists(path))
            {
                throw new IOException($"config.database names '{path}', which does not exist. Make it with: sqlite3 '{path}' \"{HowToMake}\", or remove the setting.");
            }

            try
            {
                using SqliteConnection connection = SqliteConnection.Open(path, access);
                return use(connection);
            }
            catch (SqliteException e)
            {
                throw new IOException($"The settings in '{path}' (config.database) cannot be {(access == SqliteAccess.ReadOnly ? "read" : "written")}: {e.Message} The table is made by: {HowToMake}", e);
            }
        }
    }
}
