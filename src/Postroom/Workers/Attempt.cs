using System.Diagnostics;
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
internal sealed class Attempt(MessageLease lease, int slot, long startedAt, CancellationTokenSource time)
{
    private const int Left = -1;

    private Rare? _rare;
    private int _ended;
    private int _cancelled; // a reason, or that the handler has returned

    public MessageLease Lease { get; private set; } = lease;

    public Envelope Envelope => Lease.Envelope;

    /// <summary>What earlier attempts sent without an answer did certainly not arrive.</summary>
    public void ForgetEarlierSends() => Lease = Lease with { SendStartedAt = null, UnansweredSends = 0 };

    /// <summary>What earlier attempts sent without an answer has arrived: these parts are delivered.</summary>
    /// <param name="progress">The service's ids of all of them, in order.</param>
    public void ForgetEarlierSends(IReadOnlyList<string> progress) => Lease = Lease with { SendStartedAt = null, UnansweredSends = 0, Progress = progress };

    public int Slot { get; } = slot;

    /// <summary>When it began, on the monotonic clock.</summary>
    public long StartedAt { get; } = startedAt;

    /// <summary>When its handler or send returned, on the monotonic clock; 0 before, and for one that was given up.</summary>
    public long ReturnedAt { get; set; }

    /// <summary>Cancelled when the time is over or the drain limit is near.</summary>
    public CancellationToken CancellationToken => Time.Token;

    /// <summary>What cancels it; the worker's, used again unless it was.</summary>
    public CancellationTokenSource Time { get; } = time;

    /// <summary>Whether a send of it may have begun; false for handlers.</summary>
    public bool IsSending { get; set; }

    /// <summary>What the handler staged; null for deliveries, which stage nothing.</summary>
    public StagingContext? Context { get; set; }

    /// <summary>What was told to hooks; null without hooks.</summary>
    public HookCalls? Hooks
    {
        get => _rare?.Hooks;
        set => (_rare ??= new Rare()).Hooks = value;
    }

    /// <summary>What the outside service said; null for handlers.</summary>
    public DeliveryReceipt? Receipt
    {
        get => _rare?.Receipt;
        set => (_rare ??= new Rare()).Receipt = value;
    }

    /// <summary>What the send took for itself, let go of once its outcome is handed over; null for nothing.</summary>
    public IAsyncDisposable? Held
    {
        get => _rare?.Held;
        set
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).Held = value;
            }
        }
    }

    /// <summary>Copies that the router made of an unrouted message; empty otherwise.</summary>
    public IReadOnlyList<Envelope> Routed
    {
        get => _rare?.Routed ?? [];
        set => (_rare ??= new Rare()).Routed = value;
    }

    /// <summary>Its span; null while nobody looks at spans.</summary>
    public Activity? Span
    {
        get => _rare?.Span;
        set => (_rare ??= new Rare()).Span = value;
    }

    /// <summary>The span of its settlement; null while nobody looks at spans.</summary>
    public Activity? SettleSpan
    {
        get => _rare?.SettleSpan;
        set => (_rare ??= new Rare()).SettleSpan = value;
    }

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
        if (_rare is { } rare)
        {
            (rare.Receipt, rare.Routed) = (null, []);
        }
    }

    /// <summary>Lets go of <see cref="Held"/>.</summary>
    public ValueTask LetGoAsync()
    {
        IAsyncDisposable? held = Held;
        Held = null;
        return held?.DisposeAsync() ?? default;
    }

    /// <summary>Why its token was cancelled; <see cref="CancelReason.None"/> while it was not.</summary>
    public CancelReason CancelReason => Volatile.Read(ref _cancelled) is var reason and > 0 ? (CancelReason)reason : CancelReason.None;

    /// <summary>Claims the right to cancel its token: true once, and only while its handler runs.</summary>
    public bool TryCancel(CancelReason reason) => Interlocked.CompareExchange(ref _cancelled, (int)reason, (int)CancelReason.None) == (int)CancelReason.None;

    /// <summary>Ends an attempt that was cancelled before its handler began.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void ThrowIfCancelled()
    {
        if (CancelReason != CancelReason.None)
        {
            throw new OperationCanceledException(CancellationToken);
        }
    }

    /// <summary>Its handler has returned: nothing cancels it any more. False when something did.</summary>
    public bool Leave() => Interlocked.CompareExchange(ref _cancelled, Left, (int)CancelReason.None) == (int)CancelReason.None;

    /// <summary>Claims the right to decide its end: the worker when the handler returns, or the watch when it gives it up. True once.</summary>
    public bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;

    /// <summary>What most attempts have nothing of.</summary>
    private sealed class Rare
    {
        public HookCalls? Hooks { get; set; }

        public DeliveryReceipt? Receipt { get; set; }

        public IAsyncDisposable? Held { get; set; }

        public IReadOnlyList<Envelope> Routed { get; set; } = [];

        public Activity? Span { get; set; }

        public Activity? SettleSpan { get; set; }
    }
}
