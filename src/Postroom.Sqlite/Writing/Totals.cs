using System.Collections.Concurrent;

namespace Postroom.Sqlite;

/// <summary>How many messages each queue has of each type and state; open ones count as pending, whoever has them. Written once per commit.</summary>
/// <remarks>Changed by the writer alone: an operation's changes, then a batch's, then the committed ones. Sums per queue are read by every thread.</remarks>
internal sealed class Totals
{
    private readonly Dictionary<(long Queue, long Type, int State), long> _committed = [];
    private readonly Dictionary<(long Queue, long Type, int State), long> _batch = [];
    private readonly List<((long Queue, long Type, int State) Key, long Change)> _operation = [];
    private readonly ConcurrentDictionary<long, long[]> _queues = new();

    /// <summary>Committed counts by state of every queue that has or had messages.</summary>
    public IEnumerable<KeyValuePair<long, long[]>> Queues => _queues;

    public long[] Of(long queue) => _queues.TryGetValue(queue, out long[]? counts) ? counts : [0, 0, 0, 0];

    public void Add(long queue, long type, MessageState state, int change)
    {
        _operation.Add(((queue, type, state is MessageState.Dispatched ? 0 : (int)state), change));
    }

    /// <summary>Takes the operation's changes into the batch.</summary>
    public void KeepOperation()
    {
        foreach (((long Queue, long Type, int State) key, long change) in _operation)
        {
            _batch[key] = _batch.GetValueOrDefault(key) + change;
        }

        _operation.Clear();
    }

    public void DropOperation() => _operation.Clear();

    public void DropBatch()
    {
        _operation.Clear();
        _batch.Clear();
    }

    /// <summary>Writes what the batch changed.</summary>
    public void Write(SqliteStatement upsert)
    {
        foreach (((long Queue, long Type, int State) key, long change) in _batch)
        {
            if (change == 0)
            {
                continue;
            }

            long n = _committed.GetValueOrDefault(key) + change;
            upsert.Bind(1, key.Queue);
            upsert.Bind(2, key.Type);
            upsert.Bind(3, (long)key.State);
            upsert.Bind(4, n);
            upsert.Bind(5, Crc(key.Queue, key.Type, key.State, n));
            _ = upsert.Run();
        }
    }

    public void Commit()
    {
        foreach (((long Queue, long Type, int State) key, long change) in _batch)
        {
            Set(key, _committed.GetValueOrDefault(key) + change, change);
        }

        _batch.Clear();
    }

    /// <summary>Reads all counts; a damaged one is an <see cref="InvalidDataException"/>.</summary>
    public void Load(SqliteConnection connection)
    {
        using SqliteStatement all = connection.Prepare("totals", "select queue, type, state, n, crc from totals");
        while (all.Step())
        {
            (long Queue, long Type, int State) key = (all.GetInt64(0), all.GetInt64(1), (int)all.GetInt64(2));
            long n = all.GetInt64(3);
            if (Crc(key.Queue, key.Type, key.State, n) != all.GetInt64(4))
            {
                throw new InvalidDataException("A row of the totals is damaged.");
            }

            Set(key, n, n);
        }
    }

    /// <summary>Open messages of a queue by type; to be called by the writer.</summary>
    public Dictionary<long, long> OpenByType(long queue)
    {
        return _committed.Where(entry => entry.Key.Queue == queue && entry.Key.State == 0 && entry.Value > 0).ToDictionary(entry => entry.Key.Type, entry => entry.Value);
    }

    /// <summary>The types that some queue has a message of, or that the transaction counts; to be called by the writer.</summary>
    public HashSet<long> UsedTypes() => [.. _committed.Where(entry => entry.Value != 0).Concat(_batch).Select(entry => entry.Key.Type)];

    /// <summary>Where types are counted, with zero as well; to be called by the writer.</summary>
    public List<(long Queue, long Type, int State)> CountsOf(HashSet<long> types) => [.. _committed.Keys.Where(key => types.Contains(key.Type))];

    /// <summary>Lets go of counts that are stored no more; to be called by the writer.</summary>
    public void Forget(HashSet<long> types)
    {
        foreach ((long Queue, long Type, int State) key in CountsOf(types))
        {
            _committed.Remove(key);
        }
    }

    /// <summary>Forgets everything, to be loaded again.</summary>
    public void Reset()
    {
        DropBatch();
        _committed.Clear();
        foreach (long[] counts in _queues.Values)
        {
            Array.Clear(counts);
        }
    }

    private void Set((long Queue, long Type, int State) key, long n, long change)
    {
        _committed[key] = n;
        long[] counts = _queues.GetOrAdd(key.Queue, static _ => new long[4]);
        Interlocked.Add(ref counts[key.State], change);
    }

    private static long Crc(long queue, long type, int state, long n)
    {
        RowChecksum sum = default;
        sum.Add(queue);
        sum.Add(type);
        sum.Add((long)state);
        sum.Add(n);
        return sum.Value;
    }
}
