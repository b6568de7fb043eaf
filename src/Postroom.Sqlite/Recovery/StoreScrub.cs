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
            await readers.ReadAsync(CompareCounts, cancellationToken);
            long? place = 0;
            while (place is { } from)
            {
                place = await readers.ReadAsync(session => Rows(session, from), cancellationToken);
                await Task.Delay(TimeSpan.FromMilliseconds(1), clock, cancellationToken);
            }

            await readers.ReadAsync(SmallRows, cancellationToken);
        }
        catch (StoreUnavailableException failure) when (failure.InnerException is SqliteException { IsDamaged: true } or InvalidDataException)
        {
            watch.Damaged(failure.Message);
        }
        catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException or StoreUnavailableException)
        {
            // The store is closing, or the readers are busy; the next unclean end scrubs again.
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

    private bool SmallRows(ReadSession session)
    {
        SqliteStatement attempts = session.Statement("select message, fence, attempt, started_at, ended_at, outcome, kind, error, owner, crc from attempts");
        while (attempts.Step())
        {
            AttemptRecord attempt = new()
            {
                Attempt = (int)attempts.GetInt64(2),
                StartedAt = Instant(attempts.GetOptionalInt64(3)),
                EndedAt = Instant(attempts.GetOptionalInt64(4)),
                Outcome = attempts.GetText(5),
                Kind = (FailureKind?)(int?)attempts.GetOptionalInt64(6),
                Error = attempts.GetOptionalText(7),
                Owner = attempts.GetOptionalText(8),
            };
            Expect(RowSums.Attempt(attempts.GetInt64(0), attempts.GetInt64(1), attempt) == attempts.GetInt64(9), "attempts");
        }

        SqliteStatement facts = session.Statement("select scope, key, value, expires_at, updated_at, crc from facts");
        while (facts.Step())
        {
            Expect(RowSums.Fact(facts.GetText(0), facts.GetText(1), facts.GetBlob(2), facts.GetOptionalInt64(3), facts.GetInt64(4)) == facts.GetInt64(5), "facts");
        }

        SqliteStatement notes = session.Statement("select kind, at, message, data, crc from notes");
        while (notes.Step())
        {
            Expect(RowSums.Note(notes.GetInt64(0), notes.GetInt64(1), notes.GetBlob(2), notes.GetBlob(3)) == notes.GetInt64(4), "notes");
        }

        SqliteStatement dedup = session.Statement("select queue, key_hash, message, body_hash, crc from dedup");
        while (dedup.Step())
        {
            Expect(RowSums.Dedup(dedup.GetInt64(0), dedup.GetBlob(1), dedup.GetBlob(2), dedup.GetBlob(3)) == dedup.GetInt64(4), "dedup keys");
        }

        return true;
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
