using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.Diagnostics;
using Postroom.Memory;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class HookLimitTests
{
    [Fact]
    public async Task A_hook_that_blocks_its_thread_with_its_token_is_ended_at_its_limit()
    {
        Blocking hook = new();
        await using MessageRuntime runtime = await StartAsync(app => app.AddHook(_ => hook).AddWork((_, _, _) => new(HandlerResult.Completed)), "hooks.timeout=100ms");

        MessageId id = await runtime.PublishAsync("x");
        await runtime.EndedAsync(id, MessageState.Acked);

        Assert.True(hook.WasCancelled);
    }

    [Fact]
    public async Task A_hook_that_answers_at_once_is_not_late_by_a_clock_of_the_callers()
    {
        RecordingHook hook = new("e");
        await using MessageRuntime runtime = new(new RuntimeSetup
        {
            Clock = new ManualClock(),
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory"]) } },
        });
        runtime.RegisterModule(new TestModule(app => app.AddHook(_ => hook).AddWork((_, _, _) => new(HandlerResult.Completed))));
        await runtime.StartAsync(Cancel);

        await runtime.EndedAsync(await runtime.PublishAsync("x"), MessageState.Acked);

        await UntilAsync(() => hook.Calls.Count == 4);
        Assert.Equal(["intent", "dispatched", "acknowledged", "complete"], hook.Calls.Select(call => call.Split(' ')[0]));
    }

    [Fact]
    public async Task A_hook_that_blocks_its_thread_beyond_its_limit_and_ignores_its_token_is_counted()
    {
        long errors = 0;
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, measured) =>
        {
            if (instrument.Name == "postroom.hook.errors")
            {
                measured.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                Interlocked.Add(ref errors, tag.Value as string == nameof(Deaf) ? value : 0);
            }
        });
        listener.Start();
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddHook(_ => new Deaf()).AddWork((_, _, _) => new(HandlerResult.Completed)), "hooks.timeout=50ms");

        await runtime.EndedAsync(await runtime.PublishAsync("x"), MessageState.Acked);

        listener.RecordObservableInstruments();
        Assert.Equal(1, Interlocked.Read(ref errors));
    }

    [Fact]
    public async Task Ac34_a_conversation_is_not_complete_while_a_child_is_open_although_an_end_was_told_after_the_store_had_answered()
    {
        await using MemoryStore store = new(); // empty: the store has committed both ends
        Feed feed = new();
        RecordingHook hook = new("");
        using RuntimeMetrics metrics = new();
        HookDispatcher hooks = new(TimeSpan.FromSeconds(2), store, feed, metrics, TimeProvider.System, NullLogger.Instance);
        hooks.Register(hook, HookFailurePolicy.Ignore);
        (MessageId first, MessageId second, MessageId parent, MessageId child) = (MessageId.New(), MessageId.New(), MessageId.New(), MessageId.New());
        feed.Move(first, null, MessageState.Pending);
        feed.Move(second, null, MessageState.Pending);
        feed.Move(first, MessageState.Dispatched, MessageState.Acked);
        await UntilAsync(() => hook.Calls.Count == 1);
        feed.Move(second, MessageState.Dispatched, MessageState.Acked);
        await hooks.Conversations.FlushAsync(Cancel);
        int told = hook.Calls.Count;
        Envelope open = new(child, "q", "test.open", default) { Conversation = "chat" };
        await store.AppendAsync(open, Cancel);

        feed.Move(parent, null, MessageState.Pending);
        feed.Move(child, null, MessageState.Pending);
        feed.Move(parent, MessageState.Dispatched, MessageState.Acked);
        await hooks.Conversations.FlushAsync(Cancel);

        Assert.Equal(told, hook.Calls.Count);
    }

    private sealed class Feed : ITransitionFeed
    {
        private Action<Transition>? _observer;

        public IDisposable Observe(Action<Transition> observer)
        {
            _observer = observer;
            return new MemoryStream();
        }

        public void Move(MessageId id, MessageState? from, MessageState to) =>
            _observer!(new Transition { MessageId = id, Queue = "q", Type = "t", Conversation = "chat", From = from, To = to });
    }

    private sealed class Deaf : IDispatchHook
    {
        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) => new("e");

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken)
        {
            cancellationToken.WaitHandle.WaitOne(TimeSpan.FromSeconds(30));
            return default;
        }

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
    }

    private sealed class Blocking : IDispatchHook
    {
        public bool WasCancelled { get; private set; }

        public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) => new("e");

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken)
        {
            // As a synchronous client does that honours its token.
            WasCancelled = cancellationToken.WaitHandle.WaitOne(TimeSpan.FromSeconds(30));
            cancellationToken.ThrowIfCancellationRequested();
            return default;
        }

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
    }
}
