using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Redis;

/// <summary>What a node says of itself in its heartbeat.</summary>
internal sealed record NodeRecord
{
    /// <summary>The machine.</summary>
    public string Host { get; init; } = "";

    /// <summary>The process.</summary>
    public int Process { get; init; }

    /// <summary>When this run began.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>The same by the clock of its machine, as that tells of its processes.</summary>
    public DateTimeOffset StartedByMachine { get; init; }

    /// <summary>The queues that it knows: 2 for one it takes messages of, 1 for one that it would only keep.</summary>
    public IReadOnlyDictionary<string, int> Queues { get; init; } = new Dictionary<string, int>();

    public string ToText() => JsonSerializer.Serialize(this, NodeRecordJson.Default.NodeRecord);
}

/// <summary>A node that lives.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Run">The number of its run.</param>
/// <param name="Home">Where it has its files, as it was drawn by lot there.</param>
/// <param name="Record">What it says of itself.</param>
internal sealed record LiveNode(string Name, long Run, string Home, NodeRecord Record)
{
    /// <summary>Reads what the server keeps of a node: run, home and record.</summary>
    public static LiveNode Parse(string name, string text)
    {
        string[] parts = text.Split(' ', 3);
        return new LiveNode(
            name, long.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), parts[1], JsonSerializer.Deserialize(parts[2], NodeRecordJson.Default.NodeRecord) ?? new NodeRecord());
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(NodeRecord))]
internal sealed partial class NodeRecordJson : JsonSerializerContext;
