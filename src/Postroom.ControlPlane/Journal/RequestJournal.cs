namespace Postroom.ControlPlane;

/// <summary>The journal as requests see it: beyond 64 reads at once the next is refused, so that strangers to the runtime never crowd out its own reads (ST-14).</summary>
/// <param name="runtime">Has the journal once its store is open.</param>
internal sealed class RequestJournal(IRuntimeView runtime) : IJournal
{
    private const int MostReads = 64;

    private int _reads;

    /// <inheritdoc/>
    /// <exception cref="StoreUnavailableException">Too many reads are under way.</exception>
    public ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken) =>
        ReadAsync(() => runtime.Journal.QueryAsync(query, cancellationToken));

    /// <inheritdoc/>
    /// <exception cref="StoreUnavailableException">Too many reads are under way.</exception>
    public ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken) =>
        ReadAsync(() => runtime.Journal.GetAsync(id, withBody, cancellationToken));

    /// <inheritdoc/>
    /// <exception cref="StoreUnavailableException">Too many reads are under way.</exception>
    public ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken) => ReadAsync(() => runtime.Journal.QueryAuditAsync(query, cancellationToken));

    /// <inheritdoc/>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken) =>
        runtime.Journal.WatchAsync(filter, afterNumber, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken) => runtime.Journal.ReplayAsync(id, options, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken) => runtime.Journal.DiscardAsync(id, reason, force, cancellationToken);

    /// <inheritdoc/>
    public ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken) => runtime.Journal.ConfirmAsync(id, user, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken) => runtime.Journal.EraseAsync(id, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken) => runtime.Journal.CompactAsync(retention, cancellationToken);

    private async ValueTask<T> ReadAsync<T>(Func<ValueTask<T>> read)
    {
        try
        {
            return Interlocked.Increment(ref _reads) <= MostReads
                ? await read()
                : throw new StoreUnavailableException($"{MostReads} requests read the store already. Ask again in a moment, for fewer messages at once.");
        }
        finally
        {
            Interlocked.Decrement(ref _reads);
        }
    }
}
