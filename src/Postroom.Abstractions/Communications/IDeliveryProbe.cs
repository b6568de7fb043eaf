namespace Postroom;

/// <summary>Optional for a communicator whose service can be asked whether a send without an answer arrived.</summary>
public interface IDeliveryProbe
{
    /// <summary>Asks, or waits for word of it, until it is known or the time is over.</summary>
    /// <param name="idempotencyKey">The key of the send: the message's id, or <c>ID/n</c> for part n of a message in parts.</param>
    /// <param name="cancellationToken">The time is over: the answer is <see cref="ProbeAnswer.Unknown"/>.</param>
    /// <exception cref="DeliveryException">It cannot be asked now: the answer is <see cref="ProbeAnswer.Unknown"/>.</exception>
    /// <exception cref="Exception">Asking failed in another way: unknown as well, it is logged, and a message that a person replayed is not sent before it could be asked for.</exception>
    ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken);
}

/// <summary>What a service knows of a send. Closed.</summary>
public abstract record ProbeAnswer
{
    private ProbeAnswer()
    {
    }

    /// <summary>It arrived, or with <see cref="DeliveryStatus.Failed"/> the service had taken it and gave it up.</summary>
    /// <param name="Receipt">
    /// What the service says of it. A message may have been sent more than once: of a failure, <see cref="DeliveryReceipt.At"/> tells which send it is about, and one from before
    /// the last send, or without a time, counts as <see cref="Unknown"/> then.
    /// </param>
    public sealed record Found(DeliveryReceipt Receipt) : ProbeAnswer;

    /// <summary>It certainly did not arrive and will not.</summary>
    public sealed record NotSent : ProbeAnswer;

    /// <summary>Nobody can tell.</summary>
    public sealed record Unknown : ProbeAnswer;
}
