using Postroom.Diagnostics;
using Postroom.Handling;

namespace Postroom.Workers;

/// <summary>Why an attempt's token was cancelled.</summary>
internal enum CancelReason
{
    None,
    Timeout,
    Stopping,
    Operator,
}

/// <summary>One try of one message, from begin to report. Used by one worker; the watch may abandon it.</summary>
internal sealed class Attempt(MessageLease lease, int slot, long startedAt, CancellationToken cancellationToken)
{
    private int _ended;

    public MessageLease Lease { get; } = lease;

    public Envelope Envelope => Lease.Envelope;

    public int Slot { get; } = slot;

    /// <summary>When it began, on the monotonic clock.</summary>
    public long StartedAt { get; } = startedAt;

    /// <summary>Cancelled when the time is over or the drain limit is near.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;

    /// <summary>What the handler staged; null for deliveries, which stage nothing.</summary>
    public StagingContext? Context { get; set; }

    /// <summary>What was told to hooks; null without hooks.</summary>
    public HookCalls? Hooks { get; set; }

    /// <summary>What the outside service said; null for handlers.</summary>
    public DeliveryReceipt? Receipt { get; set; }

    /// <summary>Copies that the router made of an unrouted message; empty otherwise.</summary>
    public IReadOnlyList<Envelope> Routed { get; set; } = [];

    /// <summary>What is stored with an outcome.</summary>
    public IReadOnlyList<Envelope> StagedFor(Settlement settlement)
    {
        return Context is { } context ? context.StagedFor(settlement) : settlement is Settlement.Acknowledged ? Routed : [];
    }

    /// <summary>Forgets what was staged and what the service said: only the outcome itself is stored.</summary>
    public void Drop()
    {
        Context?.Dispose();
        Context = null;
        Receipt = null;
        Routed = [];
    }

    /// <summary>Why its token was cancelled; <see cref="CancelReason.None"/> while it was not.</summary>
    public CancelReason CancelReason { get; set; }

    /// <summary>Claims the right to decide its end: the worker when the handler returns, or the watch when it gives it up. True once.</summary>
    public bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;
}
