using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Testing;

public sealed class TestRuntimeTests
{
    [Fact]
    public async Task A_text_walks_the_whole_path_and_is_answered_through_the_test_channel()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            (message, context, _) =>
            {
                context.Reply($"{context.From}: {message.Text}");
                return new(HandlerResult.Completed);
            },
            "in"));

        await test.SendAsync("hello");
        await test.SendAsync("again", "other");
        await test.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        Assert.Equal(["test:12345678: hello", "test:other: again"], test.Deliveries.Select(send => send.Message.Message).Order());
        Assert.Contains(test.Deliveries, send => send.Recipient!.ToString() == "test:other");
    }

    [Fact]
    public async Task It_ends_also_when_a_handler_waits_for_what_never_comes()
    {
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource never = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            async (_, _, _) =>
            {
                begun.SetResult();
                await never.Task;
                return HandlerResult.Completed;
            },
            "in"));
        await test.SendAsync("hello");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        await test.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

        Assert.True(test.Runtime.AbandonedWork);
    }

    [Fact]
    public async Task Work_that_a_handler_passes_on_can_be_answered_where_it_came_from()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => app
            .AddQueue("orders")
            .AddWorkers("orders")
            .AddHandler<IncomingMessage>(
                PayloadTypes.ChatText,
                PostroomJson.Default.IncomingMessage,
                (message, context, _) =>
                {
                    context.Publish("orders", "order.received", message);
                    return new(HandlerResult.Completed);
                },
                "in")
            .AddHandler<IncomingMessage>(
                "order.received",
                PostroomJson.Default.IncomingMessage,
                (message, context, _) =>
                {
                    context.Reply($"{message.Text} is on its way");
                    return new(HandlerResult.Completed);
                },
                "orders"));

        await test.SendAsync("a chair", "491");
        await test.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        RecordedSend answer = Assert.Single(test.Deliveries);
        Assert.Equal(("a chair is on its way", "test:491"), (answer.Message.Message, answer.Recipient!.ToString()));
    }

    [Fact]
    public async Task Hours_of_retries_pass_on_the_clock()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            (_, context, _) => new(context.Attempt < 4 ? HandlerResult.RetryAfter(TimeSpan.FromHours(1), "later") : HandlerResult.Completed),
            "in"));

        MessageId id = await test.SendAsync("hello");
        await test.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        JournalRecord? record = await test.Runtime.Journal.GetAsync(id, false, TestContext.Current.CancellationToken);
        Assert.Equal(MessageState.Acked, record!.Entry.State);
        Assert.Equal(4, record.Entry.Attempt);
        Assert.True(test.Clock.Elapsed >= TimeSpan.FromHours(3));
    }

    [Fact]
    public async Task Ac24_A_handler_running_ten_lease_times_is_not_delivered_twice()
    {
        int begun = 0;
        TaskCompletionSource working = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestRuntime test = await TestRuntime.StartAsync(
            app => app.AddHandler<IncomingMessage>(
                PayloadTypes.ChatText,
                PostroomJson.Default.IncomingMessage,
                async (_, _, _) =>
                {
                    Interlocked.Increment(ref begun);
                    working.TrySetResult();
                    await done.Task;
                    return HandlerResult.Completed;
                },
                "in"),
            "queues.in.lease=30s", "queues.in.renew=10s", "workers.router.handlerTimeout=infinite");

        MessageId id = await test.SendAsync("slow");
        await working.Task.WaitAsync(TestContext.Current.CancellationToken);
        for (int renewals = 0; renewals < 30; renewals++)
        {
            test.Clock.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.Equal(1, test.Runtime.Workers.GetStatus().Single(pool => pool.Name == "router").Busy);
        done.SetResult();
        await test.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        JournalRecord? record = await test.Runtime.Journal.GetAsync(id, false, TestContext.Current.CancellationToken);
        Assert.Equal((MessageState.Acked, 1, 1), (record!.Entry.State, record.Entry.Attempt, begun));
    }
}
