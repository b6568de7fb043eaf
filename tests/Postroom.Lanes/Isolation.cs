using System.Diagnostics;
using System.Globalization;
using Postroom.Chat;

namespace Postroom.Lanes;

/// <summary>A healthy lane with and without sick neighbours.</summary>
/// <param name="Alone">Sends per second of the healthy lane alone.</param>
/// <param name="Beside">Beside the sick ones.</param>
/// <param name="AloneP99">The 99th percentile from append to acknowledgement, in milliseconds, alone and at a moderate rate.</param>
/// <param name="BesideP99">Beside the sick ones.</param>
public sealed record IsolationReport(double Alone, double Beside, double AloneP99, double BesideP99)
{
    /// <summary>What part of its rate the lane keeps.</summary>
    public double Rate => Beside / Alone;

    /// <summary>Whether the sick ones do not slow it: nine tenths of the rate, and a 99th percentile of at most 1.5 times plus 10 ms, which is what two equal runs differ by.</summary>
    public bool Holds => Rate >= 0.9 && BesideP99 <= (AloneP99 * 1.5) + 10;

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"lane isolation: {Alone:F0}/s alone, {Beside:F0}/s beside sick lanes ({Rate:P0}); p99 {AloneP99:F1} ms alone, {BesideP99:F1} ms beside ({BesideP99 / AloneP99:F2} x)");
}

/// <summary>Measures one lane alone and beside three sick ones with full queues: one that never answers in time, one that answers 500, one that refuses connections.</summary>
public static class Isolation
{
    private const int Rounds = 3;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);

    /// <summary>Measures, each way in turn, and takes the median of the rounds.</summary>
    /// <param name="folder">Where stores are.</param>
    /// <param name="messages">Messages of each measure.</param>
    public static async Task<IsolationReport> RunAsync(string folder, int messages)
    {
        List<(double Rate, double P99)> alone = [];
        List<(double Rate, double P99)> beside = [];
        _ = await MeasureAsync(Path.Combine(folder, "warm"), messages / 4, sick: true);
        for (int round = 0; round < Rounds; round++)
        {
            alone.Add(await MeasureAsync(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"alone{round}")), messages, sick: false));
            beside.Add(await MeasureAsync(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"beside{round}")), messages, sick: true));
        }

        return new IsolationReport(Median(alone.Select(one => one.Rate)), Median(beside.Select(one => one.Rate)), Median(alone.Select(one => one.P99)), Median(beside.Select(one => one.P99)));
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static async Task<(double Rate, double P99)> MeasureAsync(string folder, int messages, bool sick)
    {
        await using MeasuredService healthy = new() { Latency = TimeSpan.FromMilliseconds(5) };
        await using MeasuredService slow = new() { Latency = TimeSpan.FromMinutes(1) };
        await using MeasuredService failing = new() { Status = 500 };
        await using MeasuredService gone = new() { IsUp = false };
        await using MessageRuntime runtime = await LaneRuntime.StartAsync(folder, app =>
        {
            Add(app, "healthy", healthy);
            Add(app, "slow", slow);
            Add(app, "failing", failing);
            Add(app, "gone", gone);
        });
        for (int n = 0; sick && n < 500; n++)
        {
            foreach (string name in new[] { "slow", "failing", "gone" })
            {
                await runtime.EmitAsync(name, string.Create(CultureInfo.InvariantCulture, $"r{n % 100}"), "x");
            }
        }

        double rate = await RateAsync(runtime, healthy, messages);
        return (rate, await P99Async(runtime, healthy, messages));
    }

    private static void Add(IApplicationBuilder app, string name, MeasuredService service)
    {
        WebhookCommunicatorConfig config = new() { Type = "webhook", Url = service.Address };
        app.AddCommunicator(_ => new WebhookCommunicator(name, config), config: config);
    }

    /// <summary>Everything at once.</summary>
    private static async Task<double> RateAsync(MessageRuntime runtime, MeasuredService service, int messages)
    {
        service.Status = 503; // Held until all are stored.
        await runtime.EmitAsync("healthy", "first", "x");
        await LaneRuntime.UntilAsync(() => Task.FromResult(service.Arrivals.Count > 0), TimeSpan.FromMinutes(1), "the lane waits");
        for (int n = 0; n < messages; n++)
        {
            await runtime.EmitAsync("healthy", string.Create(CultureInfo.InvariantCulture, $"r{n % 200}"), "x");
        }

        service.Status = 200;
        await LaneRuntime.UntilAsync(() => Task.FromResult(service.Accepted >= messages + 1), TimeSpan.FromMinutes(5), "all is sent");
        ServiceArrival[] taken = [.. service.Arrivals.Where(arrival => arrival.Status == 200)];
        return messages / Stopwatch.GetElapsedTime(taken[0].At, taken[^1].At).TotalSeconds;
    }

    /// <summary>One after the other at a moderate pace: from before the append to the arrival at the service.</summary>
    private static async Task<double> P99Async(MessageRuntime runtime, MeasuredService service, int messages)
    {
        int count = Math.Min(messages, 400);
        int before = service.Arrivals.Count;
        long[] begun = new long[count];
        for (int n = 0; n < count; n++)
        {
            begun[n] = Stopwatch.GetTimestamp();
            await runtime.EmitAsync("healthy", string.Create(CultureInfo.InvariantCulture, $"r{n % 200}"), n.ToString(CultureInfo.InvariantCulture));
            await Task.Delay(Pace);
        }

        await LaneRuntime.UntilAsync(() => Task.FromResult(service.Arrivals.Count >= before + count), TimeSpan.FromMinutes(1), "all have arrived");
        double[] times = [.. service.Arrivals.Skip(before).Select(arrival => Stopwatch.GetElapsedTime(begun[int.Parse(arrival.Text, CultureInfo.InvariantCulture)], arrival.At).TotalMilliseconds).Order()];
        return times[(int)(times.Length * 0.99)];
    }
}
