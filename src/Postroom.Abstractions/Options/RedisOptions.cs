namespace Postroom;

/// <summary>The server of the Redis store. Bound from <c>redis</c>; every change needs a restart.</summary>
public sealed record RedisOptions
{
    /// <summary>The server as <c>redis://</c>, <c>rediss://</c> or <c>unix://</c>. <c>redis://localhost:6379</c> unless set. May hold a password, so it is never printed.</summary>
    public Secret Url { get; set; } = new("redis://localhost:6379");

    /// <summary>What all keys begin with, in braces. <c>postroom</c> unless set.</summary>
    public string Prefix { get; set; } = "postroom";

    /// <summary>Whether a server that would lose data is a start error. False unless set.</summary>
    public bool RequireDurable { get; set; }

    /// <summary>How many replicas must confirm an append. 0 to 100; 0, which asks none, unless set.</summary>
    public int WaitReplicas { get; set; }

    /// <summary>What outbound streams begin with. Null, the default, is <c>{prefix}:out</c>.</summary>
    public string? OutboundStreamPrefix { get; set; }

    /// <summary>What consumer groups of outbound streams begin with. Null, the default, is <c>{prefix}:gw</c>.</summary>
    public string? GatewayGroupPrefix { get; set; }

    /// <summary>How many streams one work queue is spread over. 1 to 1,024; 16 unless set.</summary>
    public int Partitions { get; set; } = 16;

    /// <summary>How long a node that says nothing keeps its name and its partitions, before others take its work over. 1 second to 5 minutes; 15 seconds unless set.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>The addresses of Sentinels, as <c>host:port</c>, or as a URL where they want a user. None, which connects to <see cref="Url"/>, unless set.</summary>
    public IReadOnlyList<string> Sentinels { get; set; } = [];

    /// <summary>The name the Sentinels know the master by. Null, the default, without Sentinels.</summary>
    public string? Master { get; set; }

    /// <summary>A file of certificates in PEM that are trusted beside the system's, for <c>rediss://</c>. Null, the default, for none.</summary>
    public string? CaFile { get; set; }

    /// <summary>How long a reply may take. 5 seconds unless set.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How many bytes one reply value may have. 32 MiB unless set.</summary>
    public long MaxBulk { get; set; } = 32L << 20;
}
