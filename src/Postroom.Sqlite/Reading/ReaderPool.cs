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

/// <summary>Two threads that read, off their callers' threads; beyond 64 waiting reads it refuses.</summary>
internal sealed class ReaderPool : IDisposable
{
    private const int Threads = 2;
    private const int MaxWaiting = 64;

    private readonly Func<ReadSession> _open;
    private readonly Action<string> _onDamage;
    private readonly object _gate = new();
    private readonly Queue<Action<ReadSession?>> _waiting = new();
    private readonly Thread[] _threads;
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

    /// <summary>Reads on one of the threads.</summary>
    /// <exception cref="StoreUnavailableException">Too many reads wait, or the store cannot be read.</exception>
    public async ValueTask<T> ReadAsync<T>(Func<ReadSession, T> read, CancellationToken cancellationToken)
    {
        TaskCompletionSource<T> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (_waiting.Count >= MaxWaiting)
            {
                throw new StoreUnavailableException($"{MaxWaiting} reads of the store wait already. Ask again in a moment, for fewer messages at once.");
            }

            _waiting.Enqueue(session => Answer(answer, read, session, _onDamage));
            Monitor.Pulse(_gate);
        }

        return await answer.Task.WaitAsync(cancellationToken);
    }

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

    private static void Answer<T>(TaskCompletionSource<T> answer, Func<ReadSession, T> read, ReadSession? session, Action<string> onDamage)
    {
        try
        {
            answer.TrySetResult(session is null ? throw new ObjectDisposedException("store", "The store is closed.") : read(session));
        }
        catch (Exception failure) when (failure is SqliteException or InvalidDataException)
        {
            session?.Reset();
            if (failure is SqliteException { IsDamaged: true } or InvalidDataException)
            {
                onDamage(failure.Message);
            }

            answer.TrySetException(new StoreUnavailableException(failure.Message, failure));
        }
        catch (Exception failure)
        {
            session?.Reset();
            answer.TrySetException(failure);
        }
    }

    private void Loop()
    {
        ReadSession? session = null;
        int generation = 0;
        while (true)
        {
            Action<ReadSession?>? read;
            bool closed;
            lock (_gate)
            {
                while ((_waiting.Count == 0 || _suspended) && !_closed && (session is null || generation == _generation))
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

                if ((_suspended && !closed) || !_waiting.TryDequeue(out read))
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
                session = TryOpen(read);
                if (session is null)
                {
                    continue;
                }
            }

            read(session);
        }
    }

    private ReadSession? TryOpen(Action<ReadSession?> read)
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

            read(null);
            return null;
        }
    }
}
