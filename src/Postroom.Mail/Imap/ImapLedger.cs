using System.Buffers.Binary;

namespace Postroom.Mail;

/// <summary>Which mails of a mailbox are accepted and not yet marked: the checkpoint of an IMAP source (SR-11). Not safe for concurrent use.</summary>
/// <remarks>
/// A mail is known by its UID; two copies of one mail have one message, so marking it marks both. What a UID means holds within one numbering: a changed UIDVALIDITY,
/// or a UIDNEXT that went back, begins another one, and a mark that was made under the former is for the mail that had the number then.
/// </remarks>
internal sealed class ImapLedger
{
    /// <summary>The most mails in work at a time: their rows make one fact of at most 64 KiB. What is beyond waits in the mailbox.</summary>
    public const int Capacity = 3_000;

    private const byte FirstVersion = 1;
    private const byte Version = 2;
    private const int FirstHeadBytes = 1 + 4 + 4;
    private const int HeadBytes = FirstHeadBytes + 4 + 4;
    private const int RowBytes = 4 + 1 + 16;

    private readonly Dictionary<uint, Row> _rows = [];
    private Dictionary<uint, Row> _former = [];
    private ImapNumbering _formerNumbering;
    private uint _uidNext;
    private int _changes;
    private int _saved;

    /// <summary>What the UIDs mean; <c>default</c> before the mailbox was opened.</summary>
    public ImapNumbering Numbering { get; private set; }

    /// <summary>Whether it changed since a checkpoint of it was stored.</summary>
    public bool IsChanged => _changes != _saved;

    /// <summary>With <c>markSeen: never</c>: the UID up to which everything was accepted.</summary>
    public uint Watermark { get; private set; }

    /// <summary>How many mails are in work, or remembered as failed.</summary>
    public int Count => _rows.Count;

    /// <summary>Room for further mails.</summary>
    public int Room => Math.Max(0, Capacity - _rows.Count);

    /// <summary>The mails in work, by UID.</summary>
    public IEnumerable<(uint Uid, MessageId Id)> Open => [.. _rows.Where(row => row.Value.Standing == Standing.InWork).Select(row => (row.Key, row.Value.Id))];

    /// <summary>The failed mails that have copies, by UID.</summary>
    public IEnumerable<(uint Uid, MessageId Id)> Failed => [.. _rows.Where(row => row.Value.Standing == Standing.Failed).Select(row => (row.Key, row.Value.Id))];

    /// <summary>Whether a mail is in work, or remembered as failed or unreadable.</summary>
    public bool Has(uint uid) => _rows.ContainsKey(uid);

    /// <summary>Notes what became a message.</summary>
    public void Add(uint uid, MessageId id)
    {
        Set(uid, new Row(id, Standing.InWork));
        _uidNext = Math.Max(_uidNext, uid == uint.MaxValue ? uid : uid + 1);
    }

    /// <summary>Remembers a mail that is not to be looked at again although the mailbox cannot say so (SR-13, ML-5).</summary>
    public void Keep(uint uid) => Set(uid, new Row(_rows.TryGetValue(uid, out Row row) ? row.Id : default, Standing.Kept));

    /// <summary>
    /// Notes that a mail has the keyword of a failure. With copies it is remembered, as far as half the room goes: a replay that succeeds is of all of them. Alone it is
    /// forgotten, since the mark of the replay names it.
    /// </summary>
    /// <param name="uid">The mail.</param>
    /// <param name="isCopy">Whether it is known to be a copy of another one that may be forgotten by now.</param>
    public void Fail(uint uid, bool isCopy = false)
    {
        if (!_rows.TryGetValue(uid, out Row row))
        {
            return;
        }

        bool hasCopies = isCopy || row.Standing == Standing.Failed || _rows.Any(other => other.Key != uid && other.Value.Id == row.Id);
        if (hasCopies && row.Id != default && Room > Capacity / 2)
        {
            Set(uid, row with { Standing = Standing.Failed });
        }
        else
        {
            Remove(uid);
        }
    }

    /// <summary>Forgets a mail.</summary>
    public void Remove(uint uid) => _changes += _rows.Remove(uid) ? 1 : 0;

    /// <summary>
    /// Forgets the mails that are remembered although nobody would look at them any more: they were read by somebody, or are gone; and those that somebody took the keyword
    /// of a failure from, which are looked at again.
    /// </summary>
    /// <param name="found">The UIDs that a search for unread mails found, ascending.</param>
    public void Forget(IReadOnlyList<uint> found)
    {
        HashSet<uint> unread = [.. found];
        foreach (uint uid in _rows.Where(row => unread.Contains(row.Key) ? row.Value.Standing == Standing.Failed : row.Value.Standing == Standing.Kept).Select(row => row.Key).ToList())
        {
            Remove(uid);
        }
    }

    /// <summary>Notes that everything up to a UID was accepted.</summary>
    public void Advance(uint watermark)
    {
        if (watermark > Watermark)
        {
            Watermark = watermark;
            _changes++;
            foreach (uint uid in _rows.Keys.Where(uid => uid <= watermark).ToList())
            {
                _rows.Remove(uid);
            }
        }
    }

