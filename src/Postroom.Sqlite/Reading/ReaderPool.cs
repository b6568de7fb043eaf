using System.Diagnostics.CodeAnalysis;

namespace Postroom.Sqlite;

/// <summary>A connection that only reads, with its statements.</summary>
internal sealed class ReadSession(SqliteConnection connection, NameTable names) : IDisposable
{
    private readonly Dictionary<string, SqliteStatement> _statements = new(StringComparer.Ordinal);

    public SqliteConnection Connection { get; } = connection;

    public NameTable Names { get; } = names;

    /// <summary>One statement by its text, compiled once and kept; of texts put together from constants the last 64.</summary>
    public SqliteStatement Statement(string sql)
    {
        if (!_statements.TryGetValue(sql, out SqliteStatement? statement))
        {
            if (_statements.Count >= 64)
            {
                foreach (SqliteStatement old in _statements.Values)
                {
                    old.Dispose();
                }

                _statements.Clear();
            }

            _statements.Add(sql, statement = Connection.Prepare("read", sql));
        }

        return statement;
    }

    /// <summary>Ends what a failed read left running: it would hold its snapshot, and the WAL could not begin again.</summary>
    public void Reset()
    {
        foreach (SqliteStatement statement in _statements.Values)
        {
            statement.Reset();
        }

        if (Connection.InTransaction)
        {
            Connection.Execute("end of a read", "rollback");
        }
    }

    public byte[] ReadApart(byte[] hash) => ApartBytes.Read(Statement(ApartBytes.Select), hash);

    public void Dispose() => Connection.Dispose();
}

/// <summary>Two threads that read, off their callers' threads: lookups before scans, and never two scans at once, so that a lookup waits for one read at most.</summary>
/// <remarks>
/// Reads wait; none is refused. How many wait is bounded by who asks: a handler has one attempt, a source one batch, and the control plane
/// a limit of its own for requests (ST-14). A read whose caller has left is not run.
/// </remarks>
internal sealed class ReaderPool : IDisposable
{
    private const int Threads = 2;

    private readonly Func<ReadSession> _open;
    private readonly Action<string> _onDamage;
    private readonly object _gate = new();
    private readonly Queue<Action<ReadSession?>> _lookups = new();
    private readonly Queue<Action<ReadSession?>> _scans = new();
    private readonly Thread[] _threads;
    private bool _scanning;
    private bool _closed;
    private bool _suspended;
    private int _generation;
    private int _openSessions;

    public ReaderPool(Func<ReadSession> open, Action<string> onDamage)
    {
        _open = open;
        _onDamage = onDamage;
        _threads = [.. Enumerable.Range(1, Threads).Select(number => new Thread(Loop) { Name = $"postroom-store-reader-{number}", IsBackground = true })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }
    }

    private bool HasWork => _lookups.Count > 0 || (_scans.Count > 0 && !_scanning);

    /// <summary>Reads what an index finds at once, on one of the threads.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot be read.</exception>
    public ValueTask<T> ReadAsync<T>(Func<ReadSession, T> read, CancellationToken cancellationToken) => PlaceAsync(_lookups, read, cancellationToken);

    /// <summary>Reads what may look at many rows, after the lookups that wait.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot be read.</exception>
    public ValueTask<T> ScanAsync<T>(Func<ReadSession, T> scan, CancellationToken cancellationToken) => PlaceAsync(_scans, scan, cancellationToken);

    /// <summary>Closes the connections and opens none until <see cref="Resume"/>. Waits for reads under way; those that come wait.</summary>
    public void Suspend()
    {
        lock (_gate)
        {
            _suspended = true;
            _generation++;
            Monitor.PulseAll(_gate);
            while (_openSessions > 0)
            {
                Monitor.Wait(_gate, TimeSpan.FromMilliseconds(50));
            }
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _suspended = false;
            Monitor.PulseAll(_gate);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private async ValueTask<T> PlaceAsync<T>(Queue<Action<ReadSession?>> queue, Func<ReadSession, T> read, CancellationToken cancellationToken)
    {
        TaskCompletionSource<T> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            queue.Enqueue(session => Answer(answer, read, session, cancellationToken));
            Monitor.Pulse(_gate);
        }

        return await answer.Task.WaitAsync(cancellationToken);
    }

    private void Answer<T>(TaskCompletionSource<T> answer, Func<ReadSession, T> read, ReadSession? session, CancellationToken left)
    {
        if (left.IsCancellationRequested)
        {
            answer.TrySetCanceled(left);
            return;
        }

        try
        {
            answer.TrySetResult(session is not null ? read(session) : throw Unreadable());
        }
        catch (Exception failure) when (failure is SqliteException or InvalidDataException)
        {
            session?.Reset();
            if (failure is SqliteException { IsDamaged: true } or InvalidDataException)
            {
                _onDamage(failure.Message);
            }

            answer.TrySetException(new StoreUnavailableException(failure.Message, failure));
        }
        catch (Exception failure)
        {
            session?.Reset();
            answer.TrySetException(failure);
        }
    }

    private Exception Unreadable() => Volatile.Read(ref _closed)
        ? new ObjectDisposedException("store", "The store is closed.")
        : new StoreUnavailableException("The store's file cannot be opened for reading.");

    private void Loop()
    {
        ReadSession? session = null;
        int generation = 0;
        while (true)
        {
            Action<ReadSession?>? read;
            bool scans;
            bool closed;
            lock (_gate)
            {
                while ((!HasWork || _suspended) && !_closed && (session is null || generation == _generation))
                {
                    Monitor.Wait(_gate);
                }

                closed = _closed;
                bool stale = session is not null && (generation != _generation || closed);
                if (stale)
                {
                    session!.Dispose();
                    session = null;
                    _openSessions--;
                    Monitor.PulseAll(_gate);
                }

                if ((_suspended && !closed) || !TryTake(out read, out scans))
                {
                    if (closed)
                    {
                        return;
                    }

                    continue;
                }

                if (session is null && !closed)
                {
                    generation = _generation;
                    _openSessions++;
                }
            }

            if (session is null && !closed)
            {
                session = TryOpen();
            }

            read(session);
            if (scans)
            {
                lock (_gate)
                {
                    _scanning = false;
                }
            }
        }
    }

    private bool TryTake([NotNullWhen(true)] out Action<ReadSession?>? read, out bool scans)
    {
        scans = false;
        if (_lookups.TryDequeue(out read))
        {
            return true;
        }

        scans = !_scanning && _scans.TryDequeue(out read);
        _scanning |= scans;
        return scans;
    }

    private ReadSession? TryOpen()
    {
        try
        {
            return _open();
        }
        catch (SqliteException)
        {
            lock (_gate)
            {
                _openSessions--;
                Monitor.PulseAll(_gate);
            }

            return null;
        }
    }
}
