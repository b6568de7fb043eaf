using System.Text;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>One lease's end on its way to disk. Its message is reserved in its lane.</summary>
internal sealed record SettleItem(OpenMessage Message, SqliteLane Lane, SettlementOutcome Outcome, IReadOnlyList<Envelope> Staged, DeliveryReceipt? Receipt)
{
    /// <summary>When the attempt took; zero when none had begun.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>What of the row that is being written the message takes over; set by the writer.</summary>
    public (string? OutsideId, long? Due, bool Holds) Row { get; set; }
}

/// <summary>Appends, settlements, facts and notes in one transaction.</summary>
internal sealed class WriteOperation : StoreOperation<IReadOnlyList<AppendResult>>
{
    /// <summary>From here on the times of a message are looked at, so they are worth the bytes.</summary>
    private static readonly TimeSpan LongEnough = TimeSpan.FromSeconds(1);

    private readonly LaneSet _lanes;
    private readonly IReadOnlyList<Envelope> _appends;
    private readonly IReadOnlyList<SettleItem> _settlements;
    private readonly IReadOnlyList<FactChange> _facts;
    private readonly IReadOnlyList<StoreNote> _notes;
    private readonly bool _admission;
    private List<(Envelope Envelope, long Seq)>? _appended;
    private AppendResult[] _results = [];
    private bool _erases;

    public WriteOperation(
        LaneSet lanes, IReadOnlyList<Envelope> appends, IReadOnlyList<SettleItem> settlements, IReadOnlyList<FactChange> facts, IReadOnlyList<StoreNote> notes, bool admission)
    {
        _lanes = lanes;
        _appends = appends;
        _settlements = settlements;
        _facts = facts;
        _notes = notes;
        _admission = admission;
        Bytes = 256 + SizeOf(appends);
        for (int i = 0; i < settlements.Count; i++)
        {
            Bytes += SizeOf(settlements[i].Staged);
        }
    }

    public override int Bytes { get; }

    // Erasing a body is a second statement.
    public override bool NeedsSavepoint => _erases || !(_facts.Count == 0 && _notes.Count == 0
        && ((_appends.Count == 1 && _settlements.Count == 0 && IsPlain(_appends[0]))
            || (_appends.Count == 0 && _settlements.Count == 1 && IsPlain(_settlements[0]))));

    public override void Prepare(WriteSession session)
    {
        _erases = _settlements.Count > 0 && !session.Retention.KeepBody;
        if (_admission && session.AdmissionProblem is { } problem)
        {
            throw new StoreUnavailableException(problem);
        }

        foreach (Envelope envelope in _appends)
        {
            Prepare(session, envelope);
        }

        foreach (SettleItem settlement in _settlements)
        {
            foreach (Envelope envelope in settlement.Staged)
            {
                Prepare(session, envelope);
            }
        }
    }

    public override void Run(WriteSession session)
    {
        _appended?.Clear();
        foreach (SettleItem settlement in _settlements)
        {
            Settle(session, settlement);
            foreach (Envelope envelope in settlement.Staged)
            {
                _ = Append(session, envelope);
            }
        }

        _results = _appends.Count == 0 ? [] : new AppendResult[_appends.Count];
        for (int i = 0; i < _results.Length; i++)
        {
            _results[i] = Append(session, _appends[i]);
        }

        foreach (FactChange fact in _facts)
        {
            session.SetFact(fact);
        }

        foreach (StoreNote note in _notes)
        {
            session.AddNote(note);
        }
    }

    public override void Complete()
    {
        OpenMessage[] appended = _appended is null ? [] : _lanes.Appended(_appended);
        foreach (SettleItem settlement in _settlements)
        {
            Apply(settlement);
        }

        _lanes.Admit(appended);

        SetAnswer(_results);
    }

    public override void Fail(Exception failure)
    {
        foreach (SettleItem settlement in _settlements)
        {
            settlement.Lane.Lane.Unreserve(settlement.Message);
        }

        base.Fail(failure);
    }

    /// <summary>The fact that a failed message holds its key.</summary>
    public static FactChange Halt(Envelope envelope, bool halted) => new(
        FactScopes.Halt, FactScopes.HaltKey(envelope), halted ? Encoding.UTF8.GetBytes(envelope.OrderKey!) : null);

    private static bool IsPlain(Envelope envelope) =>
        envelope.DedupKey is null && envelope.Attachments.Count == 0 && envelope.Body.Length <= ExtraColumn.ApartBytes;

    private static bool IsPlain(SettleItem settlement) =>
        settlement.Staged.Count == 0 && settlement.Receipt is null && settlement.Outcome is { State: MessageState.Acked, Attempt: <= 1 }
        && settlement.Message.Envelope.DedupKey is null;

    private static int SizeOf(IReadOnlyList<Envelope> envelopes)
    {
        int size = 0;
        for (int i = 0; i < envelopes.Count; i++)
        {
            size += SizeOf(envelopes[i]);
        }

        return size;
    }

