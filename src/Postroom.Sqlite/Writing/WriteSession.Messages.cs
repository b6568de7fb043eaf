using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <content>Messages: how they come and how they move.</content>
internal sealed partial class WriteSession
{
    private const string InsertMessage = """
        insert into messages(seq, id, queue, type, state, key_hash, created_at, attempt, failures, deaths, fence, not_before, hold, expires_at,
          body_crc, row_crc, parent, group_id, conversation, extra, body_hash, body)
        values(?1, ?2, ?3, ?4, 0, ?5, ?6, 0, 0, 0, 0, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) on conflict(id) do nothing
        """;

    private const string AckMessage = """
        update messages set state = 2, attempt = ?2, fence = ?3, finished_at = ?4, row_crc = ?5 where seq = ?1 and state < 2 and fence <= ?3
        """;

    private const string AckWithBegin = """
        update messages set state = 2, attempt = ?2, fence = ?3, finished_at = ?4, row_crc = ?5, track = ?6 where seq = ?1 and state < 2 and fence <= ?3
        """;

    private const string MoveMessage = """
        update messages set state = ?2, attempt = ?3, failures = ?4, deaths = ?5, fence = ?6, not_before = ?7, hold = ?8, finished_at = ?9, failure_kind = ?10,
          outside_id = ?11, error = ?12, track = ?13, row_crc = ?14
        where seq = ?1 and (case when ?15 then state = 3 else state < 2 end) and fence <= ?6
        """;

    /// <summary>Stores one message, unless its id or dedup key is stored.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="seq">Its number; 0 for a duplicate.</param>
    public AppendResult Append(Envelope envelope, out long seq)
    {
        seq = 0;
        long queue = NameId(NameTable.QueueKind, envelope.Queue);
        byte[]? dedup = envelope.DedupKey is { } dedupKey ? RowChecksum.DedupHash(dedupKey) : null;
        if (dedup is not null && FindRepeat(queue, dedup, envelope) is { } repeat)
        {
            return repeat;
        }

        long number = _working.LastSeq + 1;
        long type = NameId(NameTable.TypeKind, envelope.Type);
        byte[]? bodyHash = envelope.Body.Length > ExtraColumn.ApartBytes ? SHA256.HashData(envelope.Body.Span) : null;
        if (!Insert(envelope, number, queue, type, bodyHash))
        {
            return new AppendResult(envelope.Id, Duplicate: true, SameBody(envelope));
        }

        KeepApart(envelope, bodyHash);
        if (dedup is not null)
        {
            RememberRepeat(queue, dedup, envelope);
        }

        _working.LastSeq = number;
        _working.Appended++;
        Totals.Add(queue, type, MessageState.Pending, 1);
        seq = number;
        return new AppendResult(envelope.Id, Duplicate: false);
    }

    /// <summary>Moves an open message; false when it is not open or was leased again.</summary>
    /// <param name="message">The message.</param>
    /// <param name="row">What its row becomes.</param>
    /// <param name="sendStartedAt">A claimed send whose outcome is not known.</param>
    /// <param name="owner">Who has it; null for nobody.</param>
    /// <param name="fromFailed">Whether it is expected to have failed, instead of being open.</param>
    public bool Move(OpenMessage message, in RowMove row, DateTimeOffset? sendStartedAt, string? owner, bool fromFailed = false)
    {
        SqliteStatement move = Statement("move message", MoveMessage);
        move.Bind(1, row.Seq);
        move.Bind(2, (long)row.State);
        move.Bind(3, row.Attempt);
        move.Bind(4, row.Failures);
        move.Bind(5, row.Deaths);
        move.Bind(6, row.Fence);
        move.Bind(7, row.Due);
        move.Bind(8, row.Holds ? 1L : 0L);
        move.Bind(9, row.FinishedAt);
        move.Bind(10, row.Kind);
        move.BindText(11, row.OutsideId);
        move.BindText(12, row.Error);
        if (TrackColumn.Write(_pack, message, sendStartedAt, owner, withBegin: row.State == MessageState.Acked))
        {
            move.BindBlob(13, _pack.Written);
        }
        else
        {
            move.BindNull(13);
        }

        move.Bind(14, MessageRow.RowCrc(row));
        move.Bind(15, fromFailed ? 1L : 0L);
        return move.Run() > 0;
    }

    /// <summary>Acknowledges a message that has nothing but a plain message's columns; false as for <see cref="Move"/>.</summary>
    /// <param name="row">What its row becomes.</param>
    /// <param name="begun">The message, when the begin of its attempt is kept; null when it is not.</param>
    public bool Acknowledge(in RowMove row, OpenMessage? begun)
    {
        SqliteStatement ack;
        if (begun is not null && TrackColumn.Write(_pack, begun, sendStartedAt: null, owner: null, withBegin: true))
        {
            ack = Statement("acknowledge message with its begin", AckWithBegin);
            ack.BindBlob(6, _pack.Written);
        }
        else
        {
            ack = Statement("acknowledge message", AckMessage);
        }

        ack.Bind(1, row.Seq);
        ack.Bind(2, row.Attempt);
        ack.Bind(3, row.Fence);
        ack.Bind(4, row.FinishedAt);
        ack.Bind(5, MessageRow.RowCrc(row));
        return ack.Run() > 0;
    }

