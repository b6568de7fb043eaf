using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using Postroom.Crash;
using Postroom.Redis;
using Postroom.Tests.Redis;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>Several real programs on one Redis server are one Postroom (RD-11, GW-1).</summary>
[Collection(Processes.Name)]
public sealed class ManyNodesTests : IDisposable
{
    private const string Work = "work";
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    static ManyNodesTests() => Environment.SetEnvironmentVariable("POSTROOM_PREVIEW", "redis");

    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-nodes-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RD_11_F56_of_two_nodes_one_is_killed_under_load_and_nothing_is_lost_order_is_kept_and_its_work_goes_on_within_lease_and_2_s()
    {
        await using RedisServer server = await RedisServer.StartAsync("--appendonly", "yes");
        await using AppProcess first = Start(server, "node-1");
        await using AppProcess second = Start(server, "node-2");
        await using RedisStore publisher = new(new RedisOptions { Url = new Secret(server.Url), Lease = Lease }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await publisher.OpenAsync(new StoreOpening { Node = "publisher" }, Cancel);
        await UntilAsync(() => publisher.Nodes.Live.Count(static node => node.Record.Queues.GetValueOrDefault(Work) == 2) == 2, first, second);

        List<string> accepted = [];
        long killed = 0;
        for (int number = 0; killed == 0 || Stopwatch.GetElapsedTime(killed) < Lease + TimeSpan.FromSeconds(1); number++)
        {
            string[] tags = [.. Enumerable.Range(0, 32).Select(key => $"k{key}.{number}")];
            await publisher.AppendAsync([.. tags.Select(Message)], null, Cancel);
            accepted.AddRange(tags);
            if (killed == 0 && Read("node-1").Count > 400 && Read("node-2").Count > 400)
            {
                await first.KillAsync();
                killed = Stopwatch.GetTimestamp();
            }

            await Task.Delay(20, Cancel);
        }

        await UntilAsync(async () => (await publisher.GetStatsAsync(Work, Cancel)).Queues[Work] is { Pending: 0, Dispatched: 0 }, second);
        List<(string What, string Tag, long At)> byFirst = Read("node-1");
        List<(string What, string Tag, long At)> bySecond = Read("node-2");

        // Nothing is lost, and only what the dead one had begun is begun twice.
        HashSet<string> done = [.. byFirst.Concat(bySecond).Where(line => line.What == "DONE").Select(line => line.Tag)];
        string[] twice = [.. byFirst.Concat(bySecond).Where(line => line.What == "BEGIN").GroupBy(line => line.Tag).Where(group => group.Count() > 1).Select(group => group.Key)];
        Assert.Equal(accepted.ToHashSet(), done);
        Assert.All(twice, tag => Assert.Contains(byFirst, line => line.What == "BEGIN" && line.Tag == tag));
        Assert.True(twice.Length <= 8 + 64, $"{twice.Length} messages were begun twice."); // what was in work, and what had ended and was not stored yet

        // Each key in its order: what was begun again after the death aside, each message begins after the one before it has ended.
        foreach (IGrouping<string, (string What, string Tag, long At)> key in byFirst.Concat(bySecond).Where(line => line.What == "BEGIN").OrderBy(line => line.At).GroupBy(line => line.Tag[..line.Tag.IndexOf('.', StringComparison.Ordinal)]))
        {
            int[] numbers = [.. key.Select(line => int.Parse(line.Tag.AsSpan(line.Tag.IndexOf('.', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture))];
            int breaks = numbers.Zip(numbers.Skip(1)).Count(pair => pair.Second <= pair.First);
            Assert.True(breaks <= 1, $"Key {key.Key} went back {breaks} times.");
            Assert.Equal(Enumerable.Range(0, numbers.Max() + 1), numbers.Distinct());
        }

        // The dead one's keys go on.
        string[] his = [.. byFirst.Select(line => line.Tag[..line.Tag.IndexOf('.', StringComparison.Ordinal)]).Distinct()];
        long resumed = his.Max(key => bySecond.Where(line => line.At > killed && line.Tag.StartsWith(key + ".", StringComparison.Ordinal)).Min(line => line.At));
        Assert.True(Stopwatch.GetElapsedTime(killed, resumed) < RealProgram.OnThisMachine(Lease + TimeSpan.FromSeconds(2)), $"The work of the dead node was resumed after {Stopwatch.GetElapsedTime(killed, resumed)}.");
    }

    [Fact]
    public async Task GW_1_a_core_handles_what_a_gateway_takes_in_and_the_gateway_delivers_the_answer()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        int port = RedisServer.FreePort();
        string[] chat = ["--set", "modules=[welcome]", "--set", "communications.enabled=true", "--set", "communications.backends.emulator.type=emulator"];
        await using AppProcess gateway = AppProcess.StartIn(_folder, RealProgram.HostAssembly, ["run", .. Settings(server, "gateway-1", port), "--set", "runtime.role=gateway", .. chat]);
        await using AppProcess core = AppProcess.StartIn(_folder, RealProgram.HostAssembly, ["run", .. Settings(server, "core-1", RedisServer.FreePort()), "--set", "runtime.role=core", .. chat]);
        using HttpClient http = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
        await UntilAsync(async () => await ReadyAsync(http), gateway, core);

        using HttpResponseMessage posted = await http.PostAsJsonAsync("webhook", new { sender = "1001", msg_type = "chat", raw_msg = "hello", client_type = "emulator" }, Cancel);
        Assert.True(posted.IsSuccessStatusCode, $"{posted.StatusCode}: {await posted.Content.ReadAsStringAsync(Cancel)}");
        await using RedisStore looker = new(new RedisOptions { Url = new Secret(server.Url), Lease = Lease }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await looker.OpenAsync(new StoreOpening { Node = "looker" }, Cancel);
        IReadOnlyList<JournalEntry> answers = [];
        await UntilAsync(async () => (answers = (await looker.QueryAsync(new JournalQuery { Queue = "out.emulator", States = [MessageState.Acked] }, Cancel)).Items).Count > 0, gateway, core);
        JournalEntry handled = Assert.Single((await looker.QueryAsync(new JournalQuery { Queue = "in" }, Cancel)).Items);
        JournalRecord? answer = await looker.GetAsync(Assert.Single(answers).Envelope.Id, withBody: true, Cancel);

        Assert.Contains("You said: hello", Encoding.UTF8.GetString(answer!.Entry.Envelope.Body.Span));
        Assert.Equal(DeliveryStatus.Sent, Assert.Single(answer.Receipts).Status);
        Assert.Equal(MessageState.Acked, handled.State);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Envelope Message(string tag) => new(MessageId.New(), Work, "load.parcel", Encoding.UTF8.GetBytes($$"""{"tag":"{{tag}}"}"""))
    {
        OrderKey = tag[..tag.IndexOf('.', StringComparison.Ordinal)],
        Conversation = tag[..tag.IndexOf('.', StringComparison.Ordinal)],
    };

    private static async Task<bool> ReadyAsync(HttpClient http)
    {
        try
        {
            using HttpResponseMessage ready = await http.GetAsync("health/ready", Cancel);
            return ready.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, params AppProcess[] nodes)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            AppProcess? ended = Array.Find(nodes, static node => node.HasExited);
            Assert.True(ended is null, $"A node ended: {ended?.Output}");
            Assert.True(Stopwatch.GetElapsedTime(begun) < Patience, $"It did not come within {Patience}: {string.Join("\n----\n", nodes.Select(node => node.Output))}");
            await Task.Delay(50, Cancel);
        }
    }

    private static Task UntilAsync(Func<bool> condition, params AppProcess[] nodes) => UntilAsync(() => Task.FromResult(condition()), nodes);

    private string[] Settings(RedisServer server, string node, int port) =>
    [
        "--set", "store.kind=redis", "--set", $"redis.url={server.Url}", "--set", $"redis.lease={Lease.TotalSeconds:0}s", "--set", $"runtime.node={node}",
        "--set", $"runtime.dataDirectory={Path.Combine(_folder, node)}", "--set", $"server.urls=[\"http://127.0.0.1:{port}\"]",
    ];

    private AppProcess Start(RedisServer server, string node) => AppProcess.StartIn(
        _folder, CampaignOptions.DefaultApp,
        ["share", "--record", Path.Combine(_folder, $"{node}.txt"), .. Settings(server, node, RedisServer.FreePort())]);

    /// <summary>What a node has written; a last line that is not whole is left out.</summary>
    private List<(string What, string Tag, long At)> Read(string node)
    {
        string file = Path.Combine(_folder, $"{node}.txt");
        if (!File.Exists(file))
        {
            return [];
        }

        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(stream);
        string text = reader.ReadToEnd();
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).Select(parts => (parts[0], parts[1], long.Parse(parts[2], CultureInfo.InvariantCulture)))];
    }
}
