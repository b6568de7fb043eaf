using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

public sealed class JournalTests
{
    [Fact]
    public async Task A_failed_message_holds_its_key_over_a_restart_until_it_is_replayed()
    {
        await using StoreFixture fixture = await OpenAsync(made => made.Rules("orders", new QueueRules { HaltOnFailure = true }));
        MessageId first = await fixture.AppendAsync(Message(key: "a"));
        MessageId second = await fixture.AppendAsync(Message(key: "a"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.Fail(FailureKind.Rejected, "no"), [], Cancel);
        Assert.True(await fixture.IsEmptyAsync());
        await fixture.ReopenAsync();
        Assert.True(await fixture.IsEmptyAsync());
        Assert.Equal(first, await fixture.Store.ReplayAsync(first, new ReplayOptions(), Cancel));

        MessageLease lease = await fixture.LeaseAsync();
        Assert.Equal((first, 1, 0), (lease.Envelope.Id, lease.Attempt, lease.Failures));
        await fixture.AckAsync(lease);
        Assert.Equal(second, (await fixture.LeaseAsync()).Envelope.Id);
        Assert.Equal(1, (await fixture.Store.GetAsync(first, false, Cancel))!.Entry.Replays);
        await Assert.ThrowsAsync<JournalConflictException>(() => fixture.Store.ReplayAsync(first, new ReplayOptions(), Cancel).AsTask());
        MessageId copy = await fixture.Store.ReplayAsync(first, new ReplayOptions { Force = true }, Cancel);
        Assert.Equal(first, (await fixture.Store.GetAsync(copy, false, Cancel))!.Entry.Envelope.ReplayOf);
        await Assert.ThrowsAsync<JournalConflictException>(() => fixture.Store.ReplayAsync(second, new ReplayOptions { Force = true }, Cancel).AsTask());
    }

    [Fact]
    public async Task Discard_gives_up_what_waits_and_what_is_in_work_only_with_force()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId working = await fixture.AppendAsync(Message(key: "a"));
        MessageId waiting = await fixture.AppendAsync(Message(key: "a"));
        MessageId last = await fixture.AppendAsync(Message(key: "a"));
        MessageLease lease = await fixture.LeaseAsync();
        await Assert.ThrowsAsync<JournalConflictException>(() => fixture.Store.DiscardAsync(working, "no", false, Cancel).AsTask());
        await fixture.Store.DiscardAsync(waiting, "no", false, Cancel);
        await fixture.Store.DiscardAsync(working, "no", true, Cancel);
        await Assert.ThrowsAsync<LeaseLostException>(() => fixture.AckAsync(lease));
        Assert.Equal(last, (await fixture.LeaseAsync()).Envelope.Id);
        Assert.Equal(2, (await fixture.Store.GetStatsAsync(null, Cancel)).Queues["orders"].Failed);
    }

    [Fact]
    public async Task Queries_find_by_each_field_and_page_by_cursor()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId parent = await fixture.AppendAsync(Message(key: "chat") with { From = Address.Parse("telegram:1") });
        MessageId group = MessageId.New();
        for (int i = 0; i < 25; i++)
        {
            await fixture.AppendAsync(Message("replies", key: $"c{i % 2}") with { ParentId = parent, GroupId = group });
        }

