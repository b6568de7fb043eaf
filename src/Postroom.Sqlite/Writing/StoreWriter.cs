using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Postroom.Sqlite;

/// <summary>The one thread that writes: takes what waits, runs it in one transaction, commits, marks, answers.</summary>
/// <remarks>Nothing waits for company: a batch is whoever arrived while the last commit ran.</remarks>
internal sealed partial class StoreWriter : IDisposable
{
    private const int IndexEvery = 8_192; // rows that a query by conversation scans at most
    private const int CheckpointFrames = 4_096; // 16 MiB of pages
    private const int IdleCheckpointFrames = 256;

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly OperationQueue _queue = new();
    private readonly List<StoreOperation> _batch = [];
    private readonly List<StoreOperation> _rest = [];
    private readonly List<StoreOperation> _ran = [];
    private readonly Func<WriteSession> _reopen;
    private readonly ReaderPool _readers;
    private readonly MarkFile _mark;
    private readonly StoreWatch _watch;
    private readonly LaneSet _lanes;
    private readonly ILogger _logger;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Its one continuation hands it on at once: whoever is refused because of it finds it.
    private readonly TaskCompletionSource<StoreUnavailableException> _fatal = new();

    private WriteSession? _session;
    private volatile string? _problem;
    private long _appended;
    private bool _vacuum;
    private bool _checkpointNow;
    private int _checkpointAt = CheckpointFrames;
    private int _copiedFrames;

    public StoreWriter(
        WriteSession session, Func<WriteSession> reopen, ReaderPool readers, MarkFile mark, StoreWatch watch, LaneSet lanes, ILogger logger)
    {
        _session = session;
        _appended = session.Committed.Appended;
        _reopen = reopen;
        _readers = readers;
        _mark = mark;
        _watch = watch;
        _lanes = lanes;
        _logger = logger;
        _thread = new Thread(Loop) { Name = "postroom-store-writer", IsBackground = true };
    }

    /// <summary>Why the last transaction was refused; null when it was not.</summary>
    public string? Problem => _problem ?? _watch.Problem;

    /// <summary>Completes when the store cannot be opened again after a failed commit; the process should end.</summary>
    public Task<StoreUnavailableException> Fatal => _fatal.Task;

    /// <summary>Commits of this run, for tests and statistics.</summary>
    public long Commits { get; private set; }

    /// <summary>All messages ever appended.</summary>
    public long Appended => Volatile.Read(ref _appended);

    /// <summary>Is told of every commit; null for nobody.</summary>
    public Action<StoreCommit>? CommitObserver { get; set; }

    /// <summary>Called before a commit and after it, for tests that make it fail.</summary>
    internal Action<bool>? CommitFault { get; set; }

    public void Start() => _thread.Start();

    /// <summary>Hands an operation over; waits for a place when too many wait.</summary>
    public ValueTask PlaceAsync(StoreOperation operation, CancellationToken cancellationToken)
    {
        return _queue.TryAdd(operation, out _) ? default : _queue.PlaceAsync(operation, cancellationToken);
    }

    /// <summary>Hands over what the store itself asks for, without waiting.</summary>
    public void Post(StoreOperation operation)
    {
        try
        {
            _queue.TryAdd(operation, out _, always: true);
        }
        catch (ObjectDisposedException closed)
        {
            operation.Refuse(closed);
        }
    }

    public void Wake() => _queue.Wake();

    /// <summary>Completes once everything handed over before is answered.</summary>
    public ValueTask FlushAsync()
    {
        DelegateOperation<bool> last = new(static _ => true);
        Post(last);
        return last.Done;
    }

    /// <summary>Finishes what was handed over and empties the WAL. A writer that was not started has nothing to finish.</summary>
    public Task CloseAsync()
    {
        _queue.Close();
        return (_thread.ThreadState & System.Threading.ThreadState.Unstarted) != 0 ? Task.CompletedTask : _ended.Task;
    }

    public void Dispose() => _session?.Dispose();

    private void Loop()
    {
        bool more = false;
        while (_queue.Take(_batch, more ? TimeSpan.Zero : Patience()))
        {
            bool idle = _batch.Count == 0;
            try
            {
                if (!idle)
                {
                    RunBatches();
                }
                else if (!more)
                {
                    LookAround();
                }

                more = _session is not null && _lanes.Serve(_session);
                CheckpointIfDue(idle && !more);
                Vacuum();
            }
            catch (Exception failure)
            {
                // Whatever it is, the next batch is tried: callers wait for this thread.
                Failed(failure);
                more = false;
            }

            _batch.Clear();
            _rest.Clear();
            _ran.Clear();
        }

        End();
    }

    /// <summary>How long the thread may sleep when nothing comes: while something is wrong, or frames wait to be copied, it looks again.</summary>
    private TimeSpan Patience() =>
        _session is not null && (Problem is not null || _lanes.HasStaleCounts || _session.Connection.WalFrames - _copiedFrames >= IdleCheckpointFrames) ? LookInterval : Timeout.InfiniteTimeSpan;

