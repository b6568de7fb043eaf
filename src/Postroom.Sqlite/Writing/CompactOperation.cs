using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Removes one batch of finished messages whose time is past.</summary>
internal sealed class CompactOperation(LaneSet lanes, JournalRetention kept, long afterSeq) : StoreOperation<CompactOperation.Batch>
{
    public const string SelectOld = """
        select m.seq, m.state, m.finished_at, m.created_at, m.id, m.queue, m.type, m.body_hash is not null, m.conversation, m.extra
        from messages m where m.seq > ?1 order by m.seq limit 1000
        """;

    public const string SelectChild = "select 1 from messages m where m.parent between ?1 and ?2 and m.parent is not null limit 1";

    public const string SelectNote = "select 1 from notes n where n.message between ?1 and ?2 and n.message is not null limit 1";

    private readonly List<Plain> _run = [];
    private Batch _batch;
    private long _removed;

    /// <summary>How far a batch came.</summary>
    /// <param name="Removed">Messages removed.</param>
    /// <param name="LastSeq">The last row looked at.</param>
    /// <param name="More">Whether older rows may follow.</param>
    public readonly record struct Batch(long Removed, long LastSeq, bool More);

    /// <summary>A message that was acknowledged and keeps nothing apart: nothing of it needs to be read to remove it.</summary>
    private readonly record struct Plain(long Seq, MessageId Id, long Queue, long Type, string? Conversation);

    public override void Run(WriteSession session)
    {
        _run.Clear();
        _removed = 0;
        DateTimeOffset now = session.Clock.GetUtcNow();
        long ackedBefore = (now - kept.Acked).ToUnixTimeMilliseconds();
        long failedBefore = (now - kept.Failed).ToUnixTimeMilliseconds();
        long youngest = Math.Max(ackedBefore, failedBefore);
        List<(long Seq, Plain? Plain)> due = [];
        SqliteStatement rows = session.Statement("old messages", SelectOld);
        rows.Bind(1, afterSeq);
        int read = 0;
        int young = 0;
        long last = afterSeq;
        while (rows.Step())
        {
            read++;
            last = rows.GetInt64(0);
            long finished = rows.GetOptionalInt64(2) ?? long.MaxValue;
            young += rows.GetInt64(3) > youngest ? 1 : 0;
            bool acked = (MessageState)rows.GetInt64(1) == MessageState.Acked;
            if (finished <= (acked ? ackedBefore : failedBefore))
            {
                bool plain = acked && rows.GetInt64(7) == 0 && !ExtraColumn.HasAttachments(rows.GetBlob(9));
                due.Add((last, plain ? new Plain(last, MessageId.FromBytes(rows.GetBlob(4)), rows.GetInt64(5), rows.GetInt64(6), rows.GetOptionalText(8)) : null));
            }
        }

        bool children = AnyOf(session, "children", SelectChild, due);
        bool notes = AnyOf(session, "notes", SelectNote, due);
        foreach ((long seq, Plain? plain) in due)
        {
            if (plain is not { } one)
            {
                _removed += Remove(session, seq) ? 1 : 0;
            }
            else if (!children || !HasOpenChild(session, one.Id))
            {
                if (_run.Count > 0 && _run[^1].Seq != seq - 1)
                {
                    RemoveRun(session, notes);
                }

                _run.Add(one);
            }
        }

        RemoveRun(session, notes);

        // A whole batch made after the last instant of interest: what follows is younger still.
        _batch = new Batch(_removed, last, More: read == 1_000 && young < read);
    }

    public override void Complete() => SetAnswer(_batch);

    /// <summary>Whether anything belongs to one of these messages, or to one made between them.</summary>
    private static bool AnyOf(WriteSession session, string name, string sql, List<(long Seq, Plain? Plain)> due)
    {
        MessageId? least = null;
        MessageId? most = null;
        foreach ((_, Plain? plain) in due)
        {
            if (plain is { } one)
            {
                least = least is { } low && low.CompareTo(one.Id) < 0 ? low : one.Id;
                most = most is { } high && high.CompareTo(one.Id) > 0 ? high : one.Id;
            }
        }

        if (least is not { } first || most is not { } last)
        {
            return false;
        }

        SqliteStatement any = session.Statement(name, sql);
        any.BindId(1, first);
        any.BindId(2, last);
        bool found = any.Step();
        any.Reset();
        return found;
    }

