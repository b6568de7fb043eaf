namespace Postroom.Storage;

/// <summary>A caller that waits until messages are due.</summary>
internal sealed class LeaseWaiter(int max) : TaskCompletionSource<IReadOnlyList<MessageLease>>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public int Max { get; } = max;

    /// <summary>The caller's cancellation, unregistered when it is served.</summary>
    public CancellationTokenRegistration Cancellation { get; set; }

    /// <summary>The leases decided under the lane's lock; handed over outside it.</summary>
    public IReadOnlyList<MessageLease>? Served { get; set; }
}
