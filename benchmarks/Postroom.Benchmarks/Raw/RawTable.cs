using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>The statements of a table that a raw pipeline writes. Used by one thread.</summary>
internal abstract class RawTable
{
    /// <summary>The number of the newest row when the table was opened; 0 for an empty one.</summary>
    public virtual long LastSeq => 0;

    public abstract void Append(RawMessage message);

    public abstract void Dispatch(long seq);

    public abstract void Acknowledge(long seq);

    protected static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
}

/// <summary>What somebody would write who needs a queue in SQLite this afternoon: six columns, no index but the primary key.</summary>
internal sealed class SixColumnTable : RawTable
{
    private readonly SqliteStatement _append;
    private readonly SqliteStatement _dispatch;
    private readonly SqliteStatement _acknowledge;

    public SixColumnTable(SqliteConnection connection)
    {
        _append = connection.Prepare("append", "insert into queue(id, type, state, created_at, body) values(?1, 'order.received', 0, ?2, ?3)");
        _dispatch = connection.Prepare("dispatch", "update queue set state = 1 where id = ?1");
        _acknowledge = connection.Prepare("acknowledge", "update queue set state = 2, finished_at = ?2 where id = ?1");
    }

    /// <summary>Makes the table.</summary>
    public static RawTable Create(SqliteConnection connection)
    {
        connection.Execute("schema", "pragma journal_mode=wal");
        connection.Execute("schema", "create table queue(id integer primary key, type text not null, state integer not null, created_at integer not null, finished_at integer, body blob not null)");
        return new SixColumnTable(connection);
    }

    public override void Append(RawMessage message)
    {
        _append.Bind(1, message.Seq);
        _append.Bind(2, Now);
        _append.BindBlob(3, message.Body);
        _ = _append.Run();
    }

    public override void Dispatch(long seq)
    {
        _dispatch.Bind(1, seq);
        _ = _dispatch.Run();
    }

    public override void Acknowledge(long seq)
    {
        _acknowledge.Bind(1, seq);
        _acknowledge.Bind(2, Now);
        _ = _acknowledge.Run();
    }
}
