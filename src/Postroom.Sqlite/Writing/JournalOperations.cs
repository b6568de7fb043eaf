using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Gives a waiting message up: an operator's word, or its time to live.</summary>
internal abstract class GiveUpOperation(LaneSet lanes) : StoreOperation<bool>
{
    private OpenMessage? _inMemory;
    private OpenMessage? _withdrawn;
    private MessageState _from;
    private bool _halts;

    protected LaneSet Lanes { get; } = lanes;

    /// <summary>Whether nobody decided that the message is given up: it is not put back when that cannot be stored, and it halts its key where failures do.</summary>
    protected virtual bool IsByTime => false;

    /// <summary>Says which message has left its lane, for a failure before the operation ran.</summary>
    protected void Taken(OpenMessage message) => _inMemory = message;

    protected void GiveUp(WriteSession session, OpenMessage message, FailureKind kind, string reason, bool inMemory)
    {
        _inMemory = inMemory ? message : null;
        _withdrawn = message;
        _from = message is { State: MessageState.Dispatched, Begun: true } ? MessageState.Dispatched : MessageState.Pending;
        DateTimeOffset now = session.Clock.GetUtcNow();
        RowMove row = RowMove.Of(message, MessageState.Failed) with
        {
            FinishedAt = now.ToUnixTimeMilliseconds(),
            Kind = (long)kind,
            Error = reason,
        };
        if (!session.Move(message, row, message.SendStartedAt, owner: null)) // what may have gone out stays so
        {
            throw JournalMoves.CannotDiscard(message.Envelope.Id, message.State);
        }

        session.Count(message.Envelope, MessageState.Pending, MessageState.Failed);
        session.EndRepeat(message.Envelope);
        _halts = IsByTime && JournalMoves.Halts(message.Envelope, Lanes.RulesOf(message.Envelope.Queue));
        if (_halts)
        {
            session.SetFact(WriteOperation.Halt(message.Envelope, halted: true));
        }

        Kind = kind;
        Reason = reason;
        At = now;
    }

    protected FailureKind Kind { get; private set; }

    protected string Reason { get; private set; } = "";

    protected DateTimeOffset At { get; private set; }

    public override void Complete()
    {
        if (_withdrawn is { } message)
        {
            message.State = MessageState.Failed;
            message.FailureKind = Kind;
            message.Error = Reason;
            message.FinishedAt = At;
            message.Owner = null;
            Lanes.EndAttempt(message);
            Lanes.Report(message, _from, MessageState.Failed, null);
            Lanes.Open.TryRemove(message.Envelope.Id, out _);
            Lanes.Lane(message.Envelope.Queue).Lane.Withdrawn(message, _halts);
            Lanes.Suspects?.Ended(message.Envelope.Id);
        }

        SetAnswer(true);
    }

    public override void Fail(Exception failure)
    {
        if (_inMemory is { } message)
        {
            QueueLane lane = Lanes.Lane(message.Envelope.Queue).Lane;
            if (!IsByTime)
            {
                Lanes.EndAttempt(message);
                lane.Restore(message);
            }
            else
            {
                lane.Withdrawn(message, JournalMoves.Halts(message.Envelope, lane.Rules));
                if (failure is StoreUnavailableException)
                {
                    Lanes.ExpireLater(message);
                }
                else
                {
                    Lanes.Open.TryRemove(message.Envelope.Id, out _);
                }
            }
        }

        base.Fail(failure);
    }
}

/// <summary>The time to live of a message is over: its lane has let it go, or it is on disk only.</summary>
internal sealed class ExpireOperation(LaneSet lanes, OpenMessage message, bool onDisk = false) : GiveUpOperation(lanes)
{
    // It has left its lane for good; a refusal is tried again when the store can write.
    protected override bool IsByTime => true;

    public override void Fail(Exception failure)
    {
        if (!onDisk)
        {
            Taken(message);
        }
        else if (failure is StoreUnavailableException)
        {
            Lanes.ExpireOnDiskLater();
        }

        base.Fail(failure);
    }

