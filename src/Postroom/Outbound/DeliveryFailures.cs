using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;

namespace Postroom.Outbound;

/// <summary>Tells of every outgoing message that ends failed, however it does, or that its service gives up later, and counts those of the last hour (LN-12, HL-5).</summary>
/// <remarks>The store calls it on the thread that made the move, so it only notes there; it tells on a thread of the pool, in order.</remarks>
internal sealed partial class DeliveryFailures(RuntimeMetrics metrics, TimeProvider clock, ILogger log) : IDisposable
{
    /// <summary>More that wait to be told are counted and not told.</summary>
    private const int MostWaiting = 10_000;

    private readonly ConcurrentQueue<FailedDelivery> _untold = new();
    private readonly ConcurrentDictionary<string, Hour> _hours = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly List<Action<FailedDelivery>> _observers = [];
    private IDisposable? _observing;
    private int _waiting;

    /// <summary>Begins to watch a store.</summary>
    public void Watch(ITransitionFeed feed) => _observing = feed.ObserveFailures(OnFailure);

    /// <summary>Calls an observer for every failure from now on, one after the other, until the result is disposed.</summary>
    public IDisposable Observe(Action<FailedDelivery> observer)
    {
        lock (_gate)
        {
            _observers.Add(observer);
        }

        return new Observation(this, observer);
    }

    /// <summary>What failed within the last hour, by communicator; the empty name is that of messages nobody took.</summary>
    public IReadOnlyList<(string Communicator, long Count, FailedDelivery Last)> LastHour() =>
        [.. _hours.Select(pair => (pair.Key, Count: pair.Value.Counts.Count(Minute), pair.Value.Last)).Where(static hour => hour.Count > 0).OrderBy(static hour => hour.Key, StringComparer.Ordinal)];

    public void Dispose() => _observing?.Dispose();

    private long Minute => clock.GetUtcNow().ToUnixTimeSeconds() / 60;

    private void OnFailure(Transition move)
    {
        if (!OutboundQueue.Is(move.Queue) && move.Queue != OutboundQueue.Unrouted)
        {
            return;
        }

        Note(new FailedDelivery(move.MessageId, OutboundQueue.CommunicatorOf(move.Queue), move.Conversation, move.Kind ?? FailureKind.Exception, move.Reason, move.Attempt, move.At) { TraceId = move.TraceId });
    }

    /// <summary>Counts a failure and has it told.</summary>
    public void Note(FailedDelivery failed)
    {
        _hours.GetOrAdd(failed.Communicator ?? "", static _ => new Hour()).Add(Minute, failed);
        int waiting;
        do
        {
            waiting = Volatile.Read(ref _waiting);
            if (waiting >= MostWaiting)
            {
                metrics.DeliveryFailed(failed); // never counted as waiting, not even for a moment: whoever tells would wait for it in vain
                return;
            }
        }
        while (Interlocked.CompareExchange(ref _waiting, waiting + 1, waiting) != waiting);

        _untold.Enqueue(failed);
        if (waiting == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static failures => failures.Tell(), this, preferLocal: false);
        }
    }

    /// <summary>Tells what waits; whoever adds the first to an empty line starts it, so that one thread tells at a time.</summary>
    private void Tell()
    {
        do
        {
            SpinWait spin = default;
            FailedDelivery? failed;
            while (!_untold.TryDequeue(out failed))
            {
                spin.SpinOnce(); // it is counted and about to be there
            }

            metrics.DeliveryFailed(failed);
            using (MessageScope.Open(log, failed.MessageId, failed.TraceId))
            {
                LogFailed(failed.MessageId, failed.Communicator is { } name ? $"'{name}'" : "no communicator", failed.Attempt, failed.Kind, failed.Reason);
            }

            Action<FailedDelivery>[] observers;
            lock (_gate)
            {
                observers = [.. _observers];
            }

            foreach (Action<FailedDelivery> observer in observers)
            {
                try
                {
                    observer(failed);
                }
                catch (Exception e)
                {
                    LogObserver(e);
                }
            }
        }
        while (Interlocked.Decrement(ref _waiting) > 0);
    }

    [LoggerMessage(470, LogLevel.Warning, "Message {MessageId} to {Communicator} failed on attempt {Attempt} ({Kind}): {Reason}", EventName = "delivery.failed")]
    private partial void LogFailed(MessageId messageId, string communicator, int attempt, FailureKind kind, string? reason);

    [LoggerMessage(471, LogLevel.Error, "What was told of a failed delivery threw; the others are told all the same.")]
    private partial void LogObserver(Exception exception);

    /// <summary>The failures of one communicator.</summary>
    private sealed class Hour
    {
        private volatile FailedDelivery _last = null!;

        public HourCount Counts { get; } = new();

        public FailedDelivery Last => _last;

        public void Add(long minute, FailedDelivery failed)
        {
            _last = failed;
            Counts.Add(minute);
        }
    }

    private sealed class Observation(DeliveryFailures failures, Action<FailedDelivery> observer) : IDisposable
    {
        public void Dispose()
        {
            lock (failures._gate)
            {
                failures._observers.Remove(observer);
            }
        }
    }
}
