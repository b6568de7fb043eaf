using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>The keys of one runtime. The prefix stands in braces, so that all of them are in one slot of a cluster (RD-3).</summary>
/// <param name="prefix">What they begin with, without braces.</param>
/// <param name="partitions">How many streams a queue is spread over.</param>
internal sealed class RedisKeys(string prefix, int partitions)
{
    private const long MillisecondsPerHour = 3_600_000;

    /// <summary>What every key begins with.</summary>
    public string Root { get; } = $"{{{prefix}}}";

    public int Partitions { get; } = partitions;

    /// <summary>Counts of messages by queue and state; the total of all appends has no state.</summary>
    public string Counts => $"{Root}:n";

    /// <summary>The number of the last message.</summary>
    public string Seq => $"{Root}:seq";

    /// <summary>What people did.</summary>
    public string Notes => $"{Root}:notes";

    /// <summary>The names of all queues that anything was appended to.</summary>
    public string Queues => $"{Root}:queues";

    /// <summary>What holds for the store as a whole: its format, its partitions, the number of runs.</summary>
    public string Meta => $"{Root}:meta";

    /// <summary>The nodes that live, by the instant until which they do.</summary>
    public string Nodes => $"{Root}:nodes";

    /// <summary>What the owners of partitions count in their memory, by queue and node.</summary>
    public string Lanes => $"{Root}:lanes";

    /// <summary>What operators ask of the owners of partitions, and what all nodes have to know.</summary>
    public string Commands => $"{Root}:ops";

    /// <summary>Dedup keys of messages that have ended, by the instant until which they are kept.</summary>
    public string DedupEnds => $"{Root}:dedups";

    /// <summary>The scopes of facts.</summary>
    public string Scopes => $"{Root}:scopes";

    /// <summary>Where reading a partition begins: nothing open is older, but for what <see cref="Held"/> names.</summary>
    public string Low => $"{Root}:low";

    /// <summary>The messages of a partition, packed, by their number.</summary>
    public string Stream(string queue, int partition) => $"{Root}:q:{queue}:{Number(partition)}";

    /// <summary>Open messages that are older than where reading begins.</summary>
    public string Held(string queue, int partition) => $"{Root}:held:{queue}:{Number(partition)}";

    /// <summary>Open messages of a partition that its owner has left here until their instant, by that.</summary>
    public string Later(string queue, int partition) => $"{Root}:later:{queue}:{Number(partition)}";

    /// <summary>Open messages of a partition that its owner has left here behind others of their key, by hash of the key and number.</summary>
    public string Behind(string queue, int partition) => $"{Root}:behind:{queue}:{Number(partition)}";

    /// <summary>How many open messages each order key of a partition has, by hash of the key.</summary>
    public string KeyCounts(string queue, int partition) => $"{Root}:open:{queue}:{Number(partition)}";

    /// <summary>The messages that an outside service knows by an id of its own.</summary>
    public string Outside(string outsideId) => $"{Root}:outside:{outsideId}";

    /// <summary>The stream that other programs add a communicator's messages to.</summary>
    public string OutboundStream(string? prefix, string communicator) => $"{prefix ?? $"{Root}:out"}:{communicator}";

    /// <summary>The group that reads it.</summary>
    public string OutboundGroup(string? prefix, string communicator) => $"{prefix ?? $"{Root}:gw"}:{communicator}";

    /// <summary>What of it could not be read.</summary>
    public string Dead(string communicator) => $"{Root}:dead:{communicator}";

    /// <summary>The answer to what was asked of another node.</summary>
    public string Answer(string request) => $"{Root}:rpc:{request}";

    /// <summary>Messages whose content was removed, which their stream has no more.</summary>
    public string Erased(string queue, int partition) => $"{Root}:erased:{queue}:{Number(partition)}";

    /// <summary>Who owns a partition, and its epoch.</summary>
    public string Own(string queue, int partition) => $"{Root}:own:{queue}:{Number(partition)}";

    /// <summary>The field of a partition in hashes over all of them.</summary>
    public static string Place(string queue, int partition) => $"{queue}:{Number(partition)}";

    /// <summary>Where messages are, and how they ended, by the hour of their ids.</summary>
    public string Ids(MessageId id) => $"{Root}:ids:{Number(id.CreatedAt.ToUnixTimeMilliseconds() / MillisecondsPerHour)}";

    /// <summary>What most messages have nothing of: retries, failures, claims, receipts.</summary>
    public string Extra(MessageId id) => $"{Root}:x:{id}";

    /// <summary>The ids of the children of a message, or of the copies of a group.</summary>
    public string Kin(MessageId id) => $"{Root}:kin:{id}";

    /// <summary>The first message of a dedup key.</summary>
    public string Dedup(string queue, string key) => $"{Root}:dedup:{queue}:{key}";

    /// <summary>The facts of a scope.</summary>
    public string Facts(string scope) => $"{Root}:fact:{scope}";

    /// <summary>The messages that a node has begun.</summary>
    public string Fly(string node) => $"{Root}:fly:{node}";

    /// <summary>The heartbeat of a node.</summary>
    public string Node(string node) => $"{Root}:node:{node}";

    /// <summary>The field of <see cref="Meta"/> that says that a node's last run ended as it should.</summary>
    public static string Clean(string node) => $"clean:{node}";

    /// <summary>What people did with a message, and receipts that came later.</summary>
    public string NotesOf(MessageId id) => $"{Root}:xn:{id}";

    /// <summary>The last batch of a node.</summary>
    public string Batch(string node) => $"{Root}:batch:{node}";

    /// <summary>The field of a count.</summary>
    public static string Count(string queue, MessageState state) => $"{queue}|{Number((int)state)}";

    /// <summary>The field of the open messages of a type; no name of a queue or state ends so.</summary>
    public static string CountOfType(string queue, string type) => $"{queue}|{type}|o";

    /// <summary>An order key as a field: half of its SHA-256.</summary>
    public static byte[] HashOf(string orderKey) => SHA256.HashData(Encoding.UTF8.GetBytes(orderKey))[..16];

    /// <summary>A message behind others of its key: the hash of the key, then its number, so that they are in order.</summary>
    public static byte[] BehindOf(Envelope envelope)
    {
        byte[] member = new byte[24];
        HashOf(envelope.OrderKey ?? "").CopyTo(member, 0);
        BinaryPrimitives.WriteInt64BigEndian(member.AsSpan(16), envelope.Seq);
        return member;
    }

    /// <summary>The partition of a message: that of its order key, so that a key has one owner.</summary>
    public int PartitionOf(Envelope envelope)
    {
        if (envelope.OrderKey is { Length: > 0 } key)
        {
            return PartitionOf(key);
        }

        Span<byte> id = stackalloc byte[16];
        envelope.Id.WriteBytes(id);
        return (int)(Crc32C.Of(id) % (uint)Partitions);
    }

    /// <summary>The partition of an order key.</summary>
    public int PartitionOf(string orderKey) => (int)(Crc32C.Of(Encoding.UTF8.GetBytes(orderKey)) % (uint)Partitions);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
