namespace Postroom.Workers;

/// <summary>What a pool has done, and how much of it awaits its commit: at most a window. Safe for concurrent use.</summary>
internal sealed class PoolCounters(int settleWindow)
{
    private readonly SemaphoreSlim _window = new(settleWindow, settleWindow);
    private long _processed;
    private long _failed;
    private long _late;
    private long _restarts;
    private string? _lastError;

    public long Processed => Interlocked.Read(ref _processed);

    public long Failed => Interlocked.Read(ref _failed);

    public long Late => Interlocked.Read(ref _late);

    public long Restarts => Interlocked.Read(ref _restarts);

    public int Settling => settleWindow - _window.CurrentCount;

    public string? LastError => Volatile.Read(ref _lastError);

    /// <summary>Takes a place in the window when one is free.</summary>
    public bool TryBeginSettle() => _window.Wait(0);

    /// <summary>Takes a place in the window, waiting for one.</summary>
    public Task BeginSettleAsync(CancellationToken cancellationToken) => _window.WaitAsync(cancellationToken);

    public void EndSettle(Settlement settlement)
    {
        _window.Release();
        switch (settlement)
        {
            case Settlement.Acknowledged:
                Interlocked.Increment(ref _processed);
                break;
            case Settlement.Failed(_, var reason):
                Interlocked.Increment(ref _failed);
                Volatile.Write(ref _lastError, reason);
                break;
            case Settlement.Retried retry:
                Interlocked.Increment(ref _failed);
                Volatile.Write(ref _lastError, retry.Reason);
                break;
        }
    }

    public void LateOutcome() => Interlocked.Increment(ref _late);

    public void Restarted(Exception cause)
    {
        Interlocked.Increment(ref _restarts);
        Volatile.Write(ref _lastError, cause.Message);
    }
}
