namespace Postroom.Workers;

/// <summary>What a pool has done. Safe for concurrent use.</summary>
internal sealed class PoolCounters
{
    private long _processed;
    private long _failed;
    private long _late;
    private long _restarts;
    private int _settling;
    private string? _lastError;

    public long Processed => Interlocked.Read(ref _processed);

    public long Failed => Interlocked.Read(ref _failed);

    public long Late => Interlocked.Read(ref _late);

    public long Restarts => Interlocked.Read(ref _restarts);

    public int Settling => Volatile.Read(ref _settling);

    public string? LastError => Volatile.Read(ref _lastError);

    public void BeginSettle() => Interlocked.Increment(ref _settling);

    public void EndSettle(Settlement settlement)
    {
        Interlocked.Decrement(ref _settling);
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
