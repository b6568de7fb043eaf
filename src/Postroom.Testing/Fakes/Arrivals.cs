namespace Postroom.Testing;

/// <summary>Counts what arrives at a fake, so that a test can wait for it. Safe for concurrent use.</summary>
internal sealed class Arrivals
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;

    /// <summary>How many arrived.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>One more has arrived.</summary>
    public void Add()
    {
        lock (_gate)
        {
            _count++;
            _next.TrySetResult();
            _next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Waits until so many have arrived.</summary>
    public async Task WaitAsync(int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next;
            lock (_gate)
            {
                if (_count >= count)
                {
                    return;
                }

                next = _next.Task;
            }

            await next.WaitAsync(cancellationToken);
        }
    }
}
