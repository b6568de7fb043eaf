using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>The commands that move a message on, for the operations that do.</summary>
internal static class MessageWrites
{
    /// <summary>Writes what a settlement makes of a message.</summary>
    public static void End(BatchWriter batch, RedisStore store, RedisQueue queue, OpenMessage message, in SettlementOutcome outcome, DeliveryReceipt? receipt)
    {
        bool halts = outcome.State == MessageState.Failed && JournalMoves.Halts(message.Envelope, queue.Lane.Rules);
        MessageExtra extra = MessageExtra.Of(message, outcome, receipt, halts);
        bool begun = message.Begun;
        if (outcome.State == MessageState.Pending)
        {
            if (begun || extra.IsNeeded || message.RowHasTrack)
            {
                Place(batch, store, message, outcome.State, outcome.Attempt, null, extra);
            }
        }
        else
        {
            Place(batch, store, message, outcome.State, outcome.Attempt, outcome.FinishedAt, extra);
            Move(batch, message.Envelope, MessageState.Pending, outcome.State);
            EndRepeat(batch, store, message.Envelope);
            if (receipt?.OutsideId is { } outside)
            {
                batch.Run("SADD", store.Keys.Outside(outside), BatchWriter.Bytes16(message.Envelope.Id));
            }

            if (halts)
            {
                Halt(batch, store, message.Envelope, halted: true);
            }

            if (outcome.State == MessageState.Acked && !store.Retention.KeepBody)
            {
                Erase(batch, store, message, personal: false);
            }

            Release(batch, store, message);
        }

        if (begun)
        {
            batch.Run("HDEL", store.Keys.Fly(store.Node), BatchWriter.Bytes16(message.Envelope.Id));
        }
    }

    /// <summary>Counts a message out of one state and into another.</summary>
    public static void Move(BatchWriter batch, Envelope envelope, MessageState from, MessageState to)
    {
        batch.Count(envelope.Queue, from, -1);
        batch.Count(envelope.Queue, to, 1);
        if ((from == MessageState.Pending) != (to == MessageState.Pending))
        {
            batch.CountOpen(envelope, to == MessageState.Pending ? 1 : -1);
        }
    }

    /// <summary>Writes where a message is and how far it came.</summary>
    public static void Place(BatchWriter batch, RedisStore store, OpenMessage message, MessageState state, int attempt, DateTimeOffset? finishedAt, MessageExtra extra)
    {
        MessageId id = message.Envelope.Id;
        bool has = extra.IsNeeded || message.RowHasTrack;
        MessagePlace place = new(state, message.Seq, store.Keys.PartitionOf(message.Envelope), attempt, message.DispatchedAt, finishedAt, has, message.Envelope.Queue);
        batch.Run("HSET", store.Keys.Ids(id), BatchWriter.Bytes16(id), place.ToString());
        if (has)
        {
            batch.Run("HSET", store.Keys.Extra(id), "t", extra.ToBytes());
            message.RowHasTrack = true;
        }
    }

    /// <summary>A dedup key of a message that has ended is kept for its time.</summary>
    public static void EndRepeat(BatchWriter batch, RedisStore store, Envelope envelope)
    {
        if (envelope.DedupKey is { } key)
        {
            TimeSpan kept = store.Retention.Dedup;
            string until = (store.Now + kept).ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture);
            byte[] value = [.. BatchWriter.Bytes16(envelope.Id), .. MessageContent.HashOf(envelope), .. System.Text.Encoding.ASCII.GetBytes(until)];
            batch.Run("SET", store.Keys.Dedup(envelope.Queue, key), value, "PX", Math.Max(1, (long)kept.TotalMilliseconds));
            batch.Run("ZADD", store.Keys.DedupEnds, until, store.Keys.Dedup(envelope.Queue, key));
        }
    }

    /// <summary>A dedup key of a message that is open again is kept until it ends.</summary>
    public static void BeginRepeat(BatchWriter batch, RedisStore store, Envelope envelope)
    {
        if (envelope.DedupKey is { } key)
        {
            batch.Run("ZREM", store.Keys.DedupEnds, store.Keys.Dedup(envelope.Queue, key));
            batch.Run("SET", store.Keys.Dedup(envelope.Queue, key), (byte[])[.. BatchWriter.Bytes16(envelope.Id), .. MessageContent.HashOf(envelope)]);
        }
    }

    /// <summary>A failed message holds its order key, or holds it no longer.</summary>
    public static void Halt(BatchWriter batch, RedisStore store, Envelope envelope, bool halted) => FactBytes.Set(
        batch,
        new FactChange(FactScopes.Halt, FactScopes.HaltKey(envelope), halted ? System.Text.Encoding.UTF8.GetBytes(envelope.OrderKey ?? "") : null),
        store.Now);

    /// <summary>Removes the content of a message from its stream; what is left of it is kept beside it.</summary>
    public static void Erase(BatchWriter batch, RedisStore store, OpenMessage message, bool personal)
    {
        Envelope envelope = message.Envelope;
        int partition = store.Keys.PartitionOf(envelope);
        MessageId id = envelope.Id;
        batch.Run("HSET", store.Keys.Extra(id), "m", PackedMessage.Write(envelope.Erase(store.Now, personal)));
        batch.Run("XDEL", store.Keys.Stream(envelope.Queue, partition), message.Seq);
        batch.Run("ZADD", store.Keys.Erased(envelope.Queue, partition), message.Seq, BatchWriter.Bytes16(id));
        MessagePlace place = new(message.State, message.Seq, partition, message.Attempt, message.DispatchedAt, message.FinishedAt ?? store.Now, HasExtra: true, envelope.Queue);
        if (message.State is not (MessageState.Acked or MessageState.Failed))
        {
            place = place with { State = MessageState.Acked };
        }

        batch.Run("HSET", store.Keys.Ids(id), BatchWriter.Bytes16(id), place.ToString());
        message.RowHasTrack = true;
    }

    /// <summary>A message is open no longer, wherever that was noted.</summary>
    public static void Release(BatchWriter batch, RedisStore store, OpenMessage message)
    {
        if (message.RowIsMarked)
        {
            Envelope envelope = message.Envelope;
            int partition = store.Keys.PartitionOf(envelope);
            batch.Run("ZREM", store.Keys.Held(envelope.Queue, partition), BatchWriter.Bytes16(envelope.Id));
            batch.Run("ZREM", store.Keys.Later(envelope.Queue, partition), BatchWriter.Bytes16(envelope.Id));
            if (envelope.OrderKey is { Length: > 0 })
            {
                batch.Run("ZREM", store.Keys.Behind(envelope.Queue, partition), RedisKeys.BehindOf(envelope));
            }
        }
    }
}