    /// <summary>Counts a move.</summary>
    public void Count(Envelope envelope, MessageState from, MessageState to)
    {
        if ((from is MessageState.Dispatched ? MessageState.Pending : from) == (to is MessageState.Dispatched ? MessageState.Pending : to))
        {
            return;
        }

        long queue = NameId(NameTable.QueueKind, envelope.Queue);
        long type = NameId(NameTable.TypeKind, envelope.Type);
        Totals.Add(queue, type, from, -1);
        Totals.Add(queue, type, to, 1);
    }

    /// <summary>Counts a message that is removed.</summary>
    public void Forgotten(Envelope envelope, MessageState state) =>
        Forgotten(NameId(NameTable.QueueKind, envelope.Queue), NameId(NameTable.TypeKind, envelope.Type), state);

    /// <summary>Counts a message that is removed.</summary>
    public void Forgotten(long queue, long type, MessageState state) => Totals.Add(queue, type, state, -1);

    /// <summary>Fills the index of conversations up to the newest row, in sorted order.</summary>
    public void IndexConversations(int atMost)
    {
        long last = Math.Min(_working.LastSeq, _working.IndexedSeq + (long)atMost);
        SqliteStatement fill = Statement(
            "fill conversations",
            "insert or ignore into conversations select conversation, seq from messages where seq > ?1 and seq <= ?2 and conversation is not null order by conversation, seq");
        fill.Bind(1, _working.IndexedSeq);
        fill.Bind(2, last);
        _ = fill.Run();
        _working.IndexedSeq = last;
    }

    /// <summary>The number of a message; 0 for one that is not kept.</summary>
    private long SeqOf(MessageId id)
    {
        SqliteStatement find = Statement("find number", "select seq from messages where id = ?1");
        find.BindId(1, id);
        long seq = find.Step() ? find.GetInt64(0) : 0;
        find.Reset();
        return seq;
    }

    /// <summary>Reads one message from disk; null when it is not kept.</summary>
    public OpenMessage? Find(MessageId id, bool withBody)
    {
        SqliteStatement find = withBody
            ? Statement("find whole message", $"select {MessageRow.WithBody} from messages m where m.id = ?1")
            : Statement("find message", $"select {MessageRow.WithoutBody} from messages m where m.id = ?1");
        find.BindId(1, id);
        OpenMessage? message = find.Step() ? MessageRow.Read(find, Names, withBody ? ReadApart : null) : null;
        find.Reset();
        return message;
    }

    /// <summary>Erases body and attachments of a finished message, leaving the record.</summary>
    /// <param name="message">The message, whole.</param>
    /// <param name="personal">Whether what headers say of a person goes as well.</param>
    public void Erase(OpenMessage message, bool personal)
    {
        if (message.IsSlim || (!personal && message.Envelope.Body.IsEmpty && message.Envelope.Attachments.Count == 0))
        {
            return;
        }

        Envelope stripped = message.Envelope.Erase(Clock.GetUtcNow(), personal);
        ReleaseApart(message.Envelope);
        long crc = BodyCrcOf(message.Seq, stripped);
        SqliteStatement erase = Statement("erase body", "update messages set body = null, body_hash = null, extra = ?2, body_crc = ?3, expires_at = ?4 where seq = ?1");
        erase.Bind(1, message.Seq);
        BindOptional(erase, 2, _pack.Written);
        erase.Bind(3, crc);
        erase.Bind(4, stripped.ExpiresAt?.ToUnixTimeMilliseconds());
        _ = erase.Run();
    }

    /// <summary>Lets a replayed message live without an end; the message, with its body, has none already.</summary>
    public void ClearExpiry(OpenMessage message)
    {
        SqliteStatement clear = Statement("clear expiry", "update messages set expires_at = null, body_crc = ?2 where seq = ?1");
        clear.Bind(1, message.Seq);
        clear.Bind(2, BodyCrcOf(message.Seq, message.Envelope));
        _ = clear.Run();
    }

    /// <summary>The checksum of what of a row does not change with its state; leaves the extra column packed.</summary>
    private long BodyCrcOf(long seq, Envelope envelope)
    {
        ExtraColumn.Write(_pack, envelope);
        return MessageRow.BodyCrc(
            seq, envelope.Id, NameId(NameTable.QueueKind, envelope.Queue), NameId(NameTable.TypeKind, envelope.Type), KeyHash(envelope),
            envelope.CreatedAt.ToUnixTimeMilliseconds(), envelope.ExpiresAt?.ToUnixTimeMilliseconds(), BytesOf(envelope.ParentId), BytesOf(envelope.GroupId),
            Encoding.UTF8.GetBytes(ConversationColumn(envelope) ?? ""), _pack.Written,
            envelope.Body.Length > ExtraColumn.ApartBytes ? SHA256.HashData(envelope.Body.Span) : envelope.Body.Span);
    }

