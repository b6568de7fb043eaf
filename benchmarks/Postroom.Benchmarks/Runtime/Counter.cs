using System.Diagnostics;
using Postroom.Benchmarks.Harness;

namespace Postroom.Benchmarks.Runtime;

/// <summary>What the handlers of a run count, and how long each message was on its way when that is asked for.</summary>
internal sealed class Counter
{
    private readonly long[]? _publishedAt;
    private readonly double[]? _milliseconds;
    private long _handled;

    /// <summary>Counts only.</summary>
    public Counter()
    {
    }

    /// <summary>Notes the latency of so many messages as well; the number of an order is its place.</summary>
    public Counter(int messages)
    {
        _publishedAt = new long[messages];
        _milliseconds = new double[messages];
    }

    public long Handled => Volatile.Read(ref _handled);

    public void Count() => Interlocked.Increment(ref _handled);

    public void Count(Order order)
    {
        if (_milliseconds is not null)
        {
            int place = (int)(order.Number - Order.FirstNumber);
            _milliseconds[place] = Stopwatch.GetElapsedTime(Volatile.Read(ref _publishedAt![place])).TotalMilliseconds;
        }

        Interlocked.Increment(ref _handled);
    }

    public void Publishing(int number) => Volatile.Write(ref _publishedAt![number], Stopwatch.GetTimestamp());

    /// <summary>The latencies without those of the first messages.</summary>
    public Sample Latency(int skip)
    {
        double[] values = _milliseconds![skip..];
        return new Sample([new(Metric.Median, Statistics.Median(values)), new(Metric.Tail, Statistics.Percentile(values, 0.99))]);
    }
}
