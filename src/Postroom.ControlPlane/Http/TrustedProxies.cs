using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;

namespace Postroom.ControlPlane;

/// <summary>Who may say from whom a request comes, and whether it came by TLS: the proxies of <c>server.trustedProxies</c> and nobody else (SE-2). Safe for concurrent use.</summary>
internal sealed class TrustedProxies
{
    private readonly List<IPAddress> _addresses = [];
    private readonly List<System.Net.IPNetwork> _networks = [];

    /// <summary>Takes addresses and networks, checked with the configuration.</summary>
    public TrustedProxies(IReadOnlyList<string> proxies)
    {
        foreach (string proxy in proxies)
        {
            if (IPAddress.TryParse(proxy, out IPAddress? address))
            {
                _addresses.Add(Plain(address));
            }
            else if (System.Net.IPNetwork.TryParse(proxy, out System.Net.IPNetwork network))
            {
                _networks.Add(network);
            }
        }
    }

    /// <summary>An address as it is written: a socket of both families tells one of the fourth version as one of the sixth.</summary>
    public static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <summary>Whether an address is one of them.</summary>
    public bool Include(IPAddress address) => _addresses.Contains(Plain(address)) || _networks.Exists(network => network.Contains(Plain(address)));

    /// <summary>Reads <c>X-Forwarded-For</c> from the right as far as trusted proxies wrote it, and <c>X-Forwarded-Proto</c>. The host is never taken from a header.</summary>
    public ForwardedHeadersOptions ToOptions()
    {
        ForwardedHeadersOptions options = new() { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = null };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        _addresses.ForEach(options.KnownProxies.Add);
        _networks.ForEach(options.KnownIPNetworks.Add);
        return options;
    }
}
