namespace Postroom.Sqlite;

/// <summary>Opens a store file for reading without creating or changing a file beside it.</summary>
/// <remarks>
/// A connection that reads a WAL usually makes <c>-wal</c> and <c>-shm</c> files. With an owner running they are there and SQLite's own locks
/// are used. Without one, nothing is locked: the index of the WAL is kept in this process's memory, and a file without frames to
/// recover is opened as unchangeable.
/// </remarks>
internal static class ColdConnection
{
    public static SqliteConnection Open(string path)
    {
        if (OperatingSystem.IsWindows() || OwnerLock.IsHeld(path))
        {
            return SqliteConnection.Open(path, SqliteAccess.ReadOnly);
        }

        if (WalScan.Scan(WalScan.PathFor(path)).LastCommitFrame == 0)
        {
            // Also because closing the other kind would delete a WAL in which nothing can be recovered.
            return SqliteConnection.Open(path, SqliteAccess.ReadOnly, parameters: "immutable=1");
        }

        SqliteConnection connection = SqliteConnection.Open(path, SqliteAccess.ReadOnly, parameters: "vfs=unix-none");
        connection.Execute("cold read", "pragma locking_mode=exclusive");
        return connection;
    }
}
