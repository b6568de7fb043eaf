using System.Diagnostics;
using System.Text.Json;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Answers journal queries from disk, with what only the memory knows laid over it.</summary>
/// <param name="session">The connection.</param>
/// <param name="inMemory">The message as the memory has it; null for none.</param>
internal sealed class JournalReader(ReadSession session, Func<MessageId, OpenMessage?> inMemory)
{
    private const int MostCounted = 10_000;

    /// <summary>No statement reads longer than this; the next one goes on behind it.</summary>
    public TimeSpan Slice { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>A page that must look at every row ends after this, and its cursor says where.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>For a store that no runtime of this process has: the attempt of a message that began and has no outcome on its row; null for none.</summary>
    public Func<OpenMessage, int?>? LeftInWork { get; init; }

    /// <summary>One page. Between two slices it ends when its caller has left.</summary>
    /// <exception cref="TimeoutException">The offset was not reached in time.</exception>
    public JournalPage Query(JournalQuery query, CancellationToken cancellationToken)
    {
        if (query.Text is { } text && MessageId.TryParse(text.Trim(), out MessageId id))
        {
            OpenMessage? named = Find(id, withBody: false);
            JournalEntry[] one = named is not null && JournalMoves.Matches(named, query with { Text = null }) ? [named.ToEntry(withBody: false)] : [];
            return new JournalPage(one, one.Length, false, null);
        }

        List<JournalEntry> items = [];
        long matched = 0;
        int skip = query.Offset;
        bool more = false;
        long begun = Stopwatch.GetTimestamp();
        (bool ended, long? place) = Walk(query, query.Cursor, null, begun, Take, cancellationToken);
        if (skip > 0 && !ended)
        {
            throw new TimeoutException($"The journal was read for {Longest.TotalSeconds} s and offset {query.Offset} was not reached. Go on from page to page by cursor instead.");
        }

        bool all = ended;
        if (query is { WithTotal: true, Cursor: { } cursor } && matched <= MostCounted)
        {
            // What is before the page counts as well, as far as the time allows.
            (bool counted, _) = Walk(query, null, cursor, begun, (_, _) => ++matched <= MostCounted, cancellationToken);
            all &= counted;
        }

        long? next = more || (items.Count == query.Limit && !ended) ? items[^1].Envelope.Seq : ended ? null : place;
        return new JournalPage(items, Math.Min(matched, MostCounted), !all || matched > MostCounted, next);

        bool Take(OpenMessage message, SqliteStatement rows)
        {
            matched++;
            if (skip > 0)
            {
                skip--;
            }
            else if (items.Count < query.Limit)
            {
                items.Add(message.ToEntry(withBody: false) with { BodyLength = rows.GetInt64(26) });
            }
            else
            {
                more = true;
            }

            return query.WithTotal ? !more || matched <= MostCounted : items.Count < query.Limit;
        }
    }

    /// <summary>Shows what matches behind a place, in slices, until nobody wants more or the time is over. At least one row is looked at, so that every page gets on.</summary>
    /// <returns>Whether the end, or the last row wanted, was reached; and the last row looked at.</returns>
    private (bool Ended, long? Place) Walk(
        JournalQuery query, long? from, long? through, long begun, Func<OpenMessage, SqliteStatement, bool> show, CancellationToken cancellationToken)
    {
        long? place = from;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            SqliteStatement rows = Select(query, place);
            long slice = Stopwatch.GetTimestamp();
            bool ended;
            try
            {
                while (!(ended = !rows.Step()))
                {
                    place = rows.GetInt64(0);
                    if (through is { } last && (query.Ascending ? place > last : place < last))
                    {
                        return (true, place);
                    }

                    OpenMessage message = Overlay(MessageRow.Read(rows, session.Names, apart: null));
                    if (JournalMoves.Matches(message, query) && !show(message, rows))
                    {
                        return (false, place);
                    }

                    if (Stopwatch.GetElapsedTime(slice) > Slice)
                    {
                        break;
                    }
                }
            }
            finally
            {
                rows.Reset();
            }

            if (ended)
            {
                return (true, place);
            }
        }
        while (Stopwatch.GetElapsedTime(begun) < Longest);

        return (false, place);
    }

