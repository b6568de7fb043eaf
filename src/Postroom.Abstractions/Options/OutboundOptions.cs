namespace Postroom;

/// <summary>How the lane of a communicator sends. Bound from <c>outbound</c>; a communicator may override each under its own <c>outbound</c>.</summary>
/// <remarks>The six from <see cref="ConsumerName"/> to <see cref="MaxDeliveries"/> matter on Redis only.</remarks>
public sealed record OutboundOptions
{
    /// <summary>How many sends of different conversations may be in flight. 1 to 1,024; 32 unless set.</summary>
    public int MaxInFlight { get; set; } = 32;

    /// <summary>How long one send may take. 30 seconds unless set; e-mail has 12 minutes then, since servers may think for ten about the end of a mail.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The name in the consumer group, unique among living nodes. Null, the default, is the node's id.</summary>
    public string? ConsumerName { get; set; }

    /// <summary>How often stranded entries of other nodes are looked for. 30 seconds unless set.</summary>
    public TimeSpan AutoclaimInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an entry must have been idle to be taken over. Longer than <see cref="SendTimeout"/>; 60 seconds unless set.</summary>
    public TimeSpan AutoclaimMinIdle { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a claim lives unless renewed. 60 seconds unless set.</summary>
    public TimeSpan ClaimTtl { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a finished send is remembered, to recognise a repeat. 24 hours unless set.</summary>
    public TimeSpan DoneTtl { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Deliveries without an outcome after which a message is Failed (poison). 1 to 100; 5 unless set.</summary>
    public int MaxDeliveries { get; set; } = 5;

    /// <summary>How long a stopping lane waits for sends in flight. May be <see cref="Timeout.InfiniteTimeSpan"/>; 25 seconds unless set.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>The directory of tool manifests, used when <c>gateway.tools.enabled</c>. <c>tools</c> unless set.</summary>
    public string ToolsDirectory { get; set; } = "tools";
}
