using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>Closes connections beyond so many of one address, or beyond so many in all, before anything of them is read (SE-1, SE-2). Safe for concurrent use.</summary>
/// <remarks>One for all listeners. An address without connections is not remembered, so memory is bounded by the connections. What comes through a Unix socket has no address and counts in all only, as does this machine by default: whoever is here speaks for many, or can do worse.</remarks>
/// <param name="limits">How many there may be.</param>
/// <param name="proxies">Addresses and networks that stand for many callers, so that they count in all only.</param>
/// <param name="runtime">Counts what is refused.</param>
/// <param name="clock">Lets refusals share a line of the log.</param>
/// <param name="logger">For one line a minute.</param>
internal sealed partial class ConnectionLimit(LimitsOptions limits, TrustedProxies proxies, IRuntimeView runtime, TimeProvider clock, ILogger<ConnectionLimit> logger)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _open = [];
    private readonly RefusalLog _refusals = new(clock, TimeSpan.FromMinutes(1));
    private int _all;

    /// <summary>How many addresses have connections now.</summary>
    public int Addresses
    {
        get
        {
            lock (_gate)
            {
                return _open.Count;
            }
        }
    }

    /// <summary>A connection middleware: the connection goes on, or is closed at once.</summary>
    public ConnectionDelegate Around(ConnectionDelegate next) => async connection =>
    {
        IPAddress? address = (connection.RemoteEndPoint as IPEndPoint)?.Address is { } remote ? TrustedProxies.Plain(remote) : null;
        IPAddress? counted = address is null || proxies.Include(address) || (IPAddress.IsLoopback(address) && !limits.LimitsThisMachine) ? null : address;
        if (Enter(counted) is { } setting)
        {
            Refuse(setting, address);
            connection.Abort(new ConnectionAbortedException("There are too many connections."));
            return;
        }

        try
        {
            await next(connection);
        }
        finally
        {
            Leave(counted);
        }
    };

    /// <summary>Counts a connection in; the setting that stands in its way when it is not.</summary>
    private string? Enter(IPAddress? address)
    {
        lock (_gate)
        {
            if (_all >= limits.Connections)
            {
                return "limits.connections";
            }

            if (address is not null)
            {
                int open = _open.GetValueOrDefault(address);
                if (open >= limits.ConnectionsPerAddress)
                {
                    return "limits.connectionsPerAddress";
                }

                _open[address] = open + 1;
            }

            _all++;
            return null;
        }
    }

    private void Leave(IPAddress? address)
    {
        lock (_gate)
        {
            _all--;
            if (address is not null && (_open[address] -= 1) == 0)
            {
                _open.Remove(address);
            }
        }
    }

    private void Refuse(string setting, IPAddress? address)
    {
        runtime.CountRefused("connections");
        if (_refusals.Next(setting) is (_, { } unlogged))
        {
            LogRefused(setting, setting == "limits.connections" ? limits.Connections : limits.ConnectionsPerAddress, address?.ToString() ?? "a socket file", unlogged);
        }
    }

    [LoggerMessage(4010, LogLevel.Warning, "A connection from {Address} was closed at once: {Setting} is {Limit}, and as many are open ({Unlogged} more since the last such line). Raise it, or add a proxy that stands for many callers to server.trustedProxies.")]
    private partial void LogRefused(string setting, int limit, string address, long unlogged);
}
