namespace Postroom;

/// <summary>Where messages are kept. Bound from <c>store</c>; every change needs a restart.</summary>
public sealed record StoreOptions
{
    /// <summary>The kind: <c>sqlite</c>, <c>memory</c>, <c>redis</c> or a registered one. <c>sqlite</c> unless set.</summary>
    public string Kind { get; set; } = "sqlite";

    /// <summary>The file of the SQLite store. <c>data/postroom.db</c> unless set.</summary>
    public string Path { get; set; } = "data/postroom.db";

    /// <summary>What a commit survives. A power loss unless set.</summary>
    public StoreSynchronous Synchronous { get; set; }

    /// <summary>When rows are verified at a start. After an unclean end unless set.</summary>
    public StoreCheck Check { get; set; }

    /// <summary>Free bytes of the disk below which nothing more is accepted. 64 MiB unless set.</summary>
    public long Reserve { get; set; } = 64L << 20;

    /// <summary>Bytes of the store above which acked messages are compacted early and then nothing more is accepted. Null, the default, does not bound it.</summary>
    public long? MaxSize { get; set; }

    /// <summary>The bounds of the memory store.</summary>
    public MemoryStoreOptions Memory { get; set; } = new();
}
