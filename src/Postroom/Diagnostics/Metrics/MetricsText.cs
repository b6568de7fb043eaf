using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Postroom.Diagnostics;

/// <summary>The instruments of one meter in the text format 0.0.4 of Prometheus.</summary>
/// <remarks>
/// It listens from the first time it is asked, so histograms begin then; counters count from the start by themselves. A measurement takes no lock, and a scrape
/// holds none that a message needs. Safe for concurrent use.
/// </remarks>
internal sealed class MetricsText(Meter meter) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);
    private MeterListener? _listener;
    private bool _disposed;

    /// <summary>Everything as it is now.</summary>
    public string Write()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return "";
            }

            _listener ??= Listen();
            foreach (Family family in _families.Values)
            {
                family.Observed.Clear();
            }

            _listener.RecordObservableInstruments();
            StringBuilder text = new(16 * 1024);
            foreach (Family family in _families.Values)
            {
                family.Write(text);
            }

            return text.ToString();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _listener?.Dispose();
        }
    }

    private MeterListener Listen()
    {
        MeterListener listener = new()
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (ReferenceEquals(instrument.Meter, meter))
                {
                    Family family = new(instrument);
                    _families[family.Name] = family;
                    self.EnableMeasurementEvents(instrument, family);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>(static (_, value, tags, family) => ((Family)family!).Add(value, tags));
        listener.SetMeasurementEventCallback<long>(static (_, value, tags, family) => ((Family)family!).Add(value, tags));
        listener.Start();
        return listener;
    }

    /// <summary>One instrument with its series.</summary>
    private sealed class Family
    {
        private readonly string _help;
        private readonly string _type;
        private readonly SeriesTable<HistogramCells>? _histograms;

        public Family(Instrument instrument)
        {
            _help = instrument.Description ?? "";
            bool counter = instrument is ObservableCounter<long> or ObservableCounter<double>;
            _type = instrument is Histogram<double> ? "histogram" : counter ? "counter" : "gauge";
            string unit = instrument.Unit switch { "s" => "_seconds", "By" when !instrument.Name.EndsWith("bytes", StringComparison.Ordinal) => "_bytes", _ => "" };
            Name = instrument.Name.Replace('.', '_') + unit + (counter ? "_total" : "");
            if (instrument is Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds })
            {
                double[] upper = [.. bounds];
                string[] words = [.. upper.Select(Number)];
                _histograms = new SeriesTable<HistogramCells>(["label"], tags => new HistogramCells(upper, words), static () => { });
            }
        }

        public string Name { get; }

        /// <summary>What the scrape that runs has observed.</summary>
        public List<(string Labels, double Value)> Observed { get; } = [];

        public void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (_histograms is null)
            {
                Observed.Add((Labels(tags), value));
                return;
            }

            HistogramCells cells = _histograms.Find(tags.Length > 0 ? tags[0].Value as string ?? "" : "");
            cells.Labels ??= Labels(tags);
            cells.Record(value);
        }

        public void Write(StringBuilder text)
        {
            text.Append("# HELP ").Append(Name).Append(' ').Append(Escape(_help, quotes: false)).Append('\n');
            text.Append("# TYPE ").Append(Name).Append(' ').Append(_type).Append('\n');
            if (_histograms is not null)
            {
                foreach (HistogramCells cells in _histograms.All)
                {
                    cells.Write(text, Name);
                }

                return;
            }

            foreach ((string labels, double value) in Observed)
            {
                text.Append(Name);
                if (labels.Length > 0)
                {
                    text.Append('{').Append(labels).Append('}');
                }

                text.Append(' ').Append(Number(value)).Append('\n');
            }
        }

        private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            StringBuilder labels = new();
            foreach ((string name, object? value) in tags)
            {
                labels.Append(labels.Length > 0 ? "," : "").Append(name.Replace('.', '_')).Append("=\"").Append(Escape(value as string ?? "", quotes: true)).Append('"');
            }

            return labels.ToString();
        }
    }

    /// <summary>One series of a histogram.</summary>
    private sealed class HistogramCells(double[] upper, string[] words)
    {
        private readonly long[] _counts = new long[upper.Length + 1];
        private double _sum;

        public string? Labels { get; set; }

        public void Record(double value)
        {
            int bucket = Array.BinarySearch(upper, value);
            Interlocked.Increment(ref _counts[bucket < 0 ? ~bucket : bucket]);
            double seen = Volatile.Read(ref _sum);
            while (Interlocked.CompareExchange(ref _sum, seen + value, seen) is var found && found != seen)
            {
                seen = found;
            }
        }

        public void Write(StringBuilder text, string name)
        {
            string comma = Labels is { Length: > 0 } ? Labels + "," : "";
            string braces = Labels is { Length: > 0 } ? $"{{{Labels}}}" : "";
            long below = 0;
            for (int i = 0; i < upper.Length; i++)
            {
                below += Interlocked.Read(ref _counts[i]);
                text.Append(name).Append("_bucket{").Append(comma).Append("le=\"").Append(words[i]).Append("\"} ").Append(below).Append('\n');
            }

            below += Interlocked.Read(ref _counts[^1]);
            text.Append(name).Append("_bucket{").Append(comma).Append("le=\"+Inf\"} ").Append(below).Append('\n');
            text.Append(name).Append("_sum").Append(braces).Append(' ').Append(Number(Volatile.Read(ref _sum))).Append('\n');
            text.Append(name).Append("_count").Append(braces).Append(' ').Append(below).Append('\n');
        }
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Escape(string text, bool quotes)
    {
        string escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}
