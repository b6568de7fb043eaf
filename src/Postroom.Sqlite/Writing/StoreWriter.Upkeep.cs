namespace Postroom.Sqlite;

/// <content>Free pages and the WAL, looked after between batches.</content>
internal sealed partial class StoreWriter
{
    /// <summary>Gives free pages back, a few at a time between batches.</summary>
    public ValueTask VacuumAsync()
    {
        DelegateOperation<bool> after = new(_ => _vacuum = true);
        Post(after);
        return after.Done;
    }

    /// <summary>Copies what is in the WAL into the file, so that a file with fewer pages becomes shorter.</summary>
    public ValueTask CheckpointAsync()
    {
        DelegateOperation<bool> after = new(_ => _checkpointNow = true);
        Post(after);
        return after.Done;
    }

    private void Vacuum()
    {
        if (!_vacuum || _session is not { } session)
        {
            return;
        }

        _vacuum = false;
        session.Connection.Execute("vacuum", "pragma incremental_vacuum(1000)");
    }

    private void CheckpointIfDue(bool idle)
    {
        if (_session is not { } session)
        {
            return;
        }

        int frames = session.Connection.WalFrames;
        _copiedFrames = Math.Min(_copiedFrames, frames); // fewer frames: the WAL began again
        bool now = _checkpointNow;
        _checkpointNow = false;
        if (!now && frames < _checkpointAt && !(idle && frames - _copiedFrames >= IdleCheckpointFrames))
        {
            return;
        }

        try
        {
            CheckpointResult result = session.Connection.Checkpoint(SqliteCheckpoint.Passive);

            // A reader that holds it back is waited for by another 16 MiB, not by trying at every commit.
            _checkpointAt = result.Blocked ? result.WalFrames + CheckpointFrames : CheckpointFrames;
            _copiedFrames = result.WalFrames;
        }
        catch (SqliteException failure)
        {
            _problem = failure.Message;
            _checkpointAt = session.Connection.WalFrames + CheckpointFrames;
            Log.CheckpointFailed(_logger, failure);
        }
    }
}
