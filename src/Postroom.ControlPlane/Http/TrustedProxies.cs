using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;

namespace Postroom.ControlPlane;

/// <summary>Who may say from whom a request comes, and whether it came by TLS: the proxies of <c>server.trustedProxies</c> and nobody else (SE-2).</summary>
internal static class TrustedProxies
{
    /// <summary>Reads <c>X-Forwarded-For</c> from the right as far as trusted proxies wrote it, and <c>X-Forwarded-Proto</c>. The host is never taken from a header.</summary>
    /// <param name="proxies">Addresses and networks, checked with the configuration.</param>
    public static ForwardedHeadersOptions Options(IReadOnlyList<string> proxies)
    {
        ForwardedHeadersOptions options = new() { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = null };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (string proxy in proxies)
        {
            if (IPAddress.TryParse(proxy, out IPAddress? address))
            {
                options.KnownProxies.Add(address);
            }
            else if (System.Net.IPNetwork.TryParse(proxy, out System.Net.IPNetwork network))
            {
                options.KnownIPNetworks.Add(network);
            }
        }

        return options;
    }
}
