using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>What shows only with a store on disk behind the runtime.</summary>
public sealed class DurableRuntimeTests
{
    [Fact]
    public async Task Handlers_that_read_checkpoints_side_by_side_wait_for_each_other_and_use_up_no_attempt()
    {
        const int Count = 600;
        using TempFolder folder = new();
        await using MessageRuntime runtime = await StartDurableAsync(folder.Path, app => app.AddWork(
            async (_, context, cancellationToken) =>
            {
                await context.GetCheckpointAsync("seen", cancellationToken);
                return HandlerResult.Completed;
            },
            queue => queue.MaxAttempts = 1,
            pool => pool.Parallelism = 256));

        await Task.WhenAll(Enumerable.Range(0, Count).Select(number => runtime.PublishAsync($"{number}", new PublishOptions { Conversation = $"c{number}" })));
        StoreQueueStats? stats = null;
        await UntilAsync(async () => (stats = (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"]).Acked + stats.Failed == Count);

        Assert.Equal((Count, 0L), (stats!.Acked, stats.Failed));
    }

    [Fact]
    public async Task Intake_takes_messages_side_by_side_while_a_backlog_is_beyond_the_window()
    {
        using TempFolder folder = new();
        await using MessageRuntime runtime = await StartDurableAsync(folder.Path, app => app.AddQueue("work"));
        IMessageSink sink = runtime.View.OpenSink("test");
        foreach (int[] numbers in Enumerable.Range(0, 5_000).Chunk(500))
        {
            await sink.AcceptAsync([.. numbers.Select(Work)], null, Cancel);
        }

        IReadOnlyList<AcceptResult>[] taken = await Task.WhenAll(Enumerable.Range(5_000, 500).Select(number => sink.AcceptAsync([Work(number)], null, Cancel).AsTask()));

        Assert.All(taken, results => Assert.False(results[0].Duplicate));
        Assert.Equal(5_500, (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"].Pending);

        static SourceMessage Work(int number) => new("work", "work.todo", "{}"u8.ToArray()) { Conversation = $"c{number}" };
    }
}