    public JournalRecord? Record(MessageId id, bool withBody)
    {
        if (Find(id, withBody) is not { } message)
        {
            return null;
        }

        List<AttemptRecord> attempts = Attempts(message.Seq);
        if (attempts.Count > 0 && message.State == MessageState.Dispatched && inMemory(id) is { Begun: true })
        {
            attempts.Add(new AttemptRecord { Attempt = message.Attempt, StartedAt = message.DispatchedAt, Outcome = "running", Owner = message.Owner });
        }

        if (attempts.Count > 0 && message.State == MessageState.Acked && attempts[^1].Outcome != "acked")
        {
            attempts.AddRange(JournalMoves.OnlyAttempt(message)); // a first attempt that succeeded has no row of its own
        }

        return new JournalRecord
        {
            Entry = message.ToEntry(withBody) with { BodyLength = BodyLength(id) },
            Attempts = attempts.Count > 0 ? attempts : JournalMoves.OnlyAttempt(message),
            Receipts = Receipts(id),
            Audit = Audit(id),
            Children = Related("m.parent = ?1 and m.parent is not null", id, id),
            Copies = message.Envelope.GroupId is { } group ? Related("m.group_id = ?1 and m.group_id is not null", group, id) : [],
        };
    }

    /// <summary>The message to which a service gave an id; null for none.</summary>
    public MessageId? FindByOutsideId(string outsideId)
    {
        SqliteStatement find = session.Statement(StoreQueries.ByOutsideId);
        find.BindText(1, outsideId);
        MessageId? id = find.Step() ? MessageId.FromBytes(find.GetBlob(0)) : null;
        find.Reset();
        return id;
    }

    public long CountKey(string queue, string key, int atMost)
    {
        if (session.Names.Find(NameTable.QueueKind, queue) is not { } number)
        {
            return 0;
        }

        SqliteStatement count = session.Statement(StoreQueries.CountKey);
        count.Bind(1, number);
        count.Bind(2, RowChecksum.KeyHash(key));
        count.Bind(3, atMost);
        long found = count.Step() ? count.GetInt64(0) : 0;
        count.Reset();
        if (found >= atMost || !MessageId.TryParse(key, out MessageId start))
        {
            return found;
        }

        SqliteStatement first = session.Statement(StoreQueries.CountKeyStart);
        first.Bind(1, number);
        first.BindId(2, start);
        found += first.Step() ? first.GetInt64(0) : 0;
        first.Reset();
        return found;
    }

    /// <summary>Whether the row says that this settlement of this fence was stored.</summary>
    public bool WasSettledBy(MessageId id, long fence, Settlement settlement)
    {
        MessageState state = settlement switch
        {
            Settlement.Acknowledged => MessageState.Acked,
            Settlement.Failed => MessageState.Failed,
            _ => MessageState.Pending,
        };
        SqliteStatement find = session.Statement("select m.fence, m.state from messages m where m.id = ?1");
        find.BindId(1, id);
        bool settled = find.Step() && find.GetInt64(0) == fence && find.GetInt64(1) == (long)state;
        find.Reset();
        return settled;
    }

    private SqliteStatement Select(JournalQuery query, long? place)
    {
        StoreQueries.JournalPath path = StoreQueries.PathOf(query);
        SqliteStatement rows = session.Statement(StoreQueries.Journal(path, query.Ascending));
        rows.Bind(1, place ?? (query.Ascending ? 0 : long.MaxValue));
        switch (path)
        {
            case StoreQueries.JournalPath.Conversation:
                rows.BindText(2, query.Conversation);
                if (MessageId.TryParse(query.Conversation, out MessageId start))
                {
                    rows.BindId(3, start);
                }
                else
                {
                    rows.BindNull(3);
                }

                break;
            case StoreQueries.JournalPath.Parent:
                rows.BindId(2, query.Parent!.Value);
                break;
            case StoreQueries.JournalPath.Group:
                rows.BindId(2, query.Group!.Value);
                break;
            case StoreQueries.JournalPath.OutsideId:
                rows.BindText(2, query.OutsideId);
                break;
            case StoreQueries.JournalPath.OpenOfQueue:
                rows.Bind(2, session.Names.Find(NameTable.QueueKind, query.Queue!) ?? -1);
                break;
        }

        return rows;
    }

