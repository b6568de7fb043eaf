namespace Postroom.Redis;

/// <summary>Asks Sentinels which server is the master now. Used by one connect at a time.</summary>
internal sealed class RedisSentinels(RedisEndpoint endpoint, TimeProvider clock)
{
    private int _first; // the Sentinel that answered last is asked first

    /// <summary>Finds the master; the first Sentinel that knows it decides.</summary>
    /// <exception cref="RedisConnectionException">None knows it; the message says what each of them said.</exception>
    public async Task<RedisAddress> FindMasterAsync(CancellationToken cancellationToken)
    {
        List<string> answers = [];
        for (int i = 0; i < endpoint.Sentinels.Count; i++)
        {
            int at = (_first + i) % endpoint.Sentinels.Count;
            RedisAddress sentinel = endpoint.Sentinels[at];
            try
            {
                if (await AskAsync(sentinel, cancellationToken) is { } master)
                {
                    _first = at;
                    return master;
                }

                answers.Add($"{sentinel} knows no master '{endpoint.Master}'");
            }
            catch (Exception e) when (e is RedisConnectionException or RedisException or RespProtocolException)
            {
                answers.Add(e.Message);
            }
        }

        throw new RedisConnectionException($"No Sentinel names the master '{endpoint.Master}' (redis.sentinels, redis.master): {string.Join("; ", answers)}.");
    }

    private async Task<RedisAddress?> AskAsync(RedisAddress sentinel, CancellationToken cancellationToken)
    {
        // A Sentinel has no databases, and its users are its own.
        await using RespConnection connection = await RespHandshake.ConnectAsync(sentinel with { Database = 0 }, endpoint, clock, cancellationToken);
        RespValue reply = await RespHandshake.DemandAsync(connection, new RespCommand("SENTINEL", "get-master-addr-by-name", endpoint.Master!), cancellationToken);
        return reply.Items is [var host, var port] ? endpoint.Address with { Host = host.AsText(), Port = (int)port.AsInteger(), IsSocket = false } : null;
    }
}
