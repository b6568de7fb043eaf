using System.Diagnostics.Metrics;

namespace Postroom.Benchmarks.Runtime;

/// <summary>Listens to the runtime's metrics as an exporter would, so that they are measured while they are on.</summary>
internal sealed class MetricsReader : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _measurements;
    private double _sum;

    public MetricsReader()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name.StartsWith("Postroom", StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _measurements, value));
        _listener.SetMeasurementEventCallback<double>((_, value, _, _) => Volatile.Write(ref _sum, value));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();
}
