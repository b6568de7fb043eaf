using System.Diagnostics.Metrics;
using Postroom.Workers;

namespace Postroom.Diagnostics;

/// <summary>The counters and histograms of the runtime, under the meter <c>Postroom</c>. Labels are declared names only.</summary>
internal sealed class RuntimeMetrics : IDisposable
{
    private readonly Meter _meter = new("Postroom");
    private readonly Counter<long> _accepted;
    private readonly Counter<long> _duplicate;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _settled;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _undelivered;
    private readonly Counter<long> _hookErrors;
    private readonly Counter<long> _signalsDropped;
    private readonly Histogram<double> _handle;

    public RuntimeMetrics()
    {
        _accepted = _meter.CreateCounter<long>("postroom.messages.accepted");
        _duplicate = _meter.CreateCounter<long>("postroom.messages.duplicate");
        _refused = _meter.CreateCounter<long>("postroom.messages.refused");
        _settled = _meter.CreateCounter<long>("postroom.messages.settled");
        _undelivered = _meter.CreateCounter<long>("postroom.deliveries.failed");
        _lost = _meter.CreateCounter<long>("postroom.settle.lost");
        _hookErrors = _meter.CreateCounter<long>("postroom.hook.errors");
        _signalsDropped = _meter.CreateCounter<long>("postroom.signals.dropped");
        _handle = _meter.CreateHistogram<double>("postroom.handle.duration", "s");
    }

    public void Accepted(string queue, string source, bool duplicate)
    {
        Counter<long> counter = duplicate ? _duplicate : _accepted;
        if (counter.Enabled)
        {
            counter.Add(1, new("queue", queue), new("source", source));
        }
    }

    public void Refused(string queue, string source) => _refused.Add(1, new("queue", queue), new("source", source));

    public void Settled(Attempt attempt, Settlement settlement, TimeSpan duration)
    {
        if (_settled.Enabled)
        {
            (string outcome, string kind) = settlement switch
            {
                Settlement.Acknowledged => ("acked", ""),
                Settlement.Failed failed => ("failed", failed.Kind.ToString()),
                Settlement.Retried => ("retry", ""),
                _ => ("released", ""),
            };
            _settled.Add(1, new("queue", attempt.Envelope.Queue), new("outcome", outcome), new("kind", kind));
        }

        if (_handle.Enabled)
        {
            _handle.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("queue", attempt.Envelope.Queue));
        }
    }

    public void DeliveryFailed(FailedDelivery failed) =>
        _undelivered.Add(1, new("communicator", failed.Communicator ?? ""), new("kind", failed.Kind.ToString()));

    public void SettleLost(string queue) => _lost.Add(1, new KeyValuePair<string, object?>("queue", queue));

    public void HookError(string hook) => _hookErrors.Add(1, new KeyValuePair<string, object?>("hook", hook));

    public void SignalDropped(string communicator) => _signalsDropped.Add(1, new KeyValuePair<string, object?>("communicator", communicator));

    public void Dispose() => _meter.Dispose();
}
