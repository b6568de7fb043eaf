using System.Collections.Concurrent;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>What happens to a message between the moment a pool has leased it and the moment its handler begins.</summary>
public sealed class BeginTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_message_that_expired_before_a_worker_came_to_it_is_not_handled(bool durable)
    {
        using TempFolder folder = new();
        ConcurrentQueue<string> handled = new();
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Action<IApplicationBuilder> configure = app => app.AddWork(async (order, _, _) =>
        {
            handled.Enqueue(order.Number);
            await go.Task;
            return HandlerResult.Completed;
        }, pool: pool => (pool.Parallelism, pool.Prefetch) = (1, 20));
        await using MessageRuntime runtime = durable ? await StartDurableAsync(folder.Path, configure) : await StartAsync(configure);
        await runtime.PauseQueueAsync("work", Cancel);
        await runtime.PublishAsync("first");
        MessageId late = await runtime.PublishAsync("late", new PublishOptions { TimeToLive = TimeSpan.FromSeconds(1) });
        await runtime.ResumeQueueAsync("work", Cancel);
        await UntilAsync(() => !handled.IsEmpty);
        await UntilAsync(async () => (await runtime.Journal.GetAsync(late, false, Cancel))!.Entry.Envelope.ExpiresAt < DateTimeOffset.UtcNow);
        go.SetResult();

        JournalRecord ended = await runtime.EndedAsync(late, MessageState.Failed);

        Assert.Equal(FailureKind.Expired, ended.Entry.FailureKind);
        Assert.Equal(["first"], handled);
        Assert.Empty(ended.Attempts);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_queue_that_was_paused_begins_nothing_that_was_leased_before(bool durable)
    {
        using TempFolder folder = new();
        ConcurrentQueue<string> handled = new();
        SemaphoreSlim go = new(0);
        Action<IApplicationBuilder> configure = app => app.AddWork(async (order, _, _) =>
        {
            handled.Enqueue(order.Number);
            await go.WaitAsync(CancellationToken.None);
            return HandlerResult.Completed;
        }, pool: pool => (pool.Parallelism, pool.Prefetch) = (1, 20));
        await using MessageRuntime runtime = durable ? await StartDurableAsync(folder.Path, configure) : await StartAsync(configure);
        await runtime.PauseQueueAsync("work", Cancel);
        List<MessageId> ids = [];
        for (int i = 0; i < 20; i++)
        {
            ids.Add(await runtime.PublishAsync($"{i}"));
        }

        await runtime.ResumeQueueAsync("work", Cancel);
        await UntilAsync(() => handled.Count == 1);
        await runtime.PauseQueueAsync("work", Cancel);
        go.Release(20);
        await UntilAsync(async () => (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"] is { Dispatched: 0, Pending: 19 });
        Assert.Single(handled);

        await runtime.ResumeQueueAsync("work", Cancel);
        foreach (MessageId id in ids)
        {
            JournalRecord ended = await runtime.EndedAsync(id, MessageState.Acked);
            Assert.Equal(1, ended.Entry.Attempt);
        }

        Assert.Equal(Enumerable.Range(0, 20).Select(number => $"{number}"), handled);
    }

    [Fact]
    public async Task A_receiver_of_a_queue_that_was_paused_gets_what_waits_once_it_goes_on()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("open", _ => { }));
        IMessageQueue queue = runtime.OpenQueue("open");
        await runtime.PauseQueueAsync("open", Cancel);
        PublishResult sent = await queue.PublishAsync(new QueueMessage("open.todo", "{}"u8.ToArray()), null, Cancel);
        Task<MessageId> received = Task.Run(async () =>
        {
            await foreach (Delivery delivery in queue.ConsumeAsync(1, Cancel))
            {
                Assert.True(await queue.AckAsync(delivery, null, Cancel));
                return delivery.Lease.Envelope.Id;
            }

            return MessageId.Empty;
        }, Cancel);
        await runtime.ResumeQueueAsync("open", Cancel);

        Assert.Equal(sent.Id, await received);
    }

    [Fact]
    public async Task An_outcome_that_was_refused_is_not_counted_as_processed()
    {
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(async (_, _, _) =>
        {
            await go.Task;
            return HandlerResult.Completed;
        }));
        MessageId id = await runtime.PublishAsync("x");
        await UntilAsync(() => runtime.Pool().Busy == 1);
        await runtime.DiscardAsync(id, "no", force: true, Cancel);
        go.SetResult();
        await UntilAsync(() => runtime.Pool() is { Busy: 0, Settling: 0 });

        Assert.Equal((0L, 0L), (runtime.Pool().Processed, runtime.Pool().Failed));
        await runtime.EndedAsync(id, MessageState.Failed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_does_not_begin_once_its_message_was_taken_away_while_hooks_were_told(bool givenUp)
    {
        int begun = 0;
        Waiting hook = new();
        await using MessageRuntime runtime = await StartAsync(app => app.AddHook(_ => hook).AddWork((_, _, _) =>
        {
            Interlocked.Increment(ref begun);
            return new(HandlerResult.Completed);
        }, pool: pool =>
        {
            if (givenUp)
            {
                (pool.HandlerTimeout, pool.CancelGrace) = (TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
            }
        }), "hooks.timeout=20s");
        MessageId id = await runtime.PublishAsync("x", new PublishOptions { MaxAttempts = 1 });
        await UntilAsync(() => hook.Calls == 1);
        if (!givenUp)
        {
            await runtime.DiscardAsync(id, "no", force: true, Cancel);
        }

        await runtime.EndedAsync(id, MessageState.Failed);
        hook.Go.SetResult();
        await UntilAsync(() => runtime.Pool() is { Busy: 0, Stuck: 0, Settling: 0 });

        Assert.Equal(0, begun);
    }

    private sealed class Waiting : IDispatchHook
    {
        private int _calls;

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Calls => Volatile.Read(ref _calls);

        public async ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _calls);
            await Go.Task;
            return "e";
        }

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
    }
}
