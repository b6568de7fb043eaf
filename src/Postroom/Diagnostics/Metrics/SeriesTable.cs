using System.Collections.Concurrent;

namespace Postroom.Diagnostics;

/// <summary>The values of the labels of one series; those an instrument does not have are empty.</summary>
internal readonly record struct LabelValues(string First, string Second, string Third);

/// <summary>The series of one instrument by their labels: at most 1,000, and what comes after them is folded into one whose labels all say <c>other</c> (TR-6).</summary>
/// <remarks>Safe for concurrent use. Finding one takes no lock.</remarks>
internal sealed class SeriesTable<T>(IReadOnlyList<string> labels, Func<KeyValuePair<string, object?>[], T> create, Action folded)
    where T : class
{
    /// <summary>The most series of one instrument, beside the one for all others.</summary>
    public const int MostSeries = 1_000;

    private const string Other = "other";

    /// <summary>Most instruments have no more series than this, and comparing a few names beats a hash.</summary>
    private const int Few = 12;

    private readonly ConcurrentDictionary<LabelValues, T> _all = new();
    private readonly Lock _adding = new();
    private volatile (LabelValues Labels, T Series)[] _few = [];
    private T? _others;

    /// <summary>All of them, in no order.</summary>
    public IEnumerable<T> All => _others is { } others ? _all.Values.Append(others) : _all.Values;

    /// <summary>The series of these labels; made when it is new.</summary>
    public T Find(string first = "", string second = "", string third = "")
    {
        foreach ((LabelValues labels, T series) in _few)
        {
            if (labels.First == first && labels.Second == second && labels.Third == third)
            {
                return series;
            }
        }

        LabelValues values = new(first, second, third);
        return _all.TryGetValue(values, out T? found) ? found : Add(values);
    }

    private T Add(LabelValues values)
    {
        lock (_adding)
        {
            if (_all.TryGetValue(values, out T? found))
            {
                return found;
            }

            if (_all.Count >= MostSeries)
            {
                folded();
                return _others ??= create([.. labels.Select(static label => KeyValuePair.Create<string, object?>(label, Other))]);
            }

            T made = create(Tags(values));
            _all[values] = made;
            if (_few.Length < Few)
            {
                _few = [.. _few, (values, made)];
            }

            return made;
        }
    }

    private KeyValuePair<string, object?>[] Tags(LabelValues values)
    {
        string[] texts = [values.First, values.Second, values.Third];
        return [.. labels.Select((label, i) => KeyValuePair.Create<string, object?>(label, texts[i])).Where(static tag => tag.Value is string { Length: > 0 })];
    }
}
