using System.Runtime.CompilerServices;
using Postroom.Intake;

namespace Postroom;

/// <summary>The application's view of one queue, written once over the store.</summary>
internal sealed class MessageQueue(string name, IMessageStore store, IQueueControl control, QueueCatalog queues, QueuePublisher publisher, OriginMarks marks, QueueActivity activity, Action<MessageLease> giveBack, TimeProvider clock, Func<double> random)
    : IMessageQueue
{
    private static readonly TimeSpan LongestRetryDelay = TimeSpan.FromDays(3_650);
    private static readonly LeaseProgress.Begin Begun = new("receiver");

    public string Name { get; } = name;

    public async ValueTask<PublishResult> PublishAsync(QueueMessage message, PublishOptions? options, CancellationToken cancellationToken)
    {
        Envelope envelope = publisher.Compose(Name, message, options ?? QueuePublisher.Defaults, MessageOrigin.Outside);
        AppendResult result = await store.AppendAsync(envelope, cancellationToken);
        activity.Accepted(Name);
        return new PublishResult(result.Id, result.Duplicate);
    }

    public async IAsyncEnumerable<Delivery> ConsumeAsync(int prefetch, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(prefetch, 1);
        using HeldDeliveries held = new(prefetch, giveBack, activity.Held);
        activity.ConsumerJoined(Name);
        try
        {
            while (await NextAsync(held, cancellationToken) is { } lease)
            {
                held.Add(lease);
                if (await store.RenewAsync(lease, Begun, CancellationToken.None))
                {
                    yield return new Delivery(lease) { Holder = held };
                }
                else
                {
                    held.Drop(lease); // Withdrawn by an operator between lease and begin, too late, or the queue is paused.
                }
            }
        }
        finally
        {
            activity.ConsumerLeft(Name);
        }
    }

    public async ValueTask<bool> AckAsync(Delivery delivery, IReadOnlyList<Envelope>? staged, CancellationToken cancellationToken)
    {
        return await SettleAsync(delivery, Settlement.Acknowledge, staged ?? [], cancellationToken);
    }

    public async ValueTask<bool> NackAsync(Delivery delivery, TimeSpan? retryDelay, CancellationToken cancellationToken)
    {
        if (retryDelay < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(nameof(retryDelay), retryDelay, "A retry delay is zero or more; null takes the queue's backoff.");
        }

        if (retryDelay > LongestRetryDelay)
        {
            throw new ArgumentOutOfRangeException(nameof(retryDelay), retryDelay, $"A retry delay is at most {LongestRetryDelay.TotalDays:0} days.");
        }

        DateTimeOffset now = clock.GetUtcNow();
        MessageLease lease = delivery.Lease;
        const string reason = "Given back by its receiver.";
        Settlement settlement = lease.Failures + 1 >= lease.Envelope.MaxAttempts
            ? Settlement.Fail(FailureKind.Exhausted, reason)
            : retryDelay is { } delay
                ? Settlement.RetryAt(now + delay, reason)
                : RetryPolicy.Again(lease, queues.Get(Name).Backoff.ToBackoff(), reason, FailureKind.Exception, random(), now);
        return await SettleAsync(delivery, settlement, [], cancellationToken);
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

    /// <summary>Waits until the consumer may hold one more, then for a message; null at the end of the loop.</summary>
    private async ValueTask<MessageLease?> NextAsync(HeldDeliveries held, CancellationToken cancellationToken)
    {
        try
        {
            await held.WaitForRoomAsync(cancellationToken);
            while (true)
            {
                CancellationToken hold = await activity.WaitUntilReleasedAsync(cancellationToken);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, hold);
                try
                {
                    return (await store.LeaseAsync(Name, 1, queues.Get(Name).Lease, either.Token))[0];
                }
                catch (OperationCanceledException) when (hold.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                {
                    // The runtime drains: nothing more is taken until it goes on.
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private async ValueTask<bool> SettleAsync(Delivery delivery, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
    {
        bool over = false;
        delivery.Holder?.Settling(delivery);
        try
        {
            await store.SettleAsync(delivery.Lease, settlement, marks.With(staged, delivery.Lease.Envelope, settlement), cancellationToken);
            over = true;
            activity.Finished(Name);
            return true;
        }
        catch (LeaseLostException)
        {
            over = true;
            return false;
        }
        finally
        {
            delivery.Holder?.Settled(delivery, over);
        }
    }
}
