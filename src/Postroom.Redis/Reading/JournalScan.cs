using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Answers a query by going through the partitions in the order of the messages' numbers, a page of each at a time.</summary>
internal sealed class JournalScan(RedisClient client, RedisKeys keys, MessageReader messages, Func<MessageId, OpenMessage?> inMemory)
{
    private const int PageSize = 128;
    private const int MostScanned = 100_000;
    private const int MostCounted = 10_000;

    /// <summary>One page.</summary>
    public async ValueTask<JournalPage> QueryAsync(string[] queues, JournalQuery query, CancellationToken cancellationToken)
    {
        long? from = query.WithTotal ? null : query.Cursor;
        Part[] parts = [.. queues.SelectMany(queue => Enumerable.Range(0, keys.Partitions).Select(partition => new Part(queue, partition, query.Ascending, from)))];
        await Task.WhenAll(parts.Select(part => FillAsync(part, cancellationToken)));
        PriorityQueue<Part, long> next = new();
        foreach (Part part in parts)
        {
            Offer(next, part, query.Ascending);
        }

        List<JournalEntry> items = [];
        long total = 0;
        int skipped = 0;
        int scanned = 0;
        bool more = false;
        long last = 0;
        for (; next.TryDequeue(out Part? part, out _) && scanned < MostScanned && total <= MostCounted; scanned++)
        {
            OpenMessage message = part.Loaded.Dequeue();
            last = message.Seq;
            if (part.Loaded.Count == 0)
            {
                await FillAsync(part, cancellationToken);
            }

            Offer(next, part, query.Ascending);
            OpenMessage seen = inMemory(message.Envelope.Id) ?? message;
            if (!JournalMoves.Matches(seen, query))
            {
                continue;
            }

            total++;
            if (query.Cursor is { } cursor && (query.Ascending ? last <= cursor : last >= cursor))
            {
                continue;
            }

            if (skipped < query.Offset)
            {
                skipped++;
            }
            else if (items.Count < query.Limit)
            {
                items.Add(seen.ToEntry(withBody: false));
            }
            else
            {
                more = true;
                if (!query.WithTotal)
                {
                    break;
                }
            }
        }

        bool cut = scanned >= MostScanned;
        return new JournalPage(items, Math.Min(total, MostCounted), total > MostCounted || cut, more ? items[^1].Envelope.Seq : cut ? last : null);
    }

    private static void Offer(PriorityQueue<Part, long> next, Part part, bool ascending)
    {
        if (part.Loaded.TryPeek(out OpenMessage? message))
        {
            next.Enqueue(part, ascending ? message.Seq : -message.Seq);
        }
    }

    /// <summary>Reads the next page of a partition: what its stream has, and what was removed from it but is still known.</summary>
    private async Task FillAsync(Part part, CancellationToken cancellationToken)
    {
        while (part.Loaded.Count == 0 && !part.IsOver)
        {
            string stream = keys.Stream(part.Queue, part.Partition);
            string begin = part.From is { } from ? Number(part.Ascending ? from + 1 : from - 1) : part.Ascending ? "-" : "+";
            RespValue page = await client.CallAsync(
                part.Ascending ? new RespCommand("XRANGE", stream, begin, "+", "COUNT", PageSize) : new RespCommand("XREVRANGE", stream, begin, "-", "COUNT", PageSize), cancellationToken);
            part.IsOver = page.Items.Length < PageSize;
            long? end = part.IsOver ? null : MessageReader.SeqOf(page[page.Items.Length - 1]);
            List<OpenMessage> found = await messages.CompleteAsync(MessageReader.Unpack(page, static _ => { }), cancellationToken);
            found.AddRange(await ErasedAsync(part, end, cancellationToken));
            foreach (OpenMessage message in part.Ascending ? found.OrderBy(message => message.Seq) : found.OrderByDescending(message => message.Seq))
            {
                part.Loaded.Enqueue(message);
            }

            part.From = end;
        }
    }

    private async Task<List<OpenMessage>> ErasedAsync(Part part, long? end, CancellationToken cancellationToken)
    {
        string begin = part.From is { } from ? $"({Number(from)}" : part.Ascending ? "-inf" : "+inf";
        string until = end is { } last ? Number(last) : part.Ascending ? "+inf" : "-inf";
        RespValue ids = await client.CallAsync(
            new RespCommand("ZRANGEBYSCORE", keys.Erased(part.Queue, part.Partition), part.Ascending ? begin : until, part.Ascending ? until : begin), cancellationToken);
        List<OpenMessage> found = [];
        foreach (RespValue id in ids.Items)
        {
            if (await messages.ReadAsync(MessageId.FromBytes(id.Bytes.Span), cancellationToken) is { } message)
            {
                found.Add(message);
            }
        }

        return found;
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>One partition as far as the scan has come.</summary>
    private sealed class Part(string queue, int partition, bool ascending, long? from)
    {
        public string Queue { get; } = queue;

        public int Partition { get; } = partition;

        public bool Ascending { get; } = ascending;

        /// <summary>The last number that was read; null at first.</summary>
        public long? From { get; set; } = from;

        public bool IsOver { get; set; }

        public Queue<OpenMessage> Loaded { get; } = new();
    }
}
