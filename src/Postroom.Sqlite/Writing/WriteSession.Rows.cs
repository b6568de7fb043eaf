using System.Text.Json;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <content>What is stored beside the messages: repeats, attempts, facts, notes.</content>
internal sealed partial class WriteSession
{
    /// <summary>Starts the time of a dedup key: its message has finished.</summary>
    public void EndRepeat(Envelope envelope)
    {
        if (envelope.DedupKey is { } key)
        {
            SqliteStatement end = Statement("end repeat", "update dedup set expires_at = ?3 where queue = ?1 and key_hash = ?2 and message = ?4");
            end.Bind(1, NameId(NameTable.QueueKind, envelope.Queue));
            end.BindBlob(2, RowChecksum.DedupHash(key));
            end.Bind(3, (Clock.GetUtcNow() + Retention.Dedup).ToUnixTimeMilliseconds());
            end.BindBlob(4, BytesOf(envelope.Id));
            _ = end.Run();
        }
    }

    public void AddAttempt(long seq, long fence, AttemptRecord attempt)
    {
        SqliteStatement add = Statement("attempt", "insert or replace into attempts values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
        add.Bind(1, seq);
        add.Bind(2, attempt.Attempt);
        add.Bind(3, fence);
        add.Bind(4, attempt.StartedAt?.ToUnixTimeMilliseconds());
        add.Bind(5, attempt.EndedAt?.ToUnixTimeMilliseconds());
        add.BindText(6, attempt.Outcome);
        add.Bind(7, (long?)attempt.Kind);
        add.BindText(8, attempt.Error);
        add.BindText(9, attempt.Owner);
        add.Bind(10, RowSums.Attempt(seq, fence, attempt));
        _ = add.Run();
    }

    public void SetFact(FactChange change)
    {
        if (change.Value is not { } value)
        {
            SqliteStatement remove = Statement("remove fact", "delete from facts where scope = ?1 and key = ?2");
            remove.BindText(1, change.Scope);
            remove.BindText(2, change.Key);
            _ = remove.Run();
            return;
        }

        long now = Clock.GetUtcNow().ToUnixTimeMilliseconds();
        long? expiresAt = change.ExpiresAt?.ToUnixTimeMilliseconds();
        SqliteStatement set = Statement("set fact", "insert or replace into facts values(?1, ?2, ?3, ?4, ?5, ?6)");
        set.BindText(1, change.Scope);
        set.BindText(2, change.Key);
        set.BindBlob(3, value.Span);
        set.Bind(4, expiresAt);
        set.Bind(5, now);
        set.Bind(6, RowSums.Fact(change.Scope, change.Key, value.Span, expiresAt, now));
        _ = set.Run();
    }

    public void AddReceipt(MessageId id, DeliveryReceipt receipt, DateTimeOffset at)
    {
        AddNote(new StoreNote(NoteKind.Receipt, at, JsonSerializer.SerializeToUtf8Bytes(receipt, PostroomJson.Default.DeliveryReceipt)) { MessageId = id });
    }

    public void AddNote(StoreNote note)
    {
        long at = note.At.ToUnixTimeMilliseconds();
        byte[] message = BytesOf(note.MessageId);
        SqliteStatement add = Statement("note", "insert into notes(kind, at, message, data, crc) values(?1, ?2, ?3, ?4, ?5)");
        add.Bind(1, (long)note.Kind);
        add.Bind(2, at);
        BindOptional(add, 3, message);
        add.BindBlob(4, note.Data.Span);
        add.Bind(5, RowSums.Note((long)note.Kind, at, message, note.Data.Span));
        _ = add.Run();
    }

    private AppendResult? FindRepeat(long queue, byte[] key, Envelope envelope)
    {
        SqliteStatement find = Statement("find repeat", "select message, body_hash, expires_at, crc from dedup where queue = ?1 and key_hash = ?2");
        find.Bind(1, queue);
        find.BindBlob(2, key);
        if (!find.Step())
        {
            return null;
        }

        byte[] message = find.GetBlob(0).ToArray();
        byte[] body = find.GetBlob(1).ToArray();
        long? expiresAt = find.GetOptionalInt64(2);
        bool sound = message.Length == 16 && find.GetInt64(3) == RowSums.Dedup(queue, key, message, body);
        find.Reset();
        if (!sound)
        {
            throw new InvalidDataException("A row of the dedup keys is damaged.");
        }

        return expiresAt <= Clock.GetUtcNow().ToUnixTimeMilliseconds()
            ? null
            : new AppendResult(MessageId.FromBytes(message), Duplicate: true, body.AsSpan().SequenceEqual(MessageContent.HashOf(envelope)));
    }

    private void RememberRepeat(long queue, byte[] key, Envelope envelope)
    {
        byte[] message = BytesOf(envelope.Id);
        byte[] body = MessageContent.HashOf(envelope);
        SqliteStatement remember = Statement("remember repeat", "insert or replace into dedup values(?1, ?2, ?3, ?4, null, ?5)");
        remember.Bind(1, queue);
        remember.BindBlob(2, key);
        remember.BindBlob(3, message);
        remember.BindBlob(4, body);
        remember.Bind(5, RowSums.Dedup(queue, key, message, body));
        _ = remember.Run();
    }
}

/// <summary>The checksums of the small rows.</summary>
internal static class RowSums
{
    public static long Attempt(long seq, long fence, AttemptRecord attempt)
    {
        RowChecksum sum = default;
        sum.Add(seq);
        sum.Add(fence);
        sum.Add((long)attempt.Attempt);
        sum.Add(attempt.StartedAt?.ToUnixTimeMilliseconds());
        sum.Add(attempt.EndedAt?.ToUnixTimeMilliseconds());
        sum.AddText(attempt.Outcome);
        sum.Add((long?)attempt.Kind);
        sum.AddText(attempt.Error);
        sum.AddText(attempt.Owner);
        return sum.Value;
    }

    public static long Fact(string scope, string key, ReadOnlySpan<byte> value, long? expiresAt, long updatedAt)
    {
        RowChecksum sum = default;
        sum.AddText(scope);
        sum.AddText(key);
        sum.Add(value);
        sum.Add(expiresAt);
        sum.Add(updatedAt);
        return sum.Value;
    }

    public static long Note(long kind, long at, ReadOnlySpan<byte> message, ReadOnlySpan<byte> data)
    {
        RowChecksum sum = default;
        sum.Add(kind);
        sum.Add(at);
        sum.Add(message);
        sum.Add(data);
        return sum.Value;
    }

    public static long Dedup(long queue, ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> body)
    {
        RowChecksum sum = default;
        sum.Add(queue);
        sum.Add(key);
        sum.Add(message);
        sum.Add(body);
        return sum.Value;
    }
}
