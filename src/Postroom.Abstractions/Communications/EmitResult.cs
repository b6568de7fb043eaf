namespace Postroom;

/// <summary>What became of one emitted message.</summary>
public sealed class EmitResult
{
    private readonly Func<TimeSpan, CancellationToken, Task<IReadOnlyList<EmitOutcome>>> _wait;

    /// <summary>Makes the result.</summary>
    /// <param name="groupId">Shared by the copies.</param>
    /// <param name="ids">One id per copy, in the order the communicators were registered.</param>
    /// <param name="routed">How many communicators have the label.</param>
    /// <param name="wait">Waits until every copy has ended.</param>
    public EmitResult(MessageId groupId, IReadOnlyList<MessageId> ids, int routed, Func<TimeSpan, CancellationToken, Task<IReadOnlyList<EmitOutcome>>> wait)
    {
        GroupId = groupId;
        Ids = ids;
        Routed = routed;
        _wait = wait;
    }

    /// <summary>Shared by the copies.</summary>
    public MessageId GroupId { get; }

    /// <summary>One id per copy, in the order the communicators were registered; empty when nothing was stored.</summary>
    public IReadOnlyList<MessageId> Ids { get; }

    /// <summary>How many communicators have the label.</summary>
    public int Routed { get; }

    /// <summary>Waits until every copy is acknowledged or failed.</summary>
    /// <exception cref="TimeoutException">The time is over; delivery goes on.</exception>
    /// <exception cref="InvalidOperationException">A copy ended so long ago that the journal does not keep it any more.</exception>
    public Task<IReadOnlyList<EmitOutcome>> WaitAsync(TimeSpan timeout, CancellationToken cancellationToken = default) => _wait(timeout, cancellationToken);
}

/// <summary>How one copy ended.</summary>
/// <param name="Id">The copy.</param>
/// <param name="State">Acked or failed.</param>
/// <param name="Receipt">What the service said; null when it failed before.</param>
/// <param name="Error">Why it failed; null when it did not.</param>
public sealed record EmitOutcome(MessageId Id, MessageState State, DeliveryReceipt? Receipt, string? Error);
