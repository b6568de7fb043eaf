namespace Postroom.Testing;

/// <summary>Counts what a fake took in windows that slide, as strict services do. Safe for concurrent use.</summary>
internal sealed class FakeRates(TimeProvider clock)
{
    private const int MostKept = 1_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Queue<DateTimeOffset>> _sends = new(StringComparer.Ordinal); // the latest of each limit

    /// <summary>Counts a send under every limit, or under none when one of them is used up.</summary>
    /// <param name="limits">What shares each, and how many may come in how long.</param>
    /// <returns>The limit with the longest wait, and that wait; null when the send was counted.</returns>
    public (string Key, TimeSpan Wait)? Exceeded(params ReadOnlySpan<(string Key, int Count, TimeSpan Window)> limits)
    {
        lock (_gate)
        {
            DateTimeOffset now = clock.GetUtcNow();
            (string Key, TimeSpan Wait) longest = ("", TimeSpan.Zero);
            foreach ((string key, int count, TimeSpan window) in limits)
            {
                TimeSpan wait = WaitOf(key, count, window, now);
                longest = wait > longest.Wait ? (key, wait) : longest;
            }

            if (longest.Wait > TimeSpan.Zero)
            {
                return longest;
            }

            foreach ((string key, _, _) in limits)
            {
                SendsOf(key).Enqueue(now);
            }

            return null;
        }
    }

    private TimeSpan WaitOf(string key, int count, TimeSpan window, DateTimeOffset now)
    {
        Queue<DateTimeOffset> times = SendsOf(key);
        while (times.TryPeek(out DateTimeOffset first) && first + window <= now)
        {
            times.Dequeue();
        }

        return times.Count < count ? TimeSpan.Zero : times.Peek() + window - now;
    }

    private Queue<DateTimeOffset> SendsOf(string key)
    {
        if (!_sends.TryGetValue(key, out Queue<DateTimeOffset>? times))
        {
            if (_sends.Count >= MostKept)
            {
                _sends.Clear();
            }

            _sends[key] = times = new Queue<DateTimeOffset>();
        }

        return times;
    }
}
