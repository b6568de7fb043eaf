using System.Buffers.Binary;
using System.Text.Json;

namespace Postroom.Redis;

/// <summary>Facts as fields: when it was written, when it ends (0 for never), its value.</summary>
internal static class FactBytes
{
    private const int Head = 16;

    public static void Set(BatchWriter batch, FactChange fact, DateTimeOffset now)
    {
        if (fact.Value is not { } value)
        {
            batch.Run("HDEL", batch.Keys.Facts(fact.Scope), fact.Key);
            return;
        }

        byte[] bytes = new byte[Head + value.Length];
        BinaryPrimitives.WriteInt64BigEndian(bytes, now.ToUnixTimeMilliseconds());
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(8), fact.ExpiresAt?.ToUnixTimeMilliseconds() ?? 0);
        value.Span.CopyTo(bytes.AsSpan(Head));
        batch.Run("HSET", batch.Keys.Facts(fact.Scope), fact.Key, bytes);
        if (fact.ExpiresAt is not null)
        {
            batch.Run("SADD", batch.Keys.Scopes, fact.Scope);
        }
    }

    /// <summary>Reads a fact; null when it has ended.</summary>
    public static StoredFact? Read(string scope, string key, ReadOnlyMemory<byte> bytes, DateTimeOffset now)
    {
        if (bytes.Length < Head)
        {
            return null;
        }

        long end = BinaryPrimitives.ReadInt64BigEndian(bytes.Span[8..]);
        DateTimeOffset? expires = end == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(end);
        return expires <= now ? null
            : new StoredFact(scope, key, bytes[Head..], expires, DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes.Span)));
    }
}

/// <summary>Notes: audit rows in one stream, and what concerns a message in a list of its own.</summary>
internal static class NoteBytes
{
    private const int Head = 9;
    private const int MostOfMessage = 1_000;

    public static void Add(BatchWriter batch, StoreNote note)
    {
        byte[] bytes = new byte[Head + note.Data.Length];
        bytes[0] = (byte)note.Kind;
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(1), note.At.ToUnixTimeMilliseconds());
        note.Data.Span.CopyTo(bytes.AsSpan(Head));
        if (note.Kind == NoteKind.Audit)
        {
            batch.Run("XADD", batch.Keys.Notes, "*", "n", bytes, "id", note.MessageId is { } about ? BatchWriter.Bytes16(about) : "");
        }

        if (note.MessageId is { } id)
        {
            batch.Run("RPUSH", batch.Keys.NotesOf(id), bytes);
            batch.Run("LTRIM", batch.Keys.NotesOf(id), -MostOfMessage, -1);
        }
    }

    public static NoteKind KindOf(ReadOnlySpan<byte> bytes) => (NoteKind)bytes[0];

    public static DeliveryReceipt? Receipt(ReadOnlySpan<byte> bytes) => JsonSerializer.Deserialize(bytes[Head..], PostroomJson.Default.DeliveryReceipt);

    public static AuditRecord? Audit(ReadOnlySpan<byte> bytes)
    {
        DateTimeOffset at = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes[1..]));
        return JsonSerializer.Deserialize(bytes[Head..], PostroomJson.Default.AuditRecord) is { } row ? row with { At = at } : null;
    }
}
