using Postroom.Intake;
using Postroom.Memory;
using Postroom.Testing;

namespace Postroom.Tests.Conformance;

public sealed class MessageQueueTests : MessageQueueConformance
{
    protected override async ValueTask<(IMessageQueue Queue, IMessageStore Store)> CreateAsync(ManualClock clock)
    {
        MemoryStore store = new(clock);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        QueueCatalog queues = new();
        queues.Declare("orders", new QueueOptions());
        Random random = new(1);
        QueuePublisher publisher = new(queues, new LimitsOptions(), clock);
        return (new MessageQueue("orders", store, store, queues, publisher, new OriginMarks(queues, publisher), new QueueActivity(clock), lease => store.SettleAsync(lease, Settlement.Release, [], CancellationToken.None).AsTask().Wait(Cancel), clock, random.NextDouble), store);
    }
}
