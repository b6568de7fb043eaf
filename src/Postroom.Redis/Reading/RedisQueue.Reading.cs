using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>Reads partitions page by page, oldest message first over all of them, as far as there is room in memory.</content>
internal sealed partial class RedisQueue
{
    private const int LargestPage = 128;
    private const long HeavyPage = 4L << 20;

    private readonly PriorityQueue<RedisPartition, long> _heads = new();
    private readonly List<(RedisPartition Partition, long Epoch, OpenMessage Message, Admission Why)> _leaving = [];
    private int _pageSize = LargestPage / 4;

    private async Task ReadAsync()
    {
        RedisPartition[] read = [.. Partitions.Where(IsRead)];
        if (read.Length == 0)
        {
            return;
        }

        foreach (RedisPartition partition in read)
        {
            partition.IsAtEnd = false;
        }

        bool full;
        do
        {
            await FillAsync(read);
            full = await OfferAsync(read);
            read = Array.FindAll(read, IsRead);
        }
        while (!full && !_closing.IsCancellationRequested && Array.Exists(read, static partition => partition is { IsAtEnd: false, Page.Count: 0 }));

        if (!full)
        {
            Lane.CaughtUp();
        }

        foreach (RedisPartition partition in read)
        {
            partition.FreshFrom = full ? long.MaxValue : partition.FreshFrom;
            partition.Stands = full;
        }
    }

    /// <summary>Offers what was read, oldest first, until a page is used up that has another one behind it; true when there is no room.</summary>
    private async ValueTask<bool> OfferAsync(RedisPartition[] read)
    {
        _heads.Clear();
        foreach (RedisPartition partition in read)
        {
            if (partition.Page.TryPeek(out OpenMessage? head))
            {
                _heads.Enqueue(partition, head.Seq);
            }
        }

        bool full = false;
        while (_heads.TryPeek(out RedisPartition? partition, out _) && !(full = !Offer(partition, partition.Page.Peek())))
        {
            _heads.Dequeue();
            partition.Page.Dequeue();
            if (partition.Page.TryPeek(out OpenMessage? next))
            {
                _heads.Enqueue(partition, next.Seq);
            }
            else if (!partition.IsAtEnd)
            {
                break;
            }
        }

        // What stays on the server is noted there before anybody is told that it was read.
        await NoteLeftAsync();
        foreach (RedisPartition partition in read)
        {
            if (partition.Owner is not null)
            {
                partition.Position = partition.Page.TryPeek(out OpenMessage? head) ? Math.Min(head.Seq - 1, partition.ReadTo) : partition.ReadTo;
            }
        }

        return full;
    }

    /// <summary>Takes a message into memory, or leaves it on the server; false when there is no room and it has to be offered again.</summary>
    private bool Offer(RedisPartition partition, OpenMessage message, Func<QueueLane, OpenMessage, Admission>? admit = null)
    {
        Admission admission;
        message.Slot = partition.Number;
        lock (_gate)
        {
            if (!IsRead(partition) || !Open.TryAdd(message.Envelope.Id, message))
            {
                return true;
            }

            admission = _store.OnArrival(this, message, tell: admit is null && message.Seq > partition.ToldFrom, admit ?? (static (lane, message) => lane.Admit(message, fromDisk: true)));
            if (admission is not Admission.Taken)
            {
                Open.TryRemove(message.Envelope.Id, out _);
            }
        }

        if (admission is Admission.Later or Admission.Follows or Admission.Parked)
        {
            _leaving.Add((partition, partition.Epoch, message, admission));
        }

        return admission is not Admission.Full;
    }