    private OpenMessage? Find(MessageId id, bool withBody)
    {
        SqliteStatement find = session.Statement($"select {(withBody ? MessageRow.WithBody : MessageRow.WithoutBody)} from messages m where m.id = ?1");
        find.BindId(1, id);
        try
        {
            return find.Step() ? Overlay(MessageRow.Read(find, session.Names, withBody ? session.ReadApart : null)) : null;
        }
        finally
        {
            find.Reset();
        }
    }

    /// <summary>A dispatch that is younger than a second is known to the memory only.</summary>
    private OpenMessage Overlay(OpenMessage stored)
    {
        if (stored.State is MessageState.Pending or MessageState.Dispatched && inMemory(stored.Envelope.Id) is { } live)
        {
            stored.State = live.State is MessageState.Dispatched ? MessageState.Dispatched : MessageState.Pending;
            stored.Attempt = live.Attempt;
            stored.Owner = live.Owner;
            stored.Fence = live.Fence;
            stored.DispatchedAt = live.DispatchedAt;
        }
        else if (LeftInWork?.Invoke(stored) is { } attempt)
        {
            stored.State = MessageState.Dispatched;
            stored.Attempt = attempt;
        }

        return stored;
    }

    private long BodyLength(MessageId id)
    {
        SqliteStatement length = session.Statement(
            "select ifnull((select b.size from bodies b where b.hash = m.body_hash), ifnull(length(m.body), 0)) from messages m where m.id = ?1");
        length.BindId(1, id);
        long bytes = length.Step() ? length.GetInt64(0) : 0;
        length.Reset();
        return bytes;
    }

    private List<JournalEntry> Related(string which, MessageId value, MessageId self)
    {
        SqliteStatement rows = session.Statement($"select {MessageRow.WithoutBody} from messages m where {which} order by m.seq limit 1000");
        rows.BindId(1, value);
        List<JournalEntry> entries = [];
        while (rows.Step())
        {
            OpenMessage message = Overlay(MessageRow.Read(rows, session.Names, apart: null));
            if (message.Envelope.Id != self)
            {
                entries.Add(message.ToEntry(withBody: false) with { BodyLength = rows.GetInt64(26) });
            }
        }

        return entries;
    }

    private List<AttemptRecord> Attempts(long seq)
    {
        SqliteStatement rows = session.Statement(
            "select attempt, started_at, ended_at, outcome, kind, error, owner from attempts where message = ?1 order by ended_at, attempt, fence");
        rows.Bind(1, seq);
        List<AttemptRecord> attempts = [];
        while (rows.Step())
        {
            attempts.Add(new AttemptRecord
            {
                Attempt = rows.GetInt32(0),
                StartedAt = Instant(rows.GetOptionalInt64(1)),
                EndedAt = Instant(rows.GetOptionalInt64(2)),
                Outcome = rows.GetText(3),
                Kind = rows.IsNull(4) ? null : (FailureKind)rows.GetInt64(4),
                Error = rows.GetOptionalText(5),
                Owner = rows.GetOptionalText(6),
            });
        }

        return attempts;
    }

    private List<DeliveryReceipt> Receipts(MessageId id)
    {
        SqliteStatement rows = session.Statement("select data from notes where message = ?1 and message is not null and kind = 0 order by no");
        rows.BindId(1, id);
        List<DeliveryReceipt> receipts = [];
        while (rows.Step())
        {
            if (JsonSerializer.Deserialize(rows.GetBlob(0), PostroomJson.Default.DeliveryReceipt) is { } receipt)
            {
                receipts.Add(receipt);
            }
        }

        return receipts;
    }

    private List<AuditRecord> Audit(MessageId id)
    {
        SqliteStatement rows = session.Statement("select at, data from notes where message = ?1 and message is not null and kind = 1 order by no desc limit 100");
        rows.BindId(1, id);
        List<AuditRecord> audit = [];
        while (rows.Step())
        {
            if (JsonSerializer.Deserialize(rows.GetBlob(1), PostroomJson.Default.AuditRecord) is { } entry)
            {
                audit.Add(entry with { At = DateTimeOffset.FromUnixTimeMilliseconds(rows.GetInt64(0)) });
            }
        }

        audit.Reverse();
        return audit;
    }

    private static DateTimeOffset? Instant(long? milliseconds) => milliseconds is { } value ? DateTimeOffset.FromUnixTimeMilliseconds(value) : null;
}
