using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>An attempt has begun: if the node dies, whoever takes over charges the message with it. Nobody waits for it.</summary>
internal sealed class BeginOperation(RedisStore store, OpenMessage message, long fence, string owner) : RedisOperation
{
    /// <inheritdoc/>
    public override ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        // One that has ended already, or is ending in this batch, need not be noted.
        if (message.Begun && message.Fence == fence)
        {
            batch.Run(
                "HSET", store.Keys.Fly(store.Node), BatchWriter.Bytes16(message.Envelope.Id),
                string.Create(CultureInfo.InvariantCulture, $"{message.Attempt}|{message.DispatchedAt?.ToUnixTimeMilliseconds() ?? 0}|{owner}"));
        }

        return default;
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
    }

    /// <inheritdoc/>
    public override void Lost(string found)
    {
    }

    /// <inheritdoc/>
    public override void Fail(Exception failure)
    {
    }
}

/// <summary>How far a send has come.</summary>
internal sealed class ProgressOperation(RedisStore store, RedisQueue queue, OpenMessage message, long fence, LeaseProgress progress) : RedisOperation<bool>
{
    /// <inheritdoc/>
    public override ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        RedisPartition partition = queue.PartitionOf(message.Envelope);
        batch.CheckOwner(queue.Name, partition.Number, partition.Owner ?? "");
        batch.CheckState(message.Envelope.Id, MessageState.Pending);
        MessageExtra extra = progress switch
        {
            LeaseProgress.Claim claim => MessageExtra.Of(message) with { SendStartedAt = claim.At, UnansweredSends = claim.UnansweredSends },
            LeaseProgress.Unclaim => MessageExtra.Of(message) with { SendStartedAt = null, UnansweredSends = 0 },
            LeaseProgress.Parts parts => MessageExtra.Of(message) with { Progress = [.. parts.OutsideIds] },
            _ => MessageExtra.Of(message),
        };
        MessageWrites.Place(batch, store, message, MessageState.Pending, message.Attempt, null, extra);
        return default;
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies)
    {
        bool held = queue.Lane.Holds(message, fence);
        if (held)
        {
            message.Record(progress);
        }

        SetAnswer(held);
    }

    /// <inheritdoc/>
    public override void Lost(string found)
    {
        RedisStore.Lost(queue, message);
        SetAnswer(false);
    }
}
