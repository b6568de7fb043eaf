using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Reads the journal of a store file that is not open, without changing it.</summary>
public sealed class SqliteJournalReader : IDisposable
{
    private readonly ReadSession _session;
    private readonly Dictionary<(long Seq, Guid Id), int> _begun;

    private SqliteJournalReader(ReadSession session, IReadOnlyList<InFlightEntry> begun)
    {
        _session = session;
        _begun = begun.DistinctBy(entry => (entry.Seq, entry.Id)).ToDictionary(entry => (entry.Seq, entry.Id), entry => entry.Attempt);
    }

    /// <summary>Opens a store file for reading.</summary>
    /// <param name="path">The store file.</param>
    /// <exception cref="StoreOpenException">It is damaged, newer, or cannot be read.</exception>
    public static SqliteJournalReader Open(string path)
    {
        if (!StoreInspection.Of(path, ColdConnection.Open).Exists)
        {
            throw SqliteMaintenance.FindLoss(path) ?? new StoreOpenException(StoreOpenFailure.Damaged, $"'{path}' is no store. Set store.path, or start the program once.");
        }

        SqliteConnection connection = ColdConnection.Open(path);
        NameTable names = new();
        names.Load(connection);
        return new SqliteJournalReader(new ReadSession(connection, names), InFlightTable.Read(path));
    }

    /// <summary>Finds messages.</summary>
    /// <param name="query">Which.</param>
    public JournalPage Query(JournalQuery query) => Reader().Query(query, CancellationToken.None);

    /// <summary>One message with its attempts, receipts, children and copies; null when it is not kept.</summary>
    /// <param name="id">The message.</param>
    /// <param name="withBody">Whether body and attachments come along.</param>
    public JournalRecord? Get(MessageId id, bool withBody) => Reader().Record(id, withBody);

    /// <summary>Finds what people did, newest first.</summary>
    /// <param name="query">Which rows.</param>
    public AuditPage QueryAudit(AuditQuery query) => AuditReader.Query(_session, query, CancellationToken.None);

    /// <summary>How many messages each queue has: open, unused, acked, failed.</summary>
    /// <exception cref="StoreOpenException">A count is damaged.</exception>
    internal Dictionary<string, long[]> CountQueues()
    {
        Totals totals = new();
        try
        {
            totals.Load(_session.Connection);
        }
        catch (InvalidDataException e)
        {
            throw new StoreOpenException(StoreOpenFailure.Damaged, $"The counts of the store are damaged: {e.Message} 'postroom doctor' looks at the rest.");
        }

        return totals.Queues.ToDictionary(pair => _session.Names.Queue(pair.Key), static pair => pair.Value, StringComparer.Ordinal);
    }

    /// <summary>The facts of a scope.</summary>
    internal IReadOnlyList<StoredFact> Facts(string scope) => StoreFacts.List(_session.Connection, scope, TimeProvider.System);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _session.Dispose();

    private JournalReader Reader() => new(_session, static _ => null) { LeftInWork = LeftInWork };

    /// <summary>As recovery sees it: an attempt that began is on the row already when the row counts it.</summary>
    private int? LeftInWork(OpenMessage stored)
    {
        Span<byte> bytes = stackalloc byte[16];
        stored.Envelope.Id.WriteBytes(bytes);
        return stored.State == MessageState.Pending && _begun.TryGetValue((stored.Seq, new Guid(bytes, bigEndian: true)), out int attempt) && stored.Attempt < attempt ? attempt : null;
    }
}