    /// <summary>Reads the next page of each partition that has none.</summary>
    private async ValueTask FillAsync(RedisPartition[] read)
    {
        await Task.WhenAll(read.Where(partition => partition is { Page.Count: 0, IsHeldRead: false }).Select(FillFromHeldAsync));
        RedisPartition[] empty = [.. read.Where(partition => partition is { Page.Count: 0, IsHeldRead: true, IsAtEnd: false })];
        if (empty.Length == 0)
        {
            return;
        }

        RespValue reply = await _client.CallAsync(Read(empty, new RespCommand("XREAD", "COUNT", _pageSize)), _closing.Token);
        Dictionary<string, RespValue> pages = reply.IsNull ? [] : Streams(reply).ToDictionary(page => page.Stream, page => page.Entries, StringComparer.Ordinal);
        int size = _pageSize;
        long bytes = 0;
        foreach (RedisPartition partition in empty)
        {
            RespValue[] entries = pages.TryGetValue(_keys.Stream(Name, partition.Number), out RespValue page) ? page.Items : [];
            partition.IsAtEnd = entries.Length < size;
            if (entries.Length > 0)
            {
                List<Envelope> envelopes = MessageReader.Unpack(page, OnDamage);
                bytes += envelopes.Sum(static envelope => (long)envelope.Body.Length);
                bool fresh = partition.ReadTo >= partition.FreshFrom && partition.IsAtEnd;

                // What is in memory here may end between the look at its state and its turn.
                OpenMessage[] messages = fresh
                    ? [.. envelopes.Select(static envelope => new OpenMessage(envelope) { State = MessageState.Pending })]
                    : [.. (await _messages.CompleteAsync([.. envelopes.Where(envelope => !Open.ContainsKey(envelope.Id))], _closing.Token)).Where(static message => message.State == MessageState.Pending)];
                foreach (OpenMessage message in messages)
                {
                    partition.Page.Enqueue(message);
                }

                partition.ReadTo = MessageReader.SeqOf(entries[^1]); // once they are here: what fails before is read again
            }

            partition.FreshFrom = partition.IsAtEnd ? Math.Min(partition.FreshFrom, partition.ReadTo) : partition.FreshFrom;
        }

        _pageSize = bytes > HeavyPage ? Math.Max(1, _pageSize / 2) : bytes < HeavyPage / 4 ? Math.Min(LargestPage, _pageSize * 2) : _pageSize;
    }

    /// <summary>Reads the next open messages that are older than where the stream is read from.</summary>
    private async Task FillFromHeldAsync(RedisPartition partition)
    {
        while (partition is { IsHeldRead: false, Page.Count: 0 })
        {
            RespValue held = await _client.CallAsync(
                new RespCommand("ZRANGEBYSCORE", _keys.Held(Name, partition.Number), $"({Number(partition.HeldTo)}", $"({Number(partition.Start)}", "WITHSCORES", "LIMIT", 0, _pageSize), _closing.Token);
            (MessageId Id, long Seq)[] found = [.. Scored(held)];
            foreach (OpenMessage message in await OpenAsync(partition, [.. found.Select(one => one.Id).Where(id => !Open.ContainsKey(id))]))
            {
                partition.Page.Enqueue(message);
            }

            partition.IsHeldRead = found.Length < _pageSize;
            partition.HeldTo = found.Length > 0 ? found[^1].Seq : partition.HeldTo;
        }
    }

    /// <summary>Messages that were left on the server; those that have ended are forgotten there.</summary>
    private async ValueTask<List<OpenMessage>> OpenAsync(RedisPartition partition, MessageId[] ids)
    {
        OpenMessage?[] messages = await Task.WhenAll(ids.Select(id => _messages.ReadAsync(id, _closing.Token).AsTask()));
        List<OpenMessage> open = [];
        for (int i = 0; i < ids.Length; i++)
        {
            if (messages[i] is { State: MessageState.Pending } message)
            {
                message.RowIsMarked = true;
                open.Add(message);
            }
            else
            {
                await _client.CallAsync(new RespCommand("ZREM", _keys.Held(Name, partition.Number), BatchWriter.Bytes16(ids[i])), _closing.Token);
            }
        }

        return [.. open.OrderBy(static message => message.Seq)];
    }

    /// <summary>Members that are ids, with their scores, which RESP2 gives as texts and RESP3 as doubles, in pairs or one after the other.</summary>
    private static IEnumerable<(MessageId Id, long Seq)> Scored(RespValue members)
    {
        RespValue[] items = members.Items is [{ Kind: RespKind.Array }, ..] ? [.. members.Items.SelectMany(static pair => pair.Items)] : members.Items;
        for (int i = 0; i + 1 < items.Length; i += 2)
        {
            yield return (MessageId.FromBytes(items[i].Bytes.Span), (long)double.Parse(items[i + 1].AsText(), CultureInfo.InvariantCulture));
        }
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
