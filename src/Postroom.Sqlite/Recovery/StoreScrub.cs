using System.Diagnostics;

namespace Postroom.Sqlite;

/// <summary>Verifies every row in the background after an unclean end: checksums, membership in the indexes, counts.</summary>
internal sealed class StoreScrub(ReaderPool readers, StoreWatch watch, TimeProvider clock)
{
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs to the end, in slices that leave room for other readers.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await readers.ScanAsync(CompareCounts, cancellationToken);
            await WalkAsync(0L, Rows, cancellationToken);
            await WalkAsync((0L, 0L, -1L), Attempts, cancellationToken);
            await WalkAsync(("", ""), Facts, cancellationToken);
            await WalkAsync(0L, Notes, cancellationToken);
            await WalkAsync((0L, Array.Empty<byte>()), Repeats, cancellationToken);
        }
        catch (StoreUnavailableException failure) when (failure.InnerException is SqliteException { IsDamaged: true } or InvalidDataException)
        {
            watch.Damaged(failure.Message);
        }
        catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException or StoreUnavailableException)
        {
            // The store is closing or cannot be read; the next unclean end scrubs again.
        }
    }

    private static long Single(ReadSession session, string sql)
    {
        SqliteStatement one = session.Statement(sql);
        long value = one.Step() ? one.GetInt64(0) : 0;
        one.Reset();
        return value;
    }

    private bool CompareCounts(ReadSession session)
    {
        session.Connection.Execute("scrub", "begin");
        try
        {
            long counted = Single(session, StoreQueries.CountOpen);
            long noted = Single(session, "select ifnull(sum(n), 0) from totals where state = 0");
            if (counted != noted)
            {
                watch.Damaged($"The index of open messages has {counted} entries where the totals say {noted}.");
            }
        }
        finally
        {
            session.Connection.Execute("scrub", "commit");
        }

        return true;
    }

    private long? Rows(ReadSession session, long from)
    {
        SqliteStatement rows = session.Statement($"select {MessageRow.WithBody} from messages m where m.seq > ?1 order by m.seq");
        SqliteStatement byId = session.Statement("select m.seq from messages m where m.id = ?1");
        SqliteStatement byQueue = session.Statement("select 1 from messages m indexed by messages_open where m.queue = ?1 and m.seq = ?2 and m.state < 2");
        long begun = Stopwatch.GetTimestamp();
        long place = from;
        rows.Bind(1, from);
        try
        {
            while (rows.Step())
            {
                place = rows.GetInt64(0);
                if (!MessageRow.IsSound(rows, withBody: true))
                {
                    watch.Damaged($"Message {place} does not match its checksum.");
                }
                else
                {
                    byId.BindBlob(1, rows.GetBlob(1));
                    bool found = byId.Step() && byId.GetInt64(0) == place;
                    byId.Reset();
                    if (rows.GetInt64(4) < 2)
                    {
                        byQueue.Bind(1, rows.GetInt64(2));
                        byQueue.Bind(2, place);
                        found &= byQueue.Step();
                        byQueue.Reset();
                    }

                    if (!rows.IsNull(25))
                    {
                        _ = session.ReadApart(rows.GetBlob(25).ToArray());
                    }

                    if (!found)
                    {
                        watch.Damaged($"Message {place} is missing from an index.");
                    }
                }

                if (Stopwatch.GetElapsedTime(begun) > Slice)
                {
                    return place;
                }
            }
        }
        finally
        {
            rows.Reset();
        }

        return null;
    }

    /// <summary>Attempts, from behind a place; where to go on, or null at the end.</summary>
    private (long Message, long Attempt, long Fence)? Attempts(ReadSession session, (long Message, long Attempt, long Fence) from)
    {
        SqliteStatement rows = session.Statement(
            "select message, fence, attempt, started_at, ended_at, outcome, kind, error, owner, crc from attempts where (message, attempt, fence) > (?1, ?2, ?3) order by message, attempt, fence");
        rows.Bind(1, from.Message);
        rows.Bind(2, from.Attempt);
        rows.Bind(3, from.Fence);
        return Sliced(rows, () =>
        {
            AttemptRecord attempt = new()
            {
                Attempt = (int)rows.GetInt64(2),
                StartedAt = Instant(rows.GetOptionalInt64(3)),
                EndedAt = Instant(rows.GetOptionalInt64(4)),
                Outcome = rows.GetText(5),
                Kind = (FailureKind?)(int?)rows.GetOptionalInt64(6),
                Error = rows.GetOptionalText(7),
                Owner = rows.GetOptionalText(8),
            };
            Expect(RowSums.Attempt(rows.GetInt64(0), rows.GetInt64(1), attempt) == rows.GetInt64(9), "attempts");
            return (rows.GetInt64(0), rows.GetInt64(2), rows.GetInt64(1));
        });
    }

    private (string Scope, string Key)? Facts(ReadSession session, (string Scope, string Key) from)
    {
        SqliteStatement rows = session.Statement("select scope, key, value, expires_at, updated_at, crc from facts where (scope, key) > (?1, ?2) order by scope, key");
        rows.BindText(1, from.Scope);
        rows.BindText(2, from.Key);
        return Sliced(rows, () =>
        {
            Expect(RowSums.Fact(rows.GetText(0), rows.GetText(1), rows.GetBlob(2), rows.GetOptionalInt64(3), rows.GetInt64(4)) == rows.GetInt64(5), "facts");
            return (rows.GetText(0), rows.GetText(1));
        });
    }

    private long? Notes(ReadSession session, long from)
    {
        SqliteStatement rows = session.Statement("select kind, at, message, data, crc, no from notes where no > ?1 order by no");
        rows.Bind(1, from);
        return Sliced(rows, () =>
        {
            Expect(RowSums.Note(rows.GetInt64(0), rows.GetInt64(1), rows.GetBlob(2), rows.GetBlob(3)) == rows.GetInt64(4), "notes");
            return rows.GetInt64(5);
        });
    }

    private (long Queue, byte[] Key)? Repeats(ReadSession session, (long Queue, byte[] Key) from)
    {
        SqliteStatement rows = session.Statement(
            "select queue, key_hash, message, body_hash, crc from dedup where (queue, key_hash) > (?1, ?2) order by queue, key_hash");
        rows.Bind(1, from.Queue);
        rows.BindBlob(2, from.Key);
        return Sliced(rows, () =>
        {
            Expect(RowSums.Dedup(rows.GetInt64(0), rows.GetBlob(1), rows.GetBlob(2), rows.GetBlob(3)) == rows.GetInt64(4), "dedup keys");
            return (rows.GetInt64(0), rows.GetBlob(1).ToArray());
        });
    }

    /// <summary>Looks at rows for the time of one slice; the place of the last one, or null when there are no more.</summary>
    private static T? Sliced<T>(SqliteStatement rows, Func<T> look)
        where T : struct
    {
        long begun = Stopwatch.GetTimestamp();
        try
        {
            while (rows.Step())
            {
                T place = look();
                if (Stopwatch.GetElapsedTime(begun) > Slice)
                {
                    return place;
                }
            }
        }
        finally
        {
            rows.Reset();
        }

        return null;
    }

    /// <summary>Walks one table from its start, a slice at a time.</summary>
    private async Task WalkAsync<T>(T start, Func<ReadSession, T, T?> slice, CancellationToken cancellationToken)
        where T : struct
    {
        T? place = start;
        while (place is { } from)
        {
            place = await readers.ScanAsync(session => slice(session, from), cancellationToken);
            await Task.Delay(TimeSpan.FromMilliseconds(1), clock, cancellationToken);
        }
    }

    private void Expect(bool sound, string what)
    {
        if (!sound)
        {
            watch.Damaged($"A row of the {what} does not match its checksum.");
        }
    }

    private static DateTimeOffset? Instant(long? milliseconds) =>
        milliseconds is >= -62_135_596_800_000 and <= 253_402_300_799_999 and { } value ? DateTimeOffset.FromUnixTimeMilliseconds(value) : null;
}
