using Postroom.Storage;

namespace Postroom.Redis;

/// <content>The journal: what an operator reads and moves.</content>
internal sealed partial class RedisStore
{
    /// <inheritdoc/>
    public async ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken)
    {
        if (query.OutsideId is { } outside)
        {
            return await ReachAsync(() => ByOutsideIdAsync(outside, query, cancellationToken));
        }

        IEnumerable<string> queues = query.Queue is { } one
            ? [one]
            : (await ReadAsync(new RespCommand("SMEMBERS", Keys.Queues), cancellationToken)).Items.Select(name => name.AsText());
        return await ReachAsync(() => new JournalScan(Client, Keys, Messages, InMemory).QueryAsync([.. queues], query, cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken)
    {
        if (await ReachAsync(() => FindAsync(id, cancellationToken)) is not { } message)
        {
            return null;
        }

        RespValue notes = await ReadAsync(new RespCommand("LRANGE", Keys.NotesOf(id), 0, -1), cancellationToken);
        RespValue[] receipts = [.. notes.Items.Where(note => NoteBytes.KindOf(note.Bytes.Span) == NoteKind.Receipt)];
        RespValue[] audit = [.. notes.Items.Where(note => NoteBytes.KindOf(note.Bytes.Span) == NoteKind.Audit)];
        return new JournalRecord
        {
            Entry = message.ToEntry(withBody),
            Attempts = JournalMoves.Attempts(message),
            Receipts = [.. message.Receipts ?? [], .. receipts.Select(note => NoteBytes.Receipt(note.Bytes.Span)).OfType<DeliveryReceipt>()],
            Audit = [.. audit.Select(note => NoteBytes.Audit(note.Bytes.Span)).OfType<AuditRecord>()],
            Children = await KinAsync(id, other => other.Envelope.ParentId == id, cancellationToken),
            Copies = message.Envelope.GroupId is { } group
                ? await KinAsync(group, other => other.Envelope.GroupId == group && other.Envelope.Id != id, cancellationToken)
                : [],
        };
    }

    /// <inheritdoc/>
    public async ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken)
    {
        List<AuditEntry> found = [];
        string end = query.Cursor is { } cursor ? $"({StreamId(cursor)}" : "+";
        while (found.Count <= query.Limit)
        {
            RespValue page = await ReadAsync(new RespCommand("XREVRANGE", Keys.Notes, end, "-", "COUNT", 256), cancellationToken);
            if (page.Items.Length == 0)
            {
                break;
            }

            foreach (RespValue item in page.Items)
            {
                end = $"({item[0].AsText()}";
                ReadOnlyMemory<byte> about = item[1][3].Bytes;
                if (NoteBytes.Audit(item[1][1].Bytes.Span) is { } row && query.Matches(row) && found.Count <= query.Limit)
                {
                    found.Add(new AuditEntry(NumberOf(item[0].AsText()), row, about.IsEmpty ? null : MessageId.FromBytes(about.Span)));
                }
            }
        }

        return found.Count > query.Limit ? new AuditPage(found[..^1], found[^2].Number) : new AuditPage(found, null);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken) =>
        _transitions.WatchAsync(filter, afterNumber, cancellationToken);

    /// <inheritdoc/>
    public IDisposable Observe(Action<Transition> observer) => _transitions.Observe(observer);

    /// <inheritdoc/>
    public IDisposable ObserveFailures(Action<Transition> observer) => _transitions.ObserveFailures(observer);

    /// <inheritdoc/>
    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken) => DoAsync(new ReplayOperation(this, id, options), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken) => _ = await DoAsync(new ConfirmOperation(this, id, user), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken) => DoAsync(new EraseOperation(this, id), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken)
    {
        long removed = 0;
        foreach (RespValue name in (await ReadAsync(new RespCommand("SMEMBERS", Keys.Queues), cancellationToken)).Items)
        {
            for (int partition = 0; partition < Keys.Partitions && !cancellationToken.IsCancellationRequested; partition++)
            {
                Compaction compaction = new(this, Client, Messages, retention);
                int number = partition;
                removed += await ReachAsync(() => compaction.RunAsync(name.AsText(), number, operation => DoAsync(operation, CancellationToken.None), cancellationToken));
            }
        }

        await ReachAsync(() => new FactAndNoteRetention(Client, Keys, Retention, Now).RunAsync(cancellationToken));
        return removed;
    }

    /// <summary>The few messages that an outside service knows by one id.</summary>
    private async ValueTask<JournalPage> ByOutsideIdAsync(string outside, JournalQuery query, CancellationToken cancellationToken)
    {
        RespValue ids = await ReadAsync(new RespCommand("SMEMBERS", Keys.Outside(outside)), cancellationToken);
        OpenMessage?[] found = await Task.WhenAll(ids.Items.Select(id => FindAsync(MessageId.FromBytes(id.Bytes.Span), cancellationToken).AsTask()));
        OpenMessage[] matching = [.. found.OfType<OpenMessage>().Where(message => JournalMoves.Matches(message, query)).OrderBy(message => query.Ascending ? message.Seq : -message.Seq)];
        OpenMessage[] rest = [.. matching.Where(message => query.Cursor is not { } cursor || (query.Ascending ? message.Seq > cursor : message.Seq < cursor)).Skip(query.Offset)];
        JournalEntry[] items = [.. rest.Take(query.Limit).Select(message => message.ToEntry(withBody: false))];
        return new JournalPage(items, matching.Length, false, rest.Length > items.Length ? items[^1].Envelope.Seq : null);
    }

    private async ValueTask<IReadOnlyList<JournalEntry>> KinAsync(MessageId of, Func<OpenMessage, bool> which, CancellationToken cancellationToken)
    {
        RespValue ids = await ReadAsync(new RespCommand("LRANGE", Keys.Kin(of), 0, 999), cancellationToken);
        OpenMessage?[] kin = await Task.WhenAll(ids.Items.Select(id => ReachAsync(() => FindAsync(MessageId.FromBytes(id.Bytes.Span), cancellationToken)).AsTask()));
        return [.. kin.OfType<OpenMessage>().Where(which).OrderBy(message => message.Seq).Select(message => message.ToEntry(withBody: false))];
    }

    // Milliseconds and a counter in one number; a thousand rows in a millisecond do not come from people.
    private static long NumberOf(string id) => id.Split('-') is [var at, var counter]
        ? (long.Parse(at, System.Globalization.CultureInfo.InvariantCulture) * 1_000) + Math.Min(999, long.Parse(counter, System.Globalization.CultureInfo.InvariantCulture))
        : 0;

    private static string StreamId(long number) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{number / 1_000}-{number % 1_000}");
}
