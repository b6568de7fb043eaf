using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>AC-22: what each end of a handler means, and that only success stores what was staged.</summary>
public sealed class HandlerOutcomeTests
{
    [Theory]
    [InlineData("complete", MessageState.Acked, null)]
    [InlineData("fail", MessageState.Failed, FailureKind.Rejected)]
    [InlineData("permanent", MessageState.Failed, FailureKind.Exception)]
    [InlineData("throw", MessageState.Failed, FailureKind.Exhausted)]
    [InlineData("retry", MessageState.Failed, FailureKind.Exhausted)]
    [InlineData("retry-exception", MessageState.Failed, FailureKind.Exhausted)]
    [InlineData("cancelled-by-itself", MessageState.Failed, FailureKind.Exhausted)]
    [InlineData("timeout", MessageState.Failed, FailureKind.Timeout)]
    [InlineData("null", MessageState.Failed, FailureKind.Exhausted)]
    public async Task Ac22_each_end_of_a_handler_gives_its_outcome_and_only_success_stores_staged_messages(string end, MessageState state, FailureKind? kind)
    {
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddPayload("side.effect", RuntimeTestJson.Default.Order)
            .AddQueue("effects")
            .AddWork(
                async (order, context, cancellationToken) =>
                {
                    context.Publish("effects", "side.effect", order);
                    return order.Number switch
                    {
                        "complete" => HandlerResult.Completed,
                        "fail" => HandlerResult.Fail("no such article"),
                        "permanent" => throw new PermanentException("never"),
                        "retry" => HandlerResult.RetryAfter(TimeSpan.FromMilliseconds(1), "busy"),
                        "retry-exception" => throw new RetryAfterException(TimeSpan.FromMilliseconds(1), "busy"),
                        "cancelled-by-itself" => throw new OperationCanceledException("a token of its own"),
                        "timeout" => await WaitForeverAsync(cancellationToken),
                        "null" => null!,
                        _ => throw new InvalidOperationException("bad"),
                    };
                },
                queue => queue.MaxAttempts = 2,
                pool =>
                {
                    pool.HandlerTimeout = end == "timeout" ? TimeSpan.FromMilliseconds(40) : TimeSpan.FromSeconds(20);
                    pool.RetryTimeouts = false;
                }));

        JournalRecord record = await runtime.EndedAsync(await runtime.PublishAsync(end), state);

        Assert.Equal(kind, record.Entry.FailureKind);
        Assert.Equal(state == MessageState.Acked ? 1 : 0, record.Children.Count);
    }

    [Fact]
    public async Task A_retry_without_an_attempt_gives_the_attempt_back()
    {
        int calls = 0;
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(
            (_, context, _) =>
            {
                Assert.Equal(1, context.Attempt);
                return new(Interlocked.Increment(ref calls) < 8 ? HandlerResult.RetryAfter(TimeSpan.FromMilliseconds(1), "not yet", countsAttempt: false) : HandlerResult.Completed);
            },
            queue => queue.MaxAttempts = 2));

        JournalRecord record = await runtime.EndedAsync(await runtime.PublishAsync("x"), MessageState.Acked);

        Assert.Equal(8, calls);
        Assert.Equal(1, record.Entry.Attempt);
        Assert.Equal(0, record.Entry.Failures);
    }

    [Fact]
    public async Task Send_on_failure_is_stored_with_the_final_failure_only()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(
            (_, context, _) =>
            {
                context.SendOnFailure(new OutgoingMessage("operators", "An order failed for good."));
                throw new InvalidOperationException("bad");
            },
            queue => queue.MaxAttempts = 3));

        JournalRecord record = await runtime.EndedAsync(await runtime.PublishAsync("x"), MessageState.Failed);

        JournalEntry note = Assert.Single(record.Children);
        Assert.Equal(PayloadTypes.Notify, note.Envelope.Type);
    }

    [Fact]
    public async Task A_checkpoint_is_committed_with_the_acknowledgement()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(
            async (order, context, cancellationToken) =>
            {
                ReadOnlyMemory<byte>? before = await context.GetCheckpointAsync("count", cancellationToken);
                byte count = (byte)((before?.Span[0] ?? 0) + 1);
                context.Checkpoint("count", new[] { count });
                return order.Number == "bad" ? HandlerResult.Fail("no") : HandlerResult.Completed;
            }));
        PublishOptions one = new() { Conversation = "c1" };

        await runtime.EndedAsync(await runtime.PublishAsync("a", one), MessageState.Acked);
        await runtime.EndedAsync(await runtime.PublishAsync("bad", one), MessageState.Failed);
        await runtime.EndedAsync(await runtime.PublishAsync("b", one), MessageState.Acked);

        StoredFact? fact = await runtime.Store.Facts.GetAsync(FactScopes.HandlerCheckpoint, "c1/count", Cancel);
        Assert.Equal(2, fact!.Value.Span[0]);
    }

    [Fact]
    public async Task Staging_beyond_the_limit_fails_the_attempt_as_rejected_and_names_the_limit()
    {
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddPayload("side.effect", RuntimeTestJson.Default.Order)
            .AddQueue("effects")
            .AddWork((order, context, _) =>
            {
                for (int i = 0; i < 1_001; i++)
                {
                    context.Publish("effects", "side.effect", order);
                }

                return new(HandlerResult.Completed);
            }));

        JournalRecord record = await runtime.EndedAsync(await runtime.PublishAsync("x"), MessageState.Failed);

        Assert.Equal(FailureKind.Rejected, record.Entry.FailureKind);
        Assert.Contains("limits.staged", record.Entry.Error, StringComparison.Ordinal);
        Assert.Empty(record.Children);
    }

    [Fact]
    public async Task Ac29_an_undecodable_body_fails_as_invalid_on_attempt_one_and_its_neighbours_are_handled()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        IMessageQueue queue = runtime.OpenQueue("work");

        PublishResult bad = await queue.PublishAsync(new QueueMessage("work.todo", "{\"number\":"u8.ToArray()), null, Cancel);
        MessageId good = await runtime.PublishAsync("good");

        JournalRecord failed = await runtime.EndedAsync(bad.Id, MessageState.Failed);
        await runtime.EndedAsync(good, MessageState.Acked);
        Assert.Equal(FailureKind.Invalid, failed.Entry.FailureKind);
        Assert.Equal(1, failed.Entry.Attempt);
        JournalRecord? body = await runtime.Journal.GetAsync(bad.Id, withBody: true, Cancel);
        Assert.Equal("{\"number\":", System.Text.Encoding.UTF8.GetString(body!.Entry.Envelope.Body.Span));
    }

    [Fact]
    public async Task A_type_without_a_handler_fails_as_unroutable_and_the_conversation_goes_on()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        PublishOptions one = new() { Conversation = "c1" };

        PublishResult unknown = await runtime.OpenQueue("work").PublishAsync(new QueueMessage("work.unknown", "{}"u8.ToArray()), one, Cancel);
        MessageId next = await runtime.PublishAsync("next", one);

        JournalRecord failed = await runtime.EndedAsync(unknown.Id, MessageState.Failed);
        Assert.Equal(FailureKind.Unroutable, failed.Entry.FailureKind);
        Assert.Contains("work.todo", failed.Entry.Error, StringComparison.Ordinal);
        await runtime.EndedAsync(next, MessageState.Acked);
    }

    private static async Task<HandlerResult> WaitForeverAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        return HandlerResult.Completed;
    }
}
