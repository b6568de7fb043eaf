using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Diagnostics;
using Postroom.Memory;
using Postroom.Workers;
using Xunit;

namespace Postroom.Tests.Hosting;

public sealed class HookCostTests
{
    [Fact]
    public async Task Ac33_without_hooks_a_dispatch_allocates_no_byte_for_hooks_and_serializes_nothing()
    {
        using RuntimeMetrics metrics = new();
        await using MemoryStore store = new();
        HookDispatcher hooks = new(TimeSpan.FromSeconds(2), store, store, metrics, TimeProvider.System, NullLogger.Instance);
        AttemptReporter reporter = new(hooks, metrics, TimeProvider.System, NullLogger.Instance);
        MessageLease lease = new() { Envelope = new Envelope(MessageId.New(), "work", "work.todo", default) { Conversation = "c1" }, Attempt = 1, Fence = 1, Owner = "n" };
        Attempt attempt = new(lease, 0, 0, CancellationToken.None);
        await reporter.ReportAsync(attempt, Settlement.Acknowledge);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++)
        {
            // What a dispatch does about hooks: the one look before the handler, and the report after its commit.
            if (!hooks.IsEmpty)
            {
                await hooks.BeginAsync(attempt, "work/handler");
            }

            ValueTask reported = reporter.ReportAsync(attempt, Settlement.Acknowledge);
            Assert.True(reported.IsCompletedSuccessfully);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Null(attempt.Hooks);
    }
}
