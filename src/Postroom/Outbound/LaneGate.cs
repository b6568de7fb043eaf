namespace Postroom.Outbound;

/// <summary>Holds a lane back while its communicator has not started, or while the service asked for a pause.</summary>
internal sealed class LaneGate(TimeProvider clock)
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromHours(1);
    private static readonly Backoff Suspension = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);

    /// <summary>More sends than any lane has at a time.</summary>
    private const int MostRamped = 1_024;

    private readonly Lock _gate = new();
    private TaskCompletionSource _open = NewSignal();
    private bool _isOpen;
    private readonly Queue<TaskCompletionSource<bool>> _entering = new();
    private TaskCompletionSource _renewed = NewSignal();
    private long _until;
    private long _refusedUntil; // as _until, but only for the communicator that was refused
    private long? _suspendedAt;
    private int _failures;
    private int _running;
    private int _allowed = int.MaxValue; // fewer after a pause, until the service has shown that it takes more

    /// <summary>Why the lane waits; null when it does not.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether nothing leaves now although the communicator has started: the service asked for a pause, or cannot be reached.</summary>
    public bool IsSuspended
    {
        get
        {
            lock (_gate)
            {
                return Until > clock.GetTimestamp();
            }
        }
    }

    /// <summary>Whether the service refuses the login, since the last send that it took.</summary>
    public bool IsRefused
    {
        get
        {
            lock (_gate)
            {
                return _refusedUntil > 0;
            }
        }
    }

    /// <summary>For how long the service has taken nothing, pauses and the tries between them together; null while it takes what is sent.</summary>
    public TimeSpan? SuspendedFor
    {
        get
        {
            lock (_gate)
            {
                return _suspendedAt is { } since ? clock.GetElapsedTime(since) : null;
            }
        }
    }

    /// <summary>How long nothing leaves from now on; null when the lane is not paused.</summary>
    public TimeSpan? SuspensionLeft => LeftOfSuspension()?.Left;

    /// <summary>Whether the communicator has started.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_gate)
            {
                return _isOpen;
            }
        }
    }

    /// <summary>Whether a sign that is no message may be shown: no pause is on, and nobody waits for the right to send.</summary>
    public bool HasRoom
    {
        get
        {
            lock (_gate)
            {
                return Until <= clock.GetTimestamp() && _running < _allowed && _entering.Count == 0;
            }
        }
    }

    /// <summary>Another communicator is in the place of one that was refused its login: the pause for that is over. One that the service asked for is not.</summary>
    public void Renew()
    {
        lock (_gate)
        {
            if (_refusedUntil > 0)
            {
                _refusedUntil = 0;
                _suspendedAt = Until > clock.GetTimestamp() ? _suspendedAt : null;
                _renewed.TrySetResult();
                _renewed = NewSignal();
            }
        }
    }

    /// <summary>The communicator has started: messages may leave.</summary>
    public void Open()
    {
        lock (_gate)
        {
            _isOpen = true;
            Problem = null;
            _open.TrySetResult();
        }
    }

    /// <summary>The communicator has stopped, or never starts.</summary>
    public void Close(string why)
    {
        lock (_gate)
        {
            Problem = why;
            if (_isOpen)
            {
                _isOpen = false;
                _open = NewSignal();
            }
        }
    }

    /// <summary>Closes the lane because its communicator is started no more. True for the first of those who find that.</summary>
    public bool CloseIfOpen(string why)
    {
        lock (_gate)
        {
            bool wasOpen = _isOpen;
            if (wasOpen)
            {
                Close(why);
            }

            return wasOpen;
        }
    }

    /// <summary>Says why a communicator that starts slowly has not started yet.</summary>
    public void CloseUnlessOpen(string why)
    {
        lock (_gate)
        {
            Problem = _isOpen ? Problem : why;
        }
    }

    /// <summary>Nothing leaves for a while: the service cannot be reached, or asked to wait.</summary>
    /// <param name="exactly">How long; null for a time that grows from one to the next.</param>
    /// <param name="why">Told to whoever asks what the lane waits for.</param>
    /// <param name="random">Jitter.</param>
    /// <param name="refused">Whether the login was refused, so that other settings may do better at once (LN-4).</param>
    public void Suspend(TimeSpan? exactly, string why, double random, bool refused = false)
    {
        lock (_gate)
        {
            long now = clock.GetTimestamp();
            if (exactly is null && Until <= now)
            {
                _failures++; // Sends that were in flight together and fail together are one failure.
            }

            TimeSpan wait = exactly ?? Suspension.After(Math.Max(1, _failures), random);
            wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > RetryPolicy.LongestWait ? RetryPolicy.LongestWait : wait;
            long until = now + (long)(wait.TotalSeconds * clock.TimestampFrequency);
            (_until, _refusedUntil) = refused ? (_until, Math.Max(_refusedUntil, until)) : (Math.Max(_until, until), _refusedUntil);
            Problem = why;
            _suspendedAt ??= now;
            _allowed = 1;
            while (_entering.TryDequeue(out TaskCompletionSource<bool>? waiting))
            {
                waiting.TrySetResult(false);
            }
        }
    }

    /// <summary>Waits for the right to send; false when the lane is paused meanwhile. After a pause one send goes first, and each success doubles how many go at a time.</summary>
    public ValueTask<bool> EnterAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (Until > clock.GetTimestamp())
            {
                return new ValueTask<bool>(false);
            }

            if (_running < _allowed)
            {
                _running++;
                return new ValueTask<bool>(true);
            }

            TaskCompletionSource<bool> waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _entering.Enqueue(waiting);
            return new ValueTask<bool>(WaitForTurnAsync(waiting, cancellationToken));
        }
    }

    /// <summary>A send that had entered has ended.</summary>
    /// <param name="taken">Whether the service took it.</param>
    public void Leave(bool taken)
    {
        lock (_gate)
        {
            _running--;
            if (taken && _allowed != int.MaxValue && Until <= clock.GetTimestamp())
            {
                _allowed = _allowed >= MostRamped ? int.MaxValue : _allowed * 2;
            }

            while (_running < _allowed && _entering.TryDequeue(out TaskCompletionSource<bool>? waiting))
            {
                _running += waiting.TrySetResult(true) ? 1 : 0;
            }
        }
    }

    private static async Task<bool> WaitForTurnAsync(TaskCompletionSource<bool> waiting, CancellationToken cancellationToken)
    {
        await using (cancellationToken.UnsafeRegister(static state => ((TaskCompletionSource<bool>)state!).TrySetResult(false), waiting))
        {
            return await waiting.Task;
        }
    }

    /// <summary>The service answered: the next suspension is short again.</summary>
    public void Answered()
    {
        lock (_gate)
        {
            _failures = 0;
            _suspendedAt = null;
            _refusedUntil = 0;
            Problem = _isOpen ? null : Problem;
        }
    }

    /// <summary>Waits until messages may leave.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task? opened;
            lock (_gate)
            {
                opened = _isOpen ? null : _open.Task;
            }

            if (opened is not null)
            {
                await opened.WaitAsync(cancellationToken);
                continue;
            }

            if (LeftOfSuspension() is not var (left, renewed))
            {
                return;
            }

            await DelayAsync(left, renewed, cancellationToken);
        }
    }

    /// <summary>Waits until a pause that the service asked for is over, whether the communicator has started or not.</summary>
    public async ValueTask WaitSuspensionAsync(CancellationToken cancellationToken)
    {
        while (LeftOfSuspension() is var (left, renewed))
        {
            await DelayAsync(left, renewed, cancellationToken);
        }
    }

    private long Until => Math.Max(_until, _refusedUntil);

    private (TimeSpan Left, Task Renewed)? LeftOfSuspension()
    {
        lock (_gate)
        {
            long left = Until - clock.GetTimestamp();
            return left > 0 ? (TimeSpan.FromSeconds((double)left / clock.TimestampFrequency), _renewed.Task) : null;
        }
    }

    /// <summary>Waits at most an hour at a time; a timer does not take every span. At least a millisecond, below which it would not wait.</summary>
    private async Task DelayAsync(TimeSpan left, Task renewed, CancellationToken cancellationToken)
    {
        TimeSpan least = TimeSpan.FromMilliseconds(1);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            await Task.WhenAny(Task.Delay(left > LongestDelay ? LongestDelay : left < least ? least : left, clock, end.Token), renewed).WaitAsync(cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            await end.CancelAsync();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
