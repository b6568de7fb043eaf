namespace Postroom.Sqlite;

/// <content>Retention: batches of at most 1,000 rows, each handed to the writer like any other operation, so that callers run in between.</content>
public sealed partial class SqliteStore
{
    private const int CountSlice = 50_000;

    // Longer than any read: who still sees a removed row of a type also finds the type's name.
    private static readonly TimeSpan UnusedFor = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim _compacting = new(1, 1);
    private IReadOnlyList<long> _unusedTypes = [];
    private long _unusedSince;

    /// <inheritdoc/>
    public void Change(RetentionOptions retention) => _retention.Take(retention);

    /// <inheritdoc/>
    public async ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(retention);
        await _compacting.WaitAsync(cancellationToken);
        try
        {
            await ForgetTypesAsync(cancellationToken);
            long removed = await RemoveOldAsync(retention, cancellationToken);
            (_unusedTypes, _unusedSince) = (await HandOverAsync(new DelegateOperation<IReadOnlyList<long>>(UnusedTypes.Find), cancellationToken), _clock.GetTimestamp());
            if (retention.Vacuum)
            {
                await GiveBackAsync(cancellationToken);
            }

            return removed;
        }
        finally
        {
            _compacting.Release();
        }
    }

    /// <summary>Gives all free pages back to the disk, some at a time, so that callers run in between.</summary>
    private async ValueTask GiveBackAsync(CancellationToken cancellationToken)
    {
        long before = long.MaxValue;
        while (await HandOverAsync(new DelegateOperation<long>(CountFreePages), cancellationToken) is var free and > 0 && free < before)
        {
            cancellationToken.ThrowIfCancellationRequested();
            before = free;
            await Writer.VacuumAsync();
        }
    }

    private static long CountFreePages(WriteSession session)
    {
        using SqliteStatement count = session.Connection.Prepare("free pages", "pragma freelist_count");
        return count.Step() ? count.GetInt64(0) : 0;
    }

    /// <summary>Forgets types that have had no message since the last compaction: their words come from outside, and nothing else would remove them.</summary>
    private async ValueTask ForgetTypesAsync(CancellationToken cancellationToken)
    {
        if (_clock.GetElapsedTime(_unusedSince) < UnusedFor)
        {
            return;
        }

        foreach (long[] types in _unusedTypes.Chunk(ForgetTypesOperation.Most))
        {
            cancellationToken.ThrowIfCancellationRequested();
            _ = await HandOverAsync(new ForgetTypesOperation(_names, _totals, types), cancellationToken);
        }
    }

    private async ValueTask<long> RemoveOldAsync(JournalRetention retention, CancellationToken cancellationToken)
    {
        long removed = 0;
        long place = 0;
        CompactOperation.Batch batch;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            batch = await HandOverAsync(new CompactOperation(_lanes, retention, place), cancellationToken);
            removed += batch.Removed;
            place = batch.LastSeq;
        }
        while (batch.More);

        long now = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        long small = await TrimAsync("expire repeats", TrimOperation.Repeats, now, long.MaxValue, cancellationToken);
        small += await TrimAsync("expire facts", TrimOperation.Facts, now, long.MaxValue, cancellationToken);
        small += await TrimAsync("expire audit", TrimOperation.Audit, now - (long)_retention.Audit.TotalMilliseconds, long.MaxValue, cancellationToken);
        small += await CapRepeatsAsync(cancellationToken);
        if (removed + small > 0)
        {
            await Writer.VacuumAsync();
        }

        return removed;
    }

    /// <summary>Forgets the oldest dedup keys of finished messages over the cap.</summary>
    private async ValueTask<long> CapRepeatsAsync(CancellationToken cancellationToken)
    {
        long excess = await CountRepeatsAsync(cancellationToken) - _retention.MaxDedupKeys;
        if (excess <= 0)
        {
            return 0;
        }

        long forgotten = await TrimAsync("cap repeats", TrimOperation.Repeats, long.MaxValue, excess, cancellationToken);
        long? oldest = await Readers.ReadAsync(
            session =>
            {
                SqliteStatement first = session.Statement("select min(expires_at) from dedup where expires_at is not null");
                long? at = first.Step() ? first.GetOptionalInt64(0) : null;
                first.Reset();
                return at;
            },
            cancellationToken);
        TimeSpan window = oldest is { } end ? _clock.GetUtcNow() - (DateTimeOffset.FromUnixTimeMilliseconds(end) - _retention.Dedup) : TimeSpan.Zero;
        Log.RepeatsCapped(_logger, _retention.MaxDedupKeys, forgotten, window);
        return forgotten;
    }

    /// <summary>Counts the dedup keys, in slices that hold no snapshot for long.</summary>
    private async ValueTask<long> CountRepeatsAsync(CancellationToken cancellationToken)
    {
        long count = 0;
        (long Queue, byte[] Key)? place = (0, []);
        while (place is { } from)
        {
            (long counted, place) = await Readers.ScanAsync(session => CountSliceOf(session, from), cancellationToken);
            count += counted;
        }

        return count;
    }

    private static (long Counted, (long Queue, byte[] Key)? Last) CountSliceOf(ReadSession session, (long Queue, byte[] Key) from)
    {
        SqliteStatement last = session.Statement("select queue, key_hash from dedup where (queue, key_hash) > (?1, ?2) order by queue, key_hash limit 1 offset ?3");
        last.Bind(1, from.Queue);
        last.BindBlob(2, from.Key);
        last.Bind(3, CountSlice - 1L);
        (long, byte[])? place = last.Step() ? (last.GetInt64(0), last.GetBlob(1).ToArray()) : null;
        last.Reset();
        if (place is not null)
        {
            return (CountSlice, place);
        }

        SqliteStatement rest = session.Statement("select count(*) from dedup where (queue, key_hash) > (?1, ?2)");
        rest.Bind(1, from.Queue);
        rest.BindBlob(2, from.Key);
        long counted = rest.Step() ? rest.GetInt64(0) : 0;
        rest.Reset();
        return (counted, null);
    }

    private async ValueTask<long> TrimAsync(string name, string sql, long instant, long atMost, CancellationToken cancellationToken)
    {
        long removed = 0;
        while (removed < atMost)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int batch = (int)Math.Min(TrimOperation.Most, atMost - removed);
            int gone = await HandOverAsync(new TrimOperation(name, sql, instant, batch), cancellationToken);
            removed += gone;
            if (gone < batch)
            {
                break;
            }
        }

        return removed;
    }
}
