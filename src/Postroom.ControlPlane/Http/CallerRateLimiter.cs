namespace Postroom.ControlPlane;

/// <summary>A token bucket per caller: so many at once, refilled evenly. Safe for concurrent use.</summary>
/// <remarks>
/// At most <c>maxKeys</c> callers are remembered, least recently seen first out. A flood of new keys can therefore make the
/// limiter forget a caller, never make it grow.
/// </remarks>
/// <param name="permits">The size of a bucket, and how much flows back per <paramref name="per"/>; at least 1.</param>
/// <param name="per">The time in which an empty bucket fills.</param>
/// <param name="clock">Measures that time.</param>
/// <param name="maxKeys">The most callers remembered (SE-11).</param>
internal sealed class CallerRateLimiter(int permits, TimeSpan per, TimeProvider clock, int maxKeys = 100_000)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Bucket>> _buckets = new(StringComparer.Ordinal);
    private readonly LinkedList<Bucket> _byUse = new();

    /// <summary>How many callers are remembered now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _buckets.Count;
            }
        }
    }

    /// <summary>Takes one permit: null when it was there, otherwise the whole seconds until the next one, at least 1.</summary>
    public int? Take(string key)
    {
        lock (_lock)
        {
            Bucket bucket = Find(key);
            Refill(bucket);
            if (bucket.Tokens < 1)
            {
                return SecondsUntilNext(bucket);
            }

            bucket.Tokens -= 1;
            return null;
        }
    }

    /// <summary>Gives a permit back that turned out not to be owed; a caller that was forgotten meanwhile has a full bucket anyway.</summary>
    public void GiveBack(string key)
    {
        lock (_lock)
        {
            if (_buckets.TryGetValue(key, out LinkedListNode<Bucket>? node))
            {
                node.Value.Tokens = Math.Min(permits, node.Value.Tokens + 1);
            }
        }
    }

    /// <summary>What <see cref="Take"/> would answer, without taking; an unknown caller is not remembered for being asked about.</summary>
    public int? Check(string key)
    {
        lock (_lock)
        {
            if (!_buckets.TryGetValue(key, out LinkedListNode<Bucket>? node))
            {
                return null;
            }

            Refill(node.Value);
            return node.Value.Tokens < 1 ? SecondsUntilNext(node.Value) : null;
        }
    }

    private Bucket Find(string key)
    {
        if (_buckets.TryGetValue(key, out LinkedListNode<Bucket>? node))
        {
            _byUse.Remove(node);
            _byUse.AddLast(node);
            return node.Value;
        }

        if (_buckets.Count >= maxKeys && _byUse.First is { } oldest)
        {
            _buckets.Remove(oldest.Value.Key);
            _byUse.RemoveFirst();
        }

        Bucket bucket = new(key) { Tokens = permits, At = clock.GetTimestamp() };
        _buckets[key] = _byUse.AddLast(bucket);
        return bucket;
    }

    private void Refill(Bucket bucket)
    {
        long now = clock.GetTimestamp();
        double refilled = clock.GetElapsedTime(bucket.At, now) / per * permits;
        bucket.Tokens = Math.Min(permits, bucket.Tokens + refilled);
        bucket.At = now;
    }

    private int SecondsUntilNext(Bucket bucket) =>
        Math.Max(1, (int)Math.Ceiling((1 - bucket.Tokens) * per.TotalSeconds / permits));

    private sealed class Bucket(string key)
    {
        public string Key { get; } = key;

        public double Tokens { get; set; }

        public long At { get; set; }
    }
}