    /// <summary>The UIDs that a mark is for: those of the mail and of every copy of it; empty when it is gone.</summary>
    public IReadOnlyList<uint> CopiesOf(ImapNumbering numbering, uint uid)
    {
        bool isCurrent = numbering == Numbering;
        Dictionary<uint, Row> rows = isCurrent ? _rows : numbering == _formerNumbering ? _former : [];
        if (!rows.TryGetValue(uid, out Row row) || row.Id == default)
        {
            return isCurrent ? [uid] : []; // Marking twice is harmless; under another numbering the UID means another mail.
        }

        return [.. _rows.Where(other => other.Value.Id == row.Id).Select(other => other.Key)];
    }

    /// <summary>Begins with a mailbox whose UIDs may mean other mails than before. True when they do, and were known.</summary>
    /// <param name="uidValidity">What the server says that they mean (RFC 3501 §2.3.1.1).</param>
    /// <param name="uidNext">The next mail's UID; null when the server does not say.</param>
    public bool Begin(uint uidValidity, uint? uidNext)
    {
        uint before = _uidNext;
        _uidNext = uidNext ?? 0;
        _changes += before == _uidNext ? 0 : 1;
        bool wentBack = uidNext < before;
        if (uidValidity == Numbering.UidValidity && !wentBack)
        {
            return false;
        }

        bool changed = Numbering != default;
        (_formerNumbering, _former) = (Numbering, new Dictionary<uint, Row>(_rows));
        _rows.Clear();
        Numbering = new ImapNumbering(uidValidity, uidValidity == Numbering.UidValidity ? Numbering.Round + 1 : 0);
        Watermark = 0;
        _changes++;
        return changed;
    }

    /// <summary>The rows as a checkpoint, and what to call <see cref="Saved"/> with once it is stored.</summary>
    /// <param name="watermark">With <c>markSeen: never</c>, where the mailbox stands once it is stored; null for where it stands now.</param>
    public (byte[] Checkpoint, int Change) ToCheckpoint(uint? watermark = null)
    {
        byte[] bytes = new byte[HeadBytes + (_rows.Count * RowBytes)];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), Numbering.UidValidity);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(5), watermark ?? Watermark);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(9), Numbering.Round);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(13), _uidNext);
        int at = HeadBytes;
        foreach ((uint uid, Row row) in _rows)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(at), uid);
            bytes[at + 4] = (byte)row.Standing;
            row.Id.WriteBytes(bytes.AsSpan(at + 5, 16));
            at += RowBytes;
        }

        return (bytes, _changes);
    }

    /// <summary>A checkpoint was stored; what changed since it was made is still to be stored.</summary>
    public void Saved(int change) => _saved = change;

    /// <summary>Reads a checkpoint; one that cannot be read is as none, since the key of each mail reveals a repeat.</summary>
    public static ImapLedger Read(ReadOnlyMemory<byte>? checkpoint)
    {
        ImapLedger ledger = new();
        ReadOnlySpan<byte> bytes = checkpoint is { } given ? given.Span : [];
        int head = bytes is [Version, ..] ? HeadBytes : bytes is [FirstVersion, ..] ? FirstHeadBytes : int.MaxValue;
        if (bytes.Length < head || (bytes.Length - head) % RowBytes != 0)
        {
            return ledger;
        }

        uint round = head == HeadBytes ? BinaryPrimitives.ReadUInt32BigEndian(bytes[9..]) : 0;
        ledger._uidNext = head == HeadBytes ? BinaryPrimitives.ReadUInt32BigEndian(bytes[13..]) : 0;
        ledger.Numbering = new ImapNumbering(BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]), round);
        ledger.Watermark = BinaryPrimitives.ReadUInt32BigEndian(bytes[5..]);
        for (ReadOnlySpan<byte> rows = bytes[head..]; !rows.IsEmpty; rows = rows[RowBytes..])
        {
            ledger._rows[BinaryPrimitives.ReadUInt32BigEndian(rows)] = new Row(MessageId.FromBytes(rows.Slice(5, 16)), (Standing)Math.Min(rows[4], (byte)Standing.Failed));
        }

        return ledger;
    }

    private void Set(uint uid, Row row)
    {
        _rows[uid] = row;
        _changes++;
    }

    /// <summary>Why a mail is remembered; the numbers are those of the checkpoint.</summary>
    private enum Standing : byte
    {
        InWork = 0,
        Kept = 1,
        Failed = 2,
    }

    private readonly record struct Row(MessageId Id, Standing Standing);
}

/// <summary>Within what a UID means one mail: the server's UIDVALIDITY, and how often its UIDs went back under the same one.</summary>
/// <param name="UidValidity">The server's number; 0 where it gives none.</param>
/// <param name="Round">How often UIDNEXT went back.</param>
internal readonly record struct ImapNumbering(uint UidValidity, uint Round)
{
    /// <summary>The key of a mail: what a mark for it is sent with.</summary>
    public string KeyOf(uint uid) => Round == 0 ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{UidValidity}.{uid}") : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{UidValidity}.{uid}.{Round}");

    /// <summary>Reads a key; null when it is none.</summary>
    public static (ImapNumbering Numbering, uint Uid)? Read(string key)
    {
        uint[] numbers = new uint[3];
        string[] words = key.Split('.');
        if (words.Length is not (2 or 3))
        {
            return null;
        }

        for (int i = 0; i < words.Length; i++)
        {
            if (!uint.TryParse(words[i], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out numbers[i]))
            {
                return null;
            }
        }

        return (new ImapNumbering(numbers[0], numbers[2]), numbers[1]);
    }
}
