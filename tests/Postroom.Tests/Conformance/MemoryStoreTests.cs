using Postroom.Memory;
using Postroom.Testing;

namespace Postroom.Tests.Conformance;

public sealed class MemoryStoreTests : MessageStoreConformance
{
    protected override async ValueTask<IMessageStore> CreateAsync(ManualClock clock)
    {
        MemoryStore store = new(clock);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        return store;
    }
}
