using System.Diagnostics.Metrics;

namespace Postroom.Diagnostics;

/// <summary>A counter that counts from the start, whether anybody looks or not: one addition for each count, and readers ask for the sums.</summary>
internal sealed class LabelledCounter
{
    private readonly SeriesTable<Cell> _series;

    /// <summary>Makes a counter of a meter.</summary>
    /// <param name="meter">The meter.</param>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it counts.</param>
    /// <param name="folded">Called for each count whose labels were too many.</param>
    /// <param name="labels">Its labels, at most three.</param>
    public LabelledCounter(Meter meter, string name, string description, Action folded, params string[] labels)
    {
        _series = new SeriesTable<Cell>(labels, static tags => new Cell(tags), folded);
        meter.CreateObservableCounter(name, () => _series.All.Select(static cell => cell.Read()), null, description);
    }

    /// <summary>Counts one more.</summary>
    public void Add(string first = "", string second = "", string third = "") => _series.Find(first, second, third).Add(1);

    /// <summary>Counts some more.</summary>
    public void AddMany(long count, string first = "") => _series.Find(first).Add(count);

    private sealed class Cell(KeyValuePair<string, object?>[] tags)
    {
        private long _sum;

        public void Add(long count) => Interlocked.Add(ref _sum, count);

        public Measurement<long> Read() => new(Interlocked.Read(ref _sum), tags);
    }
}
