using Postroom.Sqlite;
using Postroom.Storage;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Sqlite.Store.RoundTripTests;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>What one operation's trouble must not do to the writer, its neighbours and its readers.</summary>
public sealed class WriterTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_message_that_is_brought_and_discarded_at_once_is_with_no_worker_and_holds_no_key(bool replayed)
    {
        await using StoreFixture fixture = await OpenAsync();
        Envelope message = Message() with { OrderKey = "key" };
        if (replayed)
        {
            await fixture.AppendAsync(message);
            await fixture.Store.DiscardAsync(message.Id, "not needed", false, Cancel);
        }

        Task<MessageLease> worker = fixture.LeaseAsync(begin: false);
        DelegateOperation<bool> first = Blocker(out ManualResetEventSlim go);
        fixture.Store.Writer.Post(first);
        Task bringing = replayed ? fixture.Store.ReplayAsync(message.Id, new ReplayOptions(), Cancel).AsTask() : fixture.AppendAsync(message);
        Task giving = fixture.Store.DiscardAsync(message.Id, "not needed at all", force: true, Cancel).AsTask();
        Task<MessageId> next = fixture.AppendAsync(Message() with { OrderKey = "key" });
        go.Set();
        await Task.WhenAll(bringing, giving, next);

        Assert.Equal(MessageState.Failed, (await fixture.Store.GetAsync(message.Id, false, Cancel))!.Entry.State);
        await Assert.ThrowsAsync<LeaseLostException>(async () => await fixture.AckAsync(await worker));
        MessageLease after = await fixture.LeaseAsync();
        Assert.Equal(await next, after.Envelope.Id);
        await fixture.AckAsync(after);
        StoreQueueStats stats = (await fixture.Store.GetStatsAsync("orders", Cancel)).Queues["orders"];
        Assert.Equal((0, 0, 1, 1), (stats.Pending, stats.Dispatched, stats.Acked, stats.Failed));
        Assert.Empty(fixture.Store.Lanes.Open);
    }

    [Fact]
    public async Task A_store_that_can_write_again_says_so_although_nobody_writes()
    {
        await using StoreFixture fixture = await OpenAsync();
        fixture.Store.Writer.CommitFault = committed => FailFlush(fixture, committed);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AppendAsync(Message()));
        Assert.False((await fixture.Store.GetStatsAsync(null, Cancel)).Writable);
        fixture.Store.Writer.CommitFault = null;

        await Eventually(async () => (await fixture.Store.GetStatsAsync(null, Cancel)).Writable);
    }

    [Fact]
    public async Task A_volume_with_room_again_admits_again_although_nobody_writes()
    {
        await using StoreFixture fixture = await OpenAsync();
        fixture.Options.Reserve = long.MaxValue;
        await Eventually(async () =>
        {
            try
            {
                await fixture.AppendAsync(Message());
                return false;
            }
            catch (StoreUnavailableException)
            {
                return true;
            }
        });
        fixture.Options.Reserve = 0;

        await Eventually(async () => (await fixture.Store.GetStatsAsync(null, Cancel)).Writable);
    }

    [Fact]
    public async Task An_operation_that_cannot_be_applied_leaves_its_neighbours_alone()
    {
        await using StoreFixture fixture = await OpenAsync();
        DelegateOperation<bool> bad = new(_ => true, applied: _ => throw new FormatException("cannot be applied"));
        DelegateOperation<bool> first = Blocker(out ManualResetEventSlim go);
        fixture.Store.Writer.Post(first);
        fixture.Store.Writer.Post(bad);
        Task<MessageId> append = fixture.AppendAsync(Message());
        go.Set();

        await Assert.ThrowsAsync<FormatException>(() => bad.Answer.AsTask());
        Assert.Equal(await append, (await fixture.LeaseAsync()).Envelope.Id);
    }

    [Fact]
    public async Task What_was_refused_on_its_own_is_not_refused_again_with_its_batch()
    {
        await using StoreFixture fixture = await OpenAsync();
        int refusals = 0;
        DelegateOperation<bool> own = new(_ => throw new FormatException("its own"), refused: () => Interlocked.Increment(ref refusals));
        DelegateOperation<bool> first = Blocker(out ManualResetEventSlim go);
        fixture.Store.Writer.CommitFault = committed => FailFull(fixture, committed);
        fixture.Store.Writer.Post(first);
        fixture.Store.Writer.Post(own);
        Task<MessageId> append = fixture.AppendAsync(Message());
        go.Set();

        await Assert.ThrowsAsync<FormatException>(() => own.Answer.AsTask());
        await Assert.ThrowsAsync<StoreUnavailableException>(() => append);
        Assert.Equal(1, refusals);
    }

    [Fact]
    public async Task A_backlog_whose_reading_failed_is_read_again()
    {
        await using StoreFixture fixture = await OpenAsync();
        for (int i = 0; i < 5; i++)
        {
            await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => Message())], null, Cancel);
        }

        int failures = 0;
        fixture.Store.Lanes.ReadFault = () =>
        {
            if (Interlocked.Increment(ref failures) <= 2)
            {
                throw SqliteException.Create(SqliteCode.Io, "read failed", "backlog", fixture.Options.Path);
            }
        };
        int got = 0;
        while (got < 5_000)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 500, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
            got += leases.Count;
        }

        Assert.True(failures > 2);
        Assert.Empty(fixture.Store.Watch.Damage);
    }

    [Fact]
    public async Task An_expiry_that_was_refused_is_tried_again_without_a_restart()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId id = await fixture.AppendAsync(Message() with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1), ExpiresAt = TimeProvider.System.GetUtcNow().AddMilliseconds(300) });
        int failures = 0;
        fixture.Store.Writer.CommitFault = committed =>
        {
            failures += committed ? 0 : 1;
            FailFull(fixture, committed);
        };
        await Eventually(() => Task.FromResult(failures > 0));
        Assert.Equal(MessageState.Pending, (await fixture.Store.GetAsync(id, false, Cancel))!.Entry.State);
        fixture.Store.Writer.CommitFault = null;

        await Eventually(async () => (await fixture.Store.GetAsync(id, false, Cancel))!.Entry.FailureKind == FailureKind.Expired);
        Assert.Empty(fixture.Store.Lanes.Open);
    }

    [Fact]
    public async Task A_file_that_lost_confirmed_commits_ends_the_store_when_it_is_opened_again()
    {
        await using StoreFixture fixture = await OpenAsync();
        for (int i = 0; i < 10; i++)
        {
            await fixture.AppendAsync(Message());
        }

        fixture.Store.Writer.CommitFault = committed =>
        {
            if (committed)
            {
                using SqliteConnection other = SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadWrite);
                other.Execute("test", "update store_state set commit_no = commit_no - 5");
                throw SqliteException.Create(SqliteCode.Io | (4 << 8), "flush failed", "commit", fixture.Options.Path);
            }
        };
        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AppendAsync(Message()));
        Assert.Contains("had been confirmed", (await fixture.Store.Fatal.WaitAsync(TimeSpan.FromSeconds(5), Cancel)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_settle_that_erases_a_body_is_undone_as_one()
    {
        await using StoreFixture fixture = await OpenAsync(made => made.Retention.KeepBody = false);
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        await RunAsync(fixture, "create temp trigger no_erasing before update of body on messages begin select raise(abort, 'not now'); end");
        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AckAsync(lease));
        await fixture.AppendAsync(Message("other"));
        await fixture.ReopenAsync();

        Assert.Equal(2, fixture.Report.Pending);
        await fixture.AckAsync(await fixture.LeaseAsync());
    }

    [Fact]
    public async Task A_read_that_fails_half_way_holds_no_snapshot()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        using SqliteConnection connection = SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadOnly);
        using ReaderPool readers = new(() => new ReadSession(SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadOnly), new NameTable()), _ => { });
        await Assert.ThrowsAsync<FormatException>(() => readers.ReadAsync<bool>(
            session =>
            {
                Assert.True(session.Statement("select seq from messages").Step());
                throw new FormatException("half way");
            },
            Cancel).AsTask());
        await fixture.AppendAsync(Message());
        await fixture.Store.CloseAsync(Cancel);

        // A snapshot would have kept the last commit in the WAL.
        Assert.False(File.Exists(fixture.Options.Path + "-wal") && new FileInfo(fixture.Options.Path + "-wal").Length > 0);
    }

    [Fact]
    public async Task Suspended_readers_open_nothing_until_they_are_resumed()
    {
        await using StoreFixture fixture = await OpenAsync();
        int opened = 0;
        using ReaderPool readers = new(
            () =>
            {
                Interlocked.Increment(ref opened);
                return new ReadSession(SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadOnly), new NameTable());
            },
            _ => { });
        readers.Suspend();
        Task<int> read = readers.ReadAsync(_ => 7, Cancel).AsTask();
        await Task.Delay(100, Cancel);
        Assert.Equal((0, false), (opened, read.IsCompleted));
        readers.Resume();
        Assert.Equal(7, await read.WaitAsync(TimeSpan.FromSeconds(5), Cancel));
    }

    [Fact]
    public async Task Messages_with_a_time_to_live_leave_nothing_behind_when_they_are_handled()
    {
        await using StoreFixture fixture = await OpenAsync();
        DateTimeOffset tomorrow = TimeProvider.System.GetUtcNow().AddDays(1);
        for (int i = 0; i < 5; i++)
        {
            await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => Message() with { ExpiresAt = tomorrow })], null, Cancel);
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 1_000, LeaseTime, Cancel);
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
        }

        Assert.InRange(fixture.Store.Lanes.Lane("orders").Lane.Instants, 0, 5_200);
        await fixture.Store.AppendAsync([Message() with { ExpiresAt = tomorrow }], null, Cancel);
        Assert.InRange(fixture.Store.Lanes.Lane("orders").Lane.Instants, 0, 1_100);
    }

    [Fact]
    public void The_end_of_an_attempt_after_the_table_is_closed_is_ignored()
    {
        using TempFolder folder = new();
        InFlightTable table = InFlightTable.Open(folder.Store, run: 1);
        int slot = table.Begin(1, Guid.NewGuid(), 1);
        table.Dispose();

        table.End(slot);
        Assert.Throws<ObjectDisposedException>(() => table.Begin(2, Guid.NewGuid(), 1));
    }

    [Fact]
    public void Suspects_of_a_queue_that_nobody_serves_hold_the_others_back_once()
    {
        ManualClock clock = new();
        using LaneSet lanes = new(clock, new StoreWatch(new StoreOptions(), clock));
        lanes.Start("test/1", run: 1);
        lanes.Hold();
        using SuspectGate gate = new(lanes, Enumerable.Range(1, 100).Select(seq => new OpenMessage(Message("paused").Stamp(seq))));
        gate.Start();
        Assert.Equal((true, 1), (lanes.IsHeld, lanes.Open.Count));
        clock.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal((false, 100), (lanes.IsHeld, lanes.Open.Count));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_suspect_that_nobody_may_take_holds_the_others_back_for_five_seconds(bool pausedBefore)
    {
        ManualClock clock = new();
        using LaneSet lanes = new(clock, new StoreWatch(new StoreOptions(), clock));
        lanes.Start("test/1", run: 1);
        lanes.Hold();
        using SuspectGate gate = new(lanes, [new OpenMessage(Message("orders").Stamp(1))]);
        lanes.Suspects = gate;
        QueueRules rules = pausedBefore ? new QueueRules { Paused = true } : new QueueRules { ParkedTypes = new HashSet<string> { "order.received" } };
        if (pausedBefore)
        {
            lanes.SetRules("orders", rules);
        }

        gate.Start();
        lanes.SetRules("orders", rules); // a runtime reads pauses and parked types once the store is open
        clock.Advance(TimeSpan.FromSeconds(4.9));
        bool held = lanes.IsHeld;
        clock.Advance(TimeSpan.FromSeconds(0.1));

        Assert.Equal((true, false), (held, lanes.IsHeld));
    }

    [Theory]
    [InlineData("payments", 5)]
    [InlineData("out.chat", 30)] // lanes read before the workers start
    public async Task A_suspect_that_has_no_workers_holds_the_others_back_for_five_seconds_from_when_workers_ask(string asks, int seconds)
    {
        ManualClock clock = new();
        await using StoreFixture fixture = await OpenAsync(fixture => fixture.Clock = clock);
        LaneSet lanes = fixture.Store.Lanes;
        lanes.Hold();
        using SuspectGate gate = new(lanes, [new OpenMessage(Message("orders").Stamp(1)), new OpenMessage(Message("orders2").Stamp(2))]);
        lanes.Suspects = gate;
        gate.Start();
        using CancellationTokenSource leasing = new();
        Task waits = fixture.Store.LeaseAsync(asks, 1, TimeSpan.FromMinutes(1), leasing.Token).AsTask();
        List<bool> held = [];
        foreach (double wait in new[] { seconds - 0.1, 0.2, seconds - 0.2, 0.2 }) // one after the other
        {
            clock.Advance(TimeSpan.FromSeconds(wait));
            held.Add(lanes.IsHeld);
        }

        Assert.Equal([true, true, true, false], held);
        await leasing.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
    }

    [Fact]
    public async Task A_queue_whose_lane_is_made_while_the_suspects_are_released_is_served()
    {
        await using StoreFixture fixture = await OpenAsync();
        LaneSet lanes = fixture.Store.Lanes;
        lanes.Hold();
        lanes.Made = () =>
        {
            lanes.Made = null;
            lanes.Release();
        };

        MessageId id = await fixture.AppendAsync(Message("fresh"));

        Assert.Equal(id, (await fixture.LeaseAsync("fresh")).Envelope.Id);
    }

    private static DelegateOperation<bool> Blocker(out ManualResetEventSlim go)
    {
        ManualResetEventSlim gate = go = new ManualResetEventSlim();
        return new DelegateOperation<bool>(_ => true, applied: _ => gate.Wait(TimeSpan.FromSeconds(5)));
    }

    private static void FailFlush(StoreFixture fixture, bool committed)
    {
        if (!committed)
        {
            throw SqliteException.Create(SqliteCode.Io | (4 << 8), "flush failed", "commit", fixture.Options.Path);
        }
    }

    private static void FailFull(StoreFixture fixture, bool committed)
    {
        if (!committed)
        {
            throw SqliteException.Create(13, "database or disk is full", "commit", fixture.Options.Path);
        }
    }

    private static async Task RunAsync(StoreFixture fixture, string sql)
    {
        DelegateOperation<bool> run = new(session =>
        {
            session.Connection.Execute("test", sql);
            return true;
        });
        fixture.Store.Writer.Post(run);
        await run.Answer;
    }
}
