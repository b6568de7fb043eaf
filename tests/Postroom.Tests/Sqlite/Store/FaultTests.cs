using System.Globalization;
using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

public sealed class FaultTests
{
    [Fact]
    public async Task A_start_tells_that_there_is_too_little_room_and_that_the_mark_file_was_missing()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        Assert.Empty(fixture.Report.Notices);
        fixture.Options.Reserve = 1L << 60;
        await fixture.KillAsync(store => File.Delete(MarkFile.PathFor(store)));

        Assert.Collection(
            fixture.Report.Notices,
            missing => Assert.Contains(".mark' was missing and is made anew", missing, StringComparison.Ordinal),
            full => Assert.Contains("store.reserve is", full, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_full_disk_is_a_typed_refusal_and_work_goes_on_when_there_is_room()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        await LimitAsync(fixture, pages: 1);

        StoreUnavailableException? refused = null;
        for (int i = 0; i < 200 && refused is null; i++)
        {
            try
            {
                await fixture.AppendAsync(Message("big", size: 30_000));
            }
            catch (StoreUnavailableException full)
            {
                refused = full;
            }
        }

        Assert.Contains("full", refused!.Message, StringComparison.OrdinalIgnoreCase);
        Assert.False((await fixture.Store.GetStatsAsync(null, Cancel)).Writable);
        long stored = (await fixture.Store.GetStatsAsync(null, Cancel)).Appended;
        await LimitAsync(fixture, pages: 1_000_000);
        await fixture.AckAsync(lease);
        await fixture.AppendAsync(Message("big", size: 30_000));

        StoreStats stats = await fixture.Store.GetStatsAsync(null, Cancel);
        Assert.Equal((true, stored + 1), (stats.Writable, stats.Appended));
        await fixture.ReopenAsync();
        Assert.Equal(stored, fixture.Report.Pending);
    }

    [Fact]
    public async Task A_full_volume_stays_a_problem_although_small_writes_succeed_until_there_is_room()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        long free = 4_096;
        fixture.Store.Watch.FreeBytes = _ => free;
        await LimitAsync(fixture, pages: 1);
        await Assert.ThrowsAsync<StoreUnavailableException>(async () =>
        {
            for (int i = 0; i < 200; i++)
            {
                await fixture.AppendAsync(Message("big", size: 30_000));
            }
        });
        await LimitAsync(fixture, pages: 1_000_000);

        await fixture.AckAsync(lease);
        StoreStats full = await fixture.Store.GetStatsAsync(null, Cancel);
        free = 64 << 20;
        await AppendWhenThereIsRoomAsync(fixture);

        Assert.False(full.Writable);
        Assert.Contains("4096", full.Problem, StringComparison.Ordinal);
        Assert.True((await fixture.Store.GetStatsAsync(null, Cancel)).Writable);
    }

