using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>One queue of the store: its lane in memory and where its backlog on disk begins. The cursors are the writer's.</summary>
internal sealed class SqliteLane(QueueLane lane, TimeProvider clock, Action<SqliteLane> onDue) : IDisposable
{
    private readonly Alarm _due = new(clock);
    private int _refillWanted;
    private long _delayedOnDisk;

    public QueueLane Lane { get; } = lane;

    public string Queue => Lane.Queue;

    /// <summary>The backlog on disk begins behind this number.</summary>
    public long Cursor { get; set; }

    /// <summary>Delayed messages on disk are due behind this instant and number.</summary>
    public (long Due, long Seq) DueCursor { get; set; } = (long.MinValue, 0);

    /// <summary>Due messages were left on disk for lack of room.</summary>
    public bool DueWaits { get; set; }

    /// <summary>Messages on disk only whose instant has not come. Set by the writer, read by everyone.</summary>
    public long DelayedOnDisk => Volatile.Read(ref _delayedOnDisk);

    /// <summary>Whether the number is to be counted again, because messages came due.</summary>
    public bool IsCountStale { get; set; }

    /// <summary>When that may be, on the monotonic clock: a count of a million takes 50 ms.</summary>
    public long NextCountAt { get; set; }

    public void AddDelayedOnDisk(long change) => Volatile.Write(ref _delayedOnDisk, Math.Max(0, _delayedOnDisk + change));

    /// <summary>Notes that the backlog is to be read; false when that is noted already.</summary>
    public bool AskForRefill() => Interlocked.Exchange(ref _refillWanted, 1) == 0;

    public void RefillTaken() => Volatile.Write(ref _refillWanted, 0);

    /// <summary>A message was left on disk until an instant, which lies behind what was read when the clock was set back since. Called by the writer.</summary>
    public void LeaveUntil(DateTimeOffset at)
    {
        long due = at.ToUnixTimeMilliseconds();
        if (due <= DueCursor.Due)
        {
            DueCursor = (due - 1, long.MaxValue);
        }

        NoteDue(due);
    }

    /// <summary>Looks for due messages on disk at an instant, unless it does so before.</summary>
    public void NoteDue(long due) => _due.Set(due, () => onDue(this));

    public void Dispose()
    {
        Lane.Dispose();
        _due.Dispose();
    }
}
