using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Postroom.ControlPlane;

/// <summary>The limits of the HTTP server (WH-9, SE-2): a slow or greedy peer costs itself its connection.</summary>
internal static class KestrelLimits
{
    /// <summary>Sets them. Bodies are limited per route; this is the most any route takes.</summary>
    /// <param name="options">Before the server starts.</param>
    /// <param name="maxBodyBytes">The largest body of all routes; 25 MiB unless set.</param>
    /// <param name="connections">Counts connections; null where the server's own limit of 10,000 is enough.</param>
    public static void Apply(KestrelServerOptions options, long maxBodyBytes = 25 * 1024 * 1024, ConnectionLimit? connections = null)
    {
        KestrelServerLimits limits = options.Limits;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));
        limits.MaxConcurrentConnections = connections is null ? 10_000 : null; // the one of all listeners counts instead
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.MaxRequestHeadersTotalSize = 32 * 1024;
        limits.MaxRequestLineSize = 8 * 1024;
        limits.MaxRequestBodySize = maxBodyBytes;
        options.AddServerHeader = false;
        options.ConfigureEndpointDefaults(endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http1;
            if (connections is not null)
            {
                endpoint.Use(connections.Around);
            }
        });
    }
}
