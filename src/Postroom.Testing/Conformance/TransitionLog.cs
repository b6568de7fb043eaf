namespace Postroom.Testing;

/// <summary>Follows a store's transitions from its first message on, so that a test can wait for a move instead of for time.</summary>
internal sealed class TransitionLog : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _end = new();
    private readonly List<Transition> _moves = [];
    private readonly List<(Func<Transition, bool> Wanted, TaskCompletionSource<Transition> Found)> _waiting = [];
    private readonly Task _reading;

    public TransitionLog(IJournal journal)
    {
        // The position is taken by the call, not by the first read.
        IAsyncEnumerable<Transition> stream = journal.WatchAsync(null, null, _end.Token);
        _reading = ReadAsync(stream);
    }

    /// <summary>The moves of one message so far.</summary>
    public IReadOnlyList<Transition> Of(MessageId id)
    {
        lock (_gate)
        {
            return [.. _moves.Where(move => move.MessageId == id)];
        }
    }

    /// <summary>All moves so far.</summary>
    public IReadOnlyList<Transition> All()
    {
        lock (_gate)
        {
            return [.. _moves];
        }
    }

    /// <summary>Waits for the first move that fits, also a past one.</summary>
    public Task<Transition> FirstAsync(Func<Transition, bool> wanted, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            foreach (Transition move in _moves)
            {
                if (wanted(move))
                {
                    return Task.FromResult(move);
                }
            }

            TaskCompletionSource<Transition> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((wanted, found));
            return found.Task.WaitAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        try
        {
            await _reading;
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The end of the stream.
        }

        _end.Dispose();
    }

    private async Task ReadAsync(IAsyncEnumerable<Transition> stream)
    {
        await foreach (Transition move in stream)
        {
            lock (_gate)
            {
                _moves.Add(move);
                foreach ((Func<Transition, bool> wanted, TaskCompletionSource<Transition> found) in _waiting)
                {
                    if (wanted(move))
                    {
                        found.TrySetResult(move);
                    }
                }

                _waiting.RemoveAll(waiting => waiting.Found.Task.IsCompleted);
            }
        }
    }
}
