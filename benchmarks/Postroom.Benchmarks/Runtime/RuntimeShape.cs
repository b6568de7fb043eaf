namespace Postroom.Benchmarks.Runtime;

/// <summary>How the runtime of a measure is composed. What is not set is the product's default, with metrics read and hooks off.</summary>
internal sealed record RuntimeShape
{
    /// <summary>The store's file; null for the memory store.</summary>
    public string? File { get; init; }

    public StoreSynchronous Synchronous { get; init; }

    public int Workers { get; init; } = 8;

    /// <summary>Whether the handler takes the payload as its type; otherwise the body stays bytes.</summary>
    public bool Typed { get; init; } = true;

    public int BodyBytes { get; init; } = OrderMaker.DefaultBytes;

    /// <summary>How many order keys the messages have; 0 gives each a conversation of its own.</summary>
    public int Keys { get; init; }

    /// <summary>How many messages the handler stages; they go to a queue of their own, where 8 workers handle them.</summary>
    public int Outputs { get; init; }

    /// <summary>Whether somebody reads the metrics, as an exporter would.</summary>
    public bool Metrics { get; init; } = true;

    /// <summary>Makes a hook; it goes with the pipeline. Null for none.</summary>
    public Func<IDispatchHook>? Hook { get; init; }
}
