using Postroom.Storage;

namespace Postroom.Memory;

/// <content>The journal: what an operator reads and moves.</content>
public sealed partial class MemoryStore
{
    /// <inheritdoc/>
    public ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken) => new(MemoryIndex.Query(All(), query));

    /// <inheritdoc/>
    public ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken)
    {
        JournalRecord? record;
        lock (_writes)
        {
            record = _index.Record(id, withBody);
        }

        return new ValueTask<JournalRecord?>(record is null ? null : MemoryIndex.Related(record, All()));
    }

    /// <inheritdoc/>
    public ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken)
    {
        lock (_writes)
        {
            return new ValueTask<AuditPage>(_index.QueryAudit(query));
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken)
    {
        return _transitions.WatchAsync(filter, afterNumber, cancellationToken);
    }

    /// <inheritdoc/>
    public IDisposable Observe(Action<Transition> observer) => _transitions.Observe(observer);

    /// <inheritdoc/>
    public IDisposable ObserveFailures(Action<Transition> observer) => _transitions.ObserveFailures(observer);

    /// <inheritdoc/>
    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken)
    {
        lock (_writes)
        {
            OpenMessage message = Find(id);
            if (message.State == MessageState.Acked && options.Force)
            {
                JournalMoves.CheckContent(message.Envelope, message.State);
                Envelope copy = JournalMoves.Copy(message.Envelope, _clock);
                Append([copy], admission: false, out List<OpenMessage>? stored);
                Admit(stored);
                return new ValueTask<MessageId>(copy.Id);
            }

            JournalMoves.CheckReplay(id, message.State);
            JournalMoves.CheckContent(message.Envelope, message.State);
            MemoryLane lane = Lane(message.Envelope.Queue);
            JournalMoves.Reopen(message, options.KeepAttempts);
            _index.Reopen(message);
            lane.Count(MessageState.Failed, MessageState.Pending);
            Report(message, MessageState.Failed, null, null);

            // First back into its key, then the key goes on: otherwise a waiting worker gets the follower.
            lane.Lane.Admit(message);
            lane.Lane.Resume(message.Envelope.OrderKey, id);
            return new ValueTask<MessageId>(id);
        }
    }

    /// <inheritdoc/>
    public ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken)
    {
        lock (_writes)
        {
            OpenMessage message = Find(id);
            MemoryLane lane = Lane(message.Envelope.Queue);
            if (message.State == MessageState.Failed)
            {
                message.FailureKind = FailureKind.Discarded;
                message.Error = ErrorText.Cut(reason);
                message.Halts = false;
                lane.Lane.Resume(message.Envelope.OrderKey, id);
                return default;
            }

            if (!lane.Lane.Withdraw(message, force))
            {
                throw JournalMoves.CannotDiscard(id, message.State);
            }

            GiveUp(lane, message, FailureKind.Discarded, reason);
            return default;
        }
    }

    /// <inheritdoc/>
    public ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken)
    {
        lock (_writes)
        {
            OpenMessage message = Find(id);
            JournalMoves.CheckConfirm(id, message.State, message.FailureKind);
            DateTimeOffset now = _clock.GetUtcNow();
            message.State = MessageState.Acked;
            message.FailureKind = null;
            message.Halts = false;
            message.SendStartedAt = null;
            message.FinishedAt = now;
            (message.Receipts ??= []).Add(JournalMoves.Confirmed(now));
            (message.Attempts ??= []).Add(JournalMoves.ConfirmedAttempt(message.Attempt, now, user));
            MemoryLane lane = Lane(message.Envelope.Queue);
            lane.Count(MessageState.Failed, MessageState.Acked);
            foreach (Transition move in _transitions.IsOn ? JournalMoves.ConfirmedMoves(message, now, user) : [])
            {
                _transitions.Add(move);
            }

            lane.Lane.Resume(message.Envelope.OrderKey, id);
            return default;
        }
    }

    /// <inheritdoc/>
    public ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken)
    {
        lock (_writes)
        {
            OpenMessage message = Find(id);
            JournalMoves.CheckErase(id, message.State);
            return new ValueTask<bool>(_index.Erase(message, personal: true));
        }
    }

    /// <inheritdoc/>
    public void Change(RetentionOptions retention) => _retention.Take(retention);

    /// <inheritdoc/>
    public ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken)
    {
        long removed = 0;
        foreach (MessageId[] batch in _index.Ended(All(), retention).Chunk(1_000))
        {
            if (cancellationToken.IsCancellationRequested)
            {
                break;
            }

            lock (_writes)
            {
                removed += _index.Compact(batch, retention, (queue, state) => Lane(queue).Count(state, null));
            }
        }

        return new ValueTask<long>(removed);
    }

    private OpenMessage[] All()
    {
        lock (_writes)
        {
            return _index.All();
        }
    }
}
