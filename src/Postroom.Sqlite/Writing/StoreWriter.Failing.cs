namespace Postroom.Sqlite;

/// <content>What becomes of a batch whose transaction or commit fails.</content>
internal sealed partial class StoreWriter
{
    private void Failed(Exception failure)
    {
        Log.LoopFailed(_logger, failure);
        _problem = failure.Message;
        if (failure is SqliteException { IsDamaged: true } or InvalidDataException)
        {
            _watch.Damaged(failure.Message);
        }

        // What ran and was committed has been answered; only the others are told.
        _session?.Rollback();
        _lanes.MarksDropped();
        var refusal = new StoreUnavailableException($"The store's writer failed: {failure.Message}", failure);
        Refuse(_batch, refusal);
        Refuse(_rest, refusal);
    }

    /// <summary>The outcome of a failed commit is unknown: the file is closed, opened and looked at. True when the batch is answered.</summary>
    private bool Reopen(CommitFailedException failed, bool again)
    {
        WriteSession old = _session!;
        long commitNo = old.Working.CommitNo;
        Log.CommitFailed(_logger, failed.InnerException!);
        try
        {
            _readers.Suspend();
            old.Forget();
            old.Dispose();
            _session = null;
            WriteSession fresh = _reopen();
            _session = fresh;
            fresh.AdmissionProblem = old.AdmissionProblem;
            _watch.Reopened();
            if (fresh.Committed.CommitNo < commitNo - 1)
            {
                throw new InvalidDataException($"It ends at commit {fresh.Committed.CommitNo}, and commit {commitNo - 1} had been confirmed.");
            }

            _readers.Resume();
            if (fresh.Committed.CommitNo == commitNo)
            {
                // The transaction is there, and it holds all of its operations or none.
                Recount(fresh);
                Committed(fresh);
                return true;
            }
        }
        catch (Exception failure) when (failure is SqliteException or IOException or InvalidDataException)
        {
            _session?.Dispose();
            _session = null;
            var refusal = new StoreUnavailableException($"The store could not be opened again after a commit failed: {failure.Message} The process has to end.", failure);
            _problem = refusal.Message;
            _readers.Resume();
            _fatal.TrySetResult(refusal);
            _lanes.MarksDropped();
            Refuse(_ran, refusal);
            return true;
        }

        // What did not run in the first place has been answered; only the others are tried again.
        _lanes.MarksDropped();
        _batch.Clear();
        _batch.AddRange(_ran);
        if (again)
        {
            return false;
        }

        Refuse((SqliteException)failed.InnerException!);
        return true;
    }

    private static void Recount(WriteSession session)
    {
        session.Names.Load(session.Connection);
        session.Totals.Reset();
        session.Totals.Load(session.Connection);
    }

    private void Refuse(SqliteException failure)
    {
        _session?.Rollback();
        _lanes.MarksDropped();
        if (failure.IsDamaged)
        {
            _watch.Damaged(failure.Message);
        }
        else if (failure.Fault == SqliteFault.DiskFull)
        {
            _watch.Full();
        }

        var refusal = new StoreUnavailableException(failure.Message, failure);
        if (_problem != refusal.Message)
        {
            Log.Refused(_logger, failure.Message);
        }

        _problem = refusal.Message;
        Refuse(_batch, refusal);
    }

    private static void Refuse(List<StoreOperation> operations, Exception refusal)
    {
        foreach (StoreOperation operation in operations)
        {
            operation.Refuse(refusal);
        }
    }

    private sealed class CommitFailedException(SqliteException cause) : Exception("The outcome of a commit is unknown.", cause);
}
