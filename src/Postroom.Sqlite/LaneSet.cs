using System.Collections.Concurrent;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>All queues of the store in memory, and what the writer does for them: admission, marks, backlog.</summary>
internal sealed partial class LaneSet(TimeProvider clock, StoreWatch watch) : ILaneOwner, IDisposable
{
    /// <summary>How many messages a lane holds unless <see cref="Window"/> says otherwise.</summary>
    public const int Capacity = 4_096;

    private static readonly TimeSpan MarkAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MarkInterval = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<string, SqliteLane> _lanes = new(StringComparer.Ordinal);
    private readonly LaneBudget _budget = new(64L << 20);
    private readonly ConcurrentDictionary<string, QueueRules> _rules = new(StringComparer.Ordinal);
    private readonly List<OpenMessage> _marked = [];
    private long _markedAt;
    private string _owner = "local/1";
    private long _firstFence;
    private bool _closed;
    private volatile bool _started;

    /// <summary>Every message in memory.</summary>
    public ConcurrentDictionary<MessageId, OpenMessage> Open { get; } = new();

    public TransitionRing Transitions { get; } = new();

    /// <summary>The attempts that run; set when the store opens.</summary>
    public InFlightTable? InFlight { get; set; }

    /// <summary>The writer; set when the store opens.</summary>
    public StoreWriter? Writer { get; set; }

    /// <summary>Messages that run alone first; null for none.</summary>
    public SuspectGate? Suspects { get; set; }

    /// <summary>How many messages a lane holds; set before the store opens.</summary>
    public int Window { get; set; } = Capacity;

    public TimeProvider Clock => clock;

    /// <summary>Called when a lane is made and not yet added, for tests that let something happen in between.</summary>
    internal Action? Made { get; set; }

    public IEnumerable<SqliteLane> All => _lanes.Values;

    public bool HasMarks => _marked.Count > 0;

    public void Start(string owner, long run)
    {
        _owner = owner;
        _firstFence = run << 32;
        _started = true;
    }

    /// <summary>Sets a queue's rules; before the start they wait for its lane, whose fences need the run.</summary>
    public void SetRules(string queue, QueueRules rules)
    {
        _rules[queue] = rules;
        if (_started)
        {
            Lane(queue).Lane.SetRules(rules);
            Suspects?.RulesChanged(queue);
        }
    }

    public QueueRules RulesOf(string queue) => _rules.GetValueOrDefault(queue) ?? new QueueRules();

    public SqliteLane Lane(string queue)
    {
        return _lanes.TryGetValue(queue, out SqliteLane? lane) ? lane : Add(queue);
    }

    /// <summary>Tells of committed messages, before the end of the message that staged them, and makes them ready for <see cref="Admit"/>.</summary>
    public OpenMessage[] Appended(List<(Envelope Envelope, long Seq)> appended)
    {
        var messages = new OpenMessage[appended.Count];
        for (int i = 0; i < messages.Length; i++)
        {
            (Envelope envelope, long seq) = appended[i];
            messages[i] = new OpenMessage(envelope.Stamp(seq)) { RowDue = envelope.NotBefore?.ToUnixTimeMilliseconds() };
            Report(messages[i], null, MessageState.Pending, null);
        }

        return messages;
    }

    /// <summary>Takes committed messages, on the writer's thread.</summary>
    public void Admit(OpenMessage[] appended)
    {
        foreach (OpenMessage message in appended)
        {
            SqliteLane lane = Lane(message.Envelope.Queue);
            bool offered = !lane.Lane.Overflowed;
            bool taken = offered && Offer(lane, message, fromDisk: false) == Admission.Taken;
            bool delayed = !taken && IsDelayed(message);
            if (delayed)
            {
                lane.AddDelayedOnDisk(1);
                lane.LeaveUntil(message.Envelope.NotBefore!.Value); // its instant may come before the refill does
            }

            if (!offered)
            {
                lane.Lane.LeftOnDisk(message, delayed);
            }

            if (!taken)
            {
                NoteExpiry(message);
            }
        }
    }

    /// <summary>Takes a message back whatever the bounds say, on the writer's thread.</summary>
    public void Readmit(OpenMessage message)
    {
        _ = Enter(Lane(message.Envelope.Queue), message, static (lane, message) => lane.Admit(message, fromDisk: true, always: true));
    }

