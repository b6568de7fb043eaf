using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.Conformance;

public sealed class SqliteStoreTests : MessageStoreConformance, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    protected override async ValueTask<IMessageStore> CreateAsync(ManualClock clock)
    {
        SqliteStore store = new(new StoreOptions { Path = _folder.Store, Reserve = 0 }, new RetentionOptions(), new Redactor(), clock);
        await store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
        return store;
    }
}
