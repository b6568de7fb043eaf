using System.Diagnostics.Metrics;
using Postroom.Workers;

namespace Postroom.Diagnostics;

/// <summary>The counters and histograms of one runtime, in a meter <c>Postroom</c> of its own (TR-5). Labels are declared names only.</summary>
internal sealed class RuntimeMetrics : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Postroom";

    private static readonly double[] Seconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
    private static readonly double[] Sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];
    private static readonly string[] Kinds = [.. Enum.GetValues<FailureKind>().Select(static kind => kind.ToString().ToLowerInvariant())];

    private readonly LabelledCounter _accepted;
    private readonly LabelledCounter _duplicate;
    private readonly LabelledCounter _refused;
    private readonly LabelledCounter _settled;
    private readonly LabelledCounter _lost;
    private readonly LabelledCounter _expired;
    private readonly LabelledCounter _undelivered;
    private readonly LabelledCounter _hookErrors;
    private readonly LabelledCounter _signalsDropped;
    private readonly LabelledCounter _receipts;
    private readonly LabelledCounter _uncertain;
    private readonly LabelledCounter _sourceErrors;
    private readonly LabelledCounter _fsyncs;
    private readonly LabelledCounter _requestsRefused;
    private readonly LabelledHistogram _handle;
    private readonly LabelledHistogram _wait;
    private readonly LabelledHistogram _deliver;
    private readonly LabelledHistogram _commit;
    private readonly LabelledHistogram _batch;
    private readonly string _store;
    private long _folded;

    /// <summary>Makes the instruments.</summary>
    /// <param name="store">The kind of the store, which is the label of its instruments.</param>
    public RuntimeMetrics(string store = "memory")
    {
        _store = store;
        _accepted = Counter("postroom.messages.accepted", "Messages from outside that were stored.", "queue", "source");
        _duplicate = Counter("postroom.messages.duplicate", "Messages from outside that had been stored before.", "queue", "source");
        _refused = Counter("postroom.messages.refused", "Messages from outside that were refused because their queue or their sender had too many.", "queue", "source");
        _settled = Counter("postroom.messages.settled", "Attempts that ended, by outcome: acked, retry, failed, released.", "queue", "outcome", "kind");
        _undelivered = Counter("postroom.deliveries.failed", "Outgoing messages that ended failed, or that their service gave up later.", "communicator", "kind");
        _lost = Counter("postroom.settle.lost", "Outcomes that came too late: another attempt had decided.", "queue");
        _expired = Counter("postroom.lease.expired", "Leases that ended by time while their handler ran. Stores with one owner have none.", "queue");
        _hookErrors = Counter("postroom.hook.errors", "Calls of dispatch hooks that threw or took too long.", "hook");
        _signalsDropped = Counter("postroom.signals.dropped", "Typing and presence that could not be shown in time.", "communicator");
        _receipts = Counter("postroom.receipts", "What outside services said of deliveries: sent, delivered, read, failed.", "communicator", "status");
        _uncertain = Counter("postroom.uncertain", "Sends that left and got no answer.", "communicator");
        _sourceErrors = Counter("postroom.source.errors", "Runs of sources that ended with an error.", "source");
        _fsyncs = Counter("postroom.store.fsyncs", "Commits that were flushed to the disk before they were answered.", "store");
        _requestsRefused = Counter("postroom.http.refused", "Connections and requests that were refused before anything of them was looked at.", "reason");
        _handle = Histogram("postroom.handle.duration", "s", "Time in the handler, one value for each attempt.", Seconds, "queue");
        _wait = Histogram("postroom.wait.duration", "s", "From when a message was due to the begin of its first attempt.", Seconds, "queue");
        _deliver = Histogram("postroom.deliver.duration", "s", "Time with the communicator, one value for each attempt.", Seconds, "communicator");
        _commit = Histogram("postroom.store.commit.duration", "s", "Time that one commit of the store took.", Seconds, "store");
        _batch = Histogram("postroom.store.batch.size", null, "Operations in one commit of the store.", Sizes, "store");
        Meter.CreateObservableCounter("postroom.metrics.folded", () => Interlocked.Read(ref _folded), null, "Measurements that were counted under 'other' because their instrument had 1,000 series.");
    }

    /// <summary>The meter; this runtime's alone.</summary>
    public Meter Meter { get; } = new(MeterName);

    public void Accepted(string queue, string source, bool duplicate) => (duplicate ? _duplicate : _accepted).Add(queue, source);

    public void Refused(string queue, string source) => _refused.Add(queue, source);

    /// <summary>Counts the end of an attempt.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="settlement">How it ended.</param>
    /// <param name="clock">The clock that dated its begin.</param>
    public void Settled(Attempt attempt, Settlement settlement, TimeProvider clock)
    {
        string queue = attempt.Envelope.Queue;
        (string outcome, FailureKind? kind) = settlement switch
        {
            Settlement.Acknowledged => ("acked", (FailureKind?)null),
            Settlement.Failed failed => ("failed", failed.Kind),
            Settlement.Retried retried => ("retry", retried.Cause),
            _ => ("released", null),
        };
        _settled.Add(queue, outcome, kind is { } why ? Word(why) : "");
        string? communicator = OutboundQueue.CommunicatorOf(queue);
        if (communicator is not null)
        {
            Delivered(communicator, attempt.Receipt, kind == FailureKind.Uncertain);
        }

        LabelledHistogram duration = communicator is null ? _handle : _deliver;
        if (duration.IsOn)
        {
            Measure(attempt, duration, communicator ?? queue, clock);
        }
    }

    public void DeliveryFailed(FailedDelivery failed) => _undelivered.Add(failed.Communicator ?? "", Word(failed.Kind));

    /// <summary>Counts what an outside service said later.</summary>
    public void Receipt(string communicator, DeliveryStatus status) => _receipts.Add(communicator, Word(status));

    /// <summary>Counts an outcome that came too late.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="expired">Whether the lease ended by time.</param>
    public void SettleLost(string queue, bool expired = false)
    {
        _lost.Add(queue);
        if (expired)
        {
            _expired.Add(queue);
        }
    }

    /// <summary>Counts a connection or request that was refused unseen.</summary>
    public void RequestRefused(string reason) => _requestsRefused.Add(reason);

    public void HookError(string hook) => _hookErrors.Add(hook);

    public void SignalDropped(string communicator) => _signalsDropped.Add(communicator);

    public void SourceFailed(string source) => _sourceErrors.Add(source);

    /// <summary>Counts a commit of the store.</summary>
    public void Committed(StoreCommit commit)
    {
        _fsyncs.AddMany(commit.Flushed ? 1 : 0, _store);
        _commit.Record(commit.Duration.TotalSeconds, _store);
        _batch.Record(commit.Operations, _store);
    }

    public void Dispose() => Meter.Dispose();

    private void Delivered(string communicator, DeliveryReceipt? receipt, bool uncertain)
    {
        if (receipt is not null)
        {
            Receipt(communicator, receipt.Status);
        }

        if (uncertain)
        {
            _uncertain.Add(communicator);
        }
    }

    private void Measure(Attempt attempt, LabelledHistogram duration, string label, TimeProvider clock)
    {
        TimeSpan elapsed = clock.GetElapsedTime(attempt.StartedAt);
        TimeSpan worked = attempt.ReturnedAt == 0 ? elapsed : clock.GetElapsedTime(attempt.StartedAt, attempt.ReturnedAt);
        duration.Record(worked.TotalSeconds, label);
        if (attempt.Lease.Attempt == 1)
        {
            Envelope envelope = attempt.Envelope;
            TimeSpan waited = clock.GetUtcNow() - elapsed - (envelope.NotBefore > envelope.CreatedAt ? envelope.NotBefore.Value : envelope.CreatedAt);
            _wait.Record(Math.Max(0, waited.TotalSeconds), envelope.Queue);
        }
    }

    private static string Word(FailureKind kind) => (int)kind < Kinds.Length ? Kinds[(int)kind] : "other";

    private static string Word(DeliveryStatus status) => status switch
    {
        DeliveryStatus.Sent => "sent",
        DeliveryStatus.Delivered => "delivered",
        DeliveryStatus.Read => "read",
        DeliveryStatus.Failed => "failed",
        _ => "other",
    };

    private void Folded() => Interlocked.Increment(ref _folded);

    private LabelledCounter Counter(string name, string description, params string[] labels) => new(Meter, name, description, Folded, labels);

    private LabelledHistogram Histogram(string name, string? unit, string description, double[] bounds, string label) => new(Meter, name, unit, description, bounds, Folded, label);
}
