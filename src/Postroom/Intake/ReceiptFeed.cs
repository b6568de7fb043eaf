namespace Postroom.Intake;

/// <summary>Tells of later receipts once they are stored. Safe for concurrent use.</summary>
internal sealed class ReceiptFeed
{
    private readonly Lock _gate = new();
    private Action<StoredReceipt>? _observers;

    /// <summary>Whether anyone is to be told.</summary>
    public bool IsOn => Volatile.Read(ref _observers) is not null;

    /// <summary>Calls an observer for each receipt, until the result is disposed.</summary>
    public IDisposable Observe(Action<StoredReceipt> observer)
    {
        lock (_gate)
        {
            _observers += observer;
        }

        return new Observation(this, observer);
    }

    /// <summary>Tells of a stored receipt.</summary>
    public void Tell(StoredReceipt receipt) => Volatile.Read(ref _observers)?.Invoke(receipt);

    private sealed class Observation(ReceiptFeed feed, Action<StoredReceipt> observer) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                lock (feed._gate)
                {
                    feed._observers -= observer;
                }
            }
        }
    }
}
