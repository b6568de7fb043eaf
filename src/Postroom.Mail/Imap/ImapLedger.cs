using System.Buffers.Binary;

namespace Postroom.Mail;

/// <summary>Which mails of a mailbox are accepted and not yet marked: the checkpoint of an IMAP source (SR-11). Not safe for concurrent use.</summary>
/// <remarks>A mail is known by its UID; two copies of one mail have one message, so marking it marks both.</remarks>
internal sealed class ImapLedger
{
    /// <summary>The most mails in work at a time: their rows make one fact of at most 64 KiB. What is beyond waits in the mailbox.</summary>
    public const int Capacity = 3_000;

    private const byte Version = 1;
    private const int HeadBytes = 1 + 4 + 4;
    private const int RowBytes = 4 + 1 + 16;

    private readonly Dictionary<uint, Row> _rows = [];
    private Dictionary<uint, Row> _former = [];
    private uint _formerValidity;

    /// <summary>What the UIDs mean (RFC 3501 §2.3.1.1); 0 before the mailbox was opened.</summary>
    public uint UidValidity { get; private set; }

    /// <summary>Whether it changed since the last checkpoint was made of it.</summary>
    public bool IsChanged { get; private set; }

    /// <summary>With <c>markSeen: never</c>: the UID up to which everything was accepted.</summary>
    public uint Watermark { get; set; }

    /// <summary>How many mails are in work, or remembered as failed.</summary>
    public int Count => _rows.Count;

    /// <summary>Room for further mails.</summary>
    public int Room => Capacity - _rows.Count;

    /// <summary>The mails in work, by UID.</summary>
    public IEnumerable<(uint Uid, MessageId Id)> Open => [.. _rows.Where(row => !row.Value.Kept).Select(row => (row.Key, row.Value.Id))];

    /// <summary>Whether a mail is in work, or remembered as failed or unreadable.</summary>
    public bool Has(uint uid) => _rows.ContainsKey(uid);

    /// <summary>Notes what became a message.</summary>
    public void Add(uint uid, MessageId id) => Set(uid, new Row(id, false));

    /// <summary>Remembers a mail that is not to be looked at again although the mailbox cannot say so (SR-13, ML-5).</summary>
    public void Keep(uint uid) => Set(uid, new Row(_rows.TryGetValue(uid, out Row row) ? row.Id : default, true));

    /// <summary>Forgets a mail.</summary>
    public void Remove(uint uid) => IsChanged |= _rows.Remove(uid);

    /// <summary>The UIDs that a mark is for: those of the mail and of every copy of it; empty when it is gone.</summary>
    public IReadOnlyList<uint> CopiesOf(uint uidValidity, uint uid)
    {
        Dictionary<uint, Row> rows = uidValidity == UidValidity ? _rows : uidValidity == _formerValidity ? _former : [];
        if (!rows.TryGetValue(uid, out Row row))
        {
            return uidValidity == UidValidity ? [uid] : []; // Marking twice is harmless; under another UIDVALIDITY the number means another mail.
        }

        return [.. _rows.Where(other => other.Value.Id == row.Id).Select(other => other.Key)];
    }

    /// <summary>Begins with a mailbox whose UIDs may mean other mails than before. True when they do, and rows were there.</summary>
    public bool Begin(uint uidValidity)
    {
        if (uidValidity == UidValidity)
        {
            return false;
        }

        bool changed = UidValidity != 0;
        (_formerValidity, _former) = (UidValidity, new Dictionary<uint, Row>(_rows));
        _rows.Clear();
        (UidValidity, Watermark) = (uidValidity, 0);
        IsChanged = true;
        return changed;
    }

    /// <summary>The rows as a checkpoint.</summary>
    public byte[] ToCheckpoint()
    {
        byte[] bytes = new byte[HeadBytes + (_rows.Count * RowBytes)];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), UidValidity);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(5), Watermark);
        int at = HeadBytes;
        foreach ((uint uid, Row row) in _rows)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(at), uid);
            bytes[at + 4] = row.Kept ? (byte)1 : (byte)0;
            row.Id.WriteBytes(bytes.AsSpan(at + 5, 16));
            at += RowBytes;
        }

        IsChanged = false;
        return bytes;
    }

    /// <summary>Reads a checkpoint; one that cannot be read is as none, since the key of each mail reveals a repeat.</summary>
    public static ImapLedger Read(ReadOnlyMemory<byte>? checkpoint)
    {
        ImapLedger ledger = new();
        ReadOnlySpan<byte> bytes = checkpoint is { } given ? given.Span : [];
        if (bytes.Length < HeadBytes || bytes[0] != Version || (bytes.Length - HeadBytes) % RowBytes != 0)
        {
            return ledger;
        }

        ledger.UidValidity = BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]);
        ledger.Watermark = BinaryPrimitives.ReadUInt32BigEndian(bytes[5..]);
        for (ReadOnlySpan<byte> rows = bytes[HeadBytes..]; !rows.IsEmpty; rows = rows[RowBytes..])
        {
            ledger._rows[BinaryPrimitives.ReadUInt32BigEndian(rows)] = new Row(MessageId.FromBytes(rows.Slice(5, 16)), rows[4] != 0);
        }

        return ledger;
    }

    private void Set(uint uid, Row row)
    {
        _rows[uid] = row;
        IsChanged = true;
    }

    private readonly record struct Row(MessageId Id, bool Kept);
}
