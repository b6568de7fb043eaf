using System.Collections.Concurrent;

namespace Postroom;

/// <summary>Rates, consumers and pauses of queues, as this process sees them. Safe for concurrent use.</summary>
internal sealed class QueueActivity(TimeProvider clock)
{
    private readonly ConcurrentDictionary<string, Entry> _queues = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private TaskCompletionSource? _held;
    private CancellationTokenSource _hold = new();
    private int _inReceivers;

    public void Accepted(string queue) => Of(queue).Accepted.Add(clock.GetTimestamp(), clock.TimestampFrequency);

    public void Finished(string queue) => Of(queue).Finished.Add(clock.GetTimestamp(), clock.TimestampFrequency);

    public double AcceptedPerSecond(string queue) => Of(queue).Accepted.PerSecond(clock.GetTimestamp(), clock.TimestampFrequency);

    public double FinishedPerSecond(string queue) => Of(queue).Finished.PerSecond(clock.GetTimestamp(), clock.TimestampFrequency);

    public void ConsumerJoined(string queue) => Interlocked.Increment(ref Of(queue).ConsumerCount);

    public void ConsumerLeft(string queue) => Interlocked.Decrement(ref Of(queue).ConsumerCount);

    public int Consumers(string queue) => Volatile.Read(ref Of(queue).ConsumerCount);

    /// <summary>How many deliveries receivers hold, of all queues.</summary>
    public int HeldByReceivers => Volatile.Read(ref _inReceivers);

    /// <summary>Counts deliveries that a receiver holds.</summary>
    public void Held(int change) => Interlocked.Add(ref _inReceivers, change);

    /// <summary>Lets no receiver take another message until <see cref="ReleaseReceivers"/>; those that wait for one go on waiting.</summary>
    public void HoldReceivers()
    {
        CancellationTokenSource hold;
        lock (_gate)
        {
            if (_held is not null)
            {
                return;
            }

            _held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            (hold, _hold) = (_hold, new CancellationTokenSource());
        }

        hold.Cancel();
    }

    /// <summary>Lets receivers go on.</summary>
    public void ReleaseReceivers()
    {
        lock (_gate)
        {
            _held?.SetResult();
            _held = null;
        }
    }

    /// <summary>Waits until receivers may take messages; the token ends with the next <see cref="HoldReceivers"/>.</summary>
    public async ValueTask<CancellationToken> WaitUntilReleasedAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task held;
            lock (_gate)
            {
                if (_held is null)
                {
                    return _hold.Token;
                }

                held = _held.Task;
            }

            await held.WaitAsync(cancellationToken);
        }
    }

    public void SetPaused(string queue, bool paused) => Volatile.Write(ref Of(queue).Paused, paused);

    public bool IsPaused(string queue) => Volatile.Read(ref Of(queue).Paused);

    private Entry Of(string queue) => _queues.GetOrAdd(queue, static _ => new Entry());

    private sealed class Entry
    {
        public int ConsumerCount;
        public bool Paused;

        public Minute Accepted { get; } = new();

        public Minute Finished { get; } = new();
    }

    /// <summary>Counts of the last sixty seconds, one cell a second.</summary>
    private sealed class Minute
    {
        private readonly long[] _counts = new long[64];
        private readonly long[] _seconds = new long[64];

        public void Add(long timestamp, long frequency)
        {
            long second = timestamp / frequency;
            int cell = (int)(second & 63);
            long seen = Volatile.Read(ref _seconds[cell]);
            if (seen != second && Interlocked.CompareExchange(ref _seconds[cell], second, seen) == seen)
            {
                Interlocked.Exchange(ref _counts[cell], 0);
            }

            Interlocked.Increment(ref _counts[cell]);
        }

        public double PerSecond(long timestamp, long frequency)
        {
            long now = timestamp / frequency;
            long sum = 0;
            for (int i = 0; i < 64; i++)
            {
                long age = now - Volatile.Read(ref _seconds[i]);
                sum += age is > 0 and <= 60 ? Volatile.Read(ref _counts[i]) : 0;
            }

            return sum / 60.0;
        }
    }
}
