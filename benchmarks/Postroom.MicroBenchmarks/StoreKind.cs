using Postroom.Memory;
using Postroom.Sqlite;

namespace Postroom.MicroBenchmarks;

/// <summary>The stores that are measured.</summary>
public enum StoreKind
{
    /// <summary>In this process, not kept.</summary>
    Memory,

    /// <summary>A file; a commit does not wait for the disk, which may be all that shows otherwise.</summary>
    SqliteNormal,

    /// <summary>The same, and a commit waits for the disk.</summary>
    SqliteFull,
}

/// <summary>A new store and the folder it is in; both go together.</summary>
internal sealed class OpenedStore : IAsyncDisposable
{
    // Not in the folder for temporary files, which may be in memory.
    private readonly DirectoryInfo _folder = Directory.CreateDirectory(Path.Combine("artifacts", "micro", MessageId.New().ToString()));
    private readonly IStoreLifecycle _lifecycle;

    private OpenedStore(StoreKind kind)
    {
        if (kind == StoreKind.Memory)
        {
            MemoryStore memory = new();
            (Store, _lifecycle) = (memory, memory);
            return;
        }

        StoreOptions options = new()
        {
            Path = Path.Combine(_folder.FullName, "store.db"),
            Synchronous = kind == StoreKind.SqliteFull ? StoreSynchronous.Full : StoreSynchronous.Normal,
        };
        SqliteStore sqlite = new(options, new RetentionOptions(), new Redactor(), TimeProvider.System);
        (Store, _lifecycle) = (sqlite, sqlite);
    }

    public IMessageStore Store { get; }

    public static async Task<OpenedStore> OpenAsync(StoreKind kind)
    {
        OpenedStore store = new(kind);
        await store._lifecycle.OpenAsync(new StoreOpening { Node = "micro" }, CancellationToken.None);
        return store;
    }

    public async ValueTask DisposeAsync()
    {
        await _lifecycle.CloseAsync(CancellationToken.None);
        await _lifecycle.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