    [Fact]
    public async Task A_settle_that_was_refused_may_be_repeated()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        await LimitAsync(fixture, pages: 1);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AckAsync(lease, Message("replies", size: 300_000)));
        await LimitAsync(fixture, pages: 1_000_000);
        await fixture.AckAsync(lease, Message("replies", size: 300_000));
        Assert.False(await fixture.IsEmptyAsync("replies"));
        Assert.True(await fixture.IsEmptyAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_failed_commit_is_looked_up_in_the_file_and_answered_by_what_is_there(bool afterCommit)
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        bool failed = false;
        fixture.Store.Writer.CommitFault = committed =>
        {
            if (committed == afterCommit && !failed)
            {
                failed = true;
                throw SqliteException.Create(SqliteCode.Io | (4 << 8), "flush failed", "commit", fixture.Options.Path);
            }
        };
        await fixture.AckAsync(lease, Message("replies"));
        await fixture.AppendAsync(Message("replies"));

        Assert.True(failed);
        StoreStats stats = await fixture.Store.GetStatsAsync(null, Cancel);
        Assert.Equal((1L, 2L, 3L), (stats.Queues["orders"].Acked, stats.Queues["replies"].Pending, stats.Appended));
        await fixture.LeaseAsync("replies");
        await fixture.LeaseAsync("replies");
        Assert.True(await fixture.IsEmptyAsync("replies"));
    }

    [Fact]
    public async Task A_commit_that_keeps_failing_refuses_and_the_store_goes_on_later()
    {
        await using StoreFixture fixture = await OpenAsync();
        fixture.Store.Writer.CommitFault = committed =>
        {
            if (!committed)
            {
                throw SqliteException.Create(SqliteCode.Io | (4 << 8), "flush failed", "commit", fixture.Options.Path);
            }
        };
        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AppendAsync(Message()));
        Assert.False(fixture.Store.Fatal.IsCompleted);
        fixture.Store.Writer.CommitFault = null;
        await fixture.AppendAsync(Message());
        Assert.Equal(1, (await fixture.Store.GetStatsAsync(null, Cancel)).Queues["orders"].Pending);
    }

    [Fact]
    public async Task A_discard_that_cannot_be_stored_leaves_the_message_where_it_was_and_holding_its_key()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId head = await fixture.AppendAsync(Message(key: "k"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync(), Settlement.RetryAt(TimeProvider.System.GetUtcNow().AddSeconds(2), "later"), [], Cancel);
        MessageId follower = await fixture.AppendAsync(Message(key: "k"));
        Task<IReadOnlyList<MessageLease>> waiting = fixture.Store.LeaseAsync("orders", 1, LeaseTime, Cancel).AsTask();
        fixture.Store.Writer.CommitFault = committed => throw (committed ? new InvalidOperationException("It cannot have been committed.") : SqliteException.Create(SqliteCode.Full, "disk full", "commit", "store"));

        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.Store.DiscardAsync(head, "no", force: false, Cancel).AsTask());
        fixture.Store.Writer.CommitFault = null;

        MessageLease first = Assert.Single(await waiting.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.Equal((head, 2), (first.Envelope.Id, first.Attempt));
        await fixture.AckAsync(first);
        Assert.Equal(follower, (await fixture.LeaseAsync()).Envelope.Id);
    }

    [Fact]
    public async Task A_deleted_file_stops_admission()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        File.Delete(fixture.Options.Path);
        await Task.Delay(1_100, Cancel);
        StoreUnavailableException refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AppendAsync(Message()));
        Assert.Contains("deleted", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Below_the_reserve_appends_are_refused_and_settles_go_on()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        fixture.Options.Reserve = long.MaxValue;
        await Task.Delay(1_100, Cancel);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.AppendAsync(Message()));
        await fixture.AckAsync(lease, Message("replies"));
        Assert.False(await fixture.IsEmptyAsync("replies"));
    }

    [Fact]
    public async Task No_flipped_byte_is_silent()
    {
        const int Trials = 40;
        await using StoreFixture fixture = await OpenAsync();
        fixture.Options.Check = StoreCheck.Always;
        for (int i = 0; i < 90; i++)
        {
            await fixture.AppendAsync(Message($"q{i % 3}", key: $"c{i % 5}", size: 2_000 + (i * 40)));
        }

        for (int i = 0; i < 5; i++)
        {
            await fixture.AckAsync(await fixture.LeaseAsync("q0"));
        }

        await fixture.Store.WriteAsync(new StoreWrite { Facts = [new FactChange("s", "k", new byte[100])] }, Cancel);
        string original = fixture.Options.Path;
        await fixture.KillAsync();
        string clean = await ContentAsync(fixture);
        await fixture.Store.CloseAsync(Cancel);
        string folder = Path.GetDirectoryName(fixture.Options.Path)!;
        List<string> silent = [];
        int reported = 0;
        string[] kept = Directory.GetFiles(folder);
        Dictionary<string, byte[]> bytes = kept.Where(file => !file.EndsWith(".lock", StringComparison.Ordinal)).ToDictionary(file => file, File.ReadAllBytes);
        for (int trial = 0; trial < Trials; trial++)
        {
            Random random = new(trial);
            string[] files = [.. bytes.Keys.Where(file => bytes[file].Length > 0 && !file.EndsWith(".inflight", StringComparison.Ordinal) && !file.EndsWith("-shm", StringComparison.Ordinal)).Order()];
            foreach ((string file, byte[] content) in bytes)
            {
                await File.WriteAllBytesAsync(file, content, Cancel);
            }

            foreach (string extra in Directory.GetFiles(folder).Except(bytes.Keys).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal)))
            {
                File.Delete(extra);
            }

            string target = files[random.Next(files.Length)];
            byte[] damaged = [.. bytes[target]];
            int at = random.Next(damaged.Length);
            damaged[at] ^= (byte)(1 << random.Next(8));
            await File.WriteAllBytesAsync(target, damaged, Cancel);
            string place = string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(target)}@{at} trial {trial}");
            try
            {
                await fixture.StartAsync();
                await fixture.Store.Scrubbing;
                string? problem = (await fixture.Store.GetStatsAsync(null, Cancel)).Problem;
                if (problem is not null || fixture.Report.Notices.Count > 0)
                {
                    reported++;
                }
                else if (await ContentAsync(fixture) != clean)
                {
                    silent.Add(place);
                }
            }
            catch (StoreOpenException)
            {
                reported++;
            }

            await fixture.Store.CloseAsync(Cancel);
        }

        Assert.Empty(silent);
        Assert.True(reported > 5, $"{reported} of {Trials} reported; the flips missed everything.");
    }

    [Fact]
    public async Task A_flipped_byte_in_the_wal_of_a_killed_process_is_reported_with_what_is_missing()
    {
        for (int seed = 0; seed < 6; seed++)
        {
            await using StoreFixture fixture = await OpenAsync();
            for (int i = 0; i < 20; i++)
            {
                await fixture.AppendAsync(Message(size: 500));
            }

            Random random = new(seed);
            StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(() => fixture.KillAsync(path =>
            {
                byte[] wal = File.ReadAllBytes(path + "-wal");
                wal[random.Next(wal.Length / 4, wal.Length / 2)] ^= 0x10;
                File.WriteAllBytes(path + "-wal", wal);
            }));
            Assert.Equal(StoreOpenFailure.Loss, refused.Failure);
            Assert.InRange(refused.Missing, 5, 20);
            SqliteMaintenance.AcceptLoss(fixture.Options.Path, refused.Missing);
            await fixture.StartAsync();
            Assert.Equal(20 - refused.Missing, fixture.Report.Pending);
        }
    }

    private static async Task<string> ContentAsync(StoreFixture fixture)
    {
        JournalPage page = await fixture.Store.QueryAsync(new JournalQuery { Limit = 100, Ascending = true }, Cancel);
        List<string> lines = [];
        foreach (JournalEntry entry in page.Items)
        {
            JournalRecord record = (await fixture.Store.GetAsync(entry.Envelope.Id, true, Cancel))!;
            Envelope envelope = record.Entry.Envelope;
            lines.Add($"{envelope.Seq} {envelope.Id} {envelope.Queue} {envelope.Type} {envelope.Conversation} {record.Entry.State} {record.Entry.Attempt} {Convert.ToHexString(envelope.Body.Span)}");
        }

        StoredFact? fact = await fixture.Store.Facts.GetAsync("s", "k", Cancel);
        lines.Add(Convert.ToHexString(fact!.Value.Span));
        return string.Join('\n', lines);
    }

    private static async Task LimitAsync(StoreFixture fixture, int pages)
    {
        var limit = new DelegateOperation<bool>(session =>
        {
            using SqliteStatement pragma = session.Connection.Prepare("limit", $"pragma max_page_count={pages}");
            _ = pragma.Run();
            return true;
        });
        fixture.Store.Writer.Post(limit);
        await limit.Answer;
    }

    /// <summary>The volume is looked at once a second at most.</summary>
    private static async Task AppendWhenThereIsRoomAsync(StoreFixture fixture)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                await fixture.AppendAsync(Message());
                return;
            }
            catch (StoreUnavailableException) when (tries < 200)
            {
                await Task.Delay(50, Cancel);
            }
        }
    }
}
