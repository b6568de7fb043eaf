using Postroom.Crash;
using Postroom.Diagnostics;
using Postroom.Memory;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

public sealed class ConversationWatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-").FullName;

    public void Dispose() => Canaries.SearchAndDelete(_folder);

    [Theory]
    [InlineData("memory", "expire")]
    [InlineData("memory", "discard")]
    [InlineData("memory", "purge")]
    [InlineData("sqlite", "expire")]
    [InlineData("sqlite", "discard")]
    [InlineData("sqlite", "purge")]
    public async Task A_conversation_whose_last_message_is_given_up_is_reported_complete(string store, string how)
    {
        RecordingHook hook = new("h");
        await using MessageRuntime runtime = await StartAsync(store, app => app.AddHook(_ => hook).AddWork((_, _, _) => new(HandlerResult.Completed)));
        runtime.Workers.Pause("work");
        await UntilAsync(() => runtime.Pool().State == WorkerState.Paused);

        MessageId id = await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1", TimeToLive = how == "expire" ? TimeSpan.FromMilliseconds(100) : null });
        if (how == "discard")
        {
            await runtime.DiscardAsync(id, "no", cancellationToken: Cancel);
        }
        else if (how == "purge")
        {
            await runtime.PurgeQueueAsync("work", "no", Cancel);
        }

        await runtime.EndedAsync(id, MessageState.Failed);
        await UntilAsync(() => !hook.Calls.IsEmpty);
        Assert.Equal(["complete c1"], hook.Calls);
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("sqlite")]
    public async Task Each_of_many_conversations_that_end_at_once_is_reported_exactly_once(string store)
    {
        const int count = 2_000;
        RecordingHook hook = new("");
        await using MessageRuntime runtime = await StartAsync(store, app => app
            .AddHook(_ => hook)
            .AddWork((_, _, _) => new(HandlerResult.Completed), queue => queue.HighWater = 100_000, pool => pool.Parallelism = 256));

        await Task.WhenAll(Enumerable.Range(0, count).Select(i => runtime.PublishAsync($"{i}", new PublishOptions { Conversation = $"c{i}" })));

        await UntilAsync(() => Completions(hook).Count >= count);
        Assert.Equal(count, Completions(hook).Distinct().Count());
        await runtime.StopAsync(Cancel);
        Assert.Equal(count, Completions(hook).Count);
    }

    [Fact]
    public async Task A_message_that_a_receiver_acknowledges_completes_its_conversation()
    {
        RecordingHook hook = new("");
        await using MessageRuntime runtime = await StartAsync("memory", app => app.AddHook(_ => hook).AddQueue("work").AddPayload("work.todo", RuntimeTestJson.Default.Order));
        IMessageQueue queue = runtime.OpenQueue("work");
        await runtime.PublishAsync("x", new PublishOptions { Conversation = "c1" });

        await foreach (Delivery delivery in queue.ConsumeAsync(1, Cancel))
        {
            await queue.AckAsync(delivery, null, Cancel);
            break;
        }

        await UntilAsync(() => hook.Calls.Contains("complete c1"));
    }

    [Fact]
    public async Task A_conversation_is_reported_again_when_a_later_message_or_a_replay_of_an_earlier_one_has_ended()
    {
        RecordingHook hook = new("");
        int bad = 0;
        await using MessageRuntime runtime = await StartAsync("memory", app => app
            .AddHook(_ => hook)
            .AddWork((order, _, _) => new(order.Number == "bad" && bad++ == 0 ? HandlerResult.Fail("no") : HandlerResult.Completed)));
        PublishOptions same = new() { Conversation = "c1" };

        MessageId failed = await runtime.PublishAsync("bad", same);
        await UntilAsync(() => Completions(hook).Count == 1);
        await runtime.PublishAsync("good", same);
        await UntilAsync(() => Completions(hook).Count == 2);
        await runtime.Journal.ReplayAsync(failed, new ReplayOptions(), Cancel);
        await UntilAsync(() => Completions(hook).Count == 3);
    }

    [Fact]
    public async Task A_check_that_the_store_cannot_answer_is_made_again()
    {
        await using MemoryStore store = new();
        BusyJournal journal = new(store) { Refusals = 3 };
        RecordingHook hook = new("");
        using RuntimeMetrics metrics = new();
        HookDispatcher hooks = new(TimeSpan.FromSeconds(2), journal, store, metrics, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        hooks.Register(hook, HookFailurePolicy.Ignore);
        Envelope envelope = new(MessageId.New(), "work", "work.todo", default) { Conversation = "c1" };
        await store.AppendAsync([envelope], null, Cancel);

        await store.DiscardAsync(envelope.Id, "no", force: false, Cancel);

        await UntilAsync(() => hook.Calls.Contains("complete c1"));
        Assert.Equal(4, journal.Queries);
    }

    [Fact]
    public async Task Nothing_is_observed_and_nothing_asked_while_nobody_listens()
    {
        await using MemoryStore store = new();
        BusyJournal journal = new(store);
        using RuntimeMetrics metrics = new();
        HookDispatcher hooks = new(TimeSpan.FromSeconds(2), journal, store, metrics, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        hooks.Register(new RecordingHook(""), HookFailurePolicy.Ignore).Dispose();
        Envelope envelope = new(MessageId.New(), "work", "work.todo", default) { Conversation = "c1" };
        await store.AppendAsync([envelope], null, Cancel);

        await store.DiscardAsync(envelope.Id, "no", force: false, Cancel);

        await hooks.Conversations.FlushAsync(Cancel);
        Assert.Equal(0, journal.Queries);
    }

    private static List<string> Completions(RecordingHook hook) => [.. hook.Calls.Where(call => call.StartsWith("complete", StringComparison.Ordinal))];

    private Task<MessageRuntime> StartAsync(string store, Action<IApplicationBuilder> configure)
    {
        return store == "sqlite" ? StartDurableAsync(_folder, configure) : RuntimeHarness.StartAsync(configure);
    }

    /// <summary>A journal that has too much to do at first.</summary>
    private sealed class BusyJournal(IJournal inner) : IJournal
    {
        private int _queries;

        public int Refusals { get; set; }

        public int Queries => _queries;

        public ValueTask<JournalPage> QueryAsync(JournalQuery query, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _queries);
            return Refusals-- > 0 ? ValueTask.FromException<JournalPage>(new StoreUnavailableException("busy")) : inner.QueryAsync(query, cancellationToken);
        }

        public ValueTask<JournalRecord?> GetAsync(MessageId id, bool withBody, CancellationToken cancellationToken) => inner.GetAsync(id, withBody, cancellationToken);

        public ValueTask<AuditPage> QueryAuditAsync(AuditQuery query, CancellationToken cancellationToken) => inner.QueryAuditAsync(query, cancellationToken);

        public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken) => inner.WatchAsync(filter, afterNumber, cancellationToken);

        public ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken) => inner.ReplayAsync(id, options, cancellationToken);

        public ValueTask DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken) => inner.DiscardAsync(id, reason, force, cancellationToken);

        public ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken) => inner.ConfirmAsync(id, user, cancellationToken);

        public ValueTask<bool> EraseAsync(MessageId id, CancellationToken cancellationToken) => inner.EraseAsync(id, cancellationToken);

        public ValueTask<long> CompactAsync(JournalRetention retention, CancellationToken cancellationToken) => inner.CompactAsync(retention, cancellationToken);
    }
}
