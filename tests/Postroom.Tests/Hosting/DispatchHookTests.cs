using System.Collections.Concurrent;
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
        Assert.Equal(
            ["intent c1 work.todo", "dispatched h1", "failed h1 InvalidOperationException: first", "intent c1 work.todo", "dispatched h2", "acknowledged h2", "complete c1"],
            hook.Calls);
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
    public async Task Ac34_a_conversation_is_complete_once_when_its_last_message_has_ended()
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

    private sealed class RecordingHook(string prefix) : IDispatchHook
    {
        private int _entries;

        public ConcurrentQueue<string> Calls { get; } = new();

        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
        {
            Calls.Enqueue($"intent {conversationId} {payloadType}");
            return new(prefix.Length == 0 ? "" : $"{prefix}{Interlocked.Increment(ref _entries)}");
        }

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => Note($"dispatched {entryId}");

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => Note($"acknowledged {entryId}");

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => Note($"failed {entryId} {error}");

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => Note($"complete {conversationId}");

        private ValueTask Note(string call)
        {
            Calls.Enqueue(call);
            return default;
        }
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
