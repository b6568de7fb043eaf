namespace Postroom.Redis;

/// <summary>Which server is connected to, and how.</summary>
internal sealed record RedisEndpoint
{
    /// <summary>The server; with Sentinels only user, password, database and TLS of it count.</summary>
    public required RedisAddress Address { get; init; }

    /// <summary>The Sentinels; none connects to <see cref="Address"/>.</summary>
    public IReadOnlyList<RedisAddress> Sentinels { get; init; } = [];

    /// <summary>The name the Sentinels know the master by; null without Sentinels.</summary>
    public string? Master { get; init; }

    /// <summary>Certificates in PEM that are trusted beside the system's; null for none.</summary>
    public string? CaFile { get; init; }

    /// <summary>How the connection is named in the server's list of clients; no blanks.</summary>
    public string ClientName { get; init; } = "postroom";

    /// <summary>How long a connect or a reply may take; a blocking read may take its own time more.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether RESP3 is asked for; servers that know none are spoken to in RESP2.</summary>
    public bool Resp3 { get; init; } = true;

    /// <summary>The bounds of a reply.</summary>
    public RespLimits Limits { get; init; } = new();

    /// <summary>Commands that await their reply at a time; beyond, callers wait.</summary>
    public int MaxInFlight { get; init; } = 8_192;

    /// <summary>Bytes that wait to be sent; beyond, callers wait. A single command may be larger.</summary>
    public int MaxUnsent { get; init; } = 64 << 20;

    /// <summary>The port of Sentinels where none is named.</summary>
    public const int SentinelPort = 26_379;

    /// <summary>What the settings say.</summary>
    /// <exception cref="FormatException">An address is none.</exception>
    public static RedisEndpoint From(RedisOptions options, string clientName)
    {
        RedisAddress address = RedisAddress.Parse(options.Url.Reveal());
        return new RedisEndpoint
        {
            Address = address,
            Sentinels = [.. options.Sentinels.Select(text => RedisAddress.ParseHost(text, SentinelPort, address.Tls))],
            Master = options.Master,
            CaFile = options.CaFile,
            ClientName = clientName,
            Timeout = options.Timeout,
            Limits = new RespLimits(options.MaxBulk),
        };
    }
}
