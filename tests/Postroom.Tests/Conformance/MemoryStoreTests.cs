using Postroom.Memory;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Conformance;

public sealed class MemoryStoreTests : MessageStoreConformance
{
    protected override async ValueTask<IMessageStore> CreateAsync(ManualClock clock)
    {
        MemoryStore store = new(clock);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        return store;
    }

    [Fact]
    public async Task Messages_that_were_replayed_and_ended_last_are_the_last_to_be_forgotten()
    {
        bool fails = true;
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddWork((_, _, _) => new(Volatile.Read(ref fails) ? HandlerResult.Fail("no") : HandlerResult.Completed)), "store.memory.finished=10");
        MessageId[] ids = new MessageId[10];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = await runtime.PublishAsync($"{i}");
            await runtime.EndedAsync(ids[i], MessageState.Failed);
        }

        Volatile.Write(ref fails, false);
        foreach (MessageId id in ids)
        {
            await runtime.Journal.ReplayAsync(id, new ReplayOptions(), RuntimeHarness.Cancel);
            await runtime.EndedAsync(id, MessageState.Acked);
        }

        Assert.Equal(10, (await runtime.Journal.QueryAsync(new JournalQuery { States = [MessageState.Acked] }, RuntimeHarness.Cancel)).Items.Count);
    }
}
