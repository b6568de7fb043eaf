using Postroom.Storage;

namespace Postroom.Outbound;

/// <summary>The buckets of one lane, by key. Safe for concurrent use.</summary>
internal sealed class LaneRates(TimeProvider clock)
{
    /// <summary>Beyond it full buckets are forgotten; one that is not full cannot be.</summary>
    private const int Many = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (SendLimit Limit, TokenBucket Bucket)> _buckets = new(StringComparer.Ordinal);

    /// <summary>How many keys are known; for tests.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _buckets.Count;
            }
        }
    }

    /// <summary>Takes one from every bucket that a send falls under, or none.</summary>
    /// <param name="service">Limits of the service: a new bucket has one, for an earlier run may have used up the rest.</param>
    /// <param name="settings">Limits of the settings: a new bucket is empty (QU-5).</param>
    /// <returns>How long to wait before trying again; zero when they were taken.</returns>
    public TimeSpan Take(IReadOnlyList<SendLimit> service, IReadOnlyList<SendLimit> settings)
    {
        lock (_gate)
        {
            TokenBucket[] buckets = [.. service.Select(limit => Of(limit, 1)), .. settings.Select(limit => Of(limit, 0))];
            TimeSpan wait = buckets.Length == 0 ? TimeSpan.Zero : buckets.Max(static bucket => bucket.Wait);
            if (wait == TimeSpan.Zero)
            {
                Array.ForEach(buckets, static bucket => bucket.Take());
            }

            return wait;
        }
    }

    private TokenBucket Of(SendLimit limit, int tokens)
    {
        if (_buckets.TryGetValue(limit.Key, out (SendLimit Limit, TokenBucket Bucket) known) && known.Limit == limit)
        {
            return known.Bucket;
        }

        if (_buckets.Count >= Many)
        {
            foreach (string full in _buckets.Where(static pair => pair.Value.Bucket.IsFull).Select(static pair => pair.Key).ToArray())
            {
                _buckets.Remove(full);
            }
        }

        TokenBucket bucket = new(limit.Rate, Math.Max(1, limit.Burst), tokens, clock);
        _buckets[limit.Key] = (limit, bucket);
        return bucket;
    }
}
