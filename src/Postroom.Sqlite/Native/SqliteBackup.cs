namespace Postroom.Sqlite;

/// <summary>An online copy of a database in steps, as of one moment.</summary>
/// <remarks>
/// Used on the thread of its source, a connection that only reads and has no transaction open. A read transaction is held
/// until the copy is disposed, so that commits made meanwhile neither show up in it nor start it again; the WAL grows for as long.
/// </remarks>
internal sealed unsafe class SqliteBackup : IDisposable
{
    private const string Name = "backup";

    private readonly SqliteConnection _source;
    private readonly SqliteConnection _target;
    private nint _handle;
    private bool _finished;

    private SqliteBackup(SqliteConnection source, SqliteConnection target, nint handle)
    {
        _source = source;
        _target = target;
        _handle = handle;
    }

    /// <summary>Pages still to copy; known after the first step.</summary>
    public int RemainingPages => _handle == 0 ? 0 : _source.Library.BackupRemaining(_handle);

    /// <summary>Pages of the source; known after the first step.</summary>
    public int PageCount => _handle == 0 ? 0 : _source.Library.BackupPageCount(_handle);

    /// <summary>Takes the moment of the copy.</summary>
    /// <param name="source">The database to copy.</param>
    /// <param name="targetPath">A file that does not exist; it is created with mode 0600.</param>
    /// <exception cref="IOException">The target exists or cannot be created.</exception>
    /// <exception cref="SqliteException">The source cannot be read.</exception>
    public static SqliteBackup Begin(SqliteConnection source, string targetPath)
    {
        source.Execute(Name, "begin; select count(*) from sqlite_master;");
        SqliteConnection? target = null;
        try
        {
            PrivateFiles.CreateNew(targetPath);
            target = SqliteConnection.Open(targetPath, SqliteAccess.ReadWrite, source.Library);
            fixed (byte* main = "main\0"u8)
            {
                nint handle = source.Library.BackupInit(target.Handle, main, source.Handle, main);
                return handle == 0 ? throw target.Failure(Name) : source.Adopt(new SqliteBackup(source, target, handle));
            }
        }
        catch
        {
            target?.Dispose();
            source.Execute(Name, "rollback");
            throw;
        }
    }

    /// <summary>Copies the next pages; the last step flushes the copy.</summary>
    /// <param name="pages">How many; at least 1.</param>
    /// <returns>True while pages remain; false once the copy is complete.</returns>
    /// <exception cref="SqliteException">The copy failed and is to be disposed and deleted.</exception>
    public bool Step(int pages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pages, 1);
        if (_finished)
        {
            return false;
        }

        int code = _source.Library.BackupStep(_handle, pages);
        if (code == SqliteCode.Ok)
        {
            return true;
        }

        if (code != SqliteCode.Done)
        {
            throw SqliteException.Create(code, $"copying to '{_target.Path}' failed", Name, _source.Path);
        }

        _finished = true;
        return false;
    }

    /// <summary>Ends the copy and the read transaction; an incomplete copy stays behind for its owner to delete.</summary>
    public void Dispose()
    {
        if (_handle == 0)
        {
            return;
        }

        _ = _source.Library.BackupFinish(_handle);
        _handle = 0;
        _target.Dispose();
        _source.Forget(this);
        if (_source.InTransaction)
        {
            _source.Execute(Name, "rollback");
        }
    }
}
