namespace Postroom.Mail;

/// <summary>The open connections of one communicator: at most four, each used by one send at a time, kept while idle for as long as the settings say.</summary>
internal sealed class SmtpConnections
{
    // Servers commonly allow a client ten at once; four carry several hundred mails a second.
    private const int MaxConnections = 4;

    private static readonly TimeSpan ShortestSweep = TimeSpan.FromMilliseconds(10);

    private readonly Func<CancellationToken, Task<SmtpConnection>> _open;
    private readonly TimeSpan _keepAlive;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _slots = new(MaxConnections, MaxConnections);
    private readonly Lock _gate = new();
    private readonly List<SmtpConnection> _idle = [];
    private readonly HashSet<Task> _quitting = [];
    private ITimer? _sweep;
    private bool _isClosed;

    /// <summary>Makes an empty set.</summary>
    /// <param name="open">Opens a connection.</param>
    /// <param name="keepAlive">How long an idle one is kept; zero keeps none.</param>
    /// <param name="clock">Runs the time.</param>
    public SmtpConnections(Func<CancellationToken, Task<SmtpConnection>> open, TimeSpan keepAlive, TimeProvider clock)
    {
        _open = open;
        _keepAlive = keepAlive;
        _clock = clock;
    }

    /// <summary>Takes a connection for one send; give it back with <see cref="ReturnAsync"/>. Waits while all are in use.</summary>
    /// <exception cref="MailConnectionException">None can be opened, or they are closed for good.</exception>
    public async ValueTask<SmtpConnection> TakeAsync(CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken);
        try
        {
            while (Pop() is { } kept)
            {
                if (await kept.IsAliveAsync(cancellationToken))
                {
                    return kept;
                }

                await kept.DisposeAsync();
            }

            return await _open(cancellationToken);
        }
        catch
        {
            _slots.Release();
            throw;
        }
    }

    /// <summary>Opens another connection in place of one that broke; the place stays taken, also when this fails.</summary>
    public async ValueTask<SmtpConnection> ReplaceAsync(SmtpConnection broken, CancellationToken cancellationToken)
    {
        await broken.DisposeAsync();
        return await _open(cancellationToken);
    }

    /// <summary>Takes a connection back, to keep it when it is whole.</summary>
    public async ValueTask ReturnAsync(SmtpConnection connection)
    {
        bool kept = false;
        lock (_gate)
        {
            if (connection.IsWhole && !_isClosed && _keepAlive > TimeSpan.Zero)
            {
                kept = true;
                _idle.Add(connection);
                _sweep ??= _clock.CreateTimer(_ => Sweep(), null, _keepAlive, Timeout.InfiniteTimeSpan);
            }
        }

        try
        {
            if (!kept)
            {
                await connection.QuitAsync();
            }
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>Waits for the sends in progress, until cancelled, and ends every connection.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        int taken = 0;
        try
        {
            for (; taken < MaxConnections; taken++)
            {
                await _slots.WaitAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The sends still running end with their own cancellation and close what they hold.
        }

        Task[] quitting;
        lock (_gate)
        {
            _isClosed = true;
            _sweep?.Dispose();
            quitting = [.. _quitting, .. _idle.Select(connection => connection.QuitAsync())];
            _idle.Clear();
        }

        await Task.WhenAll(quitting);
        if (taken > 0)
        {
            _slots.Release(taken); // Sends that still wait are to learn that it is closed.
        }
    }

    private SmtpConnection? Pop()
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                throw new MailConnectionException("The communicator has stopped.");
            }

            if (_idle.Count == 0)
            {
                return null;
            }

            // The one used last is the one most likely to be alive.
            SmtpConnection newest = _idle[^1];
            _idle.RemoveAt(_idle.Count - 1);
            return newest;
        }
    }

    private void Sweep()
    {
        lock (_gate)
        {
            _sweep?.Dispose();
            _sweep = null;
            if (_isClosed)
            {
                return;
            }

            _quitting.RemoveWhere(task => task.IsCompleted);
            foreach (SmtpConnection old in _idle.FindAll(connection => connection.Idle >= _keepAlive))
            {
                _idle.Remove(old);
                _quitting.Add(old.QuitAsync());
            }

            if (_idle.Count > 0)
            {
                // Time goes on between the two looks: what was young enough a moment ago may be overdue now, and a timer takes no negative time.
                TimeSpan next = _keepAlive - _idle.Max(connection => connection.Idle);
                _sweep = _clock.CreateTimer(_ => Sweep(), null, next > ShortestSweep ? next : ShortestSweep, Timeout.InfiniteTimeSpan);
            }
        }
    }
}
