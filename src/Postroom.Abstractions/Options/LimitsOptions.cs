namespace Postroom;

/// <summary>Bounds that belong to no feature. Bound from <c>limits</c>; an exceeded one is a typed error with the number.</summary>
public sealed record LimitsOptions
{
    /// <summary>How many bytes the body of a message may have. 1 byte to 1 GiB; 25 MiB unless set.</summary>
    public long Body { get; set; } = 25L << 20;

    /// <summary>How many times a message may lead to another. 1 to 10,000; 50 unless set.</summary>
    public int Hops { get; set; } = 50;

    /// <summary>How many messages one attempt may stage. 1 to 100,000; 1,000 unless set.</summary>
    public int Staged { get; set; } = 1_000;

    /// <summary>How many bytes one attempt may stage. 64 MiB unless set.</summary>
    public long StagedSize { get; set; } = 64L << 20;

    /// <summary>How many HTTP connections there may be. 10,000 unless set.</summary>
    public int Connections { get; set; } = 10_000;

    /// <summary>How many HTTP connections one address may have. 100 unless set. Addresses of this machine, where proxies and tools are, count only when it is another number.</summary>
    public int ConnectionsPerAddress { get; set; } = UsualPerAddress;

    /// <summary>Whether addresses of this machine have the limit as well.</summary>
    internal bool LimitsThisMachine => ConnectionsPerAddress != UsualPerAddress;

    private const int UsualPerAddress = 100;

    /// <summary>How many contacts are held in memory, least recently used first out. 100,000 unless set.</summary>
    public int Contacts { get; set; } = 100_000;

    /// <summary>Takes the values of another; each is written at once.</summary>
    internal void Take(LimitsOptions other) =>
        (Body, Hops, Staged, StagedSize, Connections, ConnectionsPerAddress, Contacts) = (other.Body, other.Hops, other.Staged, other.StagedSize, other.Connections, other.ConnectionsPerAddress, other.Contacts);
}
