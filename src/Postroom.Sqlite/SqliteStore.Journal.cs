namespace Postroom.Sqlite;

/// <content>The journal: the store's own rows, read by the readers and moved by the writer.</content>
public sealed partial class SqliteStore
{
    /// <inheritdoc/>
    public ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken)
    {
        return Readers.ScanAsync(session => new JournalReader(session, InMemory).Query(query, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken)
    {
        return Readers.ReadAsync(session => new JournalReader(session, InMemory).Record(id, withBody), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken) =>
        Readers.ScanAsync(session => AuditReader.Query(session, query, cancellationToken), cancellationToken);

    /// <summary>The message to which an outside service gave an id; null when none is kept.</summary>
    /// <param name="outsideId">The service's id.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask<MessageId?> FindByOutsideIdAsync(string outsideId, CancellationToken cancellationToken)
    {
        return Readers.ReadAsync(session => new JournalReader(session, InMemory).FindByOutsideId(outsideId), cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken)
    {
        return _lanes.Transitions.WatchAsync(filter, afterNumber, cancellationToken);
    }

    /// <inheritdoc/>
    public IDisposable Observe(Action<Transition> observer) => _lanes.Transitions.Observe(observer);

    /// <inheritdoc/>
    public IDisposable ObserveFailures(Action<Transition> observer) => _lanes.Transitions.ObserveFailures(observer);

    /// <inheritdoc/>
    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken)
    {
        return HandOverAsync(new ReplayOperation(_lanes, id, options), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken)
    {
        _ = await HandOverAsync(new DiscardOperation(_lanes, id, _redactor.ErrorText(reason), force), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken)
    {
        _ = await HandOverAsync(new ConfirmOperation(_lanes, id, user), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken) => HandOverAsync(new EraseOperation(_lanes, id), cancellationToken);

    /// <inheritdoc/>
    public ValueTask BackupAsync(string target, CancellationToken cancellationToken) => CopyAsync(target, new SqliteMaintenance.CopyLimits(), cancellationToken);

    internal ValueTask CopyAsync(string target, SqliteMaintenance.CopyLimits limits, CancellationToken cancellationToken) =>
        SqliteMaintenance.CopyAsync(_options.Path, target, static path => SqliteConnection.Open(path, SqliteAccess.ReadOnly), limits, cancellationToken);
}
