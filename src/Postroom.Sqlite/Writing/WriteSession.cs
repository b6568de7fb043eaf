using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>How far the store has come.</summary>
internal record struct StoreCounters
{
    public long CommitNo { get; set; }

    public long Appended { get; set; }

    public long LastSeq { get; set; }

    /// <summary>Up to here the index of conversations is filled; newer rows are scanned.</summary>
    public long IndexedSeq { get; set; }
}

/// <summary>The connection that writes, with its statements and the state that goes with a transaction. Used by one thread.</summary>
internal sealed partial class WriteSession : IDisposable
{
    private readonly Dictionary<string, SqliteStatement> _statements = new(StringComparer.Ordinal);
    private readonly List<long> _newNames = [];
    private readonly List<(long Id, string Name)> _droppedTypes = [];
    private readonly HashSet<MessageId> _reopened = [];
    private readonly PackWriter _pack = new();
    private StoreCounters _committed;
    private StoreCounters _working;
    private StoreCounters _beforeOperation;
    private int _droppedBeforeOperation;

    public WriteSession(SqliteConnection connection, NameTable names, Totals totals, RetentionOptions retention, TimeProvider clock)
    {
        Connection = connection;
        Names = names;
        Totals = totals;
        Retention = retention;
        Clock = clock;
        Reload();
    }

    public SqliteConnection Connection { get; }

    public NameTable Names { get; }

    public Totals Totals { get; }

    public RetentionOptions Retention { get; }

    public TimeProvider Clock { get; }

    /// <summary>The run whose marks are written.</summary>
    public long Run { get; set; }

    /// <summary>Why nothing is admitted from outside now; null when it is. Set before each batch.</summary>
    public string? AdmissionProblem { get; set; }

    public StoreCounters Committed => _committed;

    /// <summary>What the transaction will have come to.</summary>
    public StoreCounters Working => _working;

    /// <summary>One statement by its text, compiled once. The text is a constant.</summary>
    public SqliteStatement Statement(string name, string sql)
    {
        if (!_statements.TryGetValue(name, out SqliteStatement? statement))
        {
            _statements.Add(name, statement = Connection.Prepare(name, sql));
        }

        return statement;
    }

    public void Begin()
    {
        _reopened.Clear();
        _ = Statement("begin", "begin immediate").Run();
    }

    /// <summary>Remembers that the transaction makes a finished message due again.</summary>
    public void Reopened(MessageId id) => _reopened.Add(id);

    /// <summary>Whether the transaction brings a message to its lane, by an append or a replay that is not applied yet.</summary>
    public bool Brings(MessageId id)
    {
        return _reopened.Contains(id) || (_working.LastSeq > _committed.LastSeq && SeqOf(id) > _committed.LastSeq);
    }

    /// <summary>Remembers the counters that a failing operation goes back to.</summary>
    public void BeginOperation()
    {
        _beforeOperation = _working;
        _droppedBeforeOperation = _droppedTypes.Count;
    }

    /// <summary>Makes the statements that follow undoable together; a single one undoes itself when it fails.</summary>
    public void Savepoint() => _ = Statement("savepoint", "savepoint operation").Run();

    public void KeepOperation(bool savepoint)
    {
        if (savepoint)
        {
            _ = Statement("release", "release operation").Run();
        }

        Totals.KeepOperation();
    }

    public void DropOperation(bool savepoint)
    {
        Totals.DropOperation();
        _working = _beforeOperation;
        _droppedTypes.RemoveRange(_droppedBeforeOperation, _droppedTypes.Count - _droppedBeforeOperation);
        if (savepoint && Connection.InTransaction)
        {
            _ = Statement("rollback to", "rollback to operation").Run();
            _ = Statement("release", "release operation").Run();
        }
    }

