using System.Collections.Concurrent;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <content>The backlog on disk, read by the writer between two batches.</content>
internal sealed partial class LaneSet
{
    public const string SelectBacklog = $"select {MessageRow.WithBody} from messages m where m.queue = ?1 and m.seq > ?2 and m.state < 2 order by m.seq limit 256";

    public const string SelectKey = $"""
        select {MessageRow.WithBody} from messages m
        where m.queue = ?1 and m.key_hash = ?2 and m.state < 2 and m.key_hash is not null order by m.seq
        """;

    /// <summary>The message that starts a key, whose id the key is; it is not in the index of keys.</summary>
    public const string SelectKeyStart = $"select {MessageRow.WithBody} from messages m where m.id = ?2 and m.queue = ?1 and m.state < 2 and m.key_hash is null";

    public const string SelectDue = $"""
        select {MessageRow.WithBody} from messages m
        where m.queue = ?1 and m.state = 0 and m.not_before is not null and (m.not_before, m.seq) > (?2, ?4) and m.not_before <= ?3 order by m.not_before, m.seq limit 256
        """;

    private const int Slice = 256;
    private readonly ConcurrentQueue<SqliteLane> _refills = new();
    private readonly ConcurrentQueue<SqliteLane> _due = new();
    private readonly ConcurrentQueue<(SqliteLane Lane, KeyChain Chain)> _starving = new();
    private readonly ConcurrentQueue<(SqliteLane Lane, OpenMessage Message)> _slim = new();
    private readonly ConcurrentQueue<(SqliteLane Lane, KeyChain Chain)> _uncounted = new();
    private readonly ConcurrentQueue<SqliteLane> _unparked = new();
    private readonly ConcurrentQueue<OpenMessage> _unexpired = new();

    private readonly WallClock _wall = new(clock);
    private volatile bool _held;

    /// <summary>Nothing is read from the backlog: suspects run alone.</summary>
    public bool IsHeld => _held;

    /// <summary>Called before the backlog is read, for tests that make it fail.</summary>
    internal Action? ReadFault { get; set; }

    /// <summary>Leaves every backlog on disk until <see cref="Release"/>.</summary>
    public void Hold() => _held = true;

    public void Release()
    {
        _held = false;
        foreach (SqliteLane lane in _lanes.Values)
        {
            AskForRefill(lane);
            AskForDue(lane);
        }
    }

    public void AskForRefill(SqliteLane lane)
    {
        if (!IsHeld && lane.AskForRefill())
        {
            _refills.Enqueue(lane);
            Writer?.Wake();
        }
    }

    void ILaneOwner.OnRoom(QueueLane lane) => AskForRefill(Lane(lane.Queue));

    void ILaneOwner.OnNeedFollowers(QueueLane lane, KeyChain chain)
    {
        _starving.Enqueue((Lane(lane.Queue), chain));
        Writer?.Wake();
    }

    void ILaneOwner.OnNeedCount(QueueLane lane, KeyChain chain)
    {
        _uncounted.Enqueue((Lane(lane.Queue), chain));
        Writer?.Wake();
    }

    void ILaneOwner.OnNeedBody(QueueLane lane, OpenMessage message)
    {
        _slim.Enqueue((Lane(lane.Queue), message));
        Writer?.Wake();
    }

    void ILaneOwner.OnUnparked(QueueLane lane)
    {
        _unparked.Enqueue(Lane(lane.Queue));
        Writer?.Wake();
    }

    void ILaneOwner.OnExpired(QueueLane lane, OpenMessage message) => Writer?.Post(new ExpireOperation(this, message));

    /// <summary>Keeps a message whose expiry was refused until the store can write.</summary>
    public void ExpireLater(OpenMessage message) => _unexpired.Enqueue(message);

    /// <summary>Gives up what could not be given up before; called when a commit succeeded.</summary>
    public void ExpireAgain()
    {
        for (int count = _unexpired.Count; count > 0 && _unexpired.TryDequeue(out OpenMessage? message); count--)
        {
            Writer?.Post(new ExpireOperation(this, message));
        }

        if (_expiryRefused)
        {
            _expiryRefused = false;
            ExpireOnDisk();
        }
    }

