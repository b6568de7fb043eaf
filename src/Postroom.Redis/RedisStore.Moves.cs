using Postroom.Storage;

namespace Postroom.Redis;

/// <content>How messages come and end in memory, once that is stored.</content>
internal sealed partial class RedisStore
{
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    /// <summary>A message was read from a partition that this node owns.</summary>
    /// <param name="queue">Its queue.</param>
    /// <param name="message">The message, pending.</param>
    /// <param name="tell">Whether it is told of, because it is new.</param>
    /// <param name="admit">Offers it to the lane.</param>
    public Admission OnArrival(RedisQueue queue, OpenMessage message, bool tell, Func<QueueLane, OpenMessage, Admission> admit)
    {
        if (message.Deaths > 0 && message.Deaths >= queue.Lane.Rules.PoisonDeaths)
        {
            GiveUp(queue, message, FailureKind.Poison, $"The process ended {message.Deaths} times while it was in work.");
            return Admission.Taken;
        }

        // Before a worker can have it, but not for one that comes again because there was no room.
        tell &= !queue.Lane.Overflowed || queue.Lane.HasRoom;
        if (tell)
        {
            Report(message, null, null, null);
        }

        return admit(queue.Lane, message);
    }

    /// <summary>A settlement is stored: the message moves on in memory.</summary>
    public void Ended(RedisQueue queue, OpenMessage message, in SettlementOutcome outcome, DeliveryReceipt? receipt)
    {
        bool begun = message.Begun;
        string? owner = message.Owner;
        TimeSpan? duration = begun && _transitions.Wants(outcome.State) ? Clock.GetElapsedTime(message.BegunAt) : null;
        if (receipt is not null)
        {
            (message.Receipts ??= []).Add(receipt);
            message.OutsideId = receipt.OutsideId ?? message.OutsideId;
        }

        if (MessageExtra.KeepsAttempt(message, outcome))
        {
            (message.Attempts ??= []).Add(JournalMoves.Attempt(message, outcome));
        }

        if (outcome.State != MessageState.Pending)
        {
            queue.Open.TryRemove(message.Envelope.Id, out _);
        }

        if (!queue.Lane.Has(message))
        {
            return; // its partition was lost between the write and its answer
        }

        bool stays = queue.Lane.Settle(message, outcome);
        if (queue.PartitionOf(message.Envelope).IsLeaving)
        {
            queue.DropFromLeaving(message);
            queue.Signal();
        }
        else if (!stays)
        {
            queue.LeaveLater(message);
        }

        // A lease that never began was never reported as dispatched.
        if (begun || outcome.State != MessageState.Pending)
        {
            Report(message, outcome.State, begun ? MessageState.Dispatched : MessageState.Pending, owner, duration);
        }
    }

    /// <summary>Somebody else decides what becomes of a message.</summary>
    public static void Lost(RedisQueue queue, OpenMessage message)
    {
        if (queue.Open.TryRemove(message.Envelope.Id, out _))
        {
            queue.Lane.Unreserve(message);
            if (queue.Lane.Withdraw(message, force: true))
            {
                queue.Lane.Withdrawn(message);
            }
        }
    }

    /// <summary>Gives a message up that its lane has let go; it is tried again until it is stored.</summary>
    public void GiveUp(RedisQueue queue, OpenMessage message, FailureKind kind, string reason)
    {
        GiveUpOperation operation = new(this, queue, message, kind, reason);
        _ = operation.Answer.ContinueWith(static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        _ = AddLaterAsync(operation);
    }

    /// <summary>Tries <see cref="GiveUp"/> again in a second.</summary>
    public void GiveUpLater(RedisQueue queue, OpenMessage message, FailureKind kind, string reason) =>
        _ = Task.Delay(TryAgain, TimeProvider.System, _closing.Token).ContinueWith(
            task => GiveUp(queue, message, kind, reason), _closing.Token, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);

    /// <summary>Counts what recovery took back.</summary>
    public void NoteTakenBack(OpenMessage message, string before)
    {
        Interlocked.Increment(ref _redelivered);
        if (message.SendStartedAt is not null)
        {
            Interlocked.Increment(ref _uncertain);
        }

        Log.TakenBack(_log, message.Envelope.Id, before, message.Attempt, message.Deaths);
    }

    /// <summary>The outcome with its error masked, as it is stored and shown.</summary>
    public SettlementOutcome Redact(in SettlementOutcome outcome) => outcome.Error is null ? outcome : outcome with { Error = _redactor.ErrorText(outcome.Error) };

    /// <summary>A message as this node has it in memory, else as it is stored; null when it is not kept.</summary>
    public async ValueTask<OpenMessage?> FindAsync(MessageId id, CancellationToken cancellationToken) => InMemory(id) ?? await Messages.ReadAsync(id, cancellationToken);

    /// <summary>Tells of a move.</summary>
    public void Report(OpenMessage message, MessageState? from, string? owner, TimeSpan? duration) => Report(message, message.State, from, owner, duration);

    /// <summary>Tells of a move.</summary>
    public void Report(in Transition move)
    {
        if (_transitions.Wants(move.To))
        {
            _transitions.Add(move);
        }
    }

    // The next holder of the key may move a message on before its own move is told, so the state it came to is given.
    private void Report(OpenMessage message, MessageState to, MessageState? from, string? owner, TimeSpan? duration)
    {
        if (_transitions.Wants(to))
        {
            _transitions.Add(JournalMoves.Transition(message, from, duration, Clock.GetUtcNow()) with { To = to, Owner = owner });
        }
    }

    private OpenMessage? InMemory(MessageId id)
    {
        foreach (Lazy<RedisQueue> queue in _queues.Values)
        {
            if (queue.Value.Open.TryGetValue(id, out OpenMessage? message))
            {
                return message;
            }
        }

        return null;
    }

    private async Task AddLaterAsync(RedisOperation operation)
    {
        try
        {
            await Writer.AddAsync(operation, _closing.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The store closes; the next owner of the partition sees that its time is over.
        }
    }
}
