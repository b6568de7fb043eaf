using Postroom.Configuration;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class RuntimeTests
{
    [Fact]
    public async Task A_published_message_reaches_its_handler_and_ends_acked()
    {
        TaskCompletionSource<string> handled = new();
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddQueue("orders")
            .AddHandler<Order>("order.received", RuntimeTestJson.Default.Order, (order, _, _) =>
            {
                handled.TrySetResult(order.Number);
                return new(HandlerResult.Completed);
            })
            .AddWorkers("orders"));

        PublishResult published = await runtime.Sender.PublishAsync("orders", "order.received", new Order("MO-1"), null, Cancel);

        Assert.Equal("MO-1", await handled.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
        await runtime.EndedAsync(published.Id, MessageState.Acked);
    }

    [Fact]
    public async Task A_handler_that_throws_is_tried_again_with_backoff_and_then_fails_as_exhausted()
    {
        int attempts = 0;
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddQueue("orders", queue =>
            {
                queue.MaxAttempts = 3;
                queue.Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(5), Max = TimeSpan.FromMilliseconds(20) };
            })
            .AddHandler<Order>("order.received", RuntimeTestJson.Default.Order, (_, context, _) =>
            {
                Interlocked.Increment(ref attempts);
                Assert.Equal(attempts, context.Attempt);
                throw new InvalidOperationException("no stock");
            })
            .AddWorkers("orders"));

        PublishResult published = await runtime.Sender.PublishAsync("orders", "order.received", new Order("MO-1"), null, Cancel);

        JournalRecord record = await runtime.EndedAsync(published.Id, MessageState.Failed);
        Assert.Equal(3, attempts);
        Assert.Equal(FailureKind.Exhausted, record.Entry.FailureKind);
        Assert.Contains("no stock", record.Entry.Error, StringComparison.Ordinal);
        Assert.Equal(3, record.Attempts.Count);
    }

    [Fact]
    public async Task Staged_messages_are_stored_with_the_acknowledgement_and_only_then()
    {
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddQueue("orders", queue => queue.MaxAttempts = 1)
            .AddQueue("bills")
            .AddHandler<Order>("order.received", RuntimeTestJson.Default.Order, (order, context, _) =>
            {
                context.Publish("bills", "bill.due", order);
                return order.Number == "bad" ? throw new InvalidOperationException() : new(HandlerResult.Completed);
            }, "orders")
            .AddPayload("bill.due", RuntimeTestJson.Default.Order)
            .AddWorkers("orders"));

        PublishResult good = await runtime.Sender.PublishAsync("orders", "order.received", new Order("good"), null, Cancel);
        PublishResult bad = await runtime.Sender.PublishAsync("orders", "order.received", new Order("bad"), null, Cancel);

        JournalRecord acked = await runtime.EndedAsync(good.Id, MessageState.Acked);
        JournalRecord failed = await runtime.EndedAsync(bad.Id, MessageState.Failed);
        JournalEntry child = Assert.Single(acked.Children);
        Assert.Equal("bill.due", child.Envelope.Type);
        Assert.Equal(1, child.Envelope.Hops);
        Assert.Empty(failed.Children);
    }

    [Fact]
    public async Task Ac30_two_handlers_that_answer_each_other_stop_at_the_hop_limit()
    {
        int handled = 0;
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddQueue("ping")
            .AddHandler<Order>("ball.hit", RuntimeTestJson.Default.Order, (order, context, _) =>
            {
                Interlocked.Increment(ref handled);
                context.Publish("ping", "ball.hit", order);
                return new(HandlerResult.Completed);
            })
            .AddWorkers("ping"));

        await runtime.Sender.PublishAsync("ping", "ball.hit", new Order("x"), null, Cancel);

        JournalEntry last = await runtime.FailedAsync("ping");
        Assert.Equal(51, handled);
        Assert.Equal(FailureKind.Invalid, last.FailureKind);
        Assert.Contains("too_deep", last.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac23_a_handler_that_ignores_cancellation_is_replaced_and_its_late_outcome_refused()
    {
        using ManualResetEventSlim release = new();
        int attempts = 0;
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddQueue("orders", queue => queue.Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(5), Max = TimeSpan.FromMilliseconds(5) })
            .AddHandler<Order>("order.received", RuntimeTestJson.Default.Order, (_, _, _) =>
            {
                if (Interlocked.Increment(ref attempts) == 1)
                {
                    release.Wait(CancellationToken.None);
                }

                return new(HandlerResult.Completed);
            })
            .AddWorkers("orders", pool =>
            {
                pool.Parallelism = 1;
                pool.HandlerTimeout = TimeSpan.FromMilliseconds(50);
                pool.CancelGrace = TimeSpan.FromMilliseconds(50);
            }));

        PublishResult published = await runtime.Sender.PublishAsync("orders", "order.received", new Order("MO-1"), null, Cancel);

        JournalRecord record = await runtime.EndedAsync(published.Id, MessageState.Acked);
        Assert.Equal(2, record.Entry.Attempt);
        Assert.Equal(1, runtime.Workers.GetStatus().Single(pool => pool.Name == "orders").Stuck);
        release.Set();
        await UntilAsync(() => runtime.Workers.GetStatus().Single(pool => pool.Name == "orders").Stuck == 0);
        Assert.Equal(2, attempts);
    }

    [Fact]
    public async Task Ac71_parts_start_in_phases_and_stop_in_reverse()
    {
        MessageRuntime runtime = await StartAsync(app => { });

        await runtime.StopAsync(Cancel);

        Assert.Equal(
            ["start traces", "start store", "start lanes", "start communicators", "start workers", "start sources", "start schedules", "start retention", "start configuration", "start intake",
             "stop retention", "stop configuration", "stop intake", "stop sources", "stop schedules", "stop workers", "stop communicators", "stop lanes", "stop store", "stop traces"],
            runtime.StartRecord);
        Assert.Equal(RuntimeState.Stopped, runtime.State);
        await runtime.DisposeAsync();
    }

    [Fact]
    public async Task Problems_of_the_composition_are_reported_together_each_with_the_call_that_mends_it()
    {
        ConfigurationException e = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(app => app
            .AddQueue("orders")
            .AddHandler<Order>("order.received", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed))
            .AddHandler<Order>("order.received", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed))
            .AddWorkers("oders", pool => pool.Queue = "oders")));

        Assert.Contains(e.Problems, problem => problem.Message.Contains("two handlers for type 'order.received'", StringComparison.Ordinal));
        Assert.Contains(e.Problems, problem => problem.Message.Contains("no worker pool", StringComparison.Ordinal));
        Assert.Contains(e.Problems, problem => problem.Message.Contains("Did you mean 'orders'?", StringComparison.Ordinal));
    }
}
