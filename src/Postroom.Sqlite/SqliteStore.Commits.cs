namespace Postroom.Sqlite;

/// <content>Tells of commits.</content>
public sealed partial class SqliteStore
{
    private readonly Lock _observing = new();
    private Action<StoreCommit>? _committed; // changed under _observing

    /// <inheritdoc/>
    public IDisposable ObserveCommits(Action<StoreCommit> observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        bool flushed = _options.Synchronous == StoreSynchronous.Full;
        Action<StoreCommit> told = commit => observer(commit with { Flushed = flushed });
        Change(told, observe: true);
        return new Observation(this, told);
    }

    private void Change(Action<StoreCommit> observer, bool observe)
    {
        lock (_observing)
        {
            _committed = observe ? _committed + observer : _committed - observer;
            if (_writer is { } writer)
            {
                writer.CommitObserver = _committed;
            }
        }
    }

    /// <summary>Observers came before the writer.</summary>
    private void ObserveWriter(StoreWriter writer)
    {
        lock (_observing)
        {
            writer.CommitObserver = _committed;
        }
    }

    private sealed class Observation(SqliteStore store, Action<StoreCommit> observer) : IDisposable
    {
        public void Dispose() => store.Change(observer, observe: false);
    }
}
