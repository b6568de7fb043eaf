using System.Diagnostics;
using System.Globalization;

namespace Postroom.Redis;

/// <summary>This node among those that share the store: it says that it lives, and knows which others do (RD-6).</summary>
/// <remarks>Safe for concurrent use; one beat at a time.</remarks>
internal sealed class NodeRegistry : IDisposable
{
    private readonly RedisClient _client;
    private readonly RedisKeys _keys;
    private readonly long _run;
    private readonly string _home;
    private readonly TimeSpan _lease;
    private readonly ServerClock? _clock;
    private readonly DateTimeOffset _startedAt;
    private readonly DateTimeOffset _startedByMachine = TimeProvider.System.GetUtcNow();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _queues = new(StringComparer.Ordinal);
    private readonly Dictionary<string, bool[]> _mine = new(StringComparer.Ordinal);
    private string _version = "";
    private long _keptAt;
    private volatile LiveNode[] _live = [];
    private string? _replaced;

    /// <summary>Makes it; the first beat joins.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="node">This node.</param>
    /// <param name="run">The number of its run.</param>
    /// <param name="home">Tells nodes of one name apart: what was drawn by lot for the folder of its files.</param>
    /// <param name="lease">How long it lives without a beat.</param>
    /// <param name="clock">Is told the server's time; null for nobody.</param>
    /// <param name="now">The wall clock.</param>
    public NodeRegistry(RedisClient client, RedisKeys keys, string node, long run, string home, TimeSpan lease, ServerClock? clock, DateTimeOffset now)
    {
        _client = client;
        _keys = keys;
        Node = node;
        _run = run;
        _home = home;
        _lease = lease;
        _clock = clock;
        _startedAt = now;
    }

    /// <summary>This node.</summary>
    public string Node { get; }

    /// <summary>The nodes that live, this one included, as of the last beat.</summary>
    public IReadOnlyList<LiveNode> Live => _live;

    /// <summary>Whether there are other nodes.</summary>
    public bool HasOthers => _live.Length > 1;

    /// <summary>Why this node has lost its place to another with its name; null while it has not.</summary>
    public string? Replaced => Volatile.Read(ref _replaced);

    /// <summary>Whether the server has taken it in at all.</summary>
    public bool HasJoined => Volatile.Read(ref _keptAt) != 0;

    /// <summary>Whether the server has heard of this node within its lease, so that nobody else has what is its.</summary>
    public bool IsAlive => Volatile.Read(ref _keptAt) is not 0 and var kept && TimeProvider.System.GetElapsedTime(kept) < _lease;

    /// <summary>Notes that this node knows a queue (1) or takes its messages (2).</summary>
    /// <returns>Whether the others have to be told.</returns>
    public bool Serve(string queue, int level)
    {
        lock (_gate)
        {
            bool news = _queues.GetValueOrDefault(queue) < level;
            if (news)
            {
                _queues[queue] = level;
            }

            return news;
        }
    }

    /// <summary>Which partitions of a queue are this node's by the last beat.</summary>
    public bool[] MineOf(string queue)
    {
        lock (_gate)
        {
            if (!_mine.TryGetValue(queue, out bool[]? mine))
            {
                string?[] owners = PartitionSpread.Of(PartitionSpread.Candidates(_live, queue), queue, _keys.Partitions);
                _mine[queue] = mine = [.. owners.Select(owner => owner == Node)];
            }

            return mine;
        }
    }

    /// <summary>Says that this node lives.</summary>
    /// <returns>Whether nodes came, went, or know other queues since the last beat.</returns>
    /// <exception cref="StoreOpenException">Another node with this name lives; only at the first beat.</exception>
    /// <exception cref="RedisConnectionException">The server cannot be reached.</exception>
    public async ValueTask<bool> BeatAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (!HasJoined)
            {
                await CheckFolderAsync(cancellationToken);
            }

