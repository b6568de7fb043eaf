using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Diagnostics;
using Postroom.Intake;
using Postroom.Memory;
using Postroom.Settling;
using Postroom.Testing;
using Postroom.Workers;
using Xunit;

namespace Postroom.Tests.Hosting;

/// <summary>Loops that die, and outcomes that cannot be stored.</summary>
public sealed class WorkerPoolTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ac26_a_loop_that_dies_six_times_in_five_minutes_fails_its_pool_until_it_is_restarted()
    {
        ManualClock clock = new();
        await using MemoryStore store = new(clock);
        FaultyRunner runner = new() { Broken = true };
        await using WorkerPool pool = Pool(store, store, runner, clock);
        pool.Start();

        for (int minute = 0; minute < 4 && !pool.IsFaulted; minute++)
        {
            long restarts = pool.Counters.Restarts;
            clock.Advance(TimeSpan.FromSeconds(20));
            await RuntimeHarness.UntilAsync(() => pool.IsFaulted || pool.Counters.Restarts > restarts || clock.ArmedTimers > 0);
            minute -= pool.IsFaulted ? 0 : 1;
            Assert.True(pool.Counters.Restarts < 20);
        }

        Assert.True(pool.IsFaulted);
        Assert.Equal(6, pool.Counters.Restarts);
        Assert.Equal(WorkerState.Faulted, pool.Status().State);

        runner.Broken = false;
        pool.Restart();
        Envelope envelope = new(MessageId.New(), "work", "work.todo", default);
        await store.AppendAsync([envelope], null, Cancel);
        await RuntimeHarness.UntilAsync(async () => (await store.GetAsync(envelope.Id, false, Cancel))!.Entry.State == MessageState.Acked);
        Assert.False(pool.IsFaulted);
    }

    [Fact]
    public async Task A_runner_that_throws_makes_a_retry_and_not_a_lost_lease()
    {
        await using MemoryStore store = new();
        await using WorkerPool pool = Pool(store, store, new FaultyRunner { Throws = true }, TimeProvider.System);
        Envelope envelope = new(MessageId.New(), "work", "work.todo", default) { MaxAttempts = 1 };
        await store.AppendAsync([envelope], null, Cancel);

        pool.Start();

        await RuntimeHarness.UntilAsync(async () => (await store.GetAsync(envelope.Id, false, Cancel))!.Entry.State == MessageState.Failed);
    }

    [Fact]
    public async Task Outcomes_are_kept_while_the_store_cannot_write_and_the_handler_does_not_run_again()
    {
        await using MemoryStore memory = new();
        FlakyStore store = new(memory) { SettleFailures = 3 };
        FaultyRunner runner = new();
        await using WorkerPool pool = Pool(store, memory, runner, TimeProvider.System);
        Envelope envelope = new(MessageId.New(), "work", "work.todo", default);
        await memory.AppendAsync([envelope], null, Cancel);

        pool.Start();

        await RuntimeHarness.UntilAsync(async () => (await memory.GetAsync(envelope.Id, false, Cancel))!.Entry.State == MessageState.Acked);
        Assert.Equal(1, runner.Runs);
        Assert.Equal(0, store.SettleFailures);
    }

    [Fact]
    public async Task An_outcome_that_the_store_refuses_itself_counts_as_a_failed_attempt()
    {
        await using MemoryStore memory = new();
        FlakyStore store = new(memory) { RefuseNextAck = new InvalidOperationException("too big for a row") };
        FaultyRunner runner = new();
        await using WorkerPool pool = Pool(store, memory, runner, TimeProvider.System);
        Envelope envelope = new(MessageId.New(), "work", "work.todo", default) { MaxAttempts = 1 };
        await memory.AppendAsync([envelope], null, Cancel);

        pool.Start();

        await RuntimeHarness.UntilAsync(async () => (await memory.GetAsync(envelope.Id, false, Cancel))!.Entry.State == MessageState.Failed);
        Assert.Contains("too big for a row", (await memory.GetAsync(envelope.Id, false, Cancel))!.Entry.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pool_whose_outcomes_cannot_be_stored_holds_up_no_other()
    {
        await using MemoryStore memory = new();
        FlakyStore store = new(memory) { RefusedQueue = "stuck" };
        PoolFactory pools = Pools(store, memory, TimeProvider.System);
        await using WorkerPool stuck = pools.Create(Definition("stuck", new FaultyRunner(), settleWindow: 2));
        await using WorkerPool work = pools.Create(Definition("work", new FaultyRunner(), settleWindow: 2));
        await memory.AppendAsync([.. Enumerable.Range(0, 20).Select(i => new Envelope(MessageId.New(), i < 10 ? "stuck" : "work", "work.todo", default))], null, Cancel);

        stuck.Start();
        await RuntimeHarness.UntilAsync(() => stuck.Counters.Settling == 2);
        work.Start();

        await RuntimeHarness.UntilAsync(() => work.Counters.Processed == 10);
        Assert.Equal((2, 0L), (stuck.Counters.Settling, stuck.Counters.Processed));
        store.RefusedQueue = null;
        await RuntimeHarness.UntilAsync(() => stuck.Counters.Processed == 10);
    }

    private static WorkerPool Pool(IMessageStore store, MemoryStore journal, IMessageRunner runner, TimeProvider clock) => Pools(store, journal, clock).Create(Definition("work", runner));

    private static WorkerDefinition Definition(string queue, IMessageRunner runner, int settleWindow = 1_024)
    {
        return new WorkerDefinition(queue, new WorkerOptions { Queue = queue, Parallelism = 2, SettleWindow = settleWindow }, runner, TimeSpan.FromSeconds(30));
    }

    private static PoolFactory Pools(IMessageStore store, MemoryStore journal, TimeProvider clock)
    {
        RuntimeMetrics metrics = new();
        HookDispatcher hooks = new(TimeSpan.FromSeconds(2), journal, journal, metrics, clock, NullLogger.Instance);
        AttemptReporter reporter = new(hooks, metrics, clock, NullLogger.Instance);
        QueueCatalog queues = new();
        OriginMarks marks = new(queues, new QueuePublisher(queues, new LimitsOptions(), clock));
        Settler settler = new(store, marks, reporter, new Redactor(), clock, static () => 0.5, NullLogger.Instance);
        return new PoolFactory(store, settler, "node/1", clock, NullLogger.Instance);
    }

    private sealed class FaultyRunner : IMessageRunner
    {
        private int _runs;

        public bool Broken { get; set; }

        public bool Throws { get; set; }

        public int Runs => _runs;

        public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken) => Broken ? throw new IOException("broken") : default;

        public Settlement Decide(Attempt attempt, AttemptEnd end) => RetryPolicy.Decide(end, attempt.Lease, Backoff.Default, retryTimeouts: true, 0.5, TimeProvider.System.GetUtcNow());

        public ValueTask<AttemptEnd> RunAsync(Attempt attempt)
        {
            Interlocked.Increment(ref _runs);
            return Throws ? throw new InvalidOperationException("a bug") : new(AttemptEnd.Success);
        }
    }

    /// <summary>A store whose settles fail on request.</summary>
    private sealed class FlakyStore(MemoryStore inner) : IMessageStore
    {
        private int _settleFailures;

        public int SettleFailures
        {
            get => _settleFailures;
            set => _settleFailures = value;
        }

        public Exception? RefuseNextAck { get; set; }

        /// <summary>Messages of this queue cannot be settled now; null for none.</summary>
        public string? RefusedQueue { get; set; }

        public StoreFeatures Features => inner.Features;

        public IFacts Facts => inner.Facts;

        public ValueTask<IReadOnlyList<AppendResult>> AppendAsync(IReadOnlyList<Envelope> batch, FactChange? checkpoint, CancellationToken cancellationToken) => inner.AppendAsync(batch, checkpoint, cancellationToken);

        public ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(string queue, int max, TimeSpan leaseTime, CancellationToken cancellationToken) => inner.LeaseAsync(queue, max, leaseTime, cancellationToken);

        public ValueTask<bool> RenewAsync(MessageLease lease, LeaseProgress? progress, CancellationToken cancellationToken) => inner.RenewAsync(lease, progress, cancellationToken);

        public ValueTask SettleAsync(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
        {
            if (settlement is Settlement.Acknowledged && RefuseNextAck is { } refusal)
            {
                RefuseNextAck = null;
                return ValueTask.FromException(refusal);
            }

            if (_settleFailures > 0 || lease.Envelope.Queue == RefusedQueue)
            {
                _settleFailures--;
                return ValueTask.FromException(new StoreUnavailableException("The disk is full."));
            }

            return inner.SettleAsync(lease, settlement, staged, cancellationToken);
        }

        public ValueTask<StoreWriteResult> WriteAsync(StoreWrite write, CancellationToken cancellationToken) => inner.WriteAsync(write, cancellationToken);

        public ValueTask<StoreStats> GetStatsAsync(string? queue, CancellationToken cancellationToken) => inner.GetStatsAsync(queue, cancellationToken);
    }
}