    /// <summary>Writes totals and counters: the last statements of every transaction.</summary>
    public void WriteCounters()
    {
        _working.CommitNo = _committed.CommitNo + 1;
        Totals.Write(Statement(
            "totals", "insert into totals values(?1, ?2, ?3, ?4, ?5) on conflict(queue, type, state) do update set n = excluded.n, crc = excluded.crc"));
        SqliteStatement state = Statement("state", "update store_state set commit_no = ?1, appended = ?2, last_seq = ?3, indexed_seq = ?4 where one = 1");
        state.Bind(1, _working.CommitNo);
        state.Bind(2, _working.Appended);
        state.Bind(3, _working.LastSeq);
        state.Bind(4, _working.IndexedSeq);
        _ = state.Run();
    }

    public void Commit() => _ = Statement("commit", "commit").Run();

    /// <summary>Takes over what is committed.</summary>
    public void Committing()
    {
        _committed = _working;
        Totals.Commit();
        _newNames.Clear();
        _droppedTypes.Clear();
    }

    public void Rollback()
    {
        if (Connection.InTransaction)
        {
            try
            {
                _ = Statement("rollback", "rollback").Run();
            }
            catch (SqliteException) when (!Connection.InTransaction)
            {
                // SQLite had rolled back by itself.
            }
        }

        Forget();
    }

    /// <summary>Forgets what a transaction that is gone had changed in memory.</summary>
    public void Forget()
    {
        _working = _committed;
        Totals.DropBatch();
        foreach (long id in _newNames)
        {
            Names.Remove(id);
        }

        _newNames.Clear();
        foreach ((long id, string name) in _droppedTypes)
        {
            Names.Add(id, NameTable.TypeKind, name); // one that came back under a new number had taken its place
        }

        _droppedTypes.Clear();
    }

    /// <summary>The number of a queue's or type's name; a new one is stored, outside of the operation's savepoint.</summary>
    public long NameId(int kind, string name)
    {
        if (Names.Find(kind, name) is { } known && !_droppedTypes.Exists(dropped => dropped.Id == known))
        {
            return known;
        }

        long id = Names.LastId + 1;
        SqliteStatement insert = Statement("name", "insert into names values(?1, ?2, ?3, ?4)");
        insert.Bind(1, id);
        insert.Bind(2, (long)kind);
        insert.BindText(3, name);
        insert.Bind(4, NameTable.Crc(id, kind, name));
        _ = insert.Run();
        Names.Add(id, kind, name);
        _newNames.Add(id);
        return id;
    }

    /// <summary>Whether a name comes with the transaction that runs.</summary>
    public bool IsNewName(long id) => _newNames.Contains(id);

    /// <summary>Deletes the name of a type that nothing uses. In memory it stays until the commit; should the type come back before, it gets a new number.</summary>
    public void DropTypeName(long id)
    {
        SqliteStatement delete = Statement("drop name", "delete from names where id = ?1 and kind = 1");
        delete.Bind(1, id);
        _ = delete.Run();
        _droppedTypes.Add((id, Names.Type(id)));
    }

    /// <summary>The bytes kept apart under a hash, verified.</summary>
    public byte[] ReadApart(byte[] hash) => ApartBytes.Read(Statement("read apart", ApartBytes.Select), hash);

    public void Dispose() => Connection.Dispose();

    private void Reload()
    {
        using SqliteStatement state = Connection.Prepare("state", "select commit_no, appended, last_seq, indexed_seq, run from store_state where one = 1");
        if (!state.Step())
        {
            throw new InvalidDataException("The row of the store's state is missing.");
        }

        _committed = new StoreCounters { CommitNo = state.GetInt64(0), Appended = state.GetInt64(1), LastSeq = state.GetInt64(2), IndexedSeq = state.GetInt64(3) };
        _working = _committed;
        Run = state.GetInt64(4);
        state.Reset();
    }
}

/// <summary>Reads what is kept apart from rows.</summary>
internal static class ApartBytes
{
    public const string Select = "select data from bodies where hash = ?1";

    public static byte[] Read(SqliteStatement select, byte[] hash)
    {
        select.BindBlob(1, hash);
        byte[]? data = select.Step() ? select.GetBlob(0).ToArray() : null;
        select.Reset();
        return data is not null && System.Security.Cryptography.SHA256.HashData(data).AsSpan().SequenceEqual(hash)
            ? data
            : throw new InvalidDataException("A body that is kept apart from its row is missing or damaged.");
    }
}
