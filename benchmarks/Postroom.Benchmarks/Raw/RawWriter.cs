using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>One thread that writes to SQLite: everything that waits goes into one transaction, and is told after its commit.</summary>
internal sealed class RawWriter : IDisposable
{
    /// <summary>How long the log becomes before it is copied back, in pages: as the store has it.</summary>
    public const int CheckpointFrames = 4_096;

    private readonly object _gate = new();
    private readonly SqliteConnection _connection;
    private readonly RawTable _table;
    private readonly SqliteStatement _begin;
    private readonly SqliteStatement _commit;
    private readonly Action<RawMessage> _appended;
    private readonly Thread _thread;
    private List<(Step Step, RawMessage Message)> _waiting = [];
    private bool _closed;
    private long _seq;
    private long _acknowledged;
    private long _commits;

    /// <summary>Opens the file and starts the thread.</summary>
    /// <param name="file">The file.</param>
    /// <param name="synchronous">What a commit survives.</param>
    /// <param name="create">Makes or opens the table.</param>
    /// <param name="appended">Gets each message after its commit, on the writer's thread.</param>
    public RawWriter(string file, StoreSynchronous synchronous, Func<SqliteConnection, RawTable> create, Action<RawMessage> appended)
    {
        _appended = appended;
        _connection = SqliteConnection.Open(file, SqliteAccess.ReadWriteCreate);
        StoreSchema.Configure(_connection, synchronous);
        _table = create(_connection);
        _seq = _table.LastSeq;
        _begin = _connection.Prepare("begin", "begin immediate");
        _commit = _connection.Prepare("commit", "commit");
        _thread = new Thread(Loop) { Name = "raw-writer", IsBackground = true };
        _thread.Start();
    }

    private enum Step
    {
        Append,
        Dispatch,
        Acknowledge,
    }

    /// <summary>Messages whose acknowledgement is committed.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);

    public long Commits => Volatile.Read(ref _commits);

    /// <summary>Appends a message; completes after the commit.</summary>
    public Task AppendAsync(RawMessage message)
    {
        Add(Step.Append, message);
        return message.Task;
    }

    /// <summary>Writes that a worker has it, with the next commit.</summary>
    public void Dispatch(RawMessage message) => Add(Step.Dispatch, message);

    /// <summary>Writes that it is done and appends what its handling made, in one commit, the next.</summary>
    public void Acknowledge(RawMessage message, IReadOnlyList<RawMessage> staged)
    {
        lock (_gate)
        {
            Enqueue(Step.Acknowledge, message);
            for (int i = 0; i < staged.Count; i++)
            {
                Enqueue(Step.Append, staged[i]);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
        }

        _thread.Join();
        _begin.Dispose();
        _commit.Dispose();
        _connection.Dispose();
    }

    private void Add(Step step, RawMessage message)
    {
        lock (_gate)
        {
            Enqueue(step, message);
        }
    }

    /// <summary>Called with the gate held.</summary>
    private void Enqueue(Step step, RawMessage message)
    {
        _waiting.Add((step, message));
        if (_waiting.Count == 1)
        {
            Monitor.Pulse(_gate);
        }
    }

    private void Loop()
    {
        List<(Step Step, RawMessage Message)> batch = [];
        while (Take(ref batch))
        {
            _ = _begin.Run();
            int acknowledged = 0;
            foreach ((Step step, RawMessage message) in batch)
            {
                acknowledged += Write(step, message);
            }

            _ = _commit.Run();
            Volatile.Write(ref _commits, _commits + 1);
            Volatile.Write(ref _acknowledged, _acknowledged + acknowledged);
            foreach ((Step step, RawMessage message) in batch)
            {
                if (step == Step.Append)
                {
                    _appended(message);
                    message.SetResult();
                }
            }

            batch.Clear();
            if (_connection.WalFrames >= CheckpointFrames)
            {
                _ = _connection.Checkpoint(SqliteCheckpoint.Passive);
            }
        }
    }

    private bool Take(ref List<(Step Step, RawMessage Message)> batch)
    {
        lock (_gate)
        {
            while (_waiting.Count == 0 && !_closed)
            {
                Monitor.Wait(_gate);
            }

            (_waiting, batch) = (batch, _waiting);
            return batch.Count > 0;
        }
    }

    private int Write(Step step, RawMessage message)
    {
        switch (step)
        {
            case Step.Append:
                message.Seq = ++_seq;
                _table.Append(message);
                return 0;
            case Step.Dispatch:
                _table.Dispatch(message.Seq);
                return 0;
            default:
                _table.Acknowledge(message.Seq);
                return 1;
        }
    }
}