    /// <summary>Finds out whether what was wrong is over: with admission refused, no caller would.</summary>
    private void LookAround()
    {
        if (_session is not { } session || Problem is null)
        {
            return;
        }

        _watch.Look();
        if (_problem is null)
        {
            return;
        }

        try
        {
            session.Begin();
            session.WriteCounters();
            Commit(session);
            Committed(session);
        }
        catch (CommitFailedException failed)
        {
            _ = Reopen(failed, again: false);
        }
        catch (SqliteException failure)
        {
            Refuse(failure);
        }
    }

    private void End()
    {
        try
        {
            if (_session is { } session)
            {
                _readers.Suspend();
                session.Connection.Execute("clean end", "update store_state set clean = 1");
                _ = session.Connection.Checkpoint(SqliteCheckpoint.Truncate);
            }
        }
        catch (SqliteException failure)
        {
            Log.EndFailed(_logger, failure);
        }
        finally
        {
            _session?.Dispose();
            _session = null;
            _ended.TrySetResult();
        }
    }

    /// <summary>Runs what was taken: in one transaction, unless an operation has to see another one applied.</summary>
    private void RunBatches()
    {
        while (_batch.Count > 0)
        {
            RunBatch();
            _batch.Clear();
            _batch.AddRange(_rest);
            _rest.Clear();
        }
    }

    private void RunBatch()
    {
        if (_session is null)
        {
            Refuse(_batch, _fatal.Task.Result);
            return;
        }

        _watch.Look();
        _session.AdmissionProblem = _watch.Problem;
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                RunTransaction(_session);
                return;
            }
            catch (CommitFailedException failed)
            {
                if (Reopen(failed, again: attempt == 0))
                {
                    return;
                }
            }
            catch (SqliteException failure)
            {
                Refuse(failure);
                return;
            }
        }
    }

    private void RunTransaction(WriteSession session)
    {
        _ran.Clear();
        session.Begin();
        _lanes.MarkLongDispatches(session);
        for (int i = 0; i < _batch.Count; i++)
        {
            if (_ran.Count > 0 && _batch[i].IsTooEarly(session))
            {
                _rest.InsertRange(0, _batch[i..]);
                _batch.RemoveRange(i, _batch.Count - i);
                break;
            }

            RunOperation(session, _batch[i]);
        }

        if (_ran.Count == 0 && !_lanes.HasMarks)
        {
            session.Rollback();
            return;
        }

        if (session.Working.LastSeq - session.Working.IndexedSeq >= IndexEvery)
        {
            session.IndexConversations(IndexEvery);
        }

        session.WriteCounters();
        Commit(session);
        Committed(session);
    }

    private void RunOperation(WriteSession session, StoreOperation operation)
    {
        bool savepoint = false;
        session.BeginOperation();
        try
        {
            operation.Prepare(session);
            if (operation.NeedsSavepoint)
            {
                session.Savepoint();
                savepoint = true;
            }

            operation.Run(session);
            session.KeepOperation(savepoint);
            _ran.Add(operation);
        }
        catch (SqliteException failure) when (failure.IsUnavailable || failure.IsDamaged || !session.Connection.InTransaction)
        {
            // It concerns the whole file: the batch is refused as one.
            throw;
        }
        catch (Exception failure)
        {
            session.DropOperation(savepoint);
            if (failure is InvalidDataException damage)
            {
                _watch.Damaged(damage.Message);
            }

            operation.Refuse(failure is SqliteException or InvalidDataException ? new StoreUnavailableException(failure.Message, failure) : failure);
        }
    }

    private void Commit(WriteSession session)
    {
        try
        {
            CommitFault?.Invoke(false);
            Action<StoreCommit>? observer = CommitObserver;
            long begun = observer is null ? 0 : Stopwatch.GetTimestamp();
            session.Commit();
            observer?.Invoke(new StoreCommit(Stopwatch.GetElapsedTime(begun), Math.Max(1, _ran.Count), Flushed: false));
            CommitFault?.Invoke(true);
        }
        catch (SqliteException failure) when (failure.Fault is SqliteFault.DiskFull or SqliteFault.Busy or SqliteFault.ReadOnly)
        {
            // A write that found no room never wrote the frame that ends the transaction: it is certainly not committed.
            throw;
        }
        catch (SqliteException failure)
        {
            throw new CommitFailedException(failure);
        }
    }

    private void Committed(WriteSession session)
    {
        session.Committing();
        Commits++;
        Volatile.Write(ref _appended, session.Committed.Appended);
        WriteMark(session);
        _problem = null;
        _lanes.MarksCommitted();
        foreach (StoreOperation operation in _ran)
        {
            try
            {
                operation.Finish();
            }
            catch (Exception failure)
            {
                // It is stored, and so are its neighbours: each of them is still applied and answered.
                Log.ApplyFailed(_logger, failure);
                operation.Break(failure);
            }
        }

        _lanes.ExpireAgain();
    }

    private void WriteMark(WriteSession session)
    {
        try
        {
            _mark.Write(new Mark(session.Run, session.Committed.CommitNo, session.Committed.Appended));
        }
        catch (IOException failure)
        {
            Log.MarkFailed(_logger, failure);
        }
    }
}
