namespace Postroom.Sqlite;

/// <content>Room below <c>store.maxSize</c>: acknowledged messages go before their time, the oldest first (ST-19).</content>
public sealed partial class SqliteStore
{
    private static readonly TimeSpan FruitlessPause = TimeSpan.FromSeconds(10);

    private Task _early = Task.CompletedTask; // started on the writer's thread only
    private long? _fruitlessAt;

    /// <summary>Begins to make room unless that is under way, or has just found nothing to make it with.</summary>
    private void MakeRoom()
    {
        if (_early.IsCompleted && !_closed && (_fruitlessAt is not { } at || _clock.GetElapsedTime(at) >= FruitlessPause))
        {
            _early = Task.Run(MakeRoomAsync);
        }
    }

    private async Task MakeRoomAsync()
    {
        CancellationToken closing = _closing.Token;
        long removed = 0;
        try
        {
            await _compacting.WaitAsync(closing);
            try
            {
                removed = await RemoveEarlyAsync(_watch.EarlyAbove ?? long.MaxValue, closing);
            }
            finally
            {
                _compacting.Release();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or StoreUnavailableException)
        {
            return; // The store closes or cannot write, which the watch tells by itself.
        }
        catch (Exception failure)
        {
            Log.EarlyFailed(_logger, failure);
            return;
        }

        if (removed > 0)
        {
            Log.RemovedEarly(_logger, removed, _options.MaxSize!.Value);
        }
    }

    /// <summary>Removes acknowledged messages, a batch at a time so that callers run in between, until what is in use is below a size.</summary>
    private async ValueTask<long> RemoveEarlyAsync(long below, CancellationToken cancellationToken)
    {
        JournalRetention early = new(TimeSpan.Zero, _retention.Failed);
        long removed = 0;
        long place = 0;
        (long Used, long Free) size = await HandOverAsync(new DelegateOperation<(long, long)>(SizeOf), cancellationToken);
        bool more = true;
        while (more && size.Used > below)
        {
            cancellationToken.ThrowIfCancellationRequested();
            CompactOperation.Batch batch = await HandOverAsync(new CompactOperation(_lanes, early, place), cancellationToken);
            (removed, place, more) = (removed + batch.Removed, batch.LastSeq, batch.More);
            size = await HandOverAsync(new DelegateOperation<(long, long)>(SizeOf), cancellationToken);
        }

        bool fruitless = size.Used > below && removed == 0;
        _watch.NothingToRemove = fruitless;
        _fruitlessAt = fruitless ? _clock.GetTimestamp() : null;
        while (size.Free > 0 && size.Used + size.Free > below)
        {
            // Only a smaller file is room for others; free pages alone are room for this store.
            cancellationToken.ThrowIfCancellationRequested();
            await Writer.VacuumAsync();
            (long Used, long Free) after = await HandOverAsync(new DelegateOperation<(long, long)>(SizeOf), cancellationToken);
            if (after.Free >= size.Free)
            {
                break;
            }

            size = after;
        }

        await Writer.CheckpointAsync();
        return removed;
    }

    private static (long Used, long Free) SizeOf(WriteSession session)
    {
        long page = One("page size", "pragma page_size");
        long free = One("free pages", "pragma freelist_count");
        return ((One("pages", "pragma page_count") - free) * page, free * page);

        long One(string name, string sql)
        {
            SqliteStatement ask = session.Statement(name, sql);
            long value = ask.Step() ? ask.GetInt64(0) : 0;
            ask.Reset();
            return value;
        }
    }
}
