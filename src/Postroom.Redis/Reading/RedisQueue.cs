using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>One queue on this node: the partitions it owns, their open messages in memory, and the loop that reads them.</summary>
/// <remarks>
/// Partitions are read without a consumer group: reading changes nothing on the server, so a node that was paused and lost its partitions takes nothing from their new owner.
/// Order, delay and retry are the lane's, as in every store whose queues have one owner.
/// </remarks>
internal sealed partial class RedisQueue : IAsyncDisposable
{
    private const int PageSize = 256;
    private const int MostHeld = 4_096;

    private static readonly TimeSpan Block = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly RedisStore _store;
    private readonly RedisClient _reading;
    private readonly RedisClient _client;
    private readonly RedisKeys _keys;
    private readonly MessageReader _messages;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _loop;
    private long _readingId;
    private long _readingConnects;

    /// <summary>Begins to take partitions and to read them.</summary>
    public RedisQueue(string name, RedisStore store, RedisClient client, RedisClient reading, RedisKeys keys, long firstFence, TimeProvider clock, string owner, ILogger log)
    {
        Name = name;
        _store = store;
        _client = client;
        _reading = reading;
        _keys = keys;
        _log = log;
        _messages = new MessageReader(client, keys);
        Lane = new QueueLane(name, store, clock, owner, firstFence);
        Partitions = [.. Enumerable.Range(0, keys.Partitions).Select(number => new RedisPartition(name, number))];
        _loop = RunAsync();
    }

    public string Name { get; }

    public QueueLane Lane { get; }

    public RedisPartition[] Partitions { get; }

    /// <summary>Open messages of the partitions that this node owns, by id.</summary>
    public ConcurrentDictionary<MessageId, OpenMessage> Open { get; } = new();

    /// <summary>Completes when what was open in the partitions that could be taken at first is in memory.</summary>
    public Task Loaded => _loaded.Task;

    /// <summary>The partition of a message.</summary>
    public RedisPartition PartitionOf(Envelope envelope) => Partitions[_keys.PartitionOf(envelope)];