    /// <summary>Reads what the lanes asked for; true when some of it has to wait for the next round.</summary>
    public bool Serve(WriteSession session)
    {
        if (IsHeld)
        {
            return false;
        }

        Each(_starving, session, static (set, session, starving) => set.LoadFollowers(session, starving.Lane, starving.Chain));
        Each(_slim, session, static (set, session, slim) => set.LoadBody(session, slim.Lane, slim.Message));
        Each(_unparked, session, static (set, _, lane) =>
        {
            lane.Lane.Overflow();
            lane.Cursor = 0;
            set.AskForRefill(lane);
        });
        Each(_due, session, static (set, session, lane) => set.LoadDue(session, lane));
        Each(_refills, session, static (set, session, lane) =>
        {
            lane.RefillTaken();
            set.Refill(session, lane);
        });
        Each(_uncounted, session, static (set, session, uncounted) => set.CountFollowers(session, uncounted.Lane, uncounted.Chain));
        LookForExpired(session);
        CountDelayed(session);
        return _expiryDue || !_refills.IsEmpty || !_unparked.IsEmpty || !_due.IsEmpty || !_starving.IsEmpty || !_slim.IsEmpty || !_uncounted.IsEmpty;
    }

    /// <summary>Does what was asked for until now. What a failed read interrupts is asked for again: nobody else would.</summary>
    private void Each<T>(ConcurrentQueue<T> asked, WriteSession session, Action<LaneSet, WriteSession, T> serve)
    {
        for (int count = Math.Min(asked.Count, Slice); count > 0 && asked.TryDequeue(out T? one); count--)
        {
            try
            {
                serve(this, session, one);
            }
            catch
            {
                asked.Enqueue(one);
                throw;
            }
        }
    }

    public void AskForDue(SqliteLane lane)
    {
        _due.Enqueue(lane);
        Writer?.Wake();
    }

    private void Refill(WriteSession session, SqliteLane lane)
    {
        if (lane.DueWaits)
        {
            LoadDue(session, lane);
        }

        if (!lane.Lane.Overflowed)
        {
            return;
        }

        if (session.Names.Find(NameTable.QueueKind, lane.Queue) is not { } queue)
        {
            lane.Lane.CaughtUp(); // a queue that never had a message
            return;
        }

        ReadFault?.Invoke();
        SqliteStatement rows = session.Statement("backlog", SelectBacklog);
        rows.Bind(1, queue);
        rows.Bind(2, lane.Cursor);
        int read = 0;
        try
        {
            while (rows.Step())
            {
                read++;
                long seq = rows.GetInt64(0);
                if (Load(session, rows) is { } message)
                {
                    bool delayed = IsDelayed(message);
                    Admission admission = Offer(lane, message, fromDisk: true);
                    if (admission == Admission.Full)
                    {
                        return;
                    }

                    if (delayed && admission == Admission.Taken)
                    {
                        lane.AddDelayedOnDisk(-1);
                    }
                    else if (!delayed)
                    {
                        NoteLeft(lane, message);
                    }
                }

                lane.Cursor = seq;
            }
        }
        finally
        {
            rows.Reset();
        }

        if (read < Slice)
        {
            lane.Lane.CaughtUp();
        }
        else
        {
            AskForRefill(lane);
        }
    }

    private void LoadBody(WriteSession session, SqliteLane lane, OpenMessage message)
    {
        try
        {
            if (session.Find(message.Envelope.Id, withBody: true) is { } whole)
            {
                lane.Lane.Loaded(message, whole.Envelope);
            }
        }
        catch (Exception failure) when (failure is InvalidDataException or FormatException or OverflowException or ArgumentException)
        {
            watch.Damaged($"Open message {message.Seq} cannot be read and is not leased: {failure.Message}");
        }
    }

    private void LoadFollowers(WriteSession session, SqliteLane lane, KeyChain chain)
    {
        if (!lane.Lane.TakeStarving(chain) || session.Names.Find(NameTable.QueueKind, lane.Queue) is not { } queue)
        {
            return;
        }

        int room = lane.Lane.FollowerRoom;
        List<OpenMessage> followers = [];
        if (MessageId.TryParse(chain.Key, out MessageId start))
        {
            SqliteStatement first = session.Statement("key start", SelectKeyStart);
            first.Bind(1, queue);
            first.BindId(2, start);
            Follow(session, first, chain.Key, room, followers); // all others of the key came later
        }

        SqliteStatement rows = session.Statement("key", SelectKey);
        rows.Bind(1, queue);
        rows.Bind(2, RowChecksum.KeyHash(chain.Key));
        Follow(session, rows, chain.Key, room, followers);

        int taken = Math.Min(followers.Count, room);
        lane.Lane.Followed(chain, taken, followers.Count > room ? followers[room].Seq : null);
        foreach (OpenMessage follower in followers.Take(taken))
        {
            NoteLeft(lane, follower);
            _ = Enter(lane, follower, static (lane, message) => lane.AdmitFollower(message));
        }

        lane.Lane.Rejoined(chain);
    }

