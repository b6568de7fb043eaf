using System.Diagnostics.Metrics;

namespace Postroom.Diagnostics;

/// <summary>What the status of a runtime says, as observable instruments: nothing on the path of a message knows of them.</summary>
/// <remarks>The status is read when somebody asks, and kept for a second. A listener that cannot wait gets the one before it.</remarks>
internal sealed class RuntimeGauges(MessageRuntime runtime, TraceExporter traces, Func<long>? lostLogLines, TimeProvider clock)
{
    private static readonly TimeSpan Reuse = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private RuntimeStatus? _status;
    private long _readAt;
    private Task? _reading;

    /// <summary>Adds the instruments to a meter.</summary>
    public void AddTo(Meter meter)
    {
        Queue("postroom.queue.pending", null, "Messages waiting, delayed and parked ones included.", static (counts, _) => counts.Pending);
        Queue("postroom.queue.delayed", null, "Messages whose instant has not come.", static (counts, _) => counts.Delayed);
        Queue("postroom.queue.inflight", null, "Messages with a worker.", static (counts, _) => counts.Dispatched);
        Queue("postroom.queue.oldest.age", "s", "Age of the oldest waiting message; 0 when none waits.", static (counts, now) => counts.OldestPendingAt is { } at ? Math.Max(0, (now - at).TotalSeconds) : 0);
        Gauge("postroom.store.bytes", "By", "Bytes that the store's file has.", status => [new(status.Counts?.Bytes ?? 0, KeyValuePair.Create<string, object?>("store", status.Store.Kind))]);
        Gauge("postroom.lane.suspended", null, "1 while a lane waits because its service asked for it or cannot be reached.", _ => Bounded("communicator", runtime.Rooms.Outbound.Lanes.Select(static lane => (lane.Communicator, lane.Gate.IsSuspended ? 1.0 : 0))));
        Gauge("postroom.workers.busy", null, "Slots at work.", status => Bounded("pool", status.Pools.Select(static pool => (pool.Name, (double)pool.Busy))));
        Gauge("postroom.workers.stuck", null, "Handlers that ignored their time limit and still run.", status => Bounded("pool", status.Pools.Select(static pool => (pool.Name, (double)pool.Stuck))));
        Counter("postroom.workers.restarts", "Workers that died and were started again.", status => Bounded("pool", status.Pools.Select(static pool => (pool.Name, (double)pool.Restarts))));
        Gauge("postroom.source.lag", "s", "How far a source is behind its origin; absent for those that cannot tell.", status => Bounded("source", status.Sources.Where(static pair => pair.Value.Lag is not null).Select(static pair => (pair.Key, pair.Value.Lag!.Value.TotalSeconds))));
        Gauge("postroom.runtime.state", null, "0 created, 1 starting, 2 recovering, 3 running, 4 draining, 5 stopping, 6 stopped, 7 faulted.", _ => [new((int)runtime.State)]);
        Gauge("postroom.runtime.generation", null, "The generation of hot restarts; 1 at first.", static status => [new(status.Generation)]);
        Counter("postroom.runtime.restarts", "Hot restarts so far.", static status => [new(status.Generation - 1)]);
        Gauge("postroom.runtime.recovery.duration", "s", "How long the last recovery took.", static status => [new(status.Recovery?.Duration.TotalSeconds ?? 0)]);

        meter.CreateObservableCounter("postroom.trace.exported", () => traces.Exported, null, "Spans that the trace transport took.");
        meter.CreateObservableCounter("postroom.trace.dropped", () => traces.Dropped, null, "Spans that the trace transport did not take, or that came while too many waited.");
        meter.CreateObservableCounter("postroom.log.lost", () => lostLogLines?.Invoke() ?? 0, null, "Lines of the log that could not be written.");

        void Queue(string name, string? unit, string description, Func<StoreQueueStats, DateTimeOffset, double> value) =>
            Gauge(name, unit, description, status => Bounded("queue", Queues(status).Select(pair => (pair.Key, value(pair.Value, clock.GetUtcNow()))), sums: unit is null));

        void Gauge(string name, string? unit, string description, Func<RuntimeStatus, IEnumerable<Measurement<double>>> read) =>
            meter.CreateObservableGauge(name, () => Latest() is { } status ? read(status) : [], unit, description);

        void Counter(string name, string description, Func<RuntimeStatus, IEnumerable<Measurement<double>>> read) =>
            meter.CreateObservableCounter(name, () => Latest() is { } status ? read(status) : [], null, description);
    }

    /// <summary>The counts of all queues, those that are declared and have had no message among them.</summary>
    private IEnumerable<KeyValuePair<string, StoreQueueStats>> Queues(RuntimeStatus status)
    {
        IReadOnlyDictionary<string, StoreQueueStats> counts = status.Counts?.Queues ?? new Dictionary<string, StoreQueueStats>();
        return counts.Concat(runtime.Rooms.Queues.Names.Where(name => !counts.ContainsKey(name)).Select(static name => KeyValuePair.Create(name, new StoreQueueStats())));
    }

    /// <summary>Reads the status again unless it is younger than a second.</summary>
    public async Task RefreshAsync()
    {
        if (Begin() is { } reading)
        {
            await reading;
        }
    }

    private RuntimeStatus? Latest()
    {
        _ = Begin();
        return _status;
    }

    private Task? Begin()
    {
        lock (_gate)
        {
            if (_status is not null && clock.GetElapsedTime(_readAt) < Reuse)
            {
                return null;
            }

            return _reading ??= ReadAsync();
        }
    }

    private async Task ReadAsync()
    {
        await Task.Yield();
        try
        {
            RuntimeStatus status = await runtime.View.GetStatusAsync(CancellationToken.None);
            lock (_gate)
            {
                (_status, _readAt) = (status, clock.GetTimestamp());
            }
        }
        catch (Exception e) when (e is StoreUnavailableException or ObjectDisposedException or InvalidOperationException)
        {
            // What was read last is shown until the store answers again.
        }
        finally
        {
            lock (_gate)
            {
                _reading = null;
            }
        }
    }

    /// <summary>One measurement for each name; those beyond the limit together as <c>other</c>: their sum, or the greatest where a sum says nothing.</summary>
    internal static IEnumerable<Measurement<double>> Bounded(string label, IEnumerable<(string Name, double Value)> values, bool sums = true)
    {
        (string Name, double Value)[] all = [.. values.OrderBy(static one => one.Name, StringComparer.Ordinal)];
        IEnumerable<(string Name, double Value)> shown = all;
        if (all.Length > SeriesTable<object>.MostSeries)
        {
            double[] rest = [.. all.Skip(SeriesTable<object>.MostSeries).Select(static one => one.Value)];
            shown = all.Take(SeriesTable<object>.MostSeries).Append(("other", sums ? rest.Sum() : rest.Max()));
        }

        return shown.Select(one => new Measurement<double>(one.Value, KeyValuePair.Create<string, object?>(label, one.Name)));
    }
}
