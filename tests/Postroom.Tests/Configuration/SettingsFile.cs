using System.Text.Json.Serialization;
using Postroom.Sqlite;

namespace Postroom.Tests.Configuration;

/// <summary>The database of another program with a table of settings.</summary>
internal static class SettingsFile
{
    /// <summary>Replaces all settings in one transaction.</summary>
    public static void Write(string path, IEnumerable<KeyValuePair<string, string>> settings)
    {
        using SqliteConnection connection = SqliteConnection.Open(path, SqliteAccess.ReadWriteCreate);
        connection.Execute("begin", "begin immediate; create table if not exists settings (key text primary key, value text); delete from settings");
        using SqliteStatement insert = connection.Prepare("insert", "insert into settings (key, value) values (?1, ?2)");
        foreach ((string key, string value) in settings)
        {
            insert.BindText(1, key);
            insert.BindText(2, value);
            insert.Run();
        }

        connection.Execute("commit", "commit");
    }

    /// <summary>All settings, by key.</summary>
    public static IReadOnlyList<(string Key, string? Value)> Read(string path)
    {
        using SqliteConnection connection = SqliteConnection.Open(path, SqliteAccess.ReadOnly);
        using SqliteStatement all = connection.Prepare("all", "select key, value from settings order by key");
        List<(string, string?)> found = [];
        while (all.Step())
        {
            found.Add((all.GetText(0), all.GetOptionalText(1)));
        }

        return found;
    }
}

[JsonSerializable(typeof(string))]
internal sealed partial class SettingJson : JsonSerializerContext;
