using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>The statements of a table that a raw pipeline writes. Used by one thread.</summary>
internal abstract class RawTable
{
    public abstract void Append(long seq, MessageId id, ReadOnlySpan<byte> body);

    public abstract void Dispatch(long seq);

    public abstract void Acknowledge(long seq);

    protected static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
}

/// <summary>The table of the store with all its columns and indexes, filled as for a message without a dedup key; without checksums and counts.</summary>
internal sealed class StoreTable : RawTable
{
    private readonly SqliteStatement _append;
    private readonly SqliteStatement _dispatch;
    private readonly SqliteStatement _acknowledge;

    public StoreTable(SqliteConnection connection)
    {
        _append = connection.Prepare("append", """
            insert into messages(seq, id, queue, type, state, key_hash, created_at, attempt, failures, deaths, fence, hold, body_crc, row_crc, conversation, body)
            values(?1, ?2, 1, 2, 0, ?3, ?4, 0, 0, 0, 0, 0, ?5, ?6, ?7, ?8)
            """);
        _dispatch = connection.Prepare("dispatch", "update messages set state = 1, attempt = 1, fence = ?2, row_crc = ?3 where seq = ?1 and state = 0");
        _acknowledge = connection.Prepare("acknowledge", "update messages set state = 2, finished_at = ?2, row_crc = ?3 where seq = ?1 and state = 1");
    }

    /// <summary>Makes the store's own schema.</summary>
    public static RawTable Create(SqliteConnection connection)
    {
        StoreSchema.Create(connection);
        return new StoreTable(connection);
    }

    public override void Append(long seq, MessageId id, ReadOnlySpan<byte> body)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.WriteBytes(bytes);
        Span<char> conversation = stackalloc char[36];
        _ = id.TryFormat(conversation, out int length);
        _append.Bind(1, seq);
        _append.BindBlob(2, bytes);
        _append.Bind(3, (long)id.GetHashCode());
        _append.Bind(4, Now);
        _append.Bind(5, 0xC0FFEEL + seq);
        _append.Bind(6, 0xBEEFL + seq);
        _append.BindText(7, conversation[..length]);
        _append.BindBlob(8, body);
        _ = _append.Run();
    }

    public override void Dispatch(long seq)
    {
        _dispatch.Bind(1, seq);
        _dispatch.Bind(2, (1L << 32) + seq);
        _dispatch.Bind(3, 0xFACEL + seq);
        _ = _dispatch.Run();
    }

    public override void Acknowledge(long seq)
    {
        _acknowledge.Bind(1, seq);
        _acknowledge.Bind(2, Now);
        _acknowledge.Bind(3, 0xFEEDL + seq);
        _ = _acknowledge.Run();
    }
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

    public override void Append(long seq, MessageId id, ReadOnlySpan<byte> body)
    {
        _append.Bind(1, seq);
        _append.Bind(2, Now);
        _append.BindBlob(3, body);
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