    public override void Run(WriteSession session)
    {
        if (!onDisk || !Lanes.Open.ContainsKey(message.Envelope.Id)) // else its lane has seen meanwhile that it is too late
        {
            GiveUp(session, message, FailureKind.Expired, Text(message.Envelope), inMemory: !onDisk);
        }
    }

    public static string Text(Envelope envelope) => $"Its time to live ended at {envelope.ExpiresAt:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}, before it was handled.";
}

/// <summary>An operator gives a message up.</summary>
internal sealed class DiscardOperation(LaneSet lanes, MessageId id, string reason, bool force) : GiveUpOperation(lanes)
{
    private OpenMessage? _failed;
    private OpenMessage? _onDisk;
    private bool _taken;

    // Read from its row, such a message would be given up beside the one that its lane is about to take.
    public override bool IsTooEarly(WriteSession session) => session.Brings(id);

    public override void Run(WriteSession session)
    {
        if (Lanes.Open.TryGetValue(id, out OpenMessage? open))
        {
            Take(open);

            GiveUp(session, open, FailureKind.Discarded, reason, inMemory: true);
            return;
        }

        OpenMessage message = session.Find(id, withBody: false) ?? throw JournalMoves.NotKept(id);
        switch (message.State)
        {
            case MessageState.Acked:
                throw JournalMoves.CannotDiscard(id, message.State);
            case MessageState.Failed:
                _failed = message;
                _ = session.Move(message, RowMove.Of(message, MessageState.Failed) with { Kind = (long)FailureKind.Discarded, Error = reason }, message.SendStartedAt, null, fromFailed: true);
                session.SetFact(WriteOperation.Halt(message.Envelope, halted: false));
                break;
            default:
                _onDisk = message;
                GiveUp(session, message, FailureKind.Discarded, reason, inMemory: false);
                break;
        }
    }

    /// <summary>Takes the message out of its lane, once also when the transaction is run again.</summary>
    private void Take(OpenMessage open)
    {
        lock (open)
        {
            _taken = _taken || Lanes.Lane(open.Envelope.Queue).Lane.Withdraw(open, force);
        }

        if (!_taken)
        {
            throw JournalMoves.CannotDiscard(id, open.State);
        }
    }

    public override void Complete()
    {
        if (_onDisk is { } onDisk)
        {
            Lanes.NoteLeft(Lanes.Lane(onDisk.Envelope.Queue), onDisk);
        }

        if (_failed is { } failed)
        {
            Lanes.Lane(failed.Envelope.Queue).Lane.Resume(failed.Envelope.OrderKey, id);
        }

        base.Complete(); // whoever is answered finds it done
    }
}

/// <summary>Makes a finished message due again.</summary>
internal sealed class ReplayOperation(LaneSet lanes, MessageId id, ReplayOptions options) : StoreOperation<MessageId>
{
    private readonly List<(Envelope Envelope, long Seq)> _appended = [];
    private OpenMessage? _reopened;
    private MessageId _answer;

    public override void Run(WriteSession session)
    {
        _appended.Clear();
        OpenMessage message = lanes.Open.GetValueOrDefault(id) ?? session.Find(id, withBody: true) ?? throw JournalMoves.NotKept(id);
        if (message.State == MessageState.Acked && options.Force)
        {
            JournalMoves.CheckContent(message.Envelope, message.State);
            Envelope copy = JournalMoves.Copy(message.Envelope, session.Clock);
            _ = session.Append(copy, out long seq);
            _appended.Add((copy, seq));
            _answer = copy.Id;
            return;
        }

        JournalMoves.CheckReplay(id, message.State);
        JournalMoves.CheckContent(message.Envelope, message.State);
        bool expires = message.Envelope.ExpiresAt is not null;
        JournalMoves.Reopen(message, options.KeepAttempts);
        if (expires)
        {
            session.ClearExpiry(message);
        }

        message.Error = null;
        message.RowDue = null;
        message.RowHolds = false;
        if (!session.Move(message, RowMove.Of(message, MessageState.Pending), message.SendStartedAt, owner: null, fromFailed: true))
        {
            throw JournalMoves.NotKept(id);
        }

        message.RowHasTrack = true;
        session.Reopened(id);
        session.Count(message.Envelope, MessageState.Failed, MessageState.Pending);
        session.SetFact(WriteOperation.Halt(message.Envelope, halted: false));
        _reopened = message;
        _answer = id;
    }

