using Postroom.Crash;
using Postroom.Sqlite;
using Postroom.Testing;

namespace Postroom.Tests.Conformance;

/// <summary>AC-17: the suite of the memory store passes unchanged on SQLite.</summary>
public sealed class SqliteStoreTests : MessageStoreConformance, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-").FullName;

    public void Dispose()
    {
        Canaries.SearchAndDelete(_folder);
        GC.SuppressFinalize(this);
    }

    protected override async ValueTask<IMessageStore> CreateAsync(ManualClock clock)
    {
        SqliteStore store = new(new StoreOptions { Path = Path.Combine(_folder, $"{Guid.NewGuid():n}.db") }, new RetentionOptions(), new Redactor(), clock);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        return store;
    }
}