        MessageLease lease = await fixture.LeaseAsync();
        Assert.Equal(parent, Assert.Single((await Query(new JournalQuery { States = [MessageState.Dispatched] })).Items).Envelope.Id);
        await fixture.Store.WriteAsync(new StoreWrite
        {
            Settlements = [new StoreSettlement(lease, Settlement.Fail(FailureKind.Refused, "token bearer abcdefghijkl")) { Receipt = new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "out-1" } }],
        }, Cancel);

        Assert.Equal(parent, await fixture.Store.FindByOutsideIdAsync("out-1", Cancel));
        Assert.Equal(13, (await Query(new JournalQuery { Conversation = "c0" })).Total);
        Assert.Equal(25, (await Query(new JournalQuery { Parent = parent })).Total);
        Assert.Equal(25, (await Query(new JournalQuery { Group = group })).Total);
        Assert.Equal(25, (await Query(new JournalQuery { Queue = "replies", States = [MessageState.Pending] })).Total);
        Assert.Equal(25, (await Query(new JournalQuery { States = [MessageState.Pending] })).Total);
        Assert.Equal(parent, Assert.Single((await Query(new JournalQuery { From = "telegram:" })).Items).Envelope.Id);
        JournalEntry failed = Assert.Single((await Query(new JournalQuery { Kind = FailureKind.Refused })).Items);
        Assert.DoesNotContain("abcdefghijkl", failed.Error!, StringComparison.Ordinal);
        JournalRecord record = (await fixture.Store.GetAsync(parent, true, Cancel))!;
        Assert.Equal((25, 1, 1), (record.Children.Count, record.Receipts.Count, record.Attempts.Count));

        HashSet<long> seen = [];
        long? cursor = null;
        do
        {
            JournalPage page = await Query(new JournalQuery { Limit = 10, Cursor = cursor });
            Assert.All(page.Items, item => Assert.True(seen.Add(item.Envelope.Seq)));
            cursor = page.Next;
        }
        while (cursor is not null);

        Assert.Equal(26, seen.Count);

        async Task<JournalPage> Query(JournalQuery query) => await fixture.Store.QueryAsync(query, Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_page_whose_time_is_over_says_where_to_go_on(bool ascending)
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId[] rare = [await fixture.AppendAsync(Message("rare")), default];
        await fixture.Store.AppendAsync([.. Enumerable.Range(0, 20).Select(_ => Message("bulk"))], null, Cancel);
        rare[1] = await fixture.AppendAsync(Message("rare"));
        using ReadSession session = Session(fixture);
        JournalReader hurried = new(session, _ => null) { Slice = TimeSpan.Zero, Longest = TimeSpan.Zero };

        List<JournalPage> pages = [];
        JournalQuery? query = new() { Queue = "rare", Ascending = ascending };
        while (query is not null)
        {
            pages.Add(hurried.Query(query, Cancel));
            query = pages[^1].Next is { } next ? query with { Cursor = next } : null;
        }

        Assert.Equal(ascending ? rare : rare.Reverse(), pages.SelectMany(page => page.Items).Select(entry => entry.Envelope.Id));
        Assert.Contains(pages, page => page.Items.Count == 0);
        Assert.All(pages, page => Assert.True(page.TotalIsAtLeast));
        Assert.Throws<TimeoutException>(() => hurried.Query(new JournalQuery { Queue = "rare", Ascending = ascending, Offset = 2 }, Cancel));
    }

    [Fact]
    public async Task A_page_without_its_total_ends_where_it_is_full_and_one_with_it_counts_what_is_before()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.Store.AppendAsync([.. Enumerable.Range(0, 30).Select(_ => Message())], null, Cancel);

        JournalPage brief = await fixture.Store.QueryAsync(new JournalQuery { Limit = 10, WithTotal = false }, Cancel);
        JournalPage counted = await fixture.Store.QueryAsync(new JournalQuery { Limit = 10, Cursor = brief.Next }, Cancel);

        Assert.Equal((10, 21L, true), (brief.Items.Count, brief.Next, brief.TotalIsAtLeast));
        Assert.Equal((10, 11L, 30L, false), (counted.Items.Count, counted.Next, counted.Total, counted.TotalIsAtLeast));
    }

    [Fact]
    public async Task Compaction_removes_old_finished_messages_but_no_parent_of_an_open_child()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId parent = await fixture.AppendAsync(Message(size: 100_000));
        MessageLease lease = await fixture.LeaseAsync();
        Envelope child = Message("replies") with { ParentId = parent };
        await fixture.AckAsync(lease, child);
        await fixture.AppendAsync(Message(size: 100_000));
        await fixture.AckAsync(await fixture.LeaseAsync());
        JournalRetention now = new(TimeSpan.Zero, TimeSpan.Zero);

        Assert.Equal(1, await fixture.Store.CompactAsync(now, Cancel));
        Assert.NotNull(await fixture.Store.GetAsync(parent, true, Cancel));
        await fixture.AckAsync(await fixture.LeaseAsync("replies"));
        Assert.Equal(2, await fixture.Store.CompactAsync(now, Cancel));
        Assert.Null(await fixture.Store.GetAsync(parent, true, Cancel));
        Assert.Equal(0, (await fixture.Store.GetStatsAsync(null, Cancel)).Queues["orders"].Acked);
    }

    [Fact]
    public async Task Compaction_removes_small_rows_in_short_batches_and_keeps_the_newest_dedup_keys()
    {
        await using StoreFixture fixture = await OpenAsync(made => made.Retention.MaxDedupKeys = 500);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        for (int i = 0; i < 3; i++)
        {
            await fixture.Store.WriteAsync(new StoreWrite
            {
                Facts = [.. Enumerable.Range(0, 1_000).Select(n => new FactChange("old", $"{i}-{n}", new byte[8], now))],
                Notes = [.. Enumerable.Range(0, 1_000).Select(_ => new StoreNote(NoteKind.Audit, now.AddDays(-91), new byte[8]))],
            }, Cancel);
        }

        await fixture.Store.AppendAsync([.. Enumerable.Range(0, 1_700).Select(n => Message() with { DedupKey = $"k{n}" })], null, Cancel);
        for (int got = 0; got < 1_600;)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", Math.Min(100, 1_600 - got), LeaseTime, Cancel);
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
            got += leases.Count;
            await Task.Delay(2, Cancel);
        }

        long commits = fixture.Store.Writer.Commits;
        await fixture.Store.CompactAsync(new JournalRetention(TimeSpan.FromDays(1), TimeSpan.FromDays(1)), Cancel);

        Assert.True(fixture.Store.Writer.Commits - commits >= 3 + 3 + 2);
        Assert.Equal((0, 0, 500), (await CountAsync("facts"), await CountAsync("notes"), await CountAsync("dedup")));
        Assert.False((await fixture.Store.AppendAsync([Message() with { DedupKey = "k0" }], null, Cancel))[0].Duplicate);
        Assert.True((await fixture.Store.AppendAsync([Message() with { DedupKey = "k1599" }], null, Cancel))[0].Duplicate);
        Assert.True((await fixture.Store.AppendAsync([Message() with { DedupKey = "k1699" }], null, Cancel))[0].Duplicate); // open: never forgotten

        async Task<long> CountAsync(string table)
        {
            DelegateOperation<long> count = new(session =>
            {
                using SqliteStatement all = session.Connection.Prepare("count", $"select count(*) from {table}");
                _ = all.Step();
                return all.GetInt64(0);
            });
            fixture.Store.Writer.Post(count);
            return await count.Answer;
        }
    }

    [Fact]
    public async Task Transitions_are_reported_in_order()
    {
        await using StoreFixture fixture = await OpenAsync();
        await using IAsyncEnumerator<Transition> moves = fixture.Store.WatchAsync(null, null, Cancel).GetAsyncEnumerator(Cancel);
        await fixture.AppendAsync(Message());
        await fixture.AckAsync(await fixture.LeaseAsync());
        List<(MessageState?, MessageState)> seen = [];
        while (seen.Count < 3 && await moves.MoveNextAsync())
        {
            seen.Add((moves.Current.From, moves.Current.To));
        }

        Assert.Equal([(null, MessageState.Pending), (MessageState.Pending, MessageState.Dispatched), (MessageState.Dispatched, MessageState.Acked)], seen);
    }

    [Fact]
    public async Task A_backup_under_load_opens_and_holds_what_was_accepted_before()
    {
        await using StoreFixture fixture = await OpenAsync();
        for (int i = 0; i < 200; i++)
        {
            await fixture.AppendAsync(Message());
        }

        using CancellationTokenSource stop = new();
        Task load = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await fixture.AppendAsync(Message());
            }
        }, Cancel);
        string copy = fixture.Folder.File("copy.db");
        await fixture.Store.BackupAsync(copy, Cancel);
        await stop.CancelAsync();
        await load;

        using (SqliteJournalReader reader = SqliteJournalReader.Open(copy))
        {
            Assert.True(reader.Query(new JournalQuery()).Total >= 200);
        }

        using SqliteConnection connection = SqliteConnection.Open(copy, SqliteAccess.ReadWrite);
        using SqliteStatement check = connection.Prepare("check", "pragma integrity_check");
        Assert.True(check.Step());
        Assert.Equal("ok", check.GetText(0));
    }

    [Theory]
    [InlineData("messages_open", LaneSet.SelectBacklog)]
    [InlineData("messages_key", LaneSet.SelectKey)]
    [InlineData("messages_key", LaneSet.SelectFollowers)]
    [InlineData("messages_due", LaneSet.SelectDue)]
    [InlineData("messages_due", LaneSet.SelectDelayed)]
    [InlineData("messages_dispatched", StoreQueries.Dispatched)]
    [InlineData("messages_expiry", StoreQueries.Expired)]
    [InlineData("messages_expiry", LaneSet.SelectExpired)]
    [InlineData("messages_expiry", LaneSet.SelectNextExpiry)]
    [InlineData("messages_outside", StoreQueries.ByOutsideId)]
    [InlineData("messages_key", StoreQueries.CountKey)]
    [InlineData("messages_id", LaneSet.SelectKeyStart)]
    [InlineData("messages_id", LaneSet.SelectKeyStartOpen)]
    [InlineData("messages_id", StoreQueries.CountKeyStart)]
    [InlineData("messages_parent", CompactOperation.SelectChild)]
    [InlineData("notes_message", CompactOperation.SelectNote)]
    [InlineData("messages_parent", "select 1 from messages m where m.parent = ?1 and m.parent is not null and m.state < 2 limit 1")]
    [InlineData("INTEGER PRIMARY KEY", CompactOperation.SelectOld)]
    [InlineData("dedup_expiry", TrimOperation.Repeats)]
    [InlineData("facts_expiry", TrimOperation.Facts)]
    [InlineData("notes_at", TrimOperation.Audit)]
    [InlineData("conversation=?", "conversation")]
    [InlineData("messages_parent", "parent")]
    [InlineData("messages_group", "group")]
    [InlineData("messages_outside", "outside")]
    [InlineData("messages_failed", "failed")]
    [InlineData("messages_open", "open")]
    public async Task Ac16_each_query_of_lease_recovery_and_retention_goes_through_its_index(string index, string sql)
    {
        await using StoreFixture fixture = await OpenAsync();
        string text = sql switch
        {
            "conversation" => StoreQueries.Journal(StoreQueries.JournalPath.Conversation, false),
            "parent" => StoreQueries.Journal(StoreQueries.JournalPath.Parent, false),
            "group" => StoreQueries.Journal(StoreQueries.JournalPath.Group, false),
            "outside" => StoreQueries.Journal(StoreQueries.JournalPath.OutsideId, false),
            "failed" => StoreQueries.Journal(StoreQueries.JournalPath.Failed, false),
            "open" => StoreQueries.Journal(StoreQueries.JournalPath.OpenOfQueue, false),
            _ => sql,
        };
        var explain = new DelegateOperation<string>(session =>
        {
            using SqliteStatement plan = session.Connection.Prepare("plan", $"explain query plan {text}");
            List<string> steps = [];
            while (plan.Step())
            {
                steps.Add(plan.GetText(3));
            }

            return string.Join('\n', steps);
        });
        fixture.Store.Writer.Post(explain);
        string found = await explain.Answer;
        Assert.Contains(index, found, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?m)^SCAN m$", found);
    }

    private static ReadSession Session(StoreFixture fixture)
    {
        SqliteConnection connection = SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadOnly);
        NameTable names = new();
        names.Load(connection);
        return new ReadSession(connection, names);
    }
}
