using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>The table of the store with all its columns and indexes, filled as for a message without a dedup key; without checksums and counts.</summary>
internal sealed class StoreTable : RawTable
{
    private static readonly byte[] OwnConversation = [1, 0x80, 0x80, 0x01];

    private readonly SqliteStatement _append;
    private readonly SqliteStatement _dispatch;
    private readonly SqliteStatement _acknowledge;

    public StoreTable(SqliteConnection connection)
    {
        _append = connection.Prepare("append", """
            insert into messages(seq, id, queue, type, state, key_hash, created_at, attempt, failures, deaths, fence, hold, body_crc, row_crc, parent, conversation, extra, body)
            values(?1, ?2, ?3, ?4, 0, ?5, ?6, 0, 0, 0, 0, 0, ?7, ?8, ?9, ?10, ?11, ?12)
            """);
        _dispatch = connection.Prepare("dispatch", "update messages set state = 1, attempt = 1, fence = ?2, row_crc = ?3 where seq = ?1 and state = 0");
        _acknowledge = connection.Prepare("acknowledge", "update messages set state = 2, finished_at = ?2, row_crc = ?3 where seq = ?1 and state = 1");
        using SqliteStatement last = connection.Prepare("last", "select ifnull(max(seq), 0) from messages");
        LastSeq = last.Step() ? last.GetInt64(0) : 0;
    }

    public override long LastSeq { get; }

    /// <summary>Makes the store's own schema.</summary>
    public static RawTable Create(SqliteConnection connection)
    {
        StoreSchema.Create(connection);
        return new StoreTable(connection);
    }

    /// <summary>Goes on with a file that a store has filled.</summary>
    public static RawTable Open(SqliteConnection connection) => new StoreTable(connection);

    public override void Append(RawMessage message)
    {
        Span<byte> bytes = stackalloc byte[16];
        message.Id.WriteBytes(bytes);
        _append.Bind(1, message.Seq);
        _append.BindBlob(2, bytes);
        _append.Bind(3, message.Parent is null ? 1L : 2L);
        _append.Bind(4, message.Parent is null ? 2L : 3L);
        _append.Bind(6, Now);
        _append.Bind(7, 0xC0FFEEL + message.Seq);
        _append.Bind(8, 0xBEEFL + message.Seq);
        BindParent(message.Parent);
        BindConversation(message);
        _append.BindBlob(12, message.Body);
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

    /// <summary>Its parent's, or that of its sender; a message from nobody starts its own, which only a flag says.</summary>
    private void BindConversation(RawMessage message)
    {
        if (message.Parent is null && message.Extra is null)
        {
            _append.BindNull(5);
            _append.BindNull(10);
            _append.BindBlob(11, OwnConversation);
            return;
        }

        MessageId conversation = message.Parent ?? message.Id;
        Span<char> text = stackalloc char[MessageId.TextLength];
        _ = conversation.TryFormat(text, out _, default, null);
        _append.Bind(5, (long)conversation.GetHashCode());
        _append.BindText(10, text);
        if (message.Extra is { } extra)
        {
            _append.BindBlob(11, extra);
        }
        else
        {
            _append.BindNull(11);
        }
    }

    private void BindParent(MessageId? parent)
    {
        if (parent is { } id)
        {
            Span<byte> bytes = stackalloc byte[16];
            id.WriteBytes(bytes);
            _append.BindBlob(9, bytes);
        }
        else
        {
            _append.BindNull(9);
        }
    }
}
