namespace Postroom;

/// <summary>Optional for a communicator whose service can be asked whether a send without an answer arrived.</summary>
public interface IDeliveryProbe
{
    /// <summary>Asks, or waits for word of it, until it is known or the time is over.</summary>
    /// <param name="idempotencyKey">The key of the send: the message's id.</param>
    /// <param name="cancellationToken">The time is over: the answer is <see cref="ProbeAnswer.Unknown"/>.</param>
    ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken);
}

/// <summary>What a service knows of a send. Closed.</summary>
public abstract record ProbeAnswer
{
    private ProbeAnswer()
    {
    }

    /// <summary>It arrived.</summary>
    /// <param name="Receipt">What the service says of it.</param>
    public sealed record Found(DeliveryReceipt Receipt) : ProbeAnswer;

    /// <summary>It certainly did not arrive and will not.</summary>
    public sealed record NotSent : ProbeAnswer;

    /// <summary>Nobody can tell.</summary>
    public sealed record Unknown : ProbeAnswer;
}
