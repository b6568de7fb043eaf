namespace Postroom.Redis;

/// <summary>What a server does to keep its data, as far as it tells (RD-2).</summary>
internal sealed record RedisDurability
{
    /// <summary>Whether it writes to a disk at all; null when it does not tell.</summary>
    public bool? IsPersistent { get; private init; }

    /// <summary>Whether every write is on its disk before it is answered.</summary>
    public bool SurvivesPowerLoss { get; private init; }

    /// <summary>The promise in one sentence.</summary>
    public required string Promise { get; init; }

    /// <summary>What would lose data, and what to do about it; null for nothing.</summary>
    public string? Weakness { get; private init; }

    /// <summary>What an operator should know; empty for nothing.</summary>
    public IReadOnlyList<string> Notices { get; private init; } = [];

    /// <summary>Asks the server.</summary>
    /// <exception cref="RedisConnectionException">It cannot be reached.</exception>
    public static async ValueTask<RedisDurability> ReadAsync(RedisClient client, CancellationToken cancellationToken)
    {
        string? aof = await AskAsync(client, "appendonly", cancellationToken);
        string? flush = await AskAsync(client, "appendfsync", cancellationToken);
        string? save = await AskAsync(client, "save", cancellationToken);
        string? eviction = await AskAsync(client, "maxmemory-policy", cancellationToken);
        string replicas = await ReplicasAsync(client, cancellationToken);
        return Judge(aof, flush, save, eviction, replicas);
    }

    /// <summary>What settings mean; null for one that the server does not tell.</summary>
    public static RedisDurability Judge(string? aof, string? flush, string? save, string? eviction, string replicas)
    {
        bool? persistent = aof is null ? null : aof == "yes" || save is { Length: > 0 };
        string promise = (aof, flush) switch
        {
            (null, _) => "The Redis server does not tell how it keeps its data (CONFIG GET is refused), so what a crash of it loses is unknown.",
            ("yes", "always") => "Accepted messages survive a power loss of the Redis server: it flushes every write (appendfsync always).",
            ("yes", "everysec") => "Accepted messages survive a crash of the Redis server but for the last second or two (appendfsync everysec).",
            ("yes", _) => "Accepted messages survive a crash of the Redis server as far as its system has flushed them (appendfsync no).",
            _ when persistent == true => "Accepted messages survive a crash of the Redis server as of its last snapshot (save).",
            _ => "The Redis server keeps messages in memory only and loses them when it ends.",
        };
        string? weakness = eviction is not null and not "noeviction"
            ? $"The Redis server drops keys when its memory is full (maxmemory-policy {RespText.Show(eviction)}), messages among them. Set maxmemory-policy noeviction."
            : persistent == false ? "The Redis server writes nothing to a disk (appendonly no, no save). Set appendonly yes." : null;
        return new RedisDurability
        {
            IsPersistent = persistent,
            SurvivesPowerLoss = aof == "yes" && flush == "always" && eviction is "noeviction",
            Promise = $"{promise} {replicas}",
            Weakness = weakness,
            Notices = weakness is not null ? [weakness] : aof is null ? [promise] : [],
        };
    }

    private static async ValueTask<string?> AskAsync(RedisClient client, string setting, CancellationToken cancellationToken)
    {
        try
        {
            RespValue value = await client.CallAsync(new RespCommand("CONFIG", "GET", setting), cancellationToken);
            return value.Items is [_, var text] ? text.AsText() : null;
        }
        catch (RedisException)
        {
            return null; // managed servers refuse CONFIG
        }
    }

    private static async ValueTask<string> ReplicasAsync(RedisClient client, CancellationToken cancellationToken)
    {
        try
        {
            RespValue role = await client.CallAsync(new RespCommand("ROLE"), cancellationToken);
            return role.Items is [var name, _, var replicas] && name.AsText() == "master" ? $"It has {replicas.Items.Length} replicas." : "It is a replica itself.";
        }
        catch (RedisException)
        {
            return "It does not tell of replicas.";
        }
    }
}
