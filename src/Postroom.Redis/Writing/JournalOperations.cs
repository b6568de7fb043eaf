using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Gives a message up that waits, or that an operator takes from its worker.</summary>
internal sealed class GiveUpOperation(RedisStore store, RedisQueue queue, OpenMessage message, FailureKind kind, string reason) : RedisOperation<bool>
{
    private readonly MessageState _from = message is { State: MessageState.Dispatched, Begun: true } ? MessageState.Dispatched : MessageState.Pending;
    private readonly DateTimeOffset _at = store.Now;
    private readonly bool _halts = kind != FailureKind.Discarded && JournalMoves.Halts(message.Envelope, queue.Lane.Rules);

    /// <inheritdoc/>
    public override ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        RedisPartition partition = queue.PartitionOf(message.Envelope);
        batch.CheckOwner(queue.Name, partition.Number, partition.Owner ?? "");
        batch.CheckState(message.Envelope.Id, MessageState.Pending);
        MessageExtra extra = MessageExtra.Of(message) with { Kind = kind, Error = ErrorText.Cut(reason), DueAt = null, Halts = _halts };
        MessageWrites.Place(batch, store, message, MessageState.Failed, message.Attempt, _at, extra);
        MessageWrites.Move(batch, message.Envelope, MessageState.Pending, MessageState.Failed);
        batch.Run("HDEL", store.Keys.Fly(store.Node), BatchWriter.Bytes16(message.Envelope.Id));
        MessageWrites.EndRepeat(batch, store, message.Envelope);
        MessageWrites.Release(batch, store, message);
        if (_halts)
        {
            MessageWrites.Halt(batch, store, message.Envelope, halted: true);
        }

        return default;
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
        string? owner = message.Owner;
        message.State = MessageState.Failed;
        message.FailureKind = kind;
        message.Error = ErrorText.Cut(reason);
        message.FinishedAt = _at;
        message.Owner = null;
        message.Begun = false;
        store.Report(message, _from, owner, null);
        queue.Open.TryRemove(message.Envelope.Id, out _);
        queue.Lane.Withdrawn(message, _halts);
        SetAnswer(true);
    }

    /// <inheritdoc/>
    public override void Lost(string found)
    {
        RedisStore.Lost(queue, message);
        SetAnswer(false);
    }

    /// <inheritdoc/>
    public override void Fail(Exception failure)
    {
        if (kind == FailureKind.Discarded)
        {
            queue.Lane.Restore(message);
        }
        else
        {
            store.GiveUpLater(queue, message, kind, reason);
        }

        base.Fail(failure);
    }
}

/// <summary>A move of a message that has ended, at an operator's word. Nothing else is in its batch, because it looks at the message first.</summary>
internal abstract class MoveOperation<T>(RedisStore store, MessageId id) : RedisOperation<T>
{
    /// <inheritdoc/>
    public override bool IsAlone => true;

    protected RedisStore Store { get; } = store;

    protected MessageId Id { get; } = id;

    /// <summary>The message as it is stored or, if it is open here, in memory.</summary>
    protected OpenMessage Message { get; private set; } = null!;

    /// <inheritdoc/>
    public sealed override async ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        Message = await Store.FindAsync(Id, cancellationToken) ?? throw JournalMoves.NotKept(Id);
        Prepare(batch);
    }

    /// <summary>Checks whether the message can be moved, and writes the move.</summary>
    protected abstract void Prepare(BatchWriter batch);

    /// <inheritdoc/>
    public override void Lost(string found) => Fail(new JournalConflictException(Id, Message.State, $"Message {Id} was moved by another node meanwhile. Look at it again."));
}

/// <summary>Makes a failed message due again.</summary>
internal sealed class ReplayOperation(RedisStore store, MessageId id, ReplayOptions options) : MoveOperation<MessageId>(store, id)
{
    private Envelope? _copy;

    /// <inheritdoc/>
    protected override void Prepare(BatchWriter batch)
    {
        if (Message.State == MessageState.Acked && options.Force)
        {
            JournalMoves.CheckContent(Message.Envelope, Message.State);
            _copy = JournalMoves.Copy(Message.Envelope, Store.Clock);
            batch.Append(_copy);
            return;
        }

        JournalMoves.CheckReplay(Id, Message.State);
        JournalMoves.CheckContent(Message.Envelope, Message.State);
        batch.CheckState(Id, MessageState.Failed);
        JournalMoves.Reopen(Message, options.KeepAttempts);
        Message.Error = null;
        MessageWrites.Place(batch, Store, Message, MessageState.Pending, Message.Attempt, null, MessageExtra.Of(Message));
        MessageWrites.Move(batch, Message.Envelope, MessageState.Failed, MessageState.Pending);
        batch.Run("ZADD", Store.Keys.Held(Message.Envelope.Queue, Store.Keys.PartitionOf(Message.Envelope)), Message.Seq, BatchWriter.Bytes16(Id));
        Message.RowIsMarked = true;
        MessageWrites.BeginRepeat(batch, Store, Message.Envelope);
        MessageWrites.Halt(batch, Store, Message.Envelope, halted: false);
        NodeCommand.Opened(Message.Envelope, Store.Owner).Write(batch);
    }

