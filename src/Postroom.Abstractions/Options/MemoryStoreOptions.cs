namespace Postroom;

/// <summary>The bounds of the memory store; beyond them admission is refused and nothing is dropped. Bound from <c>store.memory</c>.</summary>
public sealed record MemoryStoreOptions
{
    /// <summary>How many open messages it holds. At least 1; 1,000,000 unless set.</summary>
    public int Messages { get; set; } = 1_000_000;

    /// <summary>How many bytes it holds. At least 1 MiB; 1 GiB unless set.</summary>
    public long Size { get; set; } = 1L << 30;

    /// <summary>How many finished messages stay queryable. 10,000 unless set.</summary>
    public int Finished { get; set; } = 10_000;
}
