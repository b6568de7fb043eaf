namespace Postroom.Workers;

/// <summary>What a pool has done, and how much of it awaits its commit: at most a window. Safe for concurrent use.</summary>
internal sealed class PoolCounters(int settleWindow)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _room;
    private int _settling;
    private long _processed;
    private long _failed;
    private long _late;
    private long _restarts;
    private long _released;
    private string? _lastError;

    public long Processed => Interlocked.Read(ref _processed);

    public long Failed => Interlocked.Read(ref _failed);

    public long Late => Interlocked.Read(ref _late);

    public long Restarts => Interlocked.Read(ref _restarts);

    /// <summary>Messages that were given back without having begun.</summary>
    public long Released => Interlocked.Read(ref _released);

    public int Settling => Volatile.Read(ref _settling);

    public string? LastError => Volatile.Read(ref _lastError);

    /// <summary>Takes a place in the window when one is free.</summary>
    public bool TryBeginSettle()
    {
        // Nothing is taken and given back here: that would wake others for a place that was never free.
        int taken = Volatile.Read(ref _settling);
        while (taken < settleWindow)
        {
            int seen = Interlocked.CompareExchange(ref _settling, taken + 1, taken);
            if (seen == taken)
            {
                return true;
            }

            taken = seen;
        }

        return false;
    }

    /// <summary>Takes a place in the window, waiting for one.</summary>
    public async Task BeginSettleAsync(CancellationToken cancellationToken)
    {
        while (!TryBeginSettle())
        {
            Task room;
            lock (_gate)
            {
                room = (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            // Whoever gives a place back after this look sees that somebody waits; whoever did before it is seen here.
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _settling) >= settleWindow)
            {
                await room.WaitAsync(cancellationToken);
            }
        }
    }

    /// <summary>Gives a place in the window back and counts the outcome; null for one that was not stored, which somebody else decides.</summary>
    public void EndSettle(Settlement? settlement)
    {
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

        Release();
    }

    private void Release()
    {
        Interlocked.Decrement(ref _settling);
        if (Volatile.Read(ref _room) is null)
        {
            return;
        }

        lock (_gate)
        {
            _room?.TrySetResult();
            _room = null;
        }
    }

    public void LateOutcome() => Interlocked.Increment(ref _late);

    public void GaveBack(int count) => Interlocked.Add(ref _released, count);

    public void Restarted(Exception cause)
    {
        Interlocked.Increment(ref _restarts);
        Volatile.Write(ref _lastError, cause.Message);
    }
}
