using Postroom.Explaining;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>The journal of a store file that no runtime has open: it reads and changes nothing.</summary>
internal sealed class ColdJournal(SqliteJournalReader reader) : IJournal, IFacts
{
    /// <summary>Finds and explains its messages.</summary>
    public WhyReader Reader(bool stopped) => new(this, this, TimeProvider.System) { Stopped = stopped };

    public ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken) => new(reader.Query(query));

    public ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken) => new(reader.Get(id, withBody));

    public ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken) => new(reader.QueryAudit(query));

    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken) => throw ReadOnly();

    public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken) => throw ReadOnly();

    public ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken) => throw ReadOnly();

    public ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken) => throw ReadOnly();

    public ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken) => throw ReadOnly();

    public ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken) => throw ReadOnly();

    ValueTask<StoredFact?> IFacts.GetAsync(string scope, string key, CancellationToken cancellationToken) => new(reader.Facts(scope).FirstOrDefault(fact => fact.Key == key));

    ValueTask<IReadOnlyList<StoredFact>> IFacts.ListAsync(string scope, CancellationToken cancellationToken) => new(reader.Facts(scope));

    private static InvalidOperationException ReadOnly() => new("The store is read without its runtime, so nothing can be changed. Start it with 'postroom run'.");
}
