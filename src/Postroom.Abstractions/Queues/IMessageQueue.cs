namespace Postroom;

/// <summary>One queue as an application sees it.</summary>
/// <remarks>Written once over the store, so it means the same on every store. Safe for concurrent use.</remarks>
public interface IMessageQueue
{
    /// <summary>The queue's name.</summary>
    string Name { get; }

    /// <summary>Stores a message and returns after the commit.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot write now.</exception>
    ValueTask<PublishResult> PublishAsync(QueueMessage message, PublishOptions? options, CancellationToken cancellationToken);

    /// <summary>Deliveries as they become due; competing consumers share them. Ending the loop releases what was not settled.</summary>
    /// <param name="prefetch">How many deliveries are held at most; at least 1.</param>
    /// <param name="cancellationToken">Ends the loop.</param>
    IAsyncEnumerable<Delivery> ConsumeAsync(int prefetch, CancellationToken cancellationToken);

    /// <summary>Acknowledges, together with staged messages; returns after the commit. Repeating it changes nothing.</summary>
    /// <returns>False when the lease was lost; nothing is stored then.</returns>
    ValueTask<bool> AckAsync(Delivery delivery, IReadOnlyList<Envelope>? staged, CancellationToken cancellationToken);

    /// <summary>Gives a delivery back.</summary>
    /// <param name="delivery">The delivery.</param>
    /// <param name="retryDelay">Null for the queue's backoff, zero for at once at the head of its key, or exactly this long. The last attempt fails as exhausted.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the lease was lost.</returns>
    ValueTask<bool> NackAsync(Delivery delivery, TimeSpan? retryDelay, CancellationToken cancellationToken);

    /// <summary>Counts of the queue.</summary>
    ValueTask<QueueStats> GetStatsAsync(CancellationToken cancellationToken);
}

/// <summary>What is published on a queue.</summary>
/// <param name="Type">The payload type.</param>
/// <param name="Body">The payload's bytes.</param>
/// <param name="ContentType">Their media type.</param>
public readonly record struct QueueMessage(string Type, ReadOnlyMemory<byte> Body, string ContentType = "application/json");

/// <summary>How a message is published.</summary>
public sealed record PublishOptions
{
    private static readonly IReadOnlyDictionary<string, string> NoHeaders = new Dictionary<string, string>();

    /// <summary>Reveals a repeat; at most 512 characters; null for none.</summary>
    public string? DedupKey { get; init; }

    /// <summary>The order key; null for the queue's rule, empty for unordered.</summary>
    public string? OrderKey { get; init; }

    /// <summary>The conversation, for calls from outside a handler; null for a new one.</summary>
    public string? Conversation { get; init; }

    /// <summary>Not leased before this time has passed; null for at once.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>Fails as expired when still waiting after this time; null for the queue's setting.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>How many failures it may have; null for the queue's setting.</summary>
    public int? MaxAttempts { get; init; }

    /// <summary>Headers; empty unless set. Reserved ones are refused.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = NoHeaders;
}

/// <summary>What became of a published message.</summary>
/// <param name="Id">Its id, or the id of the message it repeats.</param>
/// <param name="Duplicate">Whether it repeats one that is already stored.</param>
public readonly record struct PublishResult(MessageId Id, bool Duplicate);

/// <summary>A message held by a pull receiver until it is acknowledged or given back.</summary>
public sealed class Delivery
{
    /// <summary>Makes a delivery of a lease.</summary>
    public Delivery(MessageLease lease) => Lease = lease;

    /// <summary>The lease behind it.</summary>
    public MessageLease Lease { get; }

    /// <summary>The message.</summary>
    public Envelope Envelope => Lease.Envelope;

    /// <summary>The number of this attempt, from 1.</summary>
    public int Attempt => Lease.Attempt;

    /// <summary>Whether an earlier attempt began and ended without an outcome.</summary>
    public bool Redelivered => Lease.Redelivered;

    /// <summary>Who holds it for its consumer; null when nobody does.</summary>
    internal IDeliveryHolder? Holder { get; init; }
}

/// <summary>Holds deliveries for a consumer.</summary>
internal interface IDeliveryHolder
{
    /// <summary>A settlement of the delivery is on its way.</summary>
    void Settling(Delivery delivery);

    /// <summary>That settlement has ended.</summary>
    /// <param name="delivery">The delivery.</param>
    /// <param name="over">Whether the lease is over; false when the settlement could not be stored.</param>
    void Settled(Delivery delivery, bool over);
}

/// <summary>Counts of one queue, as people and back pressure read them.</summary>
public sealed record QueueStats
{
    /// <summary>Messages waiting, delayed ones included.</summary>
    public long Pending { get; init; }

    /// <summary>Of the waiting ones, those whose instant has not come.</summary>
    public long Delayed { get; init; }

    /// <summary>Of the waiting ones, those without a handler now.</summary>
    public long Parked { get; init; }

    /// <summary>Messages with a worker or receiver.</summary>
    public long Dispatched { get; init; }

    /// <summary>Messages handled.</summary>
    public long Acked { get; init; }

    /// <summary>Messages given up.</summary>
    public long Failed { get; init; }

    /// <summary>How long the oldest waiting message has waited; null when none waits.</summary>
    public TimeSpan? OldestPendingAge { get; init; }

    /// <summary>Messages accepted per second, over the last minute.</summary>
    public double AcceptedPerSecond { get; init; }

    /// <summary>Messages ended per second, over the last minute.</summary>
    public double FinishedPerSecond { get; init; }

    /// <summary>Workers and receivers of the queue.</summary>
    public int Consumers { get; init; }

    /// <summary>Nothing is leased.</summary>
    public bool Paused { get; init; }

    /// <summary>Sources feeding the queue are held back.</summary>
    public bool AboveHighWater { get; init; }
}
