using System.Runtime.CompilerServices;

namespace Postroom;

/// <summary>The application's view of one queue, written once over the store.</summary>
internal sealed class MessageQueue(string name, IMessageStore store, IQueueControl control, QueueCatalog queues, QueuePublisher publisher, QueueActivity activity, TimeProvider clock, Func<double> random)
    : IMessageQueue
{
    private static readonly LeaseProgress.Begin Begun = new("receiver");

    public string Name { get; } = name;

    public async ValueTask<PublishResult> PublishAsync(QueueMessage message, PublishOptions? options, CancellationToken cancellationToken)
    {
        Envelope envelope = publisher.Compose(Name, message, options ?? new PublishOptions(), MessageOrigin.Outside);
        IReadOnlyList<AppendResult> results = await store.AppendAsync([envelope], null, cancellationToken);
        activity.Accepted(Name);
        return new PublishResult(results[0].Id, results[0].Duplicate);
    }

    public async IAsyncEnumerable<Delivery> ConsumeAsync(int prefetch, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(prefetch, 1);
        Dictionary<long, MessageLease> held = [];
        Queue<MessageLease> ready = new();
        activity.ConsumerJoined(Name);
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                if (ready.Count == 0)
                {
                    try
                    {
                        foreach (MessageLease lease in await store.LeaseAsync(Name, prefetch, queues.Get(Name).Lease, cancellationToken))
                        {
                            ready.Enqueue(lease);
                        }
                    }
                    catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                    {
                        yield break;
                    }
                }

                MessageLease next = ready.Dequeue();
                if (await store.RenewAsync(next, Begun, CancellationToken.None))
                {
                    held[next.Fence] = next;
                    yield return new Delivery(next);
                }
            }
        }
        finally
        {
            activity.ConsumerLeft(Name);
            foreach (MessageLease lease in held.Values.Concat(ready))
            {
                await ReleaseAsync(lease);
            }
        }
    }

    public async ValueTask<bool> AckAsync(Delivery delivery, IReadOnlyList<Envelope>? staged, CancellationToken cancellationToken)
    {
        return await SettleAsync(delivery.Lease, Settlement.Acknowledge, staged ?? [], cancellationToken);
    }

    public async ValueTask<bool> NackAsync(Delivery delivery, TimeSpan? retryDelay, CancellationToken cancellationToken)
    {
        if (retryDelay < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(nameof(retryDelay), retryDelay, "A retry delay is zero or more; null takes the queue's backoff.");
        }

        DateTimeOffset now = clock.GetUtcNow();
        MessageLease lease = delivery.Lease;
        const string reason = "Given back by its receiver.";
        Settlement settlement = lease.Failures + 1 >= lease.Envelope.MaxAttempts
            ? Settlement.Fail(FailureKind.Exhausted, reason)
            : retryDelay is { } delay
                ? Settlement.RetryAt(now + delay, reason)
                : RetryPolicy.Again(lease, queues.Get(Name).Backoff.ToBackoff(), reason, FailureKind.Exception, random(), now);
        return await SettleAsync(lease, settlement, [], cancellationToken);
    }

    public async ValueTask<QueueStats> GetStatsAsync(CancellationToken cancellationToken)
    {
        StoreStats stats = await store.GetStatsAsync(Name, cancellationToken);
        StoreQueueStats counts = stats.Queues.TryGetValue(Name, out StoreQueueStats? found) ? found : new StoreQueueStats();
        return new QueueStats
        {
            Pending = counts.Pending,
            Delayed = counts.Delayed,
            Parked = counts.Parked,
            Dispatched = counts.Dispatched,
            Acked = counts.Acked,
            Failed = counts.Failed,
            OldestPendingAge = counts.OldestPendingAt is { } oldest ? clock.GetUtcNow() - oldest : null,
            AcceptedPerSecond = activity.AcceptedPerSecond(Name),
            FinishedPerSecond = activity.FinishedPerSecond(Name),
            Consumers = activity.Consumers(Name),
            Paused = activity.IsPaused(Name),
            AboveHighWater = control.CountDue(Name) > queues.Get(Name).HighWater,
        };
    }

    private async ValueTask<bool> SettleAsync(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
    {
        try
        {
            await store.SettleAsync(lease, settlement, staged, cancellationToken);
            activity.Finished(Name);
            return true;
        }
        catch (LeaseLostException)
        {
            return false;
        }
    }

    private async ValueTask ReleaseAsync(MessageLease lease)
    {
        try
        {
            await store.SettleAsync(lease, Settlement.Release, [], CancellationToken.None);
        }
        catch (Exception e) when (e is LeaseLostException or StoreUnavailableException or ObjectDisposedException)
        {
            // Settled by the consumer, or the store is closing: either way nobody holds it any more.
        }
    }
}
