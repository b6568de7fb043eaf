using System.Collections.Concurrent;
using Postroom.Crash;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class OperationsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-").FullName;

    public void Dispose() => Canaries.SearchAndDelete(_folder);

    [Fact]
    public async Task Ac25_a_paused_queue_leases_nothing_and_is_still_paused_after_a_restart()
    {
        MessageId id;
        await using (MessageRuntime first = await StartDurableAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed))))
        {
            await first.PauseQueueAsync("work", Cancel);
            id = await first.PublishAsync("x");
        }

        await using MessageRuntime second = await StartDurableAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        Assert.True((await second.OpenQueue("work").GetStatsAsync(Cancel)).Paused);
        MessageId canary = (await second.Sender.PublishAsync("work", "work.todo", new Order("y"), null, Cancel)).Id;
        Assert.Equal(MessageState.Pending, (await second.Journal.GetAsync(id, false, Cancel))!.Entry.State);

        await second.ResumeQueueAsync("work", Cancel);
        await second.EndedAsync(id, MessageState.Acked);
        await second.EndedAsync(canary, MessageState.Acked);
    }

    [Fact]
    public async Task Ac28_messages_of_a_type_an_earlier_build_handled_are_parked_and_handled_once_a_build_handles_it_again()
    {
        MessageId parked;
        await using (MessageRuntime old = await StartDurableAsync(app => app
            .AddHandler<Order>("work.old", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed), "work")
            .AddWork((_, _, _) => new(HandlerResult.Completed))))
        {
            await old.PauseQueueAsync("work", Cancel);
            parked = (await old.Sender.PublishAsync("work", "work.old", new Order("x"), null, Cancel)).Id;
        }

        await using (MessageRuntime without = await StartDurableAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed))))
        {
            await without.ResumeQueueAsync("work", Cancel);
            await without.EndedAsync(await without.PublishAsync("neighbour"), MessageState.Acked);
            Assert.Equal(1, (await without.View.GetStatusAsync(Cancel)).Recovery!.Parked);
            Assert.Equal(MessageState.Pending, (await without.Journal.GetAsync(parked, false, Cancel))!.Entry.State);
            Assert.Equal(1, (await without.OpenQueue("work").GetStatsAsync(Cancel)).Parked);
            Assert.Equal(HealthState.Degraded, (await without.View.CheckHealthAsync(HealthViews.Status, Cancel)).State);
        }

        await using MessageRuntime again = await StartDurableAsync(app => app
            .AddHandler<Order>("work.old", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed), "work")
            .AddWork((_, _, _) => new(HandlerResult.Completed)));
        await again.EndedAsync(parked, MessageState.Acked);
    }

    [Fact]
    public async Task Messages_of_a_queue_whose_pool_has_no_handler_are_said_to_miss_the_handler()
    {
        void Configure(IApplicationBuilder app) => app.AddQueue("work").AddWorkers("work").AddPayload("work.todo", RuntimeTestJson.Default.Order);
        await using MessageRuntime runtime = await StartDurableAsync(Configure);
        await runtime.PublishAsync("x");

        RuntimeStatus status = await runtime.View.GetStatusAsync(Cancel);

        Assert.Contains(status.Notices, notice => notice.StartsWith("Queue 'work' has worker pool 'work' and no handler", StringComparison.Ordinal));
        Assert.Contains(status.Notices, notice => notice.Contains("Worker pool 'work' is there: add a handler for queue 'work'", StringComparison.Ordinal));
        Assert.DoesNotContain(status.Notices, notice => notice.Contains("AddWorkers", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Messages_of_a_queue_with_neither_pool_nor_receiver_are_parked_until_a_receiver_takes_them()
    {
        void Configure(IApplicationBuilder app) => app.AddQueue("work").AddPayload("work.todo", RuntimeTestJson.Default.Order);
        MessageId id;
        await using (MessageRuntime first = await StartDurableAsync(Configure))
        {
            id = await first.PublishAsync("x");
        }

        await using MessageRuntime second = await StartDurableAsync(Configure);

        RuntimeStatus status = await second.View.GetStatusAsync(Cancel);
        Assert.Equal(1, status.Recovery!.Parked);
        Assert.Contains(status.Notices, notice => notice.Contains("Queue 'work' holds 1 message and has no worker pool", StringComparison.Ordinal));
        Assert.Equal(HealthState.Degraded, (await second.View.CheckHealthAsync(HealthViews.Status, Cancel)).State);
        await foreach (Delivery delivery in second.OpenQueue("work").ConsumeAsync(1, Cancel))
        {
            await second.OpenQueue("work").AckAsync(delivery, null, Cancel);
            break;
        }

        await second.EndedAsync(id, MessageState.Acked);
        await UntilAsync(async () => (await second.View.CheckHealthAsync(HealthViews.Status, Cancel)).State == HealthState.Healthy);
    }

    [Fact]
    public async Task Messages_of_a_queue_that_this_build_does_not_declare_are_reported_and_kept()
    {
        MessageId id;
        await using (MessageRuntime first = await StartDurableAsync(app => app.AddQueue("bills").AddPayload("bill.due", RuntimeTestJson.Default.Order)))
        {
            id = (await first.Sender.PublishAsync("bills", "bill.due", new Order("x"), null, Cancel)).Id;
        }

        await using MessageRuntime second = await StartDurableAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));

        RuntimeStatus status = await second.View.GetStatusAsync(Cancel);
        Assert.Equal(1, status.Recovery!.Parked);
        Assert.Contains(status.Notices, notice => notice.Contains("Queue 'bills' holds 1 message", StringComparison.Ordinal));
        Assert.Equal(MessageState.Pending, (await second.Journal.GetAsync(id, false, Cancel))!.Entry.State);
    }

    [Fact]
    public async Task A_purge_gives_up_what_waits_and_deletes_nothing()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        await runtime.PauseQueueAsync("work", Cancel);
        List<MessageId> ids = [];
        for (int i = 0; i < 250; i++)
        {
            ids.Add(await runtime.PublishAsync($"{i}"));
        }

        long discarded = await runtime.PurgeQueueAsync("work", "a test", Cancel);

        Assert.Equal(250, discarded);
        foreach (MessageId id in ids)
        {
            JournalEntry entry = (await runtime.Journal.GetAsync(id, false, Cancel))!.Entry;
            Assert.Equal((MessageState.Failed, FailureKind.Discarded), (entry.State, entry.FailureKind));
        }
    }

    [Fact]
    public async Task Killing_a_conversation_cancels_its_handler_and_reports_it_complete()
    {
        TaskCompletionSource began = new();
        TaskCompletionSource cancelled = new();
        RecordingHook hook = new("");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddHook(_ => hook)
            .AddWork(async (_, _, cancellationToken) =>
            {
                began.TrySetResult();
                try
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }
                finally
                {
                    cancelled.TrySetResult();
                }

                return HandlerResult.Completed;
            }));
        PublishOptions one = new() { Conversation = "c1" };
        MessageId running = await runtime.PublishAsync("running", one);
        MessageId waiting = await runtime.PublishAsync("waiting", one);
        await began.Task.WaitAsync(Cancel);

        long discarded = await runtime.KillConversationAsync("c1", "spam", Cancel);

        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.Equal(2, discarded);
        await runtime.EndedAsync(running, MessageState.Failed);
        await runtime.EndedAsync(waiting, MessageState.Failed);
        await UntilAsync(() => hook.Calls.Contains("complete c1"));
        Assert.Single(hook.Calls, "complete c1");
    }

    [Fact]
    public async Task A_type_alias_brings_stored_messages_to_the_handler_of_the_new_name_and_an_upcaster_rewrites_their_body()
    {
        ConcurrentBag<string> seen = [];
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddTypeAlias("job.todo", "work.todo")
            .AddUpcaster(new FirstToSecond())
            .AddWork((order, _, _) =>
            {
                seen.Add(order.Number);
                return new(HandlerResult.Completed);
            }));
        IMessageQueue queue = runtime.OpenQueue("work");

        PublishResult alias = await queue.PublishAsync(new QueueMessage("job.todo", "{\"number\":\"a\"}"u8.ToArray()), null, Cancel);
        PublishResult former = await queue.PublishAsync(new QueueMessage("work.first", "\"b\""u8.ToArray()), null, Cancel);

        await runtime.EndedAsync(alias.Id, MessageState.Acked);
        await runtime.EndedAsync(former.Id, MessageState.Acked);
        Assert.Equal(["a", "b"], seen.Order());
    }

    private Task<MessageRuntime> StartDurableAsync(Action<IApplicationBuilder> configure) => RuntimeHarness.StartDurableAsync(_folder, configure);

    private sealed class FirstToSecond : IUpcaster
    {
        public string FromType => "work.first";

        public string ToType => "work.todo";

        public ReadOnlyMemory<byte> Upcast(ReadOnlyMemory<byte> body) => System.Text.Encoding.UTF8.GetBytes($"{{\"number\":{System.Text.Encoding.UTF8.GetString(body.Span)}}}");
    }
}