            long asked = TimeProvider.System.GetTimestamp();
            RespValue reply = await CallAsync("beat", cancellationToken);
            switch (reply[0].AsText())
            {
                case "N" when Volatile.Read(ref _keptAt) == 0:
                    throw InUse(LiveNode.Parse(Node, reply[2].AsText()), reply[1].AsInteger());
                case "N":
                    Volatile.Write(ref _replaced, $"Another node has the name '{Node}' since, so this one has lost its place. Give each node a name of its own (runtime.node).");
                    return true;
                case "S":
                    Volatile.Write(ref _replaced, $"A later run of node '{Node}' has taken its place, so this one can do nothing more.");
                    return true;
            }

            _clock?.Set(DateTimeOffset.UnixEpoch.AddSeconds(reply[1].AsInteger()).AddMicroseconds(reply[2].AsInteger()), TimeProvider.System.GetElapsedTime(asked));
            Volatile.Write(ref _keptAt, asked);
            return Take(reply);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Says that this node ends, so that the others need not wait until its lease is over.</summary>
    public async ValueTask LeaveAsync() => await CallAsync("leave", CancellationToken.None);

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private bool Take(in RespValue reply)
    {
        string version = reply[3].AsText();
        if (version == _version)
        {
            return false;
        }

        List<LiveNode> live = [];
        for (int i = 4; i + 1 < reply.Items.Length; i += 2)
        {
            live.Add(LiveNode.Parse(reply[i].AsText(), reply[i + 1].AsText()));
        }

        lock (_gate)
        {
            _version = version;
            _live = [.. live];
            _mine.Clear();
        }

        return true;
    }

    private ValueTask<RespValue> CallAsync(string what, CancellationToken cancellationToken)
    {
        NodeRecord record;
        lock (_gate)
        {
            record = new NodeRecord
            {
                Host = Environment.MachineName,
                Process = Environment.ProcessId,
                StartedAt = _startedAt,
                StartedByMachine = _startedByMachine,
                Queues = new SortedDictionary<string, int>(_queues, StringComparer.Ordinal),
            };
        }

        RespCommand call = RedisScript.Beat.Begin(_keys.Root)
            .Add(what).Add(Node).Add(_run).Add(_home).Add((long)_lease.TotalMilliseconds).Add(record.ToText()).Add(_version);
        return RedisScript.Beat.CallAsync(_client, call, cancellationToken);
    }

    /// <summary>A process of this machine that runs as this node, with the same files, is not pushed aside: it has not died.</summary>
    private async ValueTask CheckFolderAsync(CancellationToken cancellationToken)
    {
        RespValue record = await _client.CallAsync(new RespCommand("GET", _keys.Node(Node)), cancellationToken);
        if (!record.IsNull && LiveNode.Parse(Node, record.AsText()) is var former && former.Home == _home && former.Record is { } said
            && said.Host == Environment.MachineName && said.Process != Environment.ProcessId && Runs(said))
        {
            throw new StoreOpenException(
                StoreOpenFailure.InUse,
                $"Process {said.Process} runs as node '{Node}' with the same files. Stop it, or give this one files of its own: set runtime.dataDirectory.");
        }
    }

    /// <summary>Whether the process is there still, and not another one with its number.</summary>
    private static bool Runs(NodeRecord said)
    {
        try
        {
            using Process process = Process.GetProcessById(said.Process);
            return process.StartTime.ToUniversalTime() <= said.StartedByMachine.UtcDateTime;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception or NotSupportedException)
        {
            return false;
        }
    }

    private StoreOpenException InUse(LiveNode other, long lives) => new(
        StoreOpenFailure.InUse,
        string.Create(
            CultureInfo.InvariantCulture,
            $"Node '{Node}' lives already: process {other.Record.Process} on {other.Record.Host} since {other.Record.StartedAt:yyyy-MM-dd'T'HH:mm:ss'Z'}, with other files (runtime.dataDirectory) than this one. "
            + $"Each node needs a name of its own: set runtime.node, or stop the other; when it has died, its name is free in {Math.Max(1, lives / 1000)} s."));
}
