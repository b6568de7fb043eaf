using Postroom.Storage;

namespace Postroom.Sqlite;

/// <content>Messages on disk whose time to live ends there; a lane watches those in memory.</content>
internal sealed partial class LaneSet
{
    public const string SelectExpired = $"""
        select {MessageRow.WithBody} from messages m
        where m.state = 0 and m.expires_at is not null and (m.expires_at, m.seq) > (?1, ?2) and m.expires_at <= ?3 order by m.expires_at, m.seq limit 256
        """;

    public const string SelectNextExpiry = "select min(m.expires_at) from messages m where m.state = 0 and m.expires_at is not null and m.expires_at > ?1";

    private static readonly (long At, long Seq) Beginning = (long.MinValue, 0);

    private readonly Alarm _expiry = new(clock);
    private (long At, long Seq) _expiredCursor = Beginning;
    private volatile bool _expiryDue = true; // what an earlier run left
    private volatile bool _expiryRefused;

    /// <summary>The end of a message on disk could not be stored; it is looked for again when the store can write.</summary>
    public void ExpireOnDiskLater() => _expiryRefused = true;

    /// <summary>A message is left on disk: somebody has to look when its time is over.</summary>
    public void NoteExpiry(OpenMessage message)
    {
        if (message.Envelope.ExpiresAt is { } end)
        {
            NoteExpiry(end.ToUnixTimeMilliseconds());
        }
    }

    private void NoteExpiry(long end)
    {
        if (!_closed)
        {
            _expiry.Set(end, ExpireOnDisk);
        }
    }

    private void ExpireOnDisk()
    {
        _expiryDue = true;
        Writer?.Wake();
    }

    private void LookForExpired(WriteSession session)
    {
        if (!_expiryDue)
        {
            return;
        }

        _expiryDue = false;
        long now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        SqliteStatement rows = session.Statement("expired on disk", SelectExpired);
        rows.Bind(1, _expiredCursor.At);
        rows.Bind(2, _expiredCursor.Seq);
        rows.Bind(3, now);
        int read = 0;
        List<OpenMessage> expired = [];
        try
        {
            while (rows.Step())
            {
                read++;
                _expiredCursor = (rows.GetInt64(13), rows.GetInt64(0));
                if (Load(session, rows) is { SendStartedAt: null } message)
                {
                    expired.Add(message);
                }
            }
        }
        catch
        {
            _expiryDue = true;
            throw;
        }
        finally
        {
            rows.Reset();
        }

        foreach (OpenMessage message in expired)
        {
            NoteLeft(Lane(message.Envelope.Queue), message);
            Writer?.Post(new ExpireOperation(this, message, onDisk: true));
        }

        if (read == Slice)
        {
            _expiryDue = true;
            return;
        }

        _expiredCursor = Beginning;
        SqliteStatement next = session.Statement("next expiry", SelectNextExpiry);
        next.Bind(1, now);
        long? end = next.Step() ? next.GetOptionalInt64(0) : null;
        next.Reset();
        if (end is { } instant)
        {
            NoteExpiry(instant);
        }
    }
}
