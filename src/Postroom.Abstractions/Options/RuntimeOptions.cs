namespace Postroom;

/// <summary>The process as a whole. Bound from <c>runtime</c>; every change needs a restart.</summary>
public sealed record RuntimeOptions
{
    /// <summary>The name views, logs and traces show. <c>postroom</c> unless set.</summary>
    public string Name { get; set; } = "postroom";

    /// <summary>Where it runs, as a word for logs and traces. <c>production</c> unless set.</summary>
    public string Environment { get; set; } = "production";

    /// <summary>What it does of the whole. Everything unless set; other roles need the Redis store.</summary>
    public RuntimeRole Role { get; set; }

    /// <summary>The node's id among those that share a store. Null, the default, is the machine's name and four random hex digits, kept in the data directory.</summary>
    public string? Node { get; set; }

    /// <summary>Where the runtime writes its files. <c>data</c> unless set.</summary>
    public string DataDirectory { get; set; } = "data";

    /// <summary>How long work in flight may take to finish at a stop. At most <see cref="StopTimeout"/>; 25 seconds unless set.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>How long before the end of <see cref="DrainTimeout"/> handler tokens are cancelled. 5 seconds unless set.</summary>
    public TimeSpan CancelGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a stop may take in all. 60 seconds unless set.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(60);
}
