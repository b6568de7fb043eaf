using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using Postroom.ControlPlane;
using Postroom.Diagnostics;
using Postroom.Tests.Architecture;
using Postroom.Tests.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Diagnostics;

public sealed partial class MetricsTests
{
    [Fact]
    public async Task Metrics_are_for_viewers_and_every_line_is_of_the_text_format()
    {
        await using RealHttp http = await RealHttp.StartAsync(app => app.AddWork((order, context, _) =>
        {
            context.Send("nobody", "text");
            return new(order.Number == "bad" ? HandlerResult.Fail("no") : HandlerResult.Completed);
        }));
        string key = await http.KeyAsync(ApiRole.Viewer);
        _ = await http.CallAsync("GET", "/metrics", key);
        await http.Runtime.EndedAsync(await http.Runtime.PublishAsync("good"), MessageState.Acked);
        await http.Runtime.EndedAsync(await http.Runtime.PublishAsync("bad"), MessageState.Failed);

        Answer answer = await http.CallAsync("GET", "/metrics", key);

        Assert.Equal(200, answer.Status);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.ContentHeaders.ContentType!.ToString());
        Dictionary<string, double> samples = Parse(answer.Text);
        Assert.Equal(1, samples["""postroom_messages_settled_total{queue="work",outcome="acked"}"""]);
        Assert.Equal(1, samples["""postroom_messages_settled_total{queue="work",outcome="failed",kind="rejected"}"""]);
        Assert.Equal(2, samples["""postroom_handle_duration_seconds_count{queue="work"}"""]);
        Assert.Equal(2, samples["""postroom_wait_duration_seconds_bucket{queue="work",le="+Inf"}"""]);
        Assert.Equal(3, samples["postroom_runtime_state"]);
        Assert.True(samples["""postroom_store_fsyncs_total{store="sqlite"}"""] >= 2);
        Assert.True(samples["""postroom_store_commit_duration_seconds_count{store="sqlite"}"""] >= 2);
        Assert.True(samples["""postroom_store_bytes{store="sqlite"}"""] > 0);
        Assert.Contains("""postroom_queue_pending{queue="work"}""", samples.Keys);
        Assert.Contains("""postroom_workers_busy{pool="work"}""", samples.Keys);
    }

    [Fact]
    public async Task Nobody_without_a_key_reads_metrics()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Assert.Equal(401, (await http.GetAsync("/metrics")).Status);
        Assert.Equal(200, (await http.GetAsync("/metrics", await http.KeyAsync(ApiRole.Viewer))).Status);
    }

    [Fact]
    public async Task The_page_of_telemetry_has_every_instrument_with_its_kind_unit_and_labels()
    {
        Dictionary<string, (string Kind, string Unit, string[] Labels)> told = [];
        foreach (string line in await File.ReadAllLinesAsync(Repository.At("docs", "telemetry.md"), Cancel))
        {
            if (line.StartsWith("| `postroom.", StringComparison.Ordinal) && line.Split('|') is [_, var name, var kind, var unit, var labels, _, _])
            {
                told[name.Trim().Trim('`')] = (kind.Trim(), unit.Trim(), [.. labels.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)]);
            }
        }

        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        List<Instrument> instruments = [];
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (ReferenceEquals(instrument.Meter, runtime.Rooms.Metrics.Meter))
                {
                    instruments.Add(instrument);
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        List<(string Name, string Label)> labelled = [];
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
        listener.Start();
        CountEverything(runtime.Rooms.Metrics);
        await runtime.Rooms.Gauges.RefreshAsync();
        listener.RecordObservableInstruments();

        Assert.Equal(told.Keys.Order(StringComparer.Ordinal), instruments.Select(instrument => instrument.Name).Order(StringComparer.Ordinal));
        Assert.All(instruments, instrument =>
        {
            Assert.Equal(told[instrument.Name].Kind, KindOf(instrument));
            Assert.Equal(told[instrument.Name].Unit, instrument.Unit ?? "");
            Assert.False(string.IsNullOrEmpty(instrument.Description));
        });
        Assert.All(labelled, one => Assert.Contains(one.Label, told[one.Name].Labels));

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                labelled.Add((instrument.Name, tag.Key));
            }
        }
    }

    [Fact]
    public void An_instrument_has_a_thousand_series_and_what_comes_after_them_is_counted_as_other()
    {
        using RuntimeMetrics metrics = new();
        using MetricsText text = new(metrics.Meter);
        for (int i = 0; i < 1_200; i++)
        {
            metrics.Accepted("in", $"source-{i:0000}", duplicate: false);
        }

        metrics.Accepted("in", "source-0000", duplicate: false);
        metrics.Accepted("in", "source-1199", duplicate: false);

        Dictionary<string, double> samples = Parse(text.Write());

        Assert.Equal(1_001, samples.Keys.Count(key => key.StartsWith("postroom_messages_accepted_total", StringComparison.Ordinal)));
        Assert.Equal(2, samples["""postroom_messages_accepted_total{queue="in",source="source-0000"}"""]);
        Assert.Equal(201, samples["""postroom_messages_accepted_total{queue="other",source="other"}"""]);
        Assert.Equal(201, samples["postroom_metrics_folded_total"]);
        Assert.Equal(1_001, RuntimeGauges.Bounded("queue", Enumerable.Range(0, 1_500).Select(i => ($"q{i}", 1.0))).Count());
        Assert.Equal(500, RuntimeGauges.Bounded("queue", Enumerable.Range(0, 1_500).Select(i => ($"q{i}", 1.0))).Last().Value);
    }

    [Fact]
    public void A_name_that_would_break_a_line_is_escaped()
    {
        using RuntimeMetrics metrics = new();
        using MetricsText text = new(metrics.Meter);
        metrics.HookError("a\"b\\c\nd");

        Assert.Contains("""postroom_hook_errors_total{hook="a\"b\\c\nd"} 1""", text.Write(), StringComparison.Ordinal);
    }

    [Fact]
    public void Counting_allocates_nothing_and_histograms_record_only_for_somebody()
    {
        using RuntimeMetrics metrics = new();
        metrics.Accepted("in", "hook", duplicate: false);
        metrics.SettleLost("in");
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            metrics.Accepted("in", "hook", duplicate: false);
            metrics.SettleLost("in");
            metrics.Committed(new StoreCommit(TimeSpan.FromMilliseconds(1), 3, Flushed: true));
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000); // the first commit makes its series
        using MetricsText text = new(metrics.Meter);
        Dictionary<string, double> first = Parse(text.Write());
        metrics.Committed(new StoreCommit(TimeSpan.FromMilliseconds(4), 3, Flushed: true));
        Dictionary<string, double> second = Parse(text.Write());

        Assert.Equal(1_001, first["""postroom_messages_accepted_total{queue="in",source="hook"}"""]);
        Assert.DoesNotContain("""postroom_store_batch_size_count{store="memory"}""", first.Keys);
        Assert.Equal(1, second["""postroom_store_batch_size_bucket{store="memory",le="5"}"""]);
        Assert.Equal(0, second["""postroom_store_batch_size_bucket{store="memory",le="2"}"""]);
        Assert.Equal(0.004, second["""postroom_store_commit_duration_seconds_sum{store="memory"}"""], 6);
    }

    /// <summary>Samples by name and labels. Every line has to be of the format.</summary>
    private static Dictionary<string, double> Parse(string text)
    {
        Dictionary<string, double> samples = new(StringComparer.Ordinal);
        HashSet<string> families = new(StringComparer.Ordinal);
        string family = "";
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        foreach (string line in text.Split('\n')[..^1])
        {
            if (HelpLine().Match(line) is { Success: true } help)
            {
                family = help.Groups[1].Value;
                Assert.True(families.Add(family), $"'{family}' comes twice");
            }
            else if (line.StartsWith('#'))
            {
                Assert.Matches($"^# TYPE {family} (counter|gauge|histogram)$", line);
            }
            else
            {
                Match sample = SampleLine().Match(line);
                Assert.True(sample.Success, line);
                Assert.StartsWith(family, sample.Groups[1].Value, StringComparison.Ordinal);
                samples.Add(sample.Groups[1].Value + sample.Groups[2].Value, double.Parse(sample.Groups[3].Value, CultureInfo.InvariantCulture));
            }
        }

        return samples;
    }

    private static void CountEverything(RuntimeMetrics metrics)
    {
        metrics.Accepted("in", "s", duplicate: false);
        metrics.Accepted("in", "s", duplicate: true);
        metrics.Refused("in", "s");
        metrics.DeliveryFailed(new FailedDelivery(MessageId.New(), "c", null, FailureKind.Refused, null, 1, default));
        metrics.Receipt("c", DeliveryStatus.Read);
        metrics.SettleLost("in", expired: true);
        metrics.HookError("h");
        metrics.RequestRefused("key");
        metrics.SignalDropped("c");
        metrics.SourceFailed("s");
        metrics.Committed(new StoreCommit(TimeSpan.FromMilliseconds(1), 1, Flushed: true));
    }

    private static string KindOf(Instrument instrument) => instrument switch
    {
        ObservableCounter<long> or ObservableCounter<double> => "counter",
        Histogram<double> => "histogram",
        _ => "gauge",
    };

    [GeneratedRegex("^# HELP ([a-z_]+) [^\\n]+$")]
    private static partial Regex HelpLine();

    [GeneratedRegex("""^([a-z_]+)((?:\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})?) ([+-]?(?:[0-9.]+(?:E[+-]?[0-9]+)?|Inf|NaN))$""")]
    private static partial Regex SampleLine();
}
