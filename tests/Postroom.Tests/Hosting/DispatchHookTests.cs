using Postroom.Crash;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class DispatchHookTests
{
    [Fact]
    public async Task Ac32_a_hook_that_throws_takes_nothing_from_its_neighbour_and_an_empty_entry_id_ends_the_calls()
    {
        RecordingHook second = new("b");
        RecordingHook silent = new("");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddHook(_ => new ThrowingHook())
            .AddHook(_ => second)
            .AddHook(_ => silent)
            .AddWork((_, _, _) => new(HandlerResult.Completed)));

        MessageId id = await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" });

        await runtime.EndedAsync(id, MessageState.Acked);
        await UntilAsync(() => second.Calls.Count == 4);
        Assert.Equal(["intent c1 work.todo", "dispatched b1", "acknowledged b1", "complete c1"], second.Calls);
        await UntilAsync(() => silent.Calls.Count == 2);
        Assert.Equal(["intent c1 work.todo", "complete c1"], silent.Calls);
    }

    [Fact]
    public async Task A_failing_attempt_is_told_as_failed_with_its_error_and_the_retry_as_an_attempt_of_its_own()
    {
        RecordingHook hook = new("h");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddHook(_ => hook)
            .AddWork((_, context, _) => context.Attempt == 1 ? throw new InvalidOperationException("first") : new(HandlerResult.Completed)));

        await runtime.EndedAsync(await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" }), MessageState.Acked);

        await UntilAsync(() => hook.Calls.Count == 7);

        // In order for each attempt (HK-5); the next may begin before the end of this one is told.
        Assert.Equal(["dispatched h1", "failed h1 InvalidOperationException: first"], hook.Calls.Where(call => call.Contains("h1", StringComparison.Ordinal)));
        Assert.Equal(["dispatched h2", "acknowledged h2"], hook.Calls.Where(call => call.Contains("h2", StringComparison.Ordinal)));
        Assert.Equal(["intent c1 work.todo", "intent c1 work.todo"], hook.Calls.Where(call => call.StartsWith("intent", StringComparison.Ordinal)));
        Assert.Equal("complete c1", hook.Calls.Single(call => call.StartsWith("complete", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_hook_that_may_fail_attempts_makes_the_attempt_a_retry()
    {
        int handled = 0;
        FlakyHook hook = new();
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddHook(_ => hook, HookFailurePolicy.FailAttempt)
            .AddWork((_, _, _) =>
            {
                handled++;
                return new(HandlerResult.Completed);
            }));

        JournalRecord record = await runtime.EndedAsync(await runtime.PublishAsync("x"), MessageState.Acked);

        Assert.Equal(1, handled);
        Assert.Equal(2, record.Entry.Attempt);
    }

    [Fact]
    public async Task A_hook_that_had_taken_the_intent_is_told_when_a_later_one_refuses_the_attempt()
    {
        RecordingHook first = new("h");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddHook(_ => first)
            .AddHook(_ => new FlakyHook(), HookFailurePolicy.FailAttempt)
            .AddWork((_, _, _) => new(HandlerResult.Completed)));

        await runtime.EndedAsync(await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" }), MessageState.Acked);

        await UntilAsync(() => first.Calls.Contains("complete c1"));
        Assert.Equal(
            ["intent c1 work.todo", "failed h1 Dispatch hook FlakyHook failed the attempt: not ready", "intent c1 work.todo", "dispatched h2", "acknowledged h2", "complete c1"],
            first.Calls);
    }

    [Fact]
    public async Task A_hook_registered_while_running_is_told_until_it_is_disposed()
    {
        RecordingHook hook = new("h");
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));

        using (runtime.RegisterDispatchHook(hook))
        {
            await runtime.EndedAsync(await runtime.PublishAsync("told", new PublishOptions { Conversation = "c1" }), MessageState.Acked);
            await UntilAsync(() => hook.Calls.Count == 4);
        }

        await runtime.EndedAsync(await runtime.PublishAsync("not told"), MessageState.Acked);
        Assert.Equal(4, hook.Calls.Count);
    }

    [Fact]
    public async Task An_attempt_whose_message_is_discarded_ends_for_its_hook_as_cancelled_and_only_once()
    {
        RecordingHook hook = new("h");
        TaskCompletionSource running = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MessageRuntime runtime = await StartAsync(app => app.AddHook(_ => hook).AddWork(async (_, _, token) =>
        {
            running.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return HandlerResult.Completed;
        }));
        MessageId id = await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" });
        await running.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);

        await runtime.DiscardAsync(id, "no", force: true, Cancel);

        await UntilAsync(() => hook.Calls.Contains("failed h1 cancelled"));
        await runtime.StopAsync(Cancel);
        Assert.Equal(["intent c1 work.todo", "dispatched h1", "failed h1 cancelled"], hook.Calls.Where(call => call != "complete c1"));
    }

    [Fact]
    public async Task A_handler_that_was_given_up_is_told_once_as_a_timeout_and_not_again_when_it_returns()
    {
        RecordingHook hook = new("h");
        TaskCompletionSource late = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MessageRuntime runtime = await StartAsync(app => app.AddHook(_ => hook).AddWork(
            async (_, context, _) =>
            {
                await (context.Attempt == 1 ? late.Task : Task.CompletedTask);
                return HandlerResult.Completed;
            },
            pool: pool =>
            {
                pool.HandlerTimeout = TimeSpan.FromMilliseconds(50);
                pool.CancelGrace = TimeSpan.FromMilliseconds(50);
            }));

        await runtime.EndedAsync(await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" }), MessageState.Acked);
        late.SetResult();
        await UntilAsync(() => runtime.Pool().Stuck == 0);
        await runtime.StopAsync(Cancel);

        Assert.Equal(["dispatched h1", "failed h1 timeout"], hook.Calls.Where(call => call.Contains("h1", StringComparison.Ordinal)));
        Assert.Equal(["dispatched h2", "acknowledged h2"], hook.Calls.Where(call => call.Contains("h2", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_conversation_is_complete_once_when_the_messages_its_handlers_made_have_ended_too()
    {
        RecordingHook hook = new("h");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddHook(_ => hook)
            .AddPayload("side.effect", RuntimeTestJson.Default.Order)
            .AddHandler<Order>("side.effect", RuntimeTestJson.Default.Order, (_, context, _) => context.Attempt < 3 ? throw new InvalidOperationException("later") : new(HandlerResult.Completed), "work")
            .AddWork((order, context, _) =>
            {
                context.Publish("work", "side.effect", order, new PublishOptions { OrderKey = "" });
                context.Publish("work", "side.effect", order, new PublishOptions { OrderKey = "" });
                return new(HandlerResult.Completed);
            }));

        JournalRecord record = await runtime.EndedAsync(await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" }), MessageState.Acked);
        foreach (JournalEntry child in record.Children)
        {
            await runtime.EndedAsync(child.Envelope.Id, MessageState.Acked);
        }

        await UntilAsync(() => hook.Calls.Contains("complete c1"));
        Assert.Equal(7, hook.Calls.Count(call => call.StartsWith("intent", StringComparison.Ordinal)));
        Assert.Equal("complete c1", hook.Calls.Last());
        Assert.Single(hook.Calls, call => call == "complete c1");
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("sqlite")]
    public async Task Ac34_a_message_to_three_communicators_of_which_one_fails_is_three_intents_and_one_completion_after_the_last_retry(string store)
    {
        string folder = Directory.CreateTempSubdirectory("postroom-").FullName;
        RecordingHook hook = new("h");
        RecordingCommunicator failing = new("b");
        failing.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient()), 3));
        CommunicatorBackendConfig config = new()
        {
            Type = "test",
            Retry = new RetryConfig { MaxAttempts = 3, Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(50), Max = TimeSpan.FromMilliseconds(50) } },
        };
        void Configure(IApplicationBuilder app) => app
            .AddHook(_ => hook)
            .AddCommunicator(_ => new RecordingCommunicator("a"), ["all"], config)
            .AddCommunicator(_ => failing, ["all"], config)
            .AddCommunicator(_ => new RecordingCommunicator("c"), ["all"], config)
            .AddPayload("side.effect", RuntimeTestJson.Default.Order)
            .AddWork((_, context, _) =>
            {
                context.Send(new OutgoingMessage("news") { Label = "all" });
                return new(HandlerResult.Completed);
            });
        await using MessageRuntime runtime = store == "sqlite" ? await StartDurableAsync(folder, Configure) : await StartAsync(Configure);

        MessageId id = await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" });

        JournalRecord handled = await runtime.EndedAsync(id, MessageState.Acked);
        Assert.Equal(["out.a", "out.b", "out.c"], handled.Children.Select(copy => copy.Envelope.Queue).Order());
        JournalEntry failed = await runtime.FailedAsync("out.b");
        Assert.Equal((FailureKind.Exhausted, 3), (failed.FailureKind, failed.Attempt));
        await UntilAsync(() => hook.Calls.Contains("complete c1"));
        await runtime.StopAsync(Cancel);
        string[] calls = [.. hook.Calls];
        Assert.Equal(1, calls.Count(call => call == "intent c1 work.todo"));
        Assert.Equal(3 + 2, calls.Count(call => call == "intent c1 notify")); // one a copy, and the two retries of the one that fails
        Assert.Equal(3, calls.Count(call => call.StartsWith("acknowledged", StringComparison.Ordinal)));
        Assert.Equal(3, calls.Count(call => call.StartsWith("failed", StringComparison.Ordinal)));
        Assert.Equal(["complete c1"], calls.Where(call => call.StartsWith("complete", StringComparison.Ordinal)));
        Assert.Equal("complete c1", calls[^1]);
        Canaries.SearchAndDelete(folder);
    }

    private sealed class ThrowingHook : IDispatchHook
    {
        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) => throw new InvalidOperationException("hook");

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => throw new InvalidOperationException("hook");

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => throw new InvalidOperationException("hook");

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => throw new InvalidOperationException("hook");

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => throw new InvalidOperationException("hook");
    }

    private sealed class FlakyHook : IDispatchHook
    {
        private int _calls;

        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
        {
            return Interlocked.Increment(ref _calls) == 1 ? throw new InvalidOperationException("not ready") : new("id");
        }

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
    }
}