    private static int SizeOf(Envelope envelope)
    {
        int size = 256 + envelope.Body.Length;
        foreach (Attachment attachment in envelope.Attachments)
        {
            size += attachment.Data?.Length ?? 0;
        }

        return size;
    }

    private static void Prepare(WriteSession session, Envelope envelope)
    {
        _ = session.NameId(NameTable.QueueKind, envelope.Queue);
        _ = session.NameId(NameTable.TypeKind, envelope.Type);
    }

    private AppendResult Append(WriteSession session, Envelope envelope)
    {
        AppendResult result = session.Append(envelope, out long seq);
        if (seq > 0)
        {
            (_appended ??= new(_appends.Count)).Add((envelope, seq));
        }

        return result;
    }

    /// <summary>Whether a journal that only knows when a message came and ended would not tell enough: it waited, or was worked on, for a while.</summary>
    private static bool KeepsBegin(OpenMessage message, in SettlementOutcome outcome) =>
        message is { Begun: true, DispatchedAt: { } begun } && (begun - message.Envelope.CreatedAt >= LongEnough || outcome.At - begun >= LongEnough);

    private static void Settle(WriteSession session, SettleItem settlement)
    {
        OpenMessage message = settlement.Message;
        SettlementOutcome outcome = settlement.Outcome;
        bool open = outcome.State == MessageState.Pending;
        RowMove row = new()
        {
            Seq = message.Seq,
            Id = message.Envelope.Id,
            State = outcome.State,
            Attempt = outcome.Attempt,
            Failures = outcome.Failures,
            Deaths = message.Deaths,
            Fence = message.Fence,
            Due = open ? outcome.DueAt?.ToUnixTimeMilliseconds() : message.RowDue,
            Holds = open ? outcome.DueAt is not null : message.RowHolds,
            FinishedAt = outcome.FinishedAt?.ToUnixTimeMilliseconds(),
            Kind = outcome.State == MessageState.Failed ? (long?)outcome.Kind : null,
            OutsideId = settlement.Receipt?.OutsideId ?? message.OutsideId,
            Error = outcome.Error,
        };
        settlement.Row = (row.OutsideId, row.Due, row.Holds);
        bool plain = outcome.State == MessageState.Acked && !message.RowHasTrack && message.Error is null && row.OutsideId is null;
        if (!(plain ? session.Acknowledge(row, KeepsBegin(message, outcome) ? message : null) : session.Move(message, row, outcome.SendStartedAt, owner: null)))
        {
            throw new LeaseLostException(message.Envelope.Id, message.Fence, "its row is not open any more.");
        }

        session.Count(message.Envelope, MessageState.Pending, outcome.State);
        if (message.Begun && (outcome.State != MessageState.Acked || outcome.Attempt > 1))
        {
            session.AddAttempt(message.Seq, message.Fence, JournalMoves.Attempt(message, outcome));
        }

        if (settlement.Receipt is { } receipt)
        {
            session.AddReceipt(message.Envelope.Id, receipt, outcome.At);
        }

        if (!open)
        {
            Finish(session, settlement);
        }
    }

    private static void Finish(WriteSession session, SettleItem settlement)
    {
        Envelope envelope = settlement.Message.Envelope;
        session.EndRepeat(envelope);
        if (settlement.Outcome.State == MessageState.Failed && JournalMoves.Halts(envelope, settlement.Lane.Lane.Rules))
        {
            session.SetFact(Halt(envelope, halted: true));
        }

        if (settlement.Outcome.State == MessageState.Acked && !session.Retention.KeepBody)
        {
            session.Erase(settlement.Message, personal: false);
        }
    }

    private void Apply(SettleItem settlement)
    {
        OpenMessage message = settlement.Message;
        message.OutsideId = settlement.Row.OutsideId;
        message.RowDue = settlement.Row.Due;
        message.RowHolds = settlement.Row.Holds;
        message.RowIsMarked = false;
        message.RowHasTrack = message.Redelivered || message.Replays > 0 || message.Progress.Count > 0 || settlement.Outcome.SendStartedAt is not null;
        _lanes.EndAttempt(message);
        _lanes.Report(message, settlement.Outcome, settlement.Duration);
        bool finished = settlement.Outcome.State != MessageState.Pending;
        bool kept = settlement.Lane.Lane.Settle(message, settlement.Outcome);
        if (finished || !kept)
        {
            _lanes.Open.TryRemove(message.Envelope.Id, out _);
        }

        if (!finished && !kept)
        {
            _lanes.NoteExpiry(message);
        }

        if (!kept)
        {
            settlement.Lane.AddDelayedOnDisk(1);
            settlement.Lane.LeaveUntil(settlement.Outcome.DueAt!.Value);
        }

        _lanes.Suspects?.Ended(message.Envelope.Id);
    }
}
