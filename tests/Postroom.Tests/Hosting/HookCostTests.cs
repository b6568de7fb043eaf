using Postroom.Workers;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>What a message costs on the path that every message takes: worker, handler, settlement, report.</summary>
public sealed class HookCostTests
{
    private const int Count = 1_000;

    // All that one message allocates on its way from the lease to the report, with a handler that does nothing: attempt, context, payload,
    // settlement. Who makes every message cost more raises it here and says why; hooks are no reason, for most programs have none.
#if DEBUG
    private const long PerMessage = 912;
#else
    private const long PerMessage = 392;
#endif

    [Fact]
    public async Task Ac33_without_hooks_a_dispatch_allocates_no_byte_for_hooks_and_serializes_nothing()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed), queue => queue.HighWater = 100_000));
        runtime.Workers.Pause("work");
        await UntilAsync(() => runtime.Pool().State == WorkerState.Paused);

        long before = await BytesAsync(runtime, padding: 0);
        long large = await BytesAsync(runtime, padding: 64 * 1024);
        long told;
        using (runtime.RegisterDispatchHook(new RecordingHook("h")))
        {
            told = await BytesAsync(runtime, padding: 0);
        }

        long after = await BytesAsync(runtime, padding: 0);

        Assert.True(before <= PerMessage, $"A message without hooks allocates {before} bytes instead of {PerMessage}.");
        Assert.Equal((before, before), (large, after));
        Assert.True(told > before + 100, $"With a hook it is {told} bytes, so the measurement sees nothing.");
    }

    /// <summary>What one message allocates: the least of several runs, for now and then a table of the store grows.</summary>
    private static async Task<long> BytesAsync(MessageRuntime runtime, int padding)
    {
        byte[] body = [.. "{\"number\":\"1\",\"padding\":\""u8, .. Enumerable.Repeat((byte)'x', padding), .. "\"}"u8];
        long least = long.MaxValue;
        for (int run = 0; run < 6; run++)
        {
            least = Math.Min(least, await HandleAsync(runtime, body) / Count);
        }

        return least;
    }

    /// <summary>Handles messages on this thread, as a worker of the pool does, and says what that allocated.</summary>
    private static async Task<long> HandleAsync(MessageRuntime runtime, byte[] body)
    {
        WorkerPool pool = runtime.Rooms.Workers.Pools.Single();
        LeaseFeed leases = new(() => null);
        await runtime.Store.AppendAsync([.. Enumerable.Range(0, Count).Select(i => new Envelope(MessageId.New(), "work", "work.todo", body) { Conversation = $"c{i}" })], null, Cancel);
        for (int taken = 0; taken < Count;)
        {
            IReadOnlyList<MessageLease> taking = await runtime.Store.LeaseAsync("work", Count, TimeSpan.FromSeconds(30), Cancel);
            leases.Deliver(taking);
            taken += taking.Count;
        }

        leases.End();
        Worker worker = new(pool, 0, runtime.Store, pool.Runner, runtime.Rooms.Settler, TimeProvider.System);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Task handling = worker.RunAsync(leases);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.True(handling.IsCompletedSuccessfully);
        return allocated;
    }
}
