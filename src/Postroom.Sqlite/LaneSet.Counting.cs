using Postroom.Storage;

namespace Postroom.Sqlite;

/// <content>How many messages on disk are delayed or blocked: counted through an index when the store opens and after some came due, and kept by adding in between.</content>
internal sealed partial class LaneSet
{
    public const string SelectDelayed = """
        select count(*) from (select 1 from messages m where m.queue = ?1 and m.state = 0 and m.not_before is not null and m.not_before > ?2 limit 5000000)
        """;

    public const string SelectFollowers = """
        select count(*) from (select 1 from messages m where m.queue = ?1 and m.key_hash = ?2 and m.state < 2 and m.key_hash is not null
          and (m.not_before is null or m.hold = 1 or m.not_before <= ?3) limit 100000)
        """;

    public const string SelectKeyStartOpen = """
        select count(*) from messages m where m.id = ?2 and m.queue = ?1 and m.state < 2 and m.key_hash is null
          and (m.not_before is null or m.hold = 1 or m.not_before <= ?3)
        """;

    private bool _countStale;

    /// <summary>Whether a count waits for its time.</summary>
    public bool HasStaleCounts => _countStale;

    /// <summary>Counts what is delayed on disk in one queue: the rows that wait, but for those whose messages are in memory.</summary>
    public void CountDelayed(WriteSession session, SqliteLane lane)
    {
        if (session.Names.Find(NameTable.QueueKind, lane.Queue) is not { } queue)
        {
            return;
        }

        long begun = clock.GetTimestamp();
        int inMemory = lane.Lane.Delayed;
        SqliteStatement count = session.Statement("count delayed", SelectDelayed);
        count.Bind(1, queue);
        count.Bind(2, clock.GetUtcNow().ToUnixTimeMilliseconds());
        long waiting = count.Step() ? count.GetInt64(0) : 0;
        count.Reset();
        lane.AddDelayedOnDisk(waiting - inMemory - lane.DelayedOnDisk);
        lane.IsCountStale = lane.Lane.Delayed != inMemory; // some came due meanwhile

        // At most a twentieth of the writer's time.
        long end = clock.GetTimestamp();
        lane.NextCountAt = end + Math.Max((long)(CountInterval.TotalSeconds * clock.TimestampFrequency), 20 * (end - begun));
    }

    private static readonly TimeSpan CountInterval = TimeSpan.FromSeconds(1);

    /// <summary>A message that was left on disk with an instant is there no more, or no more only there: what is delayed is to be counted again.</summary>
    public void NoteLeft(SqliteLane lane, OpenMessage message)
    {
        if (message.RowDue is not null && lane.DelayedOnDisk > 0)
        {
            MarkStale(lane);
        }
    }

    private void MarkStale(SqliteLane lane)
    {
        lane.IsCountStale = true;
        _countStale = true;
    }

    private void CountDelayed(WriteSession session)
    {
        if (!_countStale)
        {
            return;
        }

        long now = clock.GetTimestamp();
        _countStale = false;
        foreach (SqliteLane lane in _lanes.Values)
        {
            if (lane.IsCountStale && now >= lane.NextCountAt)
            {
                CountDelayed(session, lane);
            }

            _countStale |= lane.IsCountStale;
        }
    }

    private void CountFollowers(WriteSession session, SqliteLane lane, KeyChain chain)
    {
        if (session.Names.Find(NameTable.QueueKind, lane.Queue) is not { } queue)
        {
            return;
        }

        long now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        SqliteStatement count = session.Statement("count followers", SelectFollowers);
        count.Bind(1, queue);
        count.Bind(2, RowChecksum.KeyHash(chain.Key));
        count.Bind(3, now);
        long open = count.Step() ? count.GetInt64(0) : 0;
        count.Reset();
        if (MessageId.TryParse(chain.Key, out MessageId start))
        {
            SqliteStatement first = session.Statement("count key start", SelectKeyStartOpen);
            first.Bind(1, queue);
            first.BindId(2, start);
            first.Bind(3, now);
            open += first.Step() ? first.GetInt64(0) : 0;
            first.Reset();
        }

        lane.Lane.Counted(chain, open, session.Committed.LastSeq);
    }
}
