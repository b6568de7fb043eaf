using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Removes finished messages of one partition whose time is past, oldest first.</summary>
internal sealed class Compaction(RedisStore store, RedisClient client, MessageReader messages, JournalRetention retention)
{
    private const int PageSize = 256;

    /// <summary>Goes through the partition until everything is younger than the shortest time.</summary>
    /// <returns>How many were removed.</returns>
    public async ValueTask<long> RunAsync(string queue, int partition, Func<RemoveOperation, ValueTask<int>> write, CancellationToken cancellationToken)
    {
        long removed = 0;
        long position = 0;
        DateTimeOffset youngest = store.Now - (retention.Acked < retention.Failed ? retention.Acked : retention.Failed);
        RespValue erased = await client.CallAsync(new RespCommand("ZRANGE", store.Keys.Erased(queue, partition), 0, -1), cancellationToken);
        List<OpenMessage> first = [];
        foreach (RespValue id in erased.Items)
        {
            if (await messages.ReadAsync(MessageId.FromBytes(id.Bytes.Span), cancellationToken) is { } message)
            {
                first.Add(message);
            }
        }

        removed += await RemoveAsync(first, queue, partition, write, cancellationToken);
        while (!cancellationToken.IsCancellationRequested)
        {
            RespValue page = await client.CallAsync(
                new RespCommand("XRANGE", store.Keys.Stream(queue, partition), $"{(position + 1).ToString(CultureInfo.InvariantCulture)}-0", "+", "COUNT", PageSize), cancellationToken);
            if (page.Items is not [.., var last])
            {
                break;
            }

            position = MessageReader.SeqOf(last);
            List<OpenMessage> found = await messages.CompleteAsync(MessageReader.Unpack(page, static _ => { }), cancellationToken);
            removed += await RemoveAsync(found, queue, partition, write, cancellationToken);
            if (found.Count > 0 && found.All(message => message.Envelope.CreatedAt > youngest))
            {
                break;
            }
        }

        return removed;
    }

    private async ValueTask<int> RemoveAsync(List<OpenMessage> found, string queue, int partition, Func<RemoveOperation, ValueTask<int>> write, CancellationToken cancellationToken)
    {
        List<OpenMessage> past = [];
        foreach (OpenMessage message in found)
        {
            TimeSpan keep = message.State == MessageState.Acked ? retention.Acked : retention.Failed;
            if (message is { State: MessageState.Acked or MessageState.Failed, Halts: false, FinishedAt: { } end } && end + keep <= store.Now && !await HasOpenChildAsync(message, cancellationToken))
            {
                past.Add(message);
            }
        }

        int removed = 0;
        foreach (OpenMessage message in past)
        {
            removed += await write(new RemoveOperation(store, queue, partition, message));
        }

        return removed;
    }

    private async ValueTask<bool> HasOpenChildAsync(OpenMessage message, CancellationToken cancellationToken)
    {
        RespValue kin = await client.CallAsync(new RespCommand("LRANGE", store.Keys.Kin(message.Envelope.Id), 0, -1), cancellationToken);
        MessageId[] ids = [.. kin.Items.Select(id => MessageId.FromBytes(id.Bytes.Span))];
        return ids.Length > 0 && (await messages.FindAsync(ids, cancellationToken)).Any(place => place is { State: MessageState.Pending });
    }
}

/// <summary>Removes one finished message with all that is known of it but its dedup key.</summary>
internal sealed class RemoveOperation(RedisStore store, string queue, int partition, OpenMessage message) : RedisOperation<int>
{
    /// <inheritdoc/>
    public override ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        MessageId id = message.Envelope.Id;
        batch.CheckState(id, message.State);
        batch.Run("XDEL", store.Keys.Stream(queue, partition), message.Seq);
        batch.Run("ZREM", store.Keys.Erased(queue, partition), BatchWriter.Bytes16(id));
        batch.Run("HDEL", store.Keys.Ids(id), BatchWriter.Bytes16(id));
        batch.Run("DEL", store.Keys.Extra(id), store.Keys.NotesOf(id), store.Keys.Kin(id));
        if (message.Envelope.GroupId is { } group)
        {
            batch.Run("LREM", store.Keys.Kin(group), 1, BatchWriter.Bytes16(id));
        }

        foreach (string outside in (message.Receipts ?? []).Select(static receipt => receipt.OutsideId).OfType<string>().Append(message.OutsideId ?? "").Where(static outside => outside.Length > 0).Distinct())
        {
            batch.Run("SREM", store.Keys.Outside(outside), BatchWriter.Bytes16(id));
        }

        if (message.Envelope.ParentId is { } parent)
        {
            batch.Run("LREM", store.Keys.Kin(parent), 1, BatchWriter.Bytes16(id));
        }

        batch.Count(queue, message.State, -1);
        return default;
    }

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies) => SetAnswer(1);

    /// <inheritdoc/>
    public override void Lost(string found) => SetAnswer(0);
}