    /// <summary>Removes plain messages whose numbers follow each other, with one statement a table.</summary>
    private void RemoveRun(WriteSession session, bool notes)
    {
        if (_run.Count == 0)
        {
            return;
        }

        DeleteRun(session, "delete messages", "delete from messages where seq between ?1 and ?2");
        DeleteRun(session, "delete attempts of messages", "delete from attempts where message between ?1 and ?2");
        foreach (Plain one in _run)
        {
            session.Forgotten(one.Queue, one.Type, MessageState.Acked);
            if (notes)
            {
                DeleteNotes(session, one.Id);
            }

            if (one.Conversation is { } conversation)
            {
                DeleteConversation(session, conversation, one.Seq);
            }
        }

        _removed += _run.Count;
        _run.Clear();
    }

    private void DeleteRun(WriteSession session, string name, string sql)
    {
        SqliteStatement delete = session.Statement(name, sql);
        delete.Bind(1, _run[0].Seq);
        delete.Bind(2, _run[^1].Seq);
        _ = delete.Run();
    }

    private bool Remove(WriteSession session, long seq)
    {
        SqliteStatement find = session.Statement("find old", $"select {MessageRow.WithBody} from messages m where m.seq = ?1");
        find.Bind(1, seq);
        OpenMessage? message = find.Step() ? MessageRow.Read(find, session.Names, session.ReadApart) : null;
        find.Reset();
        if (message is null || HasOpenChild(session, message.Envelope.Id) || lanes.Lane(message.Envelope.Queue).Lane.IsHaltedBy(message.Envelope.OrderKey, message.Envelope.Id))
        {
            return false;
        }

        session.ReleaseApart(message.Envelope);
        Delete(session, "delete message", "delete from messages where seq = ?1", seq);
        Delete(session, "delete attempts", "delete from attempts where message = ?1", seq);
        DeleteNotes(session, message.Envelope.Id);
        if (message.Envelope is { StartsConversation: false, Conversation: { } conversation })
        {
            DeleteConversation(session, conversation, seq);
        }

        session.Forgotten(message.Envelope, message.State);
        return true;
    }

    /// <summary>Removes what is noted of a message. What an operator did with it stays for retention.audit; TrimOperation.Audit removes it.</summary>
    private static void DeleteNotes(WriteSession session, MessageId id)
    {
        SqliteStatement notes = session.Statement("delete notes", "delete from notes where message = ?1 and message is not null and kind <> 1");
        notes.BindId(1, id);
        _ = notes.Run();
    }

    private static void DeleteConversation(WriteSession session, string conversation, long seq)
    {
        SqliteStatement index = session.Statement("delete conversation", "delete from conversations where conversation = ?1 and seq = ?2");
        index.BindText(1, conversation);
        index.Bind(2, seq);
        _ = index.Run();
    }

    private static bool HasOpenChild(WriteSession session, MessageId id)
    {
        SqliteStatement child = session.Statement("open child", "select 1 from messages m where m.parent = ?1 and m.parent is not null and m.state < 2 limit 1");
        child.BindId(1, id);
        bool open = child.Step();
        child.Reset();
        return open;
    }

    private static void Delete(WriteSession session, string name, string sql, long seq)
    {
        SqliteStatement delete = session.Statement(name, sql);
        delete.Bind(1, seq);
        _ = delete.Run();
    }
}

/// <summary>Removes one batch of small rows.</summary>
/// <param name="name">What an error calls it.</param>
/// <param name="sql">A delete of at most <c>?2</c> rows, with the instant <c>?1</c>.</param>
/// <param name="instant">In milliseconds.</param>
/// <param name="atMost">At most <see cref="Most"/>.</param>
internal sealed class TrimOperation(string name, string sql, long instant, int atMost = TrimOperation.Most) : StoreOperation<int>
{
    /// <summary>Rows of one batch: its transaction holds writers back for a few milliseconds.</summary>
    public const int Most = 1_000;

    public const string Repeats = """
        delete from dedup where (queue, key_hash) in (select queue, key_hash from dedup where expires_at is not null and expires_at <= ?1 order by expires_at limit ?2)
        """;

    public const string Facts = """
        delete from facts where (scope, key) in (select scope, key from facts where expires_at is not null and expires_at <= ?1 limit ?2)
        """;

    public const string Audit = "delete from notes where no in (select no from notes where kind = 1 and at <= ?1 limit ?2)";

    private int _removed;

    public override bool NeedsSavepoint => false;

    public override void Run(WriteSession session)
    {
        SqliteStatement trim = session.Statement(name, sql);
        trim.Bind(1, instant);
        trim.Bind(2, (long)Math.Min(atMost, Most));
        _removed = trim.Run();
    }

    public override void Complete() => SetAnswer(_removed);
}
