using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <content>How it opens, keeps its partitions and closes.</content>
internal sealed partial class RedisStore
{
    private const long Format = 1;

    private static readonly TimeSpan ReadWithin = TimeSpan.FromSeconds(1);

    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, ForeignStream> _foreign = new(StringComparer.Ordinal);
    private long _highest;
    private long _redelivered;
    private long _uncertain;

    /// <inheritdoc/>
    public async ValueTask<RecoveryReport> OpenAsync(StoreOpening opening, CancellationToken cancellationToken)
    {
        long begun = Clock.GetTimestamp();
        Node = opening.Node;
        _client = new RedisClient(RedisEndpoint.From(_options, $"postroom:{Node}"), TimeProvider.System, _log, _random);
        _messages = new MessageReader(_client, Keys);
        try
        {
            await CheckFormatAsync(cancellationToken);
            _run = (await _client.CallAsync(new RespCommand("HINCRBY", Keys.Meta, "runs", 1), cancellationToken)).AsInteger();
            Owner = $"{Node}/{_run.ToString(CultureInfo.InvariantCulture)}";
            _nodes = new NodeRegistry(_client, Keys, Node, _run, opening.Home ?? "-", _options.Lease, Clock as ServerClock, Now);
            await _nodes.BeatAsync(cancellationToken);
            RespValue clean = await _client.CallAsync(new RespCommand("HDEL", Keys.Meta, RedisKeys.Clean(Node)), cancellationToken);
            RespValue number = await _client.CallAsync(new RespCommand("HGET", Keys.Batch(Node), "number"), cancellationToken);
            await CheckDurabilityAsync(cancellationToken);
            IsPreviousRunClean = number.IsNull || clean.AsBoolean();
            string last = await CommandReader.LastAsync(_client, Keys, cancellationToken);
            _commands = new CommandReader(new RedisClient(RedisEndpoint.From(_options, $"postroom:{Node}:commands"), TimeProvider.System, _log, _random), Keys, last, FollowAsync, _log);
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException)
        {
            throw new StoreOpenException(StoreOpenFailure.NotWritable, e.Message, e);
        }

        _writer = new RedisWriter(_client, Keys, Node, _run << 32, _options.Timeout, _options.WaitReplicas, ArrivedAsync, Clock, _log, _random);
        foreach (RespValue name in (await _client.CallAsync(new RespCommand("SMEMBERS", Keys.Queues), cancellationToken)).Items)
        {
            await Queue(name.AsText()).Loaded.WaitAsync(cancellationToken);
        }

        _beating = BeatAsync();
        StoreStats stats = await GetStatsAsync(null, cancellationToken);
        return new RecoveryReport
        {
            Run = _run,
            PreviousRunClean = IsPreviousRunClean,
            Pending = stats.Queues.Values.Sum(queue => queue.Pending),
            Redelivered = Interlocked.Read(ref _redelivered),
            Uncertain = Interlocked.Read(ref _uncertain),
            Notices = Durability?.Notices ?? [],
            OldestPendingAt = stats.Queues.Values.Min(queue => queue.OldestPendingAt),
            Duration = Clock.GetElapsedTime(begun),
        };
    }

    /// <summary>What the server has lost since this run began, in words; null for nothing that was noticed.</summary>
    public string? Loss { get; private set; }

    /// <summary>Notes that everything was moved to another store: this one does not open any more.</summary>
    public async ValueTask SetAsideAsync(string to, CancellationToken cancellationToken) => await ReadAsync(new RespCommand("HSET", Keys.Meta, "moved", to), cancellationToken);

    /// <summary>Notes and logs a loss.</summary>
    public void ReportLoss(string loss)
    {
        Loss = loss;
        Log.LostData(_log, loss);
    }

    /// <summary>Hands an operation to the writer.</summary>
    public ValueTask AddAsync(RedisOperation operation, CancellationToken cancellationToken) => Writer.AddAsync(operation, cancellationToken);

    /// <inheritdoc/>
    public void Change(RetentionOptions retention) => Retention.Take(retention);

    /// <inheritdoc/>
    public async ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        await _closing.CancelAsync();
        await _beating;
        await Task.WhenAll(_foreign.Values.Select(static stream => stream.DisposeAsync().AsTask()));
        if (_writer is not null)
        {
            if (_client is { IsConnected: false })
            {
                _writer.Abort();
            }

            await _writer.DisposeAsync();
        }

        await (_commands?.DisposeAsync() ?? default);
        await Task.WhenAll(_queues.Values.Select(queue => LeaveAsync(queue.Value)));
        if (_client is { IsConnected: true } && _nodes is { Replaced: null, HasJoined: true } nodes)
        {
            await TryAsync(nodes.LeaveAsync);
            await TryAsync(new RespCommand("HSET", Keys.Meta, RedisKeys.Clean(Node), 1));
        }