    /// <summary>Ends the loop; partitions are left to others once nothing of them is in work here.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _reading.Interrupt($"Queue '{Name}' is closed.");
        await _loop;
        await _reading.DisposeAsync();
        Lane.Dispose();
        _closing.Dispose();
    }

    /// <summary>Notes that there is this queue; the next start then reads it before anything else happens.</summary>
    public async Task NoteAsync()
    {
        try
        {
            await _client.CallAsync(new RespCommand("SADD", _keys.Queues, Name), _closing.Token);
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException or OperationCanceledException or ObjectDisposedException)
        {
            Log.ReadFailed(_log, Name, e.Message);
        }
    }

    /// <summary>Ends a blocking read, so that partitions that were taken or lost meanwhile are seen.</summary>
    public async ValueTask WakeAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _readingId) is not 0 and var id)
        {
            await _client.CallAsync(new RespCommand("CLIENT", "UNBLOCK", id), cancellationToken);
        }
    }

    /// <summary>Lets a partition go that somebody else owns now: what of it is in work here cannot be settled any more.</summary>
    public void Lose(RedisPartition partition)
    {
        partition.Leave();
        foreach (OpenMessage message in Open.Values.Where(message => _keys.PartitionOf(message.Envelope) == partition.Number))
        {
            if (Open.TryRemove(message.Envelope.Id, out _) && Lane.Withdraw(message, force: true))
            {
                Lane.Withdrawn(message);
            }
        }
    }

    /// <summary>Notes where reading would have to begin, and what open is older than that.</summary>
    public RespCommand[] Marks()
    {
        List<RespCommand> commands = [];
        foreach (RedisPartition partition in Partitions.Where(partition => partition is { Owner: not null, IsLoaded: true }))
        {
            long position = partition.Position;
            OpenMessage[] open = [.. Open.Values.Where(message => _keys.PartitionOf(message.Envelope) == partition.Number).OrderBy(message => message.Seq)];
            int old = open.Count(message => message.Seq + MostHeld < position);
            if (old > 0)
            {
                RespCommand held = new("ZADD", _keys.Held(Name, partition.Number));
                foreach (OpenMessage message in open.Take(old))
                {
                    held.Add(message.Seq).Add(BatchWriter.Bytes16(message.Envelope.Id));
                    message.RowIsMarked = true;
                }

                commands.Add(held);
            }

            long low = old < open.Length ? open[old].Seq : position + 1;
            commands.Add(new RespCommand("HSET", _keys.Low, RedisKeys.Place(Name, partition.Number), low));
        }

        return [.. commands];
    }

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await TakeAsync();
                await ReadAsync();
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                if (!_closing.IsCancellationRequested)
                {
                    Log.ReadFailed(_log, Name, e.Message);
                    await Task.Delay(Pause, TimeProvider.System, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }

        foreach (RedisPartition partition in Partitions)
        {
            partition.Leave();
        }

        _loaded.TrySetResult();
    }

    /// <summary>Takes the partitions that nobody owns, and brings what is open in them into memory.</summary>
    private async Task TakeAsync()
    {
        RedisPartition[] wanted = [.. Partitions.Where(partition => partition.Owner is null)];
        if (wanted.Length > 0)
        {
            if (wanted.Length == Partitions.Length)
            {
                await NoteAsync();
            }

            RespCommand take = RedisScript.Own.Begin(_keys.Root).Add("take").Add(_store.Node).Add((long)RedisStore.PartitionLease.TotalMilliseconds).Add(Name);
            foreach (RedisPartition partition in wanted)
            {
                take.Add(partition.Number);
            }

            RespValue[] taken = (await RedisScript.Own.CallAsync(_client, take, _closing.Token)).Items;
            for (int i = 0; i < wanted.Length; i++)
            {
                long epoch = taken[2 * i].AsInteger();
                if (epoch > 0)
                {
                    await LoadAsync(wanted[i], epoch, taken[(2 * i) + 1].AsText());
                }
            }
        }

        _loaded.TrySetResult();
    }

    private async Task LoadAsync(RedisPartition partition, long epoch, string before)
    {
        string owner = $"{_store.Node} {epoch.ToString(CultureInfo.InvariantCulture)}";
        RedisRecovery recovery = await RedisRecovery.BeginAsync(_store, _client, _keys, before, _closing.Token);
        RespValue low = await _client.CallAsync(new RespCommand("HGET", _keys.Low, RedisKeys.Place(Name, partition.Number)), _closing.Token);
        long position = (low.IsNull ? 1 : low.AsInteger()) - 1;
        List<OpenMessage> open = [];
        RespValue held = await _client.CallAsync(new RespCommand("ZRANGE", _keys.Held(Name, partition.Number), 0, -1), _closing.Token);
        foreach (RespValue id in held.Items)
        {
            if (await _messages.ReadAsync(MessageId.FromBytes(id.Bytes.Span), _closing.Token) is not { State: MessageState.Pending } message)
            {
                await _client.CallAsync(new RespCommand("ZREM", _keys.Held(Name, partition.Number), id.Bytes), _closing.Token);
            }
            else if (message.Seq <= position)
            {
                message.RowIsMarked = true;
                open.Add(message);
            }
        }

        while (true)
        {
            RespValue page = await _client.CallAsync(
                new RespCommand("XRANGE", _keys.Stream(Name, partition.Number), $"{(position + 1).ToString(CultureInfo.InvariantCulture)}-0", "+", "COUNT", PageSize), _closing.Token);
            if (page.Items is not [.., var last])
            {
                break;
            }

            open.AddRange((await _messages.CompleteAsync(MessageReader.Unpack(page, OnDamage), _closing.Token)).Where(message => message.State == MessageState.Pending));
            position = MessageReader.SeqOf(last);
        }

        partition.Epoch = epoch;
        partition.Owner = owner;
        partition.Position = position;
        await HaltAsync(partition);
        foreach (OpenMessage message in open.OrderBy(message => message.Seq))
        {
            await recovery.TakeBackAsync(message, partition.Number);
            Admit(message);
        }

        partition.IsLoaded = true;
        Log.Taken(_log, Name, partition.Number, epoch, open.Count);
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

    private async Task ReadAsync()
    {
        RedisPartition[] owned = [.. Partitions.Where(partition => partition.IsLoaded && partition.Owner is not null)];
        if (owned.Length == 0)
        {
            await Task.Delay(Pause, TimeProvider.System, _closing.Token);
            return;
        }

        if (_readingConnects != _reading.Connects || _readingId == 0)
        {
            Volatile.Write(ref _readingId, (await _reading.CallAsync(new RespCommand("CLIENT", "ID"), _closing.Token)).AsInteger());
            _readingConnects = _reading.Connects;
        }

        RespValue reply = await _client.CallAsync(Read(owned, new RespCommand("XREAD", "COUNT", PageSize)), _closing.Token);
        if (!reply.IsNull)
        {
            Admit(owned, reply);
            return;
        }

        // A blocked read is answered with the first stream that has something, which is not in order with the others: it only says that there is something to read.
        long block = (long)(owned.Length == Partitions.Length ? Block : Pause).TotalMilliseconds;
        await _reading.CallAsync(Read(owned, new RespCommand("XREAD", "COUNT", 1, "BLOCK", block)), _closing.Token, Block);
    }

    private RespCommand Read(RedisPartition[] owned, RespCommand read)
    {
        read.Add("STREAMS");
        foreach (RedisPartition partition in owned)
        {
            read.Add(_keys.Stream(Name, partition.Number));
        }

        foreach (RedisPartition partition in owned)
        {
            read.Add($"{partition.Position.ToString(CultureInfo.InvariantCulture)}-0");
        }

        return read;
    }

    /// <summary>Admits what was read from several partitions in the order in which it was stored.</summary>
    private void Admit(RedisPartition[] owned, in RespValue reply)
    {
        List<(RedisPartition Partition, Envelope Envelope)> arrived = [];
        List<(RedisPartition Partition, long Last)> reached = [];
        foreach ((string stream, RespValue entries) in Streams(reply))
        {
            RedisPartition partition = owned.First(partition => _keys.Stream(Name, partition.Number) == stream);
            arrived.AddRange(MessageReader.Unpack(entries, OnDamage).Select(envelope => (partition, envelope)));
            reached.Add((partition, MessageReader.SeqOf(entries[entries.Items.Length - 1])));
        }

        foreach ((RedisPartition partition, Envelope envelope) in arrived.OrderBy(one => one.Envelope.Seq))
        {
            if (partition.Owner is not null)
            {
                Admit(new OpenMessage(envelope) { State = MessageState.Pending });
            }
        }

        foreach ((RedisPartition partition, long last) in reached)
        {
            partition.Position = last;
        }
    }

    /// <summary>Streams with their entries: a map in RESP3, pairs in RESP2.</summary>
    private static IEnumerable<(string Stream, RespValue Entries)> Streams(RespValue reply)
    {
        RespValue[] items = reply.Items;
        return reply.Kind == RespKind.Map
            ? Enumerable.Range(0, items.Length / 2).Select(i => (items[2 * i].AsText(), items[(2 * i) + 1]))
            : items.Select(pair => (pair[0].AsText(), pair[1]));
    }

    private void Admit(OpenMessage message)
    {
        if (Open.TryAdd(message.Envelope.Id, message))
        {
            _store.OnArrival(this, message);
        }
    }

    private void OnDamage(string problem) => Log.Damaged(_log, Name, problem);
}
