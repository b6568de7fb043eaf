using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>Which partitions are this node's: takes those that fall to it and are free, and gives up those that fall to others once nothing of them is in work.</content>
internal sealed partial class RedisQueue
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(4);

    private bool _moves;

    /// <summary>Lets a partition go that somebody else owns now: what of it is in work here cannot be settled any more.</summary>
    public void Lose(RedisPartition partition)
    {
        lock (_gate)
        {
            partition.Leave();
            foreach (OpenMessage message in Lane.Drop(partition.Number, OpenOf(partition), force: true))
            {
                Open.TryRemove(message.Envelope.Id, out _);
            }
        }

        Signal();
    }

    /// <summary>A message of a partition that is leaving has come back from its worker: it goes too.</summary>
    public void DropFromLeaving(OpenMessage message)
    {
        RedisPartition partition = PartitionOf(message.Envelope);
        lock (_gate)
        {
            if (partition.IsLeaving)
            {
                foreach (OpenMessage dropped in Lane.Drop(partition.Number, [message], force: false))
                {
                    Open.TryRemove(dropped.Envelope.Id, out _);
                }
            }
        }
    }

    /// <summary>An operator has made a message due again: it is the first of its key, if the key is this node's.</summary>
    public void Reopen(OpenMessage message)
    {
        RedisPartition partition = PartitionOf(message.Envelope);
        lock (_gate)
        {
            message.Slot = partition.Number;
            if (IsRead(partition) && Open.TryAdd(message.Envelope.Id, message))
            {
                // First back into its key, then the key goes on: otherwise a waiting worker gets the follower.
                Lane.Admit(message, fromDisk: true, always: true);
            }
        }

        Lane.Resume(message.Envelope.OrderKey, message.Envelope.Id);
    }

    /// <summary>Notes where reading would have to begin, and what open is older than that.</summary>
    public async ValueTask MarkAsync(RedisClient client, CancellationToken cancellationToken)
    {
        (RedisPartition Partition, long Position)[] owned;
        ILookup<int, OpenMessage> open;
        lock (_gate)
        {
            owned = [.. Partitions.Where(IsRead).Select(partition => (partition, partition.Position))];
            open = (owned.Length == 0 ? [] : Open.Values.Where(static message => !message.RowIsMarked)).ToLookup(static message => message.Slot);
        }

        foreach ((RedisPartition partition, long position) in owned)
        {
            await MarkAsync(client, partition, position, open[partition.Number], cancellationToken);
        }
    }

    private async ValueTask MarkAsync(RedisClient client, RedisPartition partition, long position, IEnumerable<OpenMessage> unmarked, CancellationToken cancellationToken)
    {
        OpenMessage[] open = [.. unmarked.OrderBy(static message => message.Seq)];
        int old = open.Count(message => message.Seq + MostHeld < position);
        if (old > 0)
        {
            RespCommand held = new("ZADD", _keys.Held(Name, partition.Number));
            foreach (OpenMessage message in open.Take(old))
            {
                // Set first: its end takes it out again, if it comes before this.
                message.RowIsMarked = true;
                held.Add(message.Seq).Add(BatchWriter.Bytes16(message.Envelope.Id));
            }

            try
            {
                await client.CallAsync(held, cancellationToken);
            }
            catch
            {
                foreach (OpenMessage message in open.Take(old))
                {
                    message.RowIsMarked = false;
                }

                throw;
            }
        }

        long low = Math.Max(old < open.Length ? open[old].Seq : position + 1, partition.Start);
        if (low != partition.Low)
        {
            RespCommand mark = RedisScript.Own.Begin(_keys.Root).Add("mark").Add(_store.Node).Add(_store.LeaseMilliseconds).Add(Name).Add(partition.Number).Add(partition.Epoch).Add(low);
            if ((await RedisScript.Own.CallAsync(client, mark, cancellationToken))[0].AsBoolean())
            {
                partition.Low = low;
            }
        }
    }

    private async Task OwnAsync()
    {
        bool[] mine = await _store.MineOfAsync(Name, _closing.Token);
        long now = TimeProvider.System.GetTimestamp();
        List<int> left = [];
        foreach (RedisPartition partition in Partitions.Where(static partition => partition.Owner is not null))
        {
            if (!partition.IsLeaving && !mine[partition.Number] && now >= partition.LeavesAgainAt)
            {
                await BeginLeavingAsync(partition);
            }

            if (partition.IsLeaving)
            {
                await LeaveAsync(partition, stays: mine[partition.Number]);
                if (partition.Owner is null)
                {
                    left.Add(partition.Number);
                }
            }
        }

        if (left.Count > 0)
        {
            Log.Left(_log, Name, string.Join(", ", left));
        }

        RedisPartition[] wanted = [.. Partitions.Where(partition => partition.Owner is null && mine[partition.Number])];
        if (wanted.Length > 0 && _store.IsAlive)
        {
            await TakeAsync(wanted);
        }

        // What others have not given up yet, or this node not, is looked at again soon.
        _moves = Array.Exists(Partitions, partition => partition.Owner is null == mine[partition.Number]);
    }

    private async ValueTask BeginLeavingAsync(RedisPartition partition)
    {
        await MarkAsync(_client, partition, partition.Position, OpenOf(partition).Where(static message => !message.RowIsMarked), _closing.Token);
        lock (_gate)
        {
            partition.IsLeaving = true;
            partition.LeavingSince = TimeProvider.System.GetTimestamp();
            partition.Page.Clear();
            partition.Stands = true;
            foreach (OpenMessage message in Lane.Drop(partition.Number, OpenOf(partition), force: false))
            {
                Open.TryRemove(message.Envelope.Id, out _);
            }
        }
    }

    private async ValueTask LeaveAsync(RedisPartition partition, bool stays)
    {
        if (!stays && OpenOf(partition).Length == 0)
        {
            await _store.GiveUpAsync(this, [partition], _closing.Token);
            lock (_gate)
            {
                partition.Leave();
            }

            return;
        }

        if (stays || TimeProvider.System.GetElapsedTime(partition.LeavingSince) > Patience)
        {
            // A long attempt must not hold up all other keys of the partition: they go on here, and it leaves later.
            TimeSpan rest = Min(Patience * Math.Pow(2, partition.Refusals), LongestRest);
            partition.Refusals += stays ? 0 : 1;
            partition.LeavesAgainAt = stays ? 0 : TimeProvider.System.GetTimestamp() + (long)(rest.TotalSeconds * TimeProvider.System.TimestampFrequency);
            await HaltAsync(partition);
            lock (_gate)
            {
                partition.ToldFrom = Math.Max(partition.ToldFrom, partition.Position);
                partition.Rewind(Math.Max(partition.Low, partition.Start));
            }
        }
    }

    /// <summary>Takes partitions that nobody owns.</summary>
    private async Task TakeAsync(RedisPartition[] wanted)
    {
        await _client.CallAsync(new RespCommand("SADD", _keys.Queues, Name), _closing.Token);
        RespCommand take = RedisScript.Own.Begin(_keys.Root).Add("take").Add(_store.Node).Add(_store.LeaseMilliseconds).Add(Name);
        foreach (RedisPartition partition in wanted)
        {
            take.Add(partition.Number);
        }

        RespValue[] taken = (await RedisScript.Own.CallAsync(_client, take, _closing.Token)).Items;
        RespValue last = await _client.CallAsync(new RespCommand("GET", _keys.Seq), _closing.Token);
        List<int> mine = [];
        List<string> before = [];
        int begun = 0;
        for (int i = 0; i < wanted.Length; i++)
        {
            long epoch = taken[2 * i].AsInteger();
            if (epoch > 0)
            {
                string former = taken[(2 * i) + 1].AsText();
                begun += await BeginAsync(wanted[i], epoch, former, last.IsNull ? 0 : last.AsInteger());
                mine.Add(wanted[i].Number);
                before.Add(former.Length == 0 ? "nobody" : former);
            }
        }

        if (mine.Count > 0)
        {
            Log.Taken(_log, Name, string.Join(", ", mine), string.Join(", ", before.Distinct()), begun);
        }
    }

    private async Task<int> BeginAsync(RedisPartition partition, long epoch, string before, long last)
    {
        int begun = await RedisRecovery.TakeBackAsync(_store, _client, _keys, _messages, Name, partition.Number, before, _closing.Token);
        RespValue low = await _client.CallAsync(new RespCommand("HGET", _keys.Low, RedisKeys.Place(Name, partition.Number)), _closing.Token);
        RespValue later = await _client.CallAsync(new RespCommand("ZRANGE", _keys.Later(Name, partition.Number), 0, 0, "WITHSCORES"), _closing.Token);
        foreach ((_, long due) in Scored(later))
        {
            NoteDue(DateTimeOffset.FromUnixTimeMilliseconds(due));
        }

        await HaltAsync(partition);
        lock (_gate)
        {
            partition.Begin($"{_store.Node} {epoch.ToString(CultureInfo.InvariantCulture)}", epoch, low.IsNull ? 1 : low.AsInteger(), last);
        }

        return begun;
    }

    /// <summary>Keys of the partition that a failed message holds since before.</summary>
    private async Task HaltAsync(RedisPartition partition)
    {
        RespValue halts = await _client.CallAsync(new RespCommand("HGETALL", _keys.Facts(FactScopes.Halt)), _closing.Token);
        for (int i = 0; i + 1 < halts.Items.Length; i += 2)
        {
            string fact = halts[i].AsText();
            if (fact.StartsWith(Name + "/", StringComparison.Ordinal) && MessageId.TryParse(fact[(Name.Length + 1)..], out MessageId by)
                && FactBytes.Read(FactScopes.Halt, fact, halts[i + 1].Bytes, _store.Now) is { } halt
                && System.Text.Encoding.UTF8.GetString(halt.Value.Span) is { Length: > 0 } key && _keys.PartitionOf(key) == partition.Number)
            {
                Lane.Halt(key, by);
            }
        }
    }

    private OpenMessage[] OpenOf(RedisPartition partition) => [.. Open.Values.Where(message => message.Slot == partition.Number)];
}
