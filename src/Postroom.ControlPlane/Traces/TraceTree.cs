using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>Gathers the messages of one trace from the journal: those whose headers carry it, and all that their handlers made.</summary>
/// <param name="journal">What is read.</param>
/// <param name="most">How many messages are read at most.</param>
internal sealed class TraceTree(IJournal journal, int most = TraceTree.MostMessages)
{
    /// <summary>The most messages of one trace that are shown.</summary>
    public const int MostMessages = 500;

    private const int LongestChain = 100;

    private readonly Dictionary<MessageId, JournalRecord> _records = [];
    private readonly Dictionary<MessageId, JournalEntry> _entries = [];

    /// <summary>Whether there are more than are shown.</summary>
    public bool IsTruncated { get; private set; }

    /// <summary>The messages, oldest first.</summary>
    public IEnumerable<JournalRecord> Records => _records.Values.OrderBy(static record => record.Entry.Envelope.Id);

    /// <summary>The messages as far as they are known, those included that were not read because they are too many.</summary>
    public IReadOnlyCollection<JournalEntry> Entries => _entries.Values;

    /// <summary>The trace a message belongs to: of its headers, or else one with the digits of its own id.</summary>
    public static string IdOf(Envelope envelope) =>
        envelope.Header(HeaderNames.TraceParent) is { Length: >= 55 } parent ? parent[3..35] : envelope.Id.ToString().Replace("-", "", StringComparison.Ordinal);

    /// <summary>Reads a trace by its id or by that of one of its messages; null when nothing of it is kept.</summary>
    public async ValueTask<string?> ReadAsync(string id, CancellationToken cancellationToken)
    {
        // A message of its own trace is found by its id; a trace that came from outside by the headers.
        MessageId? named = Guid.TryParse(id, out Guid guid) && MessageId.TryParse(guid.ToString(), out MessageId message) ? message : null;
        if (named is { } known && await journal.GetAsync(known, withBody: false, cancellationToken) is { } one)
        {
            JournalRecord root = await RootOfAsync(one, cancellationToken);
            await AddAsync(root, cancellationToken);
            string trace = IdOf(root.Entry.Envelope);
            if (root.Entry.Envelope.Header(HeaderNames.TraceParent) is not null)
            {
                await AddCarriersAsync(trace, cancellationToken);
            }

            return trace;
        }

        await AddCarriersAsync(id, cancellationToken);
        return _records.Count > 0 ? id : null;
    }

    /// <summary>Reads one message and what came of it, not what led to it; nothing when it is not kept.</summary>
    public async ValueTask ReadBelowAsync(MessageId id, CancellationToken cancellationToken)
    {
        if (await journal.GetAsync(id, withBody: false, cancellationToken) is { } record)
        {
            await AddAsync(record, cancellationToken);
        }
    }

    private async ValueTask AddCarriersAsync(string trace, CancellationToken cancellationToken)
    {
        JournalPage page = await journal.QueryAsync(new JournalQuery { TraceId = trace, Limit = 100, WithTotal = false }, cancellationToken);
        IsTruncated |= page.Next is not null;
        foreach (JournalEntry entry in page.Items)
        {
            if (!_records.ContainsKey(entry.Envelope.Id) && await journal.GetAsync(entry.Envelope.Id, withBody: false, cancellationToken) is { } record)
            {
                await AddAsync(record, cancellationToken);
            }
        }
    }

    private async ValueTask<JournalRecord> RootOfAsync(JournalRecord record, CancellationToken cancellationToken)
    {
        for (int i = 0; i < LongestChain && record.Entry.Envelope.ParentId is { } parent; i++)
        {
            if (await journal.GetAsync(parent, withBody: false, cancellationToken) is not { } next)
            {
                break; // no longer kept
            }

            record = next;
        }

        return record;
    }

    private async ValueTask AddAsync(JournalRecord first, CancellationToken cancellationToken)
    {
        Queue<JournalRecord> open = new([first]);
        while (open.TryDequeue(out JournalRecord? record))
        {
            if (_records.Count == most)
            {
                IsTruncated = true;
                return;
            }

            if (!_records.TryAdd(record.Entry.Envelope.Id, record))
            {
                continue;
            }

            _entries[record.Entry.Envelope.Id] = record.Entry;

            foreach (JournalEntry child in record.Children)
            {
                _entries[child.Envelope.Id] = child;
                if (_records.ContainsKey(child.Envelope.Id))
                {
                    continue;
                }

                if (_records.Count + open.Count >= most)
                {
                    IsTruncated = true;
                    break;
                }

                if (await journal.GetAsync(child.Envelope.Id, withBody: false, cancellationToken) is { } next)
                {
                    open.Enqueue(next);
                }
            }
        }
    }

    /// <summary>What the journal's times say of a message: when it was stored, and each attempt.</summary>
    public static IEnumerable<JournalSpanView> SpansOf(JournalRecord record)
    {
        Envelope envelope = record.Entry.Envelope;
        JournalSpanView stored = new()
        {
            Name = "postroom.accept",
            MessageId = envelope.Id.ToString(),
            ParentId = envelope.ParentId?.ToString(),
            Queue = envelope.Queue,
            Type = envelope.Type,
            StartedAt = envelope.CreatedAt,
            EndedAt = envelope.CreatedAt,
            DurationMs = 0,
            Outcome = "accepted",
        };
        yield return stored;
        foreach (AttemptRecord attempt in record.Attempts)
        {
            yield return stored with
            {
                Name = OutboundQueue.Is(envelope.Queue) ? "postroom.deliver" : "postroom.handle",
                Attempt = attempt.Attempt,
                StartedAt = Within(attempt.StartedAt, envelope),
                EndedAt = Within(attempt.EndedAt, envelope),
                DurationMs = (attempt.EndedAt - attempt.StartedAt)?.TotalMilliseconds,
                Outcome = attempt.Outcome,
                Kind = attempt.Kind is { } kind ? Why.Word(kind) : null,
                Error = attempt.Error,
                Owner = attempt.Owner,
            };
        }
    }

    /// <summary>Nothing of a message is before it was made: ids, which have that time in them, run a little ahead of the clock in a burst.</summary>
    private static DateTimeOffset? Within(DateTimeOffset? at, Envelope envelope) => at < envelope.CreatedAt ? envelope.CreatedAt : at;
}
