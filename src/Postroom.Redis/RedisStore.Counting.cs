using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>Counts, over all nodes: totals are the server's, and what waits for something is in the memory of the partitions' owners, who tell it with every beat.</content>
internal sealed partial class RedisStore
{
    private readonly Dictionary<string, string> _told = new(StringComparer.Ordinal);
    private volatile Dictionary<string, long> _waiting = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public long CountDue(string queue)
    {
        if (!_queues.TryGetValue(queue, out Lazy<RedisQueue>? served))
        {
            return _waiting.GetValueOrDefault(queue);
        }

        QueueLane lane = served.Value.Lane;
        long here = Math.Max(0, lane.Count - lane.Dispatched - lane.Delayed - lane.Parked - lane.Blocked);

        // All of it is in memory here, or as of the last beat it is what the others have and the server.
        return !lane.Overflowed && _nodes is not { HasOthers: true } ? here : Math.Max(here, _waiting.GetValueOrDefault(queue));
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyDictionary<string, long>> CountOpenByTypeAsync(string queue, CancellationToken cancellationToken)
    {
        Dictionary<string, long> open = new(StringComparer.Ordinal);
        RespValue counts = await ReadAsync(new RespCommand("HGETALL", Keys.Counts), cancellationToken);
        for (int i = 0; i + 1 < counts.Items.Length; i += 2)
        {
            string field = counts[i].AsText();
            if (field.EndsWith("|o", StringComparison.Ordinal) && field.StartsWith(queue + "|", StringComparison.Ordinal) && counts[i + 1].AsInteger() is > 0 and var count)
            {
                open[field[(queue.Length + 1)..^2]] = count;
            }
        }

        return open;
    }

    /// <inheritdoc/>
    public async ValueTask<int> CountKeyAsync(string queue, string orderKey, int atMost, CancellationToken cancellationToken)
    {
        RespValue count = await ReadAsync(new RespCommand("HGET", Keys.KeyCounts(queue, Keys.PartitionOf(orderKey)), RedisKeys.HashOf(orderKey)), cancellationToken);
        long open = count.IsNull ? 0 : count.AsInteger();

        // The message that began the key is not counted there.
        if (open < atMost && MessageId.TryParse(orderKey, out MessageId first) && await ReachAsync(() => Messages.FindAsync(first, cancellationToken)) is { State: MessageState.Pending } place && place.Queue == queue)
        {
            open++;
        }

        return (int)Math.Min(atMost, open);
    }

    /// <inheritdoc/>
    public async ValueTask<StoreStats> GetStatsAsync(string? queue, CancellationToken cancellationToken)
    {
        foreach (Lazy<RedisQueue> served in _queues.Values)
        {
            await served.Value.Loaded.WaitAsync(cancellationToken);
        }

        Dictionary<string, long[]> totals = await TotalsAsync(cancellationToken);
        ILookup<string, LaneCounts> others = _nodes is { HasOthers: true } ? await OthersAsync(cancellationToken) : Enumerable.Empty<LaneCounts>().ToLookup(static _ => "");
        Dictionary<string, StoreQueueStats> queues = [];
        foreach (string name in totals.Keys.Concat(_queues.Keys).Distinct().Where(name => queue is null || queue == name))
        {
            queues[name] = StatsOf(totals.GetValueOrDefault(name) ?? new long[4], [CountsHere(name), .. others[name]]);
        }

        if (queue is not null && queues.Count == 0)
        {
            queues[queue] = new StoreQueueStats();
        }

        RespValue seq = await ReadAsync(new RespCommand("GET", Keys.Seq), cancellationToken);
        string? refused = Writer.Problem ?? Writer.Refusal;
        return new StoreStats { Queues = queues, Appended = seq.IsNull ? 0 : seq.AsInteger(), Writable = refused is null, Problem = _nodes?.Replaced ?? refused ?? Loss };
    }

    private static StoreQueueStats StatsOf(long[] totals, LaneCounts[] lanes)
    {
        long dispatched = Math.Min(totals[0], lanes.Sum(static lane => lane.Dispatched)); // what others told is as of their last beat
        return new StoreQueueStats
        {
            Pending = Math.Max(0, totals[0] - dispatched),
            Delayed = lanes.Sum(static lane => lane.Delayed),
            Parked = lanes.Sum(static lane => lane.Parked),
            Blocked = lanes.Sum(static lane => lane.Blocked),
            Dispatched = dispatched,
            Acked = totals[2],
            Failed = totals[3],
            OldestPendingAt = lanes.Min(static lane => lane.OldestAt),
        };
    }

    /// <summary>Messages by queue and state.</summary>
    private async ValueTask<Dictionary<string, long[]>> TotalsAsync(CancellationToken cancellationToken)
    {
        RespValue counts = await ReadAsync(new RespCommand("HGETALL", Keys.Counts), cancellationToken);
        Dictionary<string, long[]> totals = new(StringComparer.Ordinal);
        for (int i = 0; i + 1 < counts.Items.Length; i += 2)
        {
            string field = counts[i].AsText();
            int bar = field.LastIndexOf('|');
            if (field[bar + 1] is not (>= '0' and <= '3') || bar + 2 != field.Length)
            {
                continue;
            }

            if (!totals.TryGetValue(field[..bar], out long[]? states))
            {
                totals[field[..bar]] = states = new long[4];
            }

            states[field[bar + 1] - '0'] = counts[i + 1].AsInteger();
        }

        return totals;
    }

    private LaneCounts CountsHere(string name)
    {
        if (!_queues.TryGetValue(name, out Lazy<RedisQueue>? served))
        {
            return new LaneCounts(name, 0, 0, 0, 0, null);
        }

        QueueLane lane = served.Value.Lane;
        return new LaneCounts(name, lane.Dispatched, lane.Delayed + served.Value.DelayedThere, lane.Parked, lane.Blocked, lane.OldestPendingAt());
    }

    /// <summary>What the other nodes that live have told.</summary>
    private async ValueTask<ILookup<string, LaneCounts>> OthersAsync(CancellationToken cancellationToken)
    {
        HashSet<string> live = [.. _nodes!.Live.Select(static node => node.Name).Where(name => name != Node)];
        RespValue told = await ReadAsync(new RespCommand("HGETALL", Keys.Lanes), cancellationToken);
        List<LaneCounts> counts = [];
        for (int i = 0; i + 1 < told.Items.Length; i += 2)
        {
            if (told[i].AsText().Split('|', 2) is [var queue, var node] && live.Contains(node))
            {
                counts.Add(LaneCounts.Parse(queue, told[i + 1].AsText()));
            }
        }

        return counts.ToLookup(static count => count.Queue);
    }

    /// <summary>Tells the others what waits here, and learns what waits elsewhere.</summary>
    private async ValueTask ExchangeCountsAsync(CancellationToken cancellationToken)
    {
        foreach (string queue in _queues.Keys)
        {
            string text = CountsHere(queue).ToText();
            if (_told.GetValueOrDefault(queue, LaneCounts.Nothing) != text)
            {
                await Client.CallAsync(new RespCommand("HSET", Keys.Lanes, $"{queue}|{Node}", text), cancellationToken);
                _told[queue] = text;
            }
        }

        Dictionary<string, long[]> totals = await TotalsAsync(cancellationToken);
        ILookup<string, LaneCounts> others = _nodes is { HasOthers: true } ? await OthersAsync(cancellationToken) : Enumerable.Empty<LaneCounts>().ToLookup(static _ => "");
        Dictionary<string, long> waiting = new(StringComparer.Ordinal);
        foreach ((string name, long[] states) in totals)
        {
            StoreQueueStats stats = StatsOf(states, [CountsHere(name), .. others[name]]);
            waiting[name] = stats.Due;
        }

        _waiting = waiting;
    }

    /// <summary>What of a queue waits, and for what, in one node's memory.</summary>
    private sealed record LaneCounts(string Queue, long Dispatched, long Delayed, long Parked, long Blocked, DateTimeOffset? OldestAt)
    {
        public const string Nothing = "0|0|0|0|0";

        public string ToText() => string.Create(CultureInfo.InvariantCulture, $"{Dispatched}|{Delayed}|{Parked}|{Blocked}|{OldestAt?.ToUnixTimeMilliseconds() ?? 0}");

        public static LaneCounts Parse(string queue, string text)
        {
            long[] numbers = [.. text.Split('|').Select(static number => long.Parse(number, CultureInfo.InvariantCulture))];
            return new LaneCounts(queue, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4] == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(numbers[4]));
        }
    }
}
