namespace Postroom;

/// <summary>The bounds of the memory store. Bound from <c>store.memory</c>.</summary>
public sealed record MemoryStoreOptions
{
    /// <summary>How many open messages it holds before admission is refused; 1,000,000 unless set.</summary>
    public int MaxMessages { get; set; } = 1_000_000;

    /// <summary>How many bytes of bodies and attachments it holds before admission is refused; 1 GiB unless set.</summary>
    public long MaxBytes { get; set; } = 1024L * 1024 * 1024;

    /// <summary>How many finished messages stay queryable; 10,000 unless set.</summary>
    public int KeepFinished { get; set; } = 10_000;

    /// <summary>How long a dedup key is kept after its message finished; 8 days unless set.</summary>
    public TimeSpan Dedup { get; set; } = TimeSpan.FromDays(8);

    /// <summary>How many dedup keys are kept at most; 1,000,000 unless set.</summary>
    public int MaxDedupKeys { get; set; } = 1_000_000;
}
