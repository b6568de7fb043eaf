namespace Postroom.Redis;

/// <content>How it learns of arrivals: by a blocked read, on a connection of its own once it has something to read.</content>
internal sealed partial class RedisQueue
{
    private readonly Func<RedisClient> _connect;
    private RedisClient? _reading;
    private Task? _listening;
    private (RedisPartition Partition, long Epoch)[] _listensTo = [];
    private long _readingId;
    private long _readingConnects;

    /// <summary>Sees to it that a read waits for arrivals in all partitions that are read; false when there is none.</summary>
    private async ValueTask<bool> ListenAsync()
    {
        (RedisPartition Partition, long Epoch)[] wanted = [.. Partitions.Where(IsRead).Select(partition => (partition, partition.Epoch))];
        if (_listening is { IsCompleted: false } && !_listensTo.AsSpan().SequenceEqual(wanted))
        {
            await UnblockAsync();
        }

        if (_listening is { IsCompleted: true })
        {
            Task ended = _listening;
            _listening = null;
            await ended; // what went wrong is reported and tried again
        }

        if (wanted.Length == 0)
        {
            return false;
        }

        if (_listening is null)
        {
            _reading ??= _connect();
            if (_readingConnects != _reading.Connects || _readingId == 0)
            {
                _readingId = (await _reading.CallAsync(new RespCommand("CLIENT", "ID"), _closing.Token)).AsInteger();
                _readingConnects = _reading.Connects;
            }

            // Answered with the first stream that has something, which is not in order with the others: it only says that there is something to read.
            RespCommand read = Read([.. wanted.Select(one => one.Partition)], new RespCommand("XREAD", "COUNT", 1, "BLOCK", (long)Block.TotalMilliseconds));
            _listensTo = wanted;
            _listening = _reading.CallAsync(read, _closing.Token, Block).AsTask();
        }

        return true;
    }

    /// <summary>Ends the blocked read, however late the server comes to it.</summary>
    private async ValueTask UnblockAsync()
    {
        while (_listening is { IsCompleted: false } listening)
        {
            await _client.CallAsync(new RespCommand("CLIENT", "UNBLOCK", _readingId), _closing.Token);
            await Task.WhenAny(listening, Task.Delay(Glance, TimeProvider.System, _closing.Token));
        }
    }

    private static bool IsRead(RedisPartition partition) => partition is { Owner: not null, IsLeaving: false };

    private RespCommand Read(RedisPartition[] partitions, RespCommand read)
    {
        read.Add("STREAMS");
        foreach (RedisPartition partition in partitions)
        {
            read.Add(_keys.Stream(Name, partition.Number));
        }

        foreach (RedisPartition partition in partitions)
        {
            read.Add($"{partition.ReadTo.ToString(System.Globalization.CultureInfo.InvariantCulture)}-0");
        }

        return read;
    }

    /// <summary>Streams with their entries: a map in RESP3, pairs in RESP2.</summary>
    private static IEnumerable<(string Stream, RespValue Entries)> Streams(RespValue reply)
    {
        RespValue[] items = reply.Items;
        return reply.Kind == RespKind.Map
            ? Enumerable.Range(0, items.Length / 2).Select(i => (items[2 * i].AsText(), items[(2 * i) + 1]))
            : items.Select(pair => (pair[0].AsText(), pair[1]));
    }
}
