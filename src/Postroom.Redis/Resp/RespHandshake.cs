namespace Postroom.Redis;

/// <summary>What a connection says first: protocol, user, name and database.</summary>
internal static class RespHandshake
{
    /// <summary>Connects and introduces itself.</summary>
    /// <exception cref="RedisConnectionException">The server cannot be reached or does not answer in time.</exception>
    /// <exception cref="RedisException">The server refuses user, password or database.</exception>
    public static async Task<RespConnection> ConnectAsync(RedisAddress server, RedisEndpoint endpoint, TimeProvider clock, CancellationToken cancellationToken)
    {
        Stream stream;
        using (CancellationTokenSource limit = new(endpoint.Timeout, clock))
        using (CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken))
        {
            try
            {
                stream = await RedisTransport.ConnectAsync(server, endpoint.CaFile, either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new RedisConnectionException($"Redis {server} did not take the connection in {endpoint.Timeout.TotalSeconds:0.###} s.");
            }
        }

        RespConnection connection = new(stream, endpoint, server, clock);
        try
        {
            if (!endpoint.Resp3 || !await HelloAsync(connection, server, cancellationToken))
            {
                await AuthenticateAsync(connection, server, cancellationToken);
            }

            // The name is for people who look at the server; one that may not set it works all the same.
            await connection.SendAsync(new RespCommand("CLIENT", "SETNAME", endpoint.ClientName), default, cancellationToken);
            if (server.Database != 0)
            {
                await DemandAsync(connection, new RespCommand("SELECT", server.Database), cancellationToken);
            }

            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a command, and takes a refusal for a failure.</summary>
    /// <exception cref="RedisException">The server refused it.</exception>
    public static async ValueTask<RespValue> DemandAsync(RespConnection connection, RespCommand command, CancellationToken cancellationToken)
    {
        RespValue reply = await connection.SendAsync(command, default, cancellationToken);
        return reply.IsError ? throw RedisException.For(connection.Server.ToString(), command.Name, reply) : reply;
    }

    private static async ValueTask<bool> HelloAsync(RespConnection connection, RedisAddress server, CancellationToken cancellationToken)
    {
        RespCommand hello = new("HELLO", 3);
        if (server.Password is { } password)
        {
            hello.Add("AUTH").Add(server.User ?? "default").Add(password.Reveal());
        }

        RespValue reply = await connection.SendAsync(hello, default, cancellationToken);
        if (!reply.IsError)
        {
            connection.Protocol = 3;
            return true;
        }

        RedisException refusal = RedisException.For(server.ToString(), "HELLO", reply);

        // Servers before 6, and some proxies, know no HELLO, no RESP3, or do not let this user say it.
        return refusal.Code is "NOPROTO" or "NOPERM" || (refusal.Code == "ERR" && refusal.Fault == RedisFault.Command) ? false : throw refusal;
    }

    private static async ValueTask AuthenticateAsync(RespConnection connection, RedisAddress server, CancellationToken cancellationToken)
    {
        if (server.Password is { } password)
        {
            RespCommand auth = new("AUTH");
            if (server.User is { } user)
            {
                auth.Add(user);
            }

            await DemandAsync(connection, auth.Add(password.Reveal()), cancellationToken);
        }

        RespValue pong = await connection.SendAsync(new RespCommand("PING"), default, cancellationToken);
        if (pong.IsError)
        {
            throw RedisException.For(server.ToString(), "PING", pong);
        }
    }
}
