using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Removes one batch of finished messages whose time is past.</summary>
internal sealed class CompactOperation(LaneSet lanes, JournalRetention kept, long afterSeq) : StoreOperation<CompactOperation.Batch>
{
    public const string SelectOld = "select m.seq, m.state, m.finished_at, m.created_at from messages m where m.seq > ?1 order by m.seq limit 1000";

    private Batch _batch;

    /// <summary>How far a batch came.</summary>
    /// <param name="Removed">Messages removed.</param>
    /// <param name="LastSeq">The last row looked at.</param>
    /// <param name="More">Whether older rows may follow.</param>
    public readonly record struct Batch(long Removed, long LastSeq, bool More);

    public override void Run(WriteSession session)
    {
        DateTimeOffset now = session.Clock.GetUtcNow();
        long ackedBefore = (now - kept.Acked).ToUnixTimeMilliseconds();
        long failedBefore = (now - kept.Failed).ToUnixTimeMilliseconds();
        long youngest = Math.Max(ackedBefore, failedBefore);
        List<long> due = [];
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
            if (finished <= ((MessageState)rows.GetInt64(1) == MessageState.Acked ? ackedBefore : failedBefore))
            {
                due.Add(last);
            }
        }

        long removed = 0;
        foreach (long seq in due)
        {
            removed += Remove(session, seq) ? 1 : 0;
        }

        // A whole batch made after the last instant of interest: what follows is younger still.
        _batch = new Batch(removed, last, More: read == 1_000 && young < read);
    }

    public override void Complete() => SetAnswer(_batch);

    private bool Remove(WriteSession session, long seq)
    {
        SqliteStatement find = session.Statement("find old", $"select {MessageRow.WithBody} from messages m where m.seq = ?1");
        find.Bind(1, seq);
        OpenMessage? message = find.Step() ? MessageRow.Read(find, session.Names, session.ReadApart) : null;
        find.Reset();
        if (message is null || HasOpenChild(session, message) || lanes.Lane(message.Envelope.Queue).Lane.IsHaltedBy(message.Envelope.OrderKey, message.Envelope.Id))
        {
            return false;
        }

        session.ReleaseApart(message.Envelope);
        Delete(session, "delete message", "delete from messages where seq = ?1", seq);
        Delete(session, "delete attempts", "delete from attempts where message = ?1", seq);
        Span<byte> id = stackalloc byte[16];
        message.Envelope.Id.WriteBytes(id);

        // What an operator did with it stays for retention.audit; TrimOperation.Audit removes it.
        SqliteStatement notes = session.Statement("delete notes", "delete from notes where message = ?1 and message is not null and kind <> 1");
        notes.BindBlob(1, id);
        _ = notes.Run();
        if (message.Envelope.Conversation is { } conversation)
        {
            SqliteStatement index = session.Statement("delete conversation", "delete from conversations where conversation = ?1 and seq = ?2");
            index.BindText(1, conversation);
            index.Bind(2, seq);
            _ = index.Run();
        }

        session.Forgotten(message.Envelope, message.State);
        return true;
    }

    private static bool HasOpenChild(WriteSession session, OpenMessage message)
    {
        SqliteStatement child = session.Statement("open child", "select 1 from messages m where m.parent = ?1 and m.parent is not null and m.state < 2 limit 1");
        Span<byte> id = stackalloc byte[16];
        message.Envelope.Id.WriteBytes(id);
        child.BindBlob(1, id);
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
