using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;
using Postroom.Benchmarks.Raw;

namespace Postroom.Benchmarks.Measures;

/// <summary>What the webhook costs: P8 and P9. The load comes from a second process over keep-alive connections.</summary>
internal sealed class HttpMeasures(Workspace workspace)
{
    private const int Many = 64;
    private static readonly Pace WithClient = Pace.Quick with { Overhead = 0.6 };

    public IReadOnlyList<Measure> All =>
    [
        new(
            "P8",
            "POST /webhook over 64 connections, SQLite full, 200 after the commit; the queue is paused, so that append and answer are counted",
            [Webhook(Many), BareDurable(Many), Bare(Many)])
        {
            Quick = WithClient with { WarmUp = 0.5 },
            Bars = [Bar.LeastRatio("P8", Metric.RequestsPerSecond, 0.7), Bar.MostRatio("P8", Metric.Tail, 2)],
        },
        new("P8-walk", "The same while handlers reply and the replies are delivered", [Walk(), BareDurable(Many)])
        {
            Quick = WithClient with { Runs = 3 },
        },
        new("P9", "POST /webhook over 1 connection, SQLite full, the queue is paused", [Webhook(1), Commit(), BareDurable(1), Bare(1)])
        {
            Quick = WithClient with { WarmUp = 0 },
            Bars = [Bar.MostAbove("P9", Metric.Median, 0.3)],
        },
    ];

    private Line Webhook(int connections) => new("Postroom /webhook", async duration =>
    {
        using Folder folder = workspace.NewFolder();
        await using WebhookHost host = await WebhookHost.StartAsync(folder.Path, paused: true);
        return await LoadClient.RunAsync(host.Address, connections, duration);
    });

    private Line Walk() => new("Postroom /webhook, handled and replied", async duration =>
    {
        using Folder folder = workspace.NewFolder();
        await using WebhookHost host = await WebhookHost.StartAsync(folder.Path, paused: false);
        Sample sample = await LoadClient.RunAsync(host.Address, Many, duration, CountingCommunicator.ChannelName);
        return sample with { Figures = [.. sample.Figures, new(Metric.RepliesPerSecond, await host.Communicator.RateAsync(sample.Messages))] };
    });

    private static Line Bare(int connections) => new("bare Kestrel, parses, stores nothing", async duration =>
    {
        await using BareServer server = await BareServer.StartAsync();
        return await LoadClient.RunAsync(server.Address, connections, duration);
    });

    private Line BareDurable(int connections) => new("bare Kestrel, parses, commits the row", async duration =>
    {
        using Folder folder = workspace.NewFolder();
        WebhookRow row = await RowAsync();
        RawWriter writer = new(folder.File("store.db"), StoreSynchronous.Full, StoreTable.Create, static _ => { });
        await using BareServer server = await BareServer.StartAsync(writer, row);
        return await LoadClient.RunAsync(server.Address, connections, duration);
    });

    private Line Commit() => new("one raw commit of one row", duration =>
    {
        using Folder folder = workspace.NewFolder();
        return Task.FromResult(Disk.CommitTimes(folder.File("store.db"), duration));
    });

    private async Task<WebhookRow> RowAsync()
    {
        using Folder folder = workspace.NewFolder();
        return await WebhookRow.ReadAsync(folder);
    }
}