    /// <summary>Gives up the references of a message to what is kept apart.</summary>
    public void ReleaseApart(Envelope envelope)
    {
        if (envelope.Body.Length > ExtraColumn.ApartBytes)
        {
            ReleaseApart(SHA256.HashData(envelope.Body.Span));
        }

        foreach (Attachment attachment in envelope.Attachments)
        {
            if (attachment.Data is { Length: > ExtraColumn.ApartBytes } data)
            {
                ReleaseApart(SHA256.HashData(data.Span));
            }
        }
    }

    private void ReleaseApart(ReadOnlySpan<byte> hash)
    {
        SqliteStatement release = Statement("release bytes", "update bodies set refs = refs - 1 where hash = ?1");
        release.BindBlob(1, hash);
        _ = release.Run();
        SqliteStatement delete = Statement("delete bytes", "delete from bodies where hash = ?1 and refs <= 0");
        delete.BindBlob(1, hash);
        _ = delete.Run();
    }

    /// <summary>What the key's index has; null for no key, and for a message that starts its key: that one is found by its id.</summary>
    private static long? KeyHash(Envelope envelope) => !envelope.StartsKey && envelope.OrderKey is { Length: > 0 } key ? RowChecksum.KeyHash(key) : null;

    /// <summary>The column of the conversation; null for none, and for one that the message starts, whose name is the message's id.</summary>
    private static string? ConversationColumn(Envelope envelope) => envelope.StartsConversation ? null : envelope.Conversation;

    private static byte[] BytesOf(MessageId? id)
    {
        if (id is not { } value)
        {
            return [];
        }

        byte[] bytes = new byte[16];
        value.WriteBytes(bytes);
        return bytes;
    }

    private static void BindOptional(SqliteStatement statement, int parameter, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
        {
            statement.BindNull(parameter);
        }
        else
        {
            statement.BindBlob(parameter, value);
        }
    }

    private bool Insert(Envelope envelope, long seq, long queue, long type, byte[]? bodyHash)
    {
        long? keyHash = KeyHash(envelope);
        long createdAt = envelope.CreatedAt.ToUnixTimeMilliseconds();
        long? due = envelope.NotBefore?.ToUnixTimeMilliseconds();
        long? expiresAt = envelope.ExpiresAt?.ToUnixTimeMilliseconds();
        byte[] parent = BytesOf(envelope.ParentId);
        byte[] group = BytesOf(envelope.GroupId);
        string? text = ConversationColumn(envelope);
        byte[]? rented = text is null ? null : ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        Span<byte> conversation = rented is null ? default : rented.AsSpan(0, Encoding.UTF8.GetBytes(text, rented));
        ExtraColumn.Write(_pack, envelope);
        SqliteStatement insert = Statement("append message", InsertMessage);
        insert.Bind(1, seq);
        insert.BindId(2, envelope.Id);
        insert.Bind(3, queue);
        insert.Bind(4, type);
        insert.Bind(5, keyHash);
        insert.Bind(6, createdAt);
        insert.Bind(7, due);
        insert.Bind(8, expiresAt);
        insert.Bind(9, MessageRow.BodyCrc(
            seq, envelope.Id, queue, type, keyHash, createdAt, expiresAt, parent, group, conversation, _pack.Written, bodyHash is null ? envelope.Body.Span : bodyHash));
        insert.Bind(10, MessageRow.RowCrc(new RowMove
        {
            Seq = seq,
            Id = envelope.Id,
            State = MessageState.Pending,
            Attempt = 0,
            Failures = 0,
            Deaths = 0,
            Fence = 0,
            Due = due,
        }));
        BindOptional(insert, 11, parent);
        BindOptional(insert, 12, group);
        if (text is null)
        {
            insert.BindNull(13);
        }
        else
        {
            insert.BindUtf8(13, conversation);
        }

        BindOptional(insert, 14, _pack.Written);
        BindOptional(insert, 15, bodyHash);
        BindOptional(insert, 16, bodyHash is null ? envelope.Body.Span : default);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return insert.Run() > 0;
    }

    private void KeepApart(Envelope envelope, byte[]? bodyHash)
    {
        if (bodyHash is not null)
        {
            KeepApart(envelope.Body.Span, bodyHash);
        }

        foreach (Attachment attachment in envelope.Attachments)
        {
            if (attachment.Data is { Length: > ExtraColumn.ApartBytes } data)
            {
                KeepApart(data.Span, SHA256.HashData(data.Span));
            }
        }
    }

    private void KeepApart(ReadOnlySpan<byte> data, byte[] hash)
    {
        SqliteStatement keep = Statement("keep bytes", "insert into bodies(hash, size, refs, data) values(?1, ?2, 1, ?3) on conflict(hash) do update set refs = refs + 1");
        keep.BindBlob(1, hash);
        keep.Bind(2, (long)data.Length);
        keep.BindBlob(3, data);
        _ = keep.Run();
        keep.BindNull(3); // a bound copy of 20 MiB would stay
    }

    private bool SameBody(Envelope envelope) =>
        Find(envelope.Id, withBody: true) is { } stored && MessageContent.IsSame(stored.Envelope, envelope);
}