    public override void Complete()
    {
        if (_reopened is { } message)
        {
            lanes.Report(message, MessageState.Failed, MessageState.Pending, null);

            // First back into its key, then the key goes on: otherwise a waiting worker gets the follower.
            lanes.Readmit(message);
            lanes.Lane(message.Envelope.Queue).Lane.Resume(message.Envelope.OrderKey, id);
        }

        lanes.Admit(lanes.Appended(_appended));
        SetAnswer(_answer);
    }
}

/// <summary>Resolves an uncertain send as delivered: pending, dispatched and acked in one transaction, with the operator as its owner.</summary>
internal sealed class ConfirmOperation(LaneSet lanes, MessageId id, string user) : StoreOperation<bool>
{
    private OpenMessage? _message;

    public override void Run(WriteSession session)
    {
        OpenMessage message = lanes.Open.GetValueOrDefault(id) ?? session.Find(id, withBody: false) ?? throw JournalMoves.NotKept(id);
        JournalMoves.CheckConfirm(id, message.State, message.FailureKind);
        DateTimeOffset now = session.Clock.GetUtcNow();
        string owner = $"operator:{user}";
        long fence = message.Fence + 1;

        // No state is skipped, and each statement names the one before it.
        RowMove pending = RowMove.Of(message, MessageState.Pending) with { Kind = null, Error = null, FinishedAt = null, Fence = fence };
        bool moved = session.Move(message, pending, message.SendStartedAt, owner: null, fromFailed: true)
            && session.Move(message, pending with { State = MessageState.Dispatched }, message.SendStartedAt, owner)
            && session.Move(message, pending with { State = MessageState.Acked, FinishedAt = now.ToUnixTimeMilliseconds() }, sendStartedAt: null, owner: null);
        if (!moved)
        {
            throw JournalMoves.NotKept(id);
        }

        session.Count(message.Envelope, MessageState.Failed, MessageState.Acked);
        session.AddAttempt(message.Seq, fence, JournalMoves.ConfirmedAttempt(message.Attempt, now, user));
        session.AddReceipt(id, JournalMoves.Confirmed(now), now);
        session.SetFact(WriteOperation.Halt(message.Envelope, halted: false));
        _message = message;
    }

    public override void Complete()
    {
        _message!.State = MessageState.Acked;
        _message.FailureKind = null;
        lanes.ReportAll(JournalMoves.ConfirmedMoves(_message, lanes.Clock.GetUtcNow(), user));
        lanes.Lane(_message.Envelope.Queue).Lane.Resume(_message.Envelope.OrderKey, id);
        SetAnswer(true);
    }
}

/// <summary>Writes a claim, its withdrawal, or the parts done, and with it that the message is with a worker. False when the lease was lost.</summary>
internal sealed class ProgressOperation(LaneSet lanes, OpenMessage message, long fence, LeaseProgress progress) : StoreOperation<bool>
{
    private readonly DateTimeOffset? _claimBefore = message.SendStartedAt;
    private readonly int _unansweredBefore = message.UnansweredSends;
    private readonly IReadOnlyList<string> _partsBefore = message.Progress;
    private bool _written;

    public override bool NeedsSavepoint => false;

    public override void Run(WriteSession session)
    {
        if (!lanes.Lane(message.Envelope.Queue).Lane.Holds(message, fence))
        {
            return;
        }

        // The fields belong to the lease, which this operation's caller holds.
        message.Record(progress);

        _written = session.Move(message, RowMove.Of(message, MessageState.Dispatched), message.SendStartedAt, message.Owner);
    }

    public override void Complete()
    {
        if (_written)
        {
            message.RowHasTrack = true;
            message.RowIsMarked = true;
        }

        SetAnswer(_written);
    }

    public override void Fail(Exception failure)
    {
        message.SendStartedAt = _claimBefore;
        message.UnansweredSends = _unansweredBefore;
        message.Progress = _partsBefore;
        base.Fail(failure);
    }
}
