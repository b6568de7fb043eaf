namespace Postroom.Sqlite;

/// <summary>Where callers hand their operations to the writer: bounded in number and bytes, waiting asynchronously when full.</summary>
internal sealed class OperationQueue
{
    public const int MaxOperations = 8_192;
    public const long MaxBytes = 64L << 20;
    private const int BatchOperations = 1_024;
    private const long BatchBytes = 8L << 20;

    private readonly object _gate = new();
    private readonly Queue<StoreOperation> _operations = new();
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private long _bytes;
    private bool _idle;
    private bool _woken;
    private bool _closed;

    /// <summary>Hands an operation over; waits for a place when the queue is full.</summary>
    /// <exception cref="ObjectDisposedException">The store is closed.</exception>
    public async ValueTask PlaceAsync(StoreOperation operation, CancellationToken cancellationToken)
    {
        while (!TryAdd(operation, out Task? place, waits: true))
        {
            await place!.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Hands an operation over if there is room, or whatever the bounds say.</summary>
    public bool TryAdd(StoreOperation operation, out Task? place, bool always = false, bool waits = false)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (!always && (_operations.Count >= MaxOperations || (_bytes + operation.Bytes > MaxBytes && _operations.Count > 0)))
            {
                TaskCompletionSource? waiter = waits ? new(TaskCreationOptions.RunContinuationsAsynchronously) : null;
                if (waiter is not null)
                {
                    _waiting.Enqueue(waiter);
                }

                place = waiter?.Task;
                return false;
            }

            _operations.Enqueue(operation);
            _bytes += operation.Bytes;
            place = null;
            if (_idle)
            {
                Monitor.Pulse(_gate);
            }

            return true;
        }
    }

    /// <summary>Makes the writer look around although no operation waits.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            _woken = true;
            if (_idle)
            {
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <summary>Takes what waits, up to one batch; blocks the writer until something does. False once the queue is closed and empty.</summary>
    /// <param name="batch">Filled.</param>
    /// <param name="patience">How long to wait when nothing is there; zero for not at all.</param>
    public bool Take(List<StoreOperation> batch, TimeSpan patience)
    {
        List<TaskCompletionSource>? freed = null;
        lock (_gate)
        {
            bool patient = patience != TimeSpan.Zero;
            while (patient && _operations.Count == 0 && !_woken && !_closed)
            {
                _idle = true;
                patient = Monitor.Wait(_gate, patience);
            }

            _idle = false;
            _woken = false;
            long bytes = 0;
            while (batch.Count < BatchOperations && bytes < BatchBytes && _operations.TryDequeue(out StoreOperation? operation))
            {
                bytes += operation.Bytes;
                batch.Add(operation);
            }

            _bytes -= bytes;
            while (batch.Count > 0 && _waiting.TryDequeue(out TaskCompletionSource? waiter))
            {
                (freed ??= []).Add(waiter);
            }

            if (batch.Count == 0 && _closed)
            {
                return false;
            }
        }

        foreach (TaskCompletionSource waiter in freed ?? [])
        {
            waiter.TrySetResult();
        }

        return true;
    }

    /// <summary>Takes nothing more; what was handed over is still taken out.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
            while (_waiting.TryDequeue(out TaskCompletionSource? waiter))
            {
                waiter.TrySetResult();
            }
        }
    }
}
