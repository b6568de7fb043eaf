using System.Net;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Tells whether a request was made on this machine, for endpoints that are open to it alone (WH-3).</summary>
internal static class LoopbackOnly
{
    /// <summary>
    /// True when the peer is a loopback address, the <c>Host</c> is a loopback name, and no proxy left its headers:
    /// behind a reverse proxy every caller looks local.
    /// </summary>
    public static bool Allows(HttpContext context) =>
        IsLoopback(context.Connection.RemoteIpAddress)
        && context.Request.Headers.Host.Count == 1
        && IsLoopbackHost(context.Request.Host.Host)
        && !context.Request.Headers.Keys.Any(LeftByProxy);

    private static bool IsLoopback(IPAddress? address) =>
        address is not null && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);

    private static bool IsLoopbackHost(string host) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || host == "[::1]"
        || (IPAddress.TryParse(host, out IPAddress? address) && IsLoopback(address) && host == address.ToString());

    private static bool LeftByProxy(string header) =>
        string.Equals(header, "Forwarded", StringComparison.OrdinalIgnoreCase)
        || header.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase);
}
