using System.Diagnostics.Metrics;

namespace Postroom.Diagnostics;

/// <summary>A histogram with at most one label. It records nothing while nobody listens.</summary>
internal sealed class LabelledHistogram
{
    private readonly Histogram<double> _histogram;
    private readonly SeriesTable<KeyValuePair<string, object?>[]> _series;

    /// <summary>Makes a histogram of a meter.</summary>
    /// <param name="meter">The meter.</param>
    /// <param name="name">Its name.</param>
    /// <param name="unit">Its unit; null for a bare number.</param>
    /// <param name="description">What it measures.</param>
    /// <param name="bounds">The upper bounds of its buckets.</param>
    /// <param name="folded">Called for each value whose labels were too many.</param>
    /// <param name="label">Its label.</param>
    public LabelledHistogram(Meter meter, string name, string? unit, string description, double[] bounds, Action folded, string label)
    {
        _histogram = meter.CreateHistogram(name, unit, description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
        _series = new SeriesTable<KeyValuePair<string, object?>[]>([label], static tags => tags, folded);
    }

    /// <summary>Whether somebody listens, so that a value is worth finding out.</summary>
    public bool IsOn => _histogram.Enabled;

    /// <summary>Records one value.</summary>
    public void Record(double value, string label)
    {
        if (_histogram.Enabled)
        {
            _histogram.Record(value, _series.Find(label));
        }
    }
}
