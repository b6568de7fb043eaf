namespace Postroom.Outbound;

/// <summary>Holds a lane back while its communicator has not started, or while the service asked for a pause.</summary>
internal sealed class LaneGate(TimeProvider clock)
{
    private static readonly Backoff Suspension = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);

    private readonly Lock _gate = new();
    private TaskCompletionSource _open = NewSignal();
    private bool _isOpen;
    private long _until;
    private int _failures;

    /// <summary>Why the lane waits; null when it does not.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether nothing leaves now although the communicator has started: the service asked for a pause, or cannot be reached.</summary>
    public bool IsSuspended
    {
        get
        {
            lock (_gate)
            {
                return _until > clock.GetTimestamp();
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

    /// <summary>Nothing leaves for a while: the service cannot be reached, or asked to wait.</summary>
    public void Suspend(TimeSpan? exactly, string why, double random)
    {
        lock (_gate)
        {
            TimeSpan wait = exactly ?? Suspension.After(++_failures, random);
            _until = Math.Max(_until, clock.GetTimestamp() + (long)(wait.TotalSeconds * clock.TimestampFrequency));
            Problem = why;
        }
    }

    /// <summary>The service answered: the next suspension is short again.</summary>
    public void Answered()
    {
        lock (_gate)
        {
            _failures = 0;
            Problem = _isOpen ? null : Problem;
        }
    }

    /// <summary>Waits until messages may leave.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task? opened = null;
            TimeSpan wait = TimeSpan.Zero;
            lock (_gate)
            {
                if (!_isOpen)
                {
                    opened = _open.Task;
                }
                else if (_until > clock.GetTimestamp())
                {
                    wait = TimeSpan.FromSeconds((double)(_until - clock.GetTimestamp()) / clock.TimestampFrequency);
                }
                else
                {
                    return;
                }
            }

            await (opened?.WaitAsync(cancellationToken) ?? Task.Delay(wait, clock, cancellationToken));
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
