using Postroom.Benchmarks.Harness;
using Postroom.Benchmarks.Http;
using Postroom.Benchmarks.Raw;
using Postroom.Benchmarks.Runtime;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Measures;

/// <summary>Every measure. Bodies have 256 bytes of JSON; a message counts as done when it is handled and acknowledged.</summary>
internal sealed class Catalog(Workspace workspace)
{
    private const int Publishers = 8;
    private const int PacePerSecond = 500;
    private const int Connections = 64;

    public IReadOnlyList<Measure> All =>
    [
        new("P1", "Memory store, 8 publishers, 8 workers, bodies stay bytes", [Memory(typed: false), Channel(json: false)]),
        new("P2", "Memory store, 8 publishers, 8 workers, JSON written and read", [Memory(typed: true), Channel(json: true)]),
        Durable("P3-1", 1, StoreSynchronous.Full),
        Durable("P3-64", 64, StoreSynchronous.Full),
        Durable("P3-256", 256, StoreSynchronous.Full),
        Durable("P3n-64", 64, StoreSynchronous.Normal),
        new("P4-memory", "Publish to handled at 500 messages a second, memory", [PacedMemory(), PacedChannel()]),
        new("P4-sqlite", "Publish to handled at 500 messages a second, SQLite full", [PacedSqlite(), PacedRaw("raw SQLite, store's table", StoreTable.Create), Flush()]),
        new("P6", "10,000 order keys in turn, memory store, 8 publishers, 8 workers, JSON", [Memory(typed: true, keys: 10_000), Channel(json: true, keys: 10_000)]),
        new("P8", "POST over 64 keep-alive connections, SQLite full, 200 after the commit", [Webhook(), Bare(), BareDurable()]),
        new("P11", "New process to its first 200, empty store", [new("Postroom, /health/ready", _ => Startup.PostroomAsync(workspace)), new("bare Kestrel host", _ => Startup.BareAsync())]),
    ];

    private Measure Durable(string id, int publishers, StoreSynchronous synchronous) => new(
        id,
        $"SQLite {(synchronous == StoreSynchronous.Full ? "full" : "normal")}, {publishers} publishers that wait for their commits, 8 workers, whole life, JSON",
        [
            Line("Postroom", publishers, async (file, counter) => await RuntimePipeline.StartAsync(new RuntimeShape { File = file, Synchronous = synchronous }, counter)),
            Line("raw SQLite, store's table", publishers, (file, counter) => Raw(file, synchronous, StoreTable.Create, counter)),
            Line("raw SQLite, six columns", publishers, (file, counter) => Raw(file, synchronous, SixColumnTable.Create, counter)),
        ]);

    private static Line Memory(bool typed, int keys = 0) => new("Postroom", async duration =>
    {
        await using IPipeline pipeline = await RuntimePipeline.StartAsync(new RuntimeShape { Typed = typed, Keys = keys }, new Counter());
        return await Load.SaturateAsync(pipeline, Publishers, duration);
    });

    private static Line Channel(bool json, int keys = 0) => new($"bare channel with acks{(json ? ", JSON" : "")}{(keys > 0 ? ", key to worker" : "")}", async duration =>
    {
        await using IPipeline pipeline = new ChannelPipeline(new Counter(), json, keys: keys);
        return await Load.SaturateAsync(pipeline, Publishers, duration);
    });

    private static Task<IPipeline> Raw(string file, StoreSynchronous synchronous, Func<SqliteConnection, RawTable> create, Counter counter)
    {
        return Task.FromResult<IPipeline>(new SqlitePipeline(file, synchronous, create, counter));
    }

    private static Line PacedMemory() => Paced("Postroom", async counter => await RuntimePipeline.StartAsync(new RuntimeShape(), counter));

    private static Line PacedChannel() => Paced("bare channel with acks, JSON", counter => Task.FromResult<IPipeline>(new ChannelPipeline(counter, json: true)));

    private static Line Paced(string name, Func<Counter, Task<IPipeline>> start) => new(name, async duration =>
    {
        // The first tenth of a second starts threads.
        int skip = PacePerSecond / 10;
        int messages = skip + (int)(duration.TotalSeconds * PacePerSecond);
        Counter counter = new(messages);
        await using IPipeline pipeline = await start(counter);
        await Load.PaceAsync(pipeline, counter, messages, PacePerSecond);
        return counter.Latency(skip);
    });

    private Line Line(string name, int publishers, Func<string, Counter, Task<IPipeline>> start) => new(name, async duration =>
    {
        using Folder folder = workspace.NewFolder();
        await using IPipeline pipeline = await start(folder.File("store.db"), new Counter());
        return await Load.SaturateAsync(pipeline, publishers, duration);
    });

    private Line PacedSqlite() => InFolder(file => Paced("Postroom", async counter => await RuntimePipeline.StartAsync(new RuntimeShape { File = file }, counter)));

    private Line PacedRaw(string name, Func<SqliteConnection, RawTable> create) => InFolder(file => Paced(name, counter => Raw(file, StoreSynchronous.Full, create, counter)));

    private Line Flush() => InFolder(file => new("append of 4 KiB and fdatasync", duration => Task.FromResult(Disk.FlushTimes(file, duration))));

    private Line InFolder(Func<string, Line> make) => new(make("").Name, async duration =>
    {
        using Folder folder = workspace.NewFolder();
        return await make(folder.File("store.db")).RunAsync(duration);
    });

    private Line Webhook() => new("Postroom /webhook", async duration =>
    {
        using Folder folder = workspace.NewFolder();
        await using WebhookHost host = await WebhookHost.StartAsync(folder.Path, new Counter());
        return await LoadClient.RunAsync(host.Address, Connections, duration);
    });

    private static Line Bare() => new("bare Kestrel, parses, stores nothing", async duration =>
    {
        await using BareServer server = await BareServer.StartAsync("http://127.0.0.1:0", writer: null);
        return await LoadClient.RunAsync(server.Address, Connections, duration);
    });

    private Line BareDurable() => new("bare Kestrel, parses, commits the row", async duration =>
    {
        using Folder folder = workspace.NewFolder();
        RawWriter writer = new(folder.File("store.db"), StoreSynchronous.Full, StoreTable.Create, static _ => { });
        await using BareServer server = await BareServer.StartAsync("http://127.0.0.1:0", writer);
        return await LoadClient.RunAsync(server.Address, Connections, duration);
    });
}
