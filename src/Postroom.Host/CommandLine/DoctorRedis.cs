using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.Redis;

namespace Postroom.Host;

/// <summary>What <c>postroom doctor</c> finds at the Redis server of the settings (RD-2).</summary>
internal static class DoctorRedis
{
    /// <summary>Asks the server how it keeps its data, and which nodes live.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(HostArguments arguments, RuntimeOptions runtime, CancellationToken cancellationToken)
    {
        RedisOptions options = await ReadAsync(arguments, cancellationToken);
        RedisKeys keys = new(options.Prefix, options.Partitions);
        await using RedisClient client = new(RedisEndpoint.From(options, "postroom:doctor"), TimeProvider.System, NullLogger.Instance, Chance.Next);
        try
        {
            RespValue info = await client.CallAsync(new RespCommand("INFO", "server"), cancellationToken);
            RedisDurability durability = await RedisDurability.ReadAsync(client, cancellationToken);
            RespValue partitions = await client.CallAsync(new RespCommand("HGET", keys.Meta, "partitions"), cancellationToken);
            return
            [
                new Finding(true, $"Redis {VersionOf(info.AsText())} at {client.Server}"),
                durability.Weakness is { } weakness ? new Finding(false, weakness) : new Finding(durability.IsPersistent is not null, durability.Promise),
                partitions.IsNull ? new Finding(true, $"redis.prefix '{options.Prefix}' has no store yet; the first start makes one.")
                    : partitions.AsInteger() == options.Partitions ? new Finding(true, $"redis.prefix '{options.Prefix}' has a store of {options.Partitions} partitions per queue.")
                    : new Finding(false, $"redis.partitions is {options.Partitions}, but the store under '{options.Prefix}' was made with {partitions.AsInteger()}. Set redis.partitions to {partitions.AsInteger()}, or use another redis.prefix."),
                .. await NodesAsync(client, keys, runtime, cancellationToken),
            ];
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException)
        {
            return [new Finding(false, e.Message)];
        }
    }

    /// <summary>The server's settings, whatever else is wrong in the configuration.</summary>
    public static async Task<RedisOptions> ReadAsync(HostArguments arguments, CancellationToken cancellationToken)
    {
        await using HostedRuntime host = HostedRuntime.Create(arguments, configure: null, standalone: true, output: null);
        ConfigurationSnapshot settings = await host.Runtime.LoadSectionsAsync(["redis"], except: "server.keys", cancellationToken);
        return settings.Get<RedisOptions>("redis");
    }

    private static async ValueTask<IReadOnlyList<Finding>> NodesAsync(RedisClient client, RedisKeys keys, RuntimeOptions runtime, CancellationToken cancellationToken)
    {
        List<Finding> found = [];
        foreach (RespValue name in (await client.CallAsync(new RespCommand("ZRANGE", keys.Nodes, 0, 99), cancellationToken)).Items)
        {
            RespValue record = await client.CallAsync(new RespCommand("GET", keys.Node(name.AsText())), cancellationToken);
            if (!record.IsNull)
            {
                LiveNode node = LiveNode.Parse(name.AsText(), record.AsText());
                found.Add(new Finding(true, $"Node '{node.Name}' lives: process {node.Record.Process} on {node.Record.Host}{(node.Name == runtime.Node ? ", which is this one's name (runtime.node)" : "")}."));
            }
        }

        return found;
    }

    private static string VersionOf(string info) =>
        info.Split('\n').Select(static line => line.Trim().Split(':', 2)).FirstOrDefault(static pair => pair[0] == "redis_version") is [_, var version] ? version : "of an unknown version";
}
