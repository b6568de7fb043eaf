namespace Postroom;

/// <summary>Deliveries of one queue with explicit acknowledgement. Ending the loop gives back what was not settled.</summary>
public sealed class Receiver : IAsyncEnumerable<Delivery>
{
    private readonly IMessageQueue _queue;
    private readonly int _prefetch;

    internal Receiver(IMessageQueue queue, int prefetch)
    {
        _queue = queue;
        _prefetch = prefetch;
    }

    /// <inheritdoc/>
    public IAsyncEnumerator<Delivery> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        return _queue.ConsumeAsync(_prefetch, cancellationToken).GetAsyncEnumerator(cancellationToken);
    }

    /// <summary>Acknowledges, together with staged messages; returns after the commit. False when the lease was lost.</summary>
    public ValueTask<bool> AckAsync(Delivery delivery, IReadOnlyList<Envelope>? staged = null, CancellationToken cancellationToken = default)
    {
        return _queue.AckAsync(delivery, staged, cancellationToken);
    }

    /// <summary>Gives a delivery back: after the queue's backoff, at once (zero), or exactly after a delay. False when the lease was lost.</summary>
    public ValueTask<bool> NackAsync(Delivery delivery, TimeSpan? retryDelay = null, CancellationToken cancellationToken = default)
    {
        return _queue.NackAsync(delivery, retryDelay, cancellationToken);
    }
}