    /// <summary>Writes the dispatches that outlive a second, with a commit that happens anyway.</summary>
    public void MarkLongDispatches(WriteSession session)
    {
        if (clock.GetElapsedTime(_markedAt) < MarkInterval)
        {
            return;
        }

        _markedAt = clock.GetTimestamp();
        long before = _markedAt - (long)(MarkAfter.TotalSeconds * clock.TimestampFrequency);
        foreach (SqliteLane lane in _lanes.Values)
        {
            if (lane.Lane.Dispatched == 0)
            {
                continue;
            }

            foreach (OpenMessage message in lane.Lane.InWorkSince(before))
            {
                if (!message.RowIsMarked && session.Move(message, RowMove.Of(message, MessageState.Dispatched), message.SendStartedAt, message.Owner))
                {
                    message.RowIsMarked = true;
                    _marked.Add(message);
                }
            }
        }
    }

    public void MarksCommitted()
    {
        foreach (OpenMessage message in _marked)
        {
            message.RowHasTrack = true;
        }

        _marked.Clear();
    }

    public void MarksDropped()
    {
        foreach (OpenMessage message in _marked)
        {
            message.RowIsMarked = false;
        }

        _marked.Clear();
    }

    public void Report(OpenMessage message, MessageState? from, MessageState to, TimeSpan? duration)
    {
        if (Transitions.Wants(to))
        {
            Transitions.Add(JournalMoves.Transition(message, from, duration, clock.GetUtcNow()) with { To = to });
        }
    }

    public void ReportAll(IEnumerable<Transition> transitions)
    {
        foreach (Transition transition in transitions)
        {
            Transitions.Add(transition);
        }
    }

    public void Report(OpenMessage message, in SettlementOutcome outcome, TimeSpan duration)
    {
        // A lease that never began was never seen to be dispatched; it may still end.
        if (Transitions.Wants(outcome.State) && (message.Begun || outcome.State != MessageState.Pending))
        {
            Transitions.Add(JournalMoves.Transition(message, message.Begun ? MessageState.Dispatched : MessageState.Pending, duration, outcome.At) with
            {
                To = outcome.State,
                Attempt = outcome.Attempt,
                Kind = outcome.State == MessageState.Failed ? outcome.Kind : null,
                Reason = outcome.State == MessageState.Acked ? null : outcome.Error,
            });
        }
    }

    /// <summary>The attempt of a message ended, however it did.</summary>
    public void EndAttempt(OpenMessage message)
    {
        int slot = message.Slot;
        message.Slot = -1;
        if (slot >= 0)
        {
            InFlight?.End(slot);
        }
    }

    public void Dispose()
    {
        _closed = true;
        _expiry.Dispose();
        foreach (SqliteLane lane in _lanes.Values)
        {
            lane.Dispose();
        }
    }

    /// <summary>Offers a message to its lane and remembers where the backlog begins when it stays on disk.</summary>
    private Admission Offer(SqliteLane lane, OpenMessage message, bool fromDisk)
    {
        bool overflowed = lane.Lane.Overflowed;
        Admission admission = fromDisk
            ? Enter(lane, message, static (lane, message) => lane.Admit(message, fromDisk: true))
            : Enter(lane, message, static (lane, message) => lane.Admit(message));
        if (admission == Admission.Full && !overflowed)
        {
            lane.Cursor = message.Seq - 1;
        }

        return admission;
    }

    private Admission Enter(SqliteLane lane, OpenMessage message, Func<QueueLane, OpenMessage, Admission> admit)
    {
        Open[message.Envelope.Id] = message; // before a worker can have it
        Admission admission = admit(lane.Lane, message);
        if (admission != Admission.Taken)
        {
            Open.TryRemove(message.Envelope.Id, out _);
            NoteExpiry(message);
        }

        if (admission == Admission.Later)
        {
            lane.LeaveUntil((message.DueAt ?? message.Envelope.NotBefore)!.Value);
        }

        return admission;
    }

    private bool IsDelayed(OpenMessage message) => (message.DueAt ?? message.Envelope.NotBefore) > clock.GetUtcNow();

    private SqliteLane Add(string queue)
    {
        SqliteLane made = Make(queue);
        Made?.Invoke();
        SqliteLane lane = _lanes.GetOrAdd(queue, made);
        if (lane != made)
        {
            made.Dispose();
        }
        else if (lane.Lane.Overflowed)
        {
            AskForRefill(lane); // A release between its making and its adding has not seen it.
        }

        return lane;
    }

    private SqliteLane Make(string queue)
    {
        var lane = new SqliteLane(new QueueLane(queue, this, clock, _owner, _firstFence, Window, _budget), clock, AskForDue);
        if (_rules.TryGetValue(queue, out QueueRules? rules))
        {
            lane.Lane.SetRules(rules);
        }

        if (IsHeld)
        {
            lane.Lane.Overflow();
        }

        if (_closed)
        {
            lane.Dispose();
        }

        return lane;
    }
}
