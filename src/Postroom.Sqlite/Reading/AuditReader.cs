using System.Diagnostics;
using System.Text.Json;

namespace Postroom.Sqlite;

/// <summary>Answers what people did, newest first, from the notes on disk.</summary>
internal static class AuditReader
{
    private const int PerSlice = 1_000;

    /// <summary>A page that must look at many rows ends after this, and its cursor says where.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);

    public static AuditPage Query(ReadSession session, AuditQuery query, CancellationToken cancellationToken)
    {
        List<AuditEntry> items = [];
        long begun = Stopwatch.GetTimestamp();
        long place = query.Cursor ?? long.MaxValue;
        bool more = true;
        while (more && items.Count < query.Limit && Stopwatch.GetElapsedTime(begun) < Longest)
        {
            cancellationToken.ThrowIfCancellationRequested();
            more = Slice(session, query, items, ref place);
        }

        return new AuditPage(items, more && place > 0 ? place : null);
    }

    /// <summary>Looks at the next rows; false at the end.</summary>
    private static bool Slice(ReadSession session, AuditQuery query, List<AuditEntry> items, ref long place)
    {
        SqliteStatement rows = session.Statement($"select no, at, message, data from notes where kind = 1 and no < ?1 order by no desc limit {PerSlice}");
        rows.Bind(1, place);
        try
        {
            int seen = 0;
            while (rows.Step())
            {
                seen++;
                place = rows.GetInt64(0);
                DateTimeOffset at = DateTimeOffset.FromUnixTimeMilliseconds(rows.GetInt64(1));
                if (query.Since is { } since && at < since)
                {
                    return false; // Rows are written in the order of their time.
                }

                if (JsonSerializer.Deserialize(rows.GetBlob(3), PostroomJson.Default.AuditRecord) is { } record && query.Matches(record with { At = at }))
                {
                    items.Add(new AuditEntry(place, record with { At = at }, rows.IsNull(2) ? null : MessageId.FromBytes(rows.GetBlob(2))));
                    if (items.Count == query.Limit)
                    {
                        return true;
                    }
                }
            }

            return seen == PerSlice;
        }
        finally
        {
            rows.Reset();
        }
    }
}
