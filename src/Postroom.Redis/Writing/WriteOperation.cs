using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Appends, ends of leases, facts and notes, stored all or none.</summary>
internal sealed class WriteOperation(RedisStore store, StoreWrite write, bool admission) : RedisOperation<StoreWriteResult>
{
    private readonly List<Ending> _endings = [];
    private List<AppendResult>? _results;

    /// <inheritdoc/>
    public override bool IsAdmission => admission;

    /// <summary>Reserves every lease first, on the caller's thread: a lost one leaves nothing behind.</summary>
    /// <exception cref="LeaseLostException">One of them was lost.</exception>
    public void Reserve()
    {
        try
        {
            foreach (StoreSettlement settlement in write.Settlements)
            {
                OpenMessage message = store.Entry(settlement.Lease)
                    ?? throw new LeaseLostException(settlement.Lease.Envelope.Id, settlement.Lease.Fence, "this node does not have the message.");
                RedisQueue queue = store.Queue(message.Envelope.Queue);
                if (queue.Lane.Reserve(message, settlement.Lease.Fence, settlement.Outcome))
                {
                    _endings.Add(new Ending(queue, message, settlement));
                }
            }
        }
        catch (LeaseLostException)
        {
            Unreserve();
            throw;
        }
    }

    /// <inheritdoc/>
    public override ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        foreach (Ending ending in _endings)
        {
            ending.Outcome = store.Redact(SettlementOutcome.Of(ending.Message, ending.Settlement.Outcome, store.Now));
            RedisPartition partition = ending.Queue.PartitionOf(ending.Message.Envelope);
            batch.CheckOwner(ending.Queue.Name, partition.Number, partition.Owner ?? "");
            batch.CheckState(ending.Message.Envelope.Id, MessageState.Pending);
        }

        foreach (Envelope envelope in write.Appends)
        {
            batch.Append(envelope);
        }

        foreach (Ending ending in _endings)
        {
            foreach (Envelope staged in ending.Settlement.Staged)
            {
                batch.Append(staged);
            }
        }

        foreach (FactChange fact in write.Facts)
        {
            FactBytes.Set(batch, fact, store.Now);
        }

        foreach (string scope in write.Facts.Select(static fact => fact.Scope).Distinct().Where(RedisStore.IsShared))
        {
            NodeCommand.Changed(scope, store.Owner).Write(batch);
        }

        foreach (StoreNote note in write.Notes)
        {
            NoteBytes.Add(batch, note);
        }

        foreach (Ending ending in _endings)
        {
            MessageWrites.End(batch, store, ending.Queue, ending.Message, ending.Outcome, ending.Settlement.Receipt);
        }

        return default;
    }

    /// <inheritdoc/>
    public override IEnumerable<(string Queue, int Partition, long Seq)> Arrivals(IReadOnlyList<RespValue> replies)
    {
        int i = 0;
        foreach (Envelope envelope in write.Appends.Concat(_endings.SelectMany(ending => ending.Settlement.Staged)))
        {
            RespValue reply = replies[i++];
            if (reply.Bytes.Span[0] == 'A')
            {
                yield return (envelope.Queue, store.Keys.PartitionOf(envelope), long.Parse(reply.AsText().AsSpan(1), System.Globalization.CultureInfo.InvariantCulture));
            }
        }
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
        _results = new List<AppendResult>(write.Appends.Count);
        for (int i = 0; i < write.Appends.Count; i++)
        {
            _results.Add(ResultOf(write.Appends[i], replies[i]));
        }

        foreach (Ending ending in _endings)
        {
            store.Ended(ending.Queue, ending.Message, ending.Outcome, ending.Settlement.Receipt);
        }

        SetAnswer(new StoreWriteResult(_results));
    }

    /// <inheritdoc/>
    public override void Unconfirmed(IReadOnlyList<RespValue> replies, StoreUnavailableException why)
    {
        if (IsAdmission)
        {
            base.Fail(why);
        }
        else
        {
            Complete(replies);
        }
    }

    /// <inheritdoc/>
    public override void Lost(string found)
    {
        if (_endings.Count == 0)
        {
            base.Fail(new StoreUnavailableException($"Another process writes to Redis as node '{store.Node}' since; this one has lost its place. Nothing was stored. Give each node a name of its own (runtime.node)."));
            return;
        }

        Ending ending = _endings[0];
        if (found == SameState(ending.Outcome.State) && _endings.Count == 1)
        {
            // An earlier try of this very end was stored, and its reply was lost with the connection.
            store.Ended(ending.Queue, ending.Message, ending.Outcome, ending.Settlement.Receipt);
            SetAnswer(new StoreWriteResult([]));
            return;
        }

        foreach (Ending each in _endings)
        {
            RedisStore.Lost(each.Queue, each.Message);
        }

        base.Fail(new LeaseLostException(ending.Message.Envelope.Id, ending.Settlement.Lease.Fence, found == "owner" ? "another node has taken its partition over." : "it was ended elsewhere."));
    }

    /// <inheritdoc/>
    public override void Fail(Exception failure)
    {
        Unreserve();
        base.Fail(failure);
    }

    private static string? SameState(MessageState state) => state == MessageState.Pending ? null : ((int)state).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private void Unreserve()
    {
        foreach (Ending ending in _endings)
        {
            ending.Queue.Lane.Unreserve(ending.Message);
        }
    }

    private static AppendResult ResultOf(Envelope envelope, in RespValue reply)
    {
        ReadOnlySpan<byte> bytes = reply.Bytes.Span;
        return bytes[0] switch
        {
            (byte)'A' => new AppendResult(envelope.Id, Duplicate: false),
            (byte)'D' => new AppendResult(MessageId.FromBytes(bytes[1..17]), Duplicate: true, MessageContent.HashOf(envelope).AsSpan().SequenceEqual(bytes[17..33])),
            _ => new AppendResult(envelope.Id, Duplicate: true),
        };
    }

    private sealed class Ending(RedisQueue queue, OpenMessage message, StoreSettlement settlement)
    {
        public RedisQueue Queue { get; } = queue;

        public OpenMessage Message { get; } = message;

        public StoreSettlement Settlement { get; } = settlement;

        public SettlementOutcome Outcome { get; set; }
    }
}