    /// <inheritdoc/>
    public override IEnumerable<(string Queue, int Partition, long Seq)> Arrivals(IReadOnlyList<RespValue> replies) => _copy is null
        ? []
        : [(_copy.Queue, Store.Keys.PartitionOf(_copy), long.Parse(replies[0].AsText().AsSpan(1), System.Globalization.CultureInfo.InvariantCulture))];

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
        if (_copy is not null)
        {
            SetAnswer(_copy.Id);
            return;
        }

        Store.Report(Message, MessageState.Failed, null, null);
        Store.Queue(Message.Envelope.Queue).Reopen(Message);
        SetAnswer(Id);
    }
}

/// <summary>An operator gives up a message that has failed already: its key goes on.</summary>
internal sealed class DiscardFailedOperation(RedisStore store, MessageId id, string reason) : MoveOperation<bool>(store, id)
{
    /// <inheritdoc/>
    protected override void Prepare(BatchWriter batch)
    {
        if (Message.State != MessageState.Failed)
        {
            throw JournalMoves.CannotDiscard(Id, Message.State);
        }

        batch.CheckState(Id, MessageState.Failed);
        MessageExtra extra = MessageExtra.Of(Message) with { Kind = FailureKind.Discarded, Error = ErrorText.Cut(reason), Halts = false };
        MessageWrites.Place(batch, Store, Message, MessageState.Failed, Message.Attempt, Message.FinishedAt, extra);
        MessageWrites.Halt(batch, Store, Message.Envelope, halted: false);
        NodeCommand.Freed(Message.Envelope, Store.Owner).Write(batch);
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
        Store.Queue(Message.Envelope.Queue).Lane.Resume(Message.Envelope.OrderKey, Id);
        SetAnswer(true);
    }
}

/// <summary>An operator says that an uncertain send was delivered.</summary>
internal sealed class ConfirmOperation(RedisStore store, MessageId id, string user) : MoveOperation<bool>(store, id)
{
    private DateTimeOffset _at;

    /// <inheritdoc/>
    protected override void Prepare(BatchWriter batch)
    {
        JournalMoves.CheckConfirm(Id, Message.State, Message.FailureKind);
        _at = Store.Now;
        batch.CheckState(Id, MessageState.Failed);
        Message.State = MessageState.Acked;
        Message.FailureKind = null;
        Message.Halts = false;
        Message.SendStartedAt = null;
        Message.FinishedAt = _at;
        (Message.Receipts ??= []).Add(JournalMoves.Confirmed(_at));
        (Message.Attempts ??= []).Add(JournalMoves.ConfirmedAttempt(Message.Attempt, _at, user));
        MessageWrites.Place(batch, Store, Message, MessageState.Acked, Message.Attempt, _at, MessageExtra.Of(Message));
        MessageWrites.Move(batch, Message.Envelope, MessageState.Failed, MessageState.Acked);
        MessageWrites.Halt(batch, Store, Message.Envelope, halted: false);
        NodeCommand.Freed(Message.Envelope, Store.Owner).Write(batch);
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
        foreach (Transition move in JournalMoves.ConfirmedMoves(Message, _at, user))
        {
            Store.Report(move);
        }

        Store.Queue(Message.Envelope.Queue).Lane.Resume(Message.Envelope.OrderKey, Id);
        SetAnswer(true);
    }
}

/// <summary>Removes the content of a message that has ended.</summary>
internal sealed class EraseOperation(RedisStore store, MessageId id) : MoveOperation<bool>(store, id)
{
    private bool _isThere;

    /// <inheritdoc/>
    protected override void Prepare(BatchWriter batch)
    {
        JournalMoves.CheckErase(Id, Message.State);
        Envelope envelope = Message.Envelope;
        _isThere = envelope.Header(HeaderNames.Erased) is null || envelope.Attachments.Count > 0 || !envelope.Headers.Keys.All(HeaderNames.IsTechnical);
        if (_isThere)
        {
            batch.CheckState(Id, Message.State);
            MessageWrites.Erase(batch, Store, Message, personal: true);
        }
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies) => SetAnswer(_isThere);
}
