namespace Postroom;

/// <summary>The HTTP listener and who may call it. Bound from <c>server</c>; changed addresses need a restart.</summary>
public sealed record ServerOptions
{
    /// <summary>The addresses it listens on. <c>http://127.0.0.1:8080</c> unless set; <c>PORT</c> replaces the port of the first.</summary>
    public IReadOnlyList<string> Urls { get; set; } = ["http://127.0.0.1:8080"];

    /// <summary>What every path begins with: empty, the default, or <c>/</c> and names.</summary>
    public string Prefix { get; set; } = "";

    /// <summary>When set, control plane and dashboard answer only on these addresses. None unless set.</summary>
    public IReadOnlyList<string> AdminUrls { get; set; } = [];

    /// <summary>The accepted <c>Host</c> names; others get 421. The names of loopback unless set.</summary>
    public IReadOnlyList<string> Hosts { get; set; } = ["localhost", "127.0.0.1", "[::1]"];

    /// <summary>The addresses or networks whose <c>X-Forwarded-*</c> headers are believed. None unless set.</summary>
    public IReadOnlyList<string> TrustedProxies { get; set; } = [];

    /// <summary>The configured keys of the control plane. None unless set.</summary>
    public IReadOnlyList<ServerKey> Keys { get; set; } = [];
}
