using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Redis;

/// <summary>Something that other nodes have to know or to do. All nodes read it from <see cref="RedisKeys.Commands"/>; whoever owns the partition acts.</summary>
internal sealed record NodeCommand
{
    private const int MostKept = 10_000;

    /// <summary>What: one of the constants below.</summary>
    public required string Kind { get; init; }

    /// <summary>The run that says so; it has done its part.</summary>
    public required string By { get; init; }

    /// <summary>The queue; null for a fact.</summary>
    public string? Queue { get; init; }

    /// <summary>The message, or null.</summary>
    public string? Id { get; init; }

    /// <summary>The order key that is free, the scope of a fact, or null.</summary>
    public string? Key { get; init; }

    /// <summary>Why, for a discard; the content of what is asked of a gateway.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether a discard takes the message from its worker.</summary>
    public bool Force { get; init; }

    /// <summary>What is done no more after that instant, in milliseconds since 1970; 0 for no end.</summary>
    public long Until { get; init; }

    /// <summary>Where the answer is waited for; null when nobody waits.</summary>
    public string? Answer { get; init; }

    /// <summary>A message that had failed is due again.</summary>
    public const string IsOpen = "open";

    /// <summary>A failed message holds its key no longer.</summary>
    public const string IsFree = "free";

    /// <summary>Give an open message up.</summary>
    public const string Discard = "discard";

    /// <summary>Facts of a scope that all nodes go by have changed.</summary>
    public const string Fact = "fact";

    /// <summary>Something for the node that delivers for a communicator.</summary>
    public const string Ask = "ask";

    public static NodeCommand Opened(Envelope message, string by) => new() { Kind = IsOpen, By = by, Queue = message.Queue, Id = message.Id.ToString(), Key = message.OrderKey };

    public static NodeCommand Freed(Envelope message, string by) => new() { Kind = IsFree, By = by, Queue = message.Queue, Id = message.Id.ToString(), Key = message.OrderKey };

    public static NodeCommand Changed(string scope, string by) => new() { Kind = Fact, By = by, Key = scope };

    /// <summary>Reads one.</summary>
    public static NodeCommand? Read(ReadOnlySpan<byte> json) => JsonSerializer.Deserialize(json, NodeCommandJson.Default.NodeCommand);

    /// <summary>Adds it to a batch, so that it is there when what it tells of is.</summary>
    public void Write(BatchWriter batch) => batch.Run("XADD", batch.Keys.Commands, "MAXLEN", "~", MostKept, "*", "c", ToBytes());

    /// <summary>Sends it by itself.</summary>
    public RespCommand ToCommand(RedisKeys keys) => new("XADD", keys.Commands, "MAXLEN", "~", MostKept, "*", "c", ToBytes());

    private byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, NodeCommandJson.Default.NodeCommand);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(NodeCommand))]
internal sealed partial class NodeCommandJson : JsonSerializerContext;
