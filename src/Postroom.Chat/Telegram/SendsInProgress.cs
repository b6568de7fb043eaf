namespace Postroom.Chat;

/// <summary>Counts sends in progress, so that a stop can wait for them, and sees when a service's limit for the whole bot is used up. Safe for concurrent use.</summary>
/// <param name="clock">Measures the window.</param>
/// <param name="limit">How many sends the service allows in a second.</param>
internal sealed class SendsInProgress(TimeProvider clock, int limit)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly Queue<long> _begun = new();
    private int _count;
    private bool _closed = true;
    private TaskCompletionSource? _idle;

    /// <summary>Whether as many sends began within the last second as the limit allows.</summary>
    public bool IsLimitUsed
    {
        get
        {
            lock (_gate)
            {
                return _begun.Count == limit && clock.GetElapsedTime(_begun.Peek()) <= Window;
            }
        }
    }

    /// <summary>Lets sends begin.</summary>
    public void Open()
    {
        lock (_gate)
        {
            (_closed, _idle) = (false, null);
        }
    }

    /// <summary>Begins a send; false when none may.</summary>
    public bool TryBegin()
    {
        lock (_gate)
        {
            _count += _closed ? 0 : 1;
            return !_closed;
        }
    }

    /// <summary>Notes a request of a send.</summary>
    public void NoteRequest()
    {
        lock (_gate)
        {
            if (_begun.Count == limit)
            {
                _begun.Dequeue();
            }

            _begun.Enqueue(clock.GetTimestamp());
        }
    }

    /// <summary>Ends a send.</summary>
    public void End()
    {
        lock (_gate)
        {
            _count--;
            if (_closed && _count == 0)
            {
                _idle?.TrySetResult();
            }
        }
    }

    /// <summary>Lets no more begin and waits for those in progress.</summary>
    public Task CloseAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _closed = true;
            if (_count == 0)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task.WaitAsync(cancellationToken);
        }
    }
}