    /// <summary>Adds messages of a key that are not in memory, one more than there is room for.</summary>
    private void Follow(WriteSession session, SqliteStatement rows, string key, int room, List<OpenMessage> followers)
    {
        long now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        try
        {
            while (followers.Count <= room && rows.Step())
            {
                // A delayed message joins its key when it is due.
                bool delayed = rows.GetInt64(12) == 0 && rows.GetOptionalInt64(11) > now;
                if (!delayed && Load(session, rows) is { } message && message.Envelope.OrderKey == key)
                {
                    followers.Add(message);
                }
            }
        }
        finally
        {
            rows.Reset();
        }
    }

    private void LoadDue(WriteSession session, SqliteLane lane)
    {
        if (session.Names.Find(NameTable.QueueKind, lane.Queue) is not { } queue)
        {
            return;
        }

        lane.DueWaits = false;
        if (FollowWallClock())
        {
            return; // what is due is known once the retries are moved
        }

        long now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        SqliteStatement rows = session.Statement("due", SelectDue);
        rows.Bind(1, queue);
        rows.Bind(2, lane.DueCursor.Due);
        rows.Bind(3, now);
        rows.Bind(4, lane.DueCursor.Seq);
        int read = 0;
        MarkStale(lane);
        try
        {
            while (rows.Step())
            {
                (long Due, long Seq) place = (rows.GetInt64(11), rows.GetInt64(0));
                read++;
                if (Load(session, rows) is { } message && !ComesByRefill(lane, message) && Offer(lane, message, fromDisk: true) == Admission.Full)
                {
                    lane.DueWaits = true;
                    lane.NoteDue(now + 1_000); // others come due meanwhile, and are counted
                    return;
                }

                lane.DueCursor = place;
            }
        }
        finally
        {
            rows.Reset();
        }

        if (read == Slice)
        {
            AskForDue(lane);
            return;
        }

        SqliteStatement next = session.Statement(
            "next due", "select min(m.not_before) from messages m where m.queue = ?1 and m.state = 0 and m.not_before is not null and m.not_before > ?2");
        next.Bind(1, queue);
        next.Bind(2, now);
        long? due = next.Step() ? next.GetOptionalInt64(0) : null;
        next.Reset();
        if (due is { } instant)
        {
            lane.NoteDue(instant);
        }
    }

    /// <summary>Moves the retries on disk with a wall clock that was set, and asks for what is due then. False when it was not set.</summary>
    private bool FollowWallClock()
    {
        if (_wall.TakeShift() is var shift && shift == TimeSpan.Zero)
        {
            return false;
        }

        foreach (SqliteLane lane in _lanes.Values)
        {
            Writer?.Post(new ShiftRetriesOperation(this, lane.Queue, shift));
        }

        return true;
    }

    /// <summary>Whether something older of a due message's key may still be on disk, beyond what the refill has reached: then it comes in its turn.</summary>
    private static bool ComesByRefill(SqliteLane lane, OpenMessage message)
    {
        return lane.Lane.Overflowed && message.Seq > lane.Cursor && message.Envelope.OrderKey is { Length: > 0 } key && !lane.Lane.IsHeldBy(key, message.Seq);
    }

    /// <summary>The message of a row that is not in memory; null for one that is, and for a damaged one, which is reported and never leased.</summary>
    private OpenMessage? Load(WriteSession session, SqliteStatement rows)
    {
        if (rows.GetBlob(1).Length == 16 && Open.ContainsKey(MessageId.FromBytes(rows.GetBlob(1))))
        {
            return null;
        }

        try
        {
            if (!MessageRow.IsSound(rows, withBody: true))
            {
                watch.Damaged($"Open message {rows.GetInt64(0)} of queue '{session.Names.Queue(rows.GetInt64(2))}' does not match its checksum and is not leased.");
                return null;
            }

            OpenMessage message = MessageRow.Read(rows, session.Names, session.ReadApart);
            message.State = MessageState.Pending;
            return message;
        }
        catch (Exception failure) when (failure is InvalidDataException or FormatException or OverflowException or ArgumentException)
        {
            watch.Damaged($"Open message {rows.GetInt64(0)} cannot be read and is not leased: {failure.Message}");
            return null;
        }
    }
}
