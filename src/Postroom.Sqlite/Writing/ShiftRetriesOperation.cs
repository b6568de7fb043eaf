using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>
/// The wall clock was set: retries that wait on disk are moved with it, for a retry waits so long as it was told to, whatever that clock says. Messages
/// that are delayed until an instant keep it.
/// </summary>
/// <param name="lanes">The queues.</param>
/// <param name="queue">The queue.</param>
/// <param name="shift">By how much it was set.</param>
/// <param name="from">Where it goes on; null for the beginning.</param>
internal sealed class ShiftRetriesOperation(LaneSet lanes, string queue, TimeSpan shift, (long Due, long Seq)? from = null) : StoreOperation<bool>
{
    public const string SelectLater = $"""
        select {MessageRow.WithBody} from messages m
        where m.queue = ?1 and m.state = 0 and m.not_before is not null and m.hold = 1 and (m.not_before, m.seq) < (?2, ?3) order by m.not_before desc, m.seq desc limit 500
        """;

    public const string SelectEarlier = $"""
        select {MessageRow.WithBody} from messages m
        where m.queue = ?1 and m.state = 0 and m.not_before is not null and m.hold = 1 and (m.not_before, m.seq) > (?2, ?3) order by m.not_before, m.seq limit 500
        """;

    private const int Slice = 500;

    private (long Due, long Seq)? _next;
    private long? _earliest;

    public override void Run(WriteSession session)
    {
        (_next, _earliest) = (null, null);
        if (session.Names.Find(NameTable.QueueKind, queue) is not { } number)
        {
            return;
        }

        // Against the direction of the shift, so that what was moved is not met again.
        bool later = shift > TimeSpan.Zero;
        SqliteStatement rows = later ? session.Statement("retries, the last first", SelectLater) : session.Statement("retries, the first first", SelectEarlier);
        (long due, long seq) = from ?? (later ? (long.MaxValue, long.MaxValue) : (long.MinValue, 0));
        rows.Bind(1, number);
        rows.Bind(2, due);
        rows.Bind(3, seq);
        List<OpenMessage> waiting = [];
        try
        {
            while (rows.Step())
            {
                _next = (rows.GetInt64(11), rows.GetInt64(0));
                waiting.Add(MessageRow.Read(rows, session.Names, session.ReadApart));
            }
        }
        finally
        {
            rows.Reset();
        }

        _next = waiting.Count == Slice ? _next : null;
        foreach (OpenMessage message in waiting.Where(message => !lanes.Open.ContainsKey(message.Envelope.Id))) // a lane's own timer is monotonic
        {
            message.RowDue += (long)shift.TotalMilliseconds;
            _ = session.Move(message, RowMove.Of(message, MessageState.Pending), message.SendStartedAt, owner: null);
            _earliest = Math.Min(_earliest ?? long.MaxValue, message.RowDue ?? long.MaxValue);
        }
    }

    public override void Complete()
    {
        if (_earliest is { } due)
        {
            lanes.Lane(queue).LeaveUntil(DateTimeOffset.FromUnixTimeMilliseconds(due));
        }

        if (_next is { } next)
        {
            lanes.Writer?.Post(new ShiftRetriesOperation(lanes, queue, shift, next));
        }
        else
        {
            lanes.AskForDue(lanes.Lane(queue));
        }

        SetAnswer(true);
    }
}
