namespace Postroom;

/// <summary>Counts what is in progress, so that a stop can wait for it. Safe for concurrent use.</summary>
internal sealed class InFlight
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _closed;

    /// <summary>Counts one more; false once it is closed.</summary>
    public bool TryEnter()
    {
        lock (_gate)
        {
            _count += _closed ? 0 : 1;
            return !_closed;
        }
    }

    /// <summary>One has ended.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            if (--_count == 0 && _closed)
            {
                _empty.TrySetResult();
            }
        }
    }

    /// <summary>Lets nothing in any more, and waits until all have ended.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task CloseAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _closed = true;
            if (_count == 0)
            {
                _empty.TrySetResult();
            }
        }

        return _empty.Task.WaitAsync(cancellationToken);
    }
}
