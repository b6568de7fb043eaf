using Postroom.Storage;

namespace Postroom.Memory;

/// <content>How messages come, begin and end. Begin, Entry and Settle take the lock of moves as far as they need it; the others are called under it.</content>
public sealed partial class MemoryStore
{
    private bool Begin(OpenMessage message, QueueLane lane, long fence, string owner)
    {
        if (!_transitions.IsOn)
        {
            return lane.Begin(message, fence, owner, _clock.GetUtcNow()); // the lane's own lock is enough when nobody is told
        }

        lock (_writes)
        {
            bool again = message.Begun;
            bool begins = lane.Begin(message, fence, owner, _clock.GetUtcNow());
            if (begins && !again)
            {
                Report(message, MessageState.Pending, owner, null);
            }

            return begins;
        }
    }

    /// <summary>The message of a lease; null when it is not in this store.</summary>
    private OpenMessage? Entry(MessageLease lease)
    {
        if (lease.Entry is OpenMessage message && message.Envelope.Id == lease.Envelope.Id)
        {
            return message;
        }

        lock (_writes)
        {
            return _index.Find(lease.Envelope.Id);
        }
    }

    private StoreWriteResult Write(StoreWrite write)
    {
        // Reserve every lease first: a lost one then leaves nothing behind.
        List<(StoreSettlement Settlement, OpenMessage Message, QueueLane Lane)> reserved = [];
        IReadOnlyList<AppendResult> appended;
        List<OpenMessage>? stored;
        try
        {
            foreach (StoreSettlement settlement in write.Settlements)
            {
                if (ReserveLease(settlement.Lease, settlement.Outcome, out OpenMessage message, out QueueLane lane))
                {
                    reserved.Add((settlement, message, lane));
                }
            }

            appended = Append(write.Appends, admission: write.Settlements.Count == 0, out stored);
        }
        catch (Exception e) when (e is LeaseLostException or StoreUnavailableException)
        {
            foreach ((_, OpenMessage message, QueueLane lane) in reserved)
            {
                lane.Unreserve(message);
            }

            throw;
        }

        foreach (FactChange fact in write.Facts)
        {
            _facts.Set(fact);
        }

        foreach (StoreNote note in write.Notes)
        {
            _index.AddNote(note);
        }

        foreach ((StoreSettlement settlement, OpenMessage message, QueueLane lane) in reserved)
        {
            Finish(lane, message, settlement.Outcome, settlement.Staged, settlement.Receipt);
        }

        Admit(stored);
        return new StoreWriteResult(appended);
    }

    private AppendResult[] Append(IReadOnlyList<Envelope> batch, bool admission, out List<OpenMessage>? stored)
    {
        stored = null;
        if (batch.Count == 0)
        {
            return [];
        }

        if (admission)
        {
            _index.CheckBounds(batch.Count, batch.Sum(MemoryIndex.Size));
        }

        AppendResult[] results = new AppendResult[batch.Count];
        for (int i = 0; i < batch.Count; i++)
        {
            if (_index.FindRepeat(batch[i]) is { } repeat)
            {
                results[i] = repeat;
                continue;
            }

            OpenMessage message = new(batch[i]);
            Append(message);
            (stored ??= new List<OpenMessage>(batch.Count)).Add(message);
            results[i] = new AppendResult(batch[i].Id, Duplicate: false);
        }

        return results;
    }

    private void Append(OpenMessage message)
    {
        message.Stamp(++_seq);
        _index.Add(message);
        Lane(message.Envelope.Queue).Count(null, MessageState.Pending);
        Report(message, null, null, null); // before the end of the message that staged it
    }

    private void Admit(List<OpenMessage>? stored)
    {
        if (stored is null)
        {
            return;
        }

        foreach (OpenMessage message in stored)
        {
            Admit(message);
        }
    }

    private void Admit(OpenMessage message) => Lane(message.Envelope.Queue).Lane.Admit(message);

    private void Settle(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged)
    {
        lock (_writes)
        {
            if (ReserveLease(lease, settlement, out OpenMessage message, out QueueLane lane))
            {
                Finish(lane, message, settlement, staged, null);
            }
        }
    }

    private bool ReserveLease(MessageLease lease, Settlement settlement, out OpenMessage message, out QueueLane lane)
    {
        message = Entry(lease)
            ?? throw new LeaseLostException(lease.Envelope.Id, lease.Fence, "the message is not in this store.");
        lane = Lane(message.Envelope.Queue).Lane;
        return lane.Reserve(message, lease.Fence, settlement);
    }

    private void Finish(QueueLane lane, OpenMessage message, Settlement settlement, IReadOnlyList<Envelope> staged, DeliveryReceipt? receipt)
    {
        SettlementOutcome outcome = SettlementOutcome.Of(message, settlement, _clock.GetUtcNow());
        List<OpenMessage>? stored = null;
        if (staged.Count > 0)
        {
            Append(staged, admission: false, out stored);
        }

        if (receipt is not null)
        {
            (message.Receipts ??= []).Add(receipt);
            message.OutsideId = receipt.OutsideId ?? message.OutsideId;
        }

        bool begun = message.Begun;
        string? owner = message.Owner;
        TimeSpan? duration = begun && _transitions.Wants(outcome.State) ? _clock.GetElapsedTime(message.BegunAt) : null;
        if (begun && (outcome.State != MessageState.Acked || message.Attempts is not null || message.Attempt > 1))
        {
            (message.Attempts ??= []).Add(JournalMoves.Attempt(message, outcome));
        }

        Lane(message.Envelope.Queue).Count(MessageState.Dispatched, outcome.State);
        lane.Settle(message, outcome);
        if (outcome.State != MessageState.Pending)
        {
            if (outcome.State == MessageState.Acked && !_retention.KeepBody)
            {
                _index.Erase(message, personal: false);
            }

            _index.Finished(message);
        }

        // A lease that never began was never reported as dispatched.
        if (begun || outcome.State != MessageState.Pending)
        {
            Report(message, begun ? MessageState.Dispatched : MessageState.Pending, owner, duration);
        }

        Admit(stored);
    }

    private void GiveUp(MemoryLane lane, OpenMessage message, FailureKind kind, string reason)
    {
        MessageState from = message.State == MessageState.Dispatched && message.Begun ? MessageState.Dispatched : MessageState.Pending;
        string? owner = message.Owner;
        message.State = MessageState.Failed;
        message.FailureKind = kind;
        message.Error = ErrorText.Cut(reason);
        message.FinishedAt = _clock.GetUtcNow();
        message.Owner = null;
        lane.Count(MessageState.Pending, MessageState.Failed);
        _index.Finished(message);
        Report(message, from, owner, null);
        lane.Lane.Withdrawn(message, kind == FailureKind.Expired && JournalMoves.Halts(message.Envelope, lane.Lane.Rules));
    }
}