        await (_client?.DisposeAsync() ?? default);
        _nodes?.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync(CancellationToken.None);
        _closing.Dispose();
        _answering.Dispose();
    }

    private RedisQueue Serve(string name)
    {
        ThrowIfClosed();
        QueueLane lane = new(name, this, Clock, Owner, _run << 32, Window, _budget, Keys.PartitionOf);
        if (_rules.TryGetValue(name, out QueueRules? rules))
        {
            lane.SetRules(rules);
        }

        RedisQueue queue = new(name, this, Client, Connect, Keys, lane, _log);
        if (OutboundQueue.Is(name))
        {
            _foreign[name] = new ForeignStream(this, queue.Partitions[0], _options, Connect, _log);
        }

        return queue;

        RedisClient Connect() => new(RedisEndpoint.From(_options, $"postroom:{Node}:{name}"), TimeProvider.System, _log, _random);
    }

    private async ValueTask ArrivedAsync(string queue, int partition, long seq)
    {
        RedisPartition read = Queue(queue).Partitions[partition];
        try
        {
            // A reader that has lost its connection must not hold up what is stored.
            await read.ReachAsync(seq).AsTask().WaitAsync(ReadWithin, TimeProvider.System);
        }
        catch (TimeoutException)
        {
            Log.ReadLate(_log, queue, seq);
        }
    }

    private async Task CheckDurabilityAsync(CancellationToken cancellationToken)
    {
        Durability = await RedisDurability.ReadAsync(Client, cancellationToken);
        if (_options.RequireDurable && Durability.Weakness is { } weakness)
        {
            throw new StoreOpenException(StoreOpenFailure.NotWritable, $"{weakness} redis.requireDurable is true, so the store does not open. Change the server, or set redis.requireDurable to false.");
        }
    }

    private async Task CheckFormatAsync(CancellationToken cancellationToken)
    {
        await Client.CallAsync(new RespCommand("HSETNX", Keys.Meta, "format", Format), cancellationToken);
        await Client.CallAsync(new RespCommand("HSETNX", Keys.Meta, "partitions", Keys.Partitions), cancellationToken);
        RespValue[] kept = (await Client.CallAsync(new RespCommand("HMGET", Keys.Meta, "format", "partitions", "moved"), cancellationToken)).Items;
        if (kept[0].AsInteger() > Format)
        {
            throw new StoreOpenException(
                StoreOpenFailure.Newer, $"The store under '{Keys.Root}' has format {kept[0].AsInteger()}; this build reads {Format}. Use the newer program, or another redis.prefix.");
        }

        if (!kept[2].IsNull)
        {
            throw new StoreOpenException(
                StoreOpenFailure.InUse, $"The store under '{Keys.Root}' was moved to {kept[2].AsText()}. Start with that one, or use another redis.prefix. To go back to what it was then, remove the field 'moved' of '{Keys.Meta}'.");
        }

        if (kept[1].AsInteger() != Keys.Partitions)
        {
            throw new StoreOpenException(
                StoreOpenFailure.NotWritable,
                $"redis.partitions is {Keys.Partitions}, but the store under '{Keys.Root}' was made with {kept[1].AsInteger()}, and its messages are spread over these. Set redis.partitions to {kept[1].AsInteger()}, or use another redis.prefix.");
        }

    }

    /// <summary>The number of the last message only rises: a server that knows a smaller one has lost what came after it.</summary>
    private async Task CheckLossAsync()
    {
        RespValue seq = await Client.CallAsync(new RespCommand("GET", Keys.Seq), _closing.Token);
        long known = seq.IsNull ? 0 : seq.AsInteger();
        if (known < _highest)
        {
            LoseAll(); // what is in memory may not be there any more; what is, is read again
            ReportLoss(string.Create(
                CultureInfo.InvariantCulture,
                $"The Redis server has lost {_highest - known} of {_highest} messages that were accepted: it came back with older data, or with none. Look at its configuration (appendonly, appendfsync) and at what replaced it."));
            await CheckFormatAsync(_closing.Token);
        }

        _highest = known;
    }

    private async Task LeaveAsync(RedisQueue queue)
    {
        await queue.StopAsync();
        RedisPartition[] owned = [.. queue.Partitions.Where(static partition => partition.Owner is not null)];
        if (Client.IsConnected && owned.Length > 0)
        {
            try
            {
                await queue.MarkAsync(Client, CancellationToken.None);
                await GiveUpAsync(queue, owned, CancellationToken.None);
                await Client.CallAsync(new RespCommand("HDEL", Keys.Lanes, $"{queue.Name}|{Node}"), CancellationToken.None);
            }
            catch (Exception e) when (e is RedisConnectionException or RedisException)
            {
                Log.BeatFailed(_log, e.Message);
            }
        }

        await queue.DisposeAsync();
    }

    private Task TryAsync(RespCommand command) => TryAsync(async () => await Client.CallAsync(command, CancellationToken.None));

    private async Task TryAsync(Func<ValueTask> call)
    {
        try
        {
            await call();
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException)
        {
            Log.BeatFailed(_log, e.Message);
        }
    }
}
