using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.RoundTripTests;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

public sealed class RecoveryTests
{
    [Fact]
    public async Task What_was_in_work_at_a_kill_is_redelivered_and_charged_and_poison_at_the_third_death()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId bad = await fixture.AppendAsync(Message());
        MessageId prefetched = await fixture.AppendAsync(Message());
        for (int death = 1; death <= 3; death++)
        {
            MessageLease lease = await fixture.LeaseAsync();
            Assert.Equal((bad, death, death > 1), (lease.Envelope.Id, lease.Attempt, lease.Redelivered));
            if (death == 1)
            {
                _ = await fixture.LeaseAsync(begin: false);
            }

            await fixture.KillAsync();
            Assert.False(fixture.Report.PreviousRunClean);
        }

        Assert.Equal(1, fixture.Report.Poisoned);
        JournalEntry entry = (await fixture.Store.GetAsync(bad, false, Cancel))!.Entry;
        Assert.Equal((MessageState.Failed, FailureKind.Poison, 3), (entry.State, entry.FailureKind, entry.Deaths));
        MessageLease other = await fixture.LeaseAsync();
        Assert.Equal((prefetched, 1, false), (other.Envelope.Id, other.Attempt, other.Redelivered));
    }

    [Fact]
    public async Task A_suspect_runs_alone_until_it_ends()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId suspect = await fixture.AppendAsync(Message());
        await fixture.AppendAsync(Message("other"));
        _ = await fixture.LeaseAsync();
        await fixture.KillAsync();
        _ = await fixture.LeaseAsync();
        await fixture.KillAsync();

        Assert.True(await fixture.IsEmptyAsync("other"));
        await fixture.AppendAsync(Message("third"));
        Assert.True(await fixture.IsEmptyAsync("third"));
        MessageLease lease = await fixture.LeaseAsync();
        Assert.Equal((suspect, 3), (lease.Envelope.Id, lease.Attempt));
        await fixture.AckAsync(lease);
        _ = await fixture.LeaseAsync("other");
        _ = await fixture.LeaseAsync("third");
    }

    [Fact]
    public async Task After_the_suspects_a_key_goes_on_in_order_although_a_later_message_of_it_came_due()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        _ = await fixture.LeaseAsync();
        await fixture.KillAsync();
        _ = await fixture.LeaseAsync();
        MessageId early = await fixture.AppendAsync(Message(key: "k"));
        DateTimeOffset due = TimeProvider.System.GetUtcNow().AddMilliseconds(300);
        MessageId delayed = await fixture.AppendAsync(Message(key: "k") with { NotBefore = due });
        await Eventually(() => Task.FromResult(TimeProvider.System.GetUtcNow() > due));
        await fixture.KillAsync();
        MessageLease suspect = await fixture.LeaseAsync();
        Task<IReadOnlyList<MessageLease>> waiting = fixture.Store.LeaseAsync("orders", 1, LeaseTime, Cancel).AsTask();

        await fixture.AckAsync(suspect);

        MessageLease first = Assert.Single(await waiting.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.Equal(early, first.Envelope.Id);
        await fixture.AckAsync(first);
        Assert.Equal(delayed, (await fixture.LeaseAsync()).Envelope.Id);
    }

    [Fact]
    public async Task A_claimed_send_keeps_its_claim_and_is_charged_no_death()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId id = await fixture.AppendAsync(Message("out.telegram"));
        MessageLease lease = await fixture.LeaseAsync("out.telegram");
        DateTimeOffset at = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        Assert.True(await fixture.Store.RenewAsync(lease, new LeaseProgress.Claim(at), Cancel));
        Assert.True(await fixture.Store.RenewAsync(lease, new LeaseProgress.Parts(["p1", "p2"]), Cancel));
        await fixture.KillAsync();

        Assert.Equal(1, fixture.Report.Uncertain);
        MessageLease again = await fixture.LeaseAsync("out.telegram");
        Assert.Equal((id, at, true, 2), (again.Envelope.Id, again.SendStartedAt, again.Redelivered, again.Attempt));
        Assert.Equal(["p1", "p2"], again.Progress);
        Assert.Equal(0, (await fixture.Store.GetAsync(id, false, Cancel))!.Entry.Deaths);

        await fixture.Store.WriteAsync(new StoreWrite { Settlements = [new StoreSettlement(again, Settlement.Fail(FailureKind.Uncertain, "who knows"))] }, Cancel);
        await fixture.Store.ConfirmAsync(id, "ann", Cancel);
        JournalRecord record = (await fixture.Store.GetAsync(id, false, Cancel))!;
        Assert.Equal(MessageState.Acked, record.Entry.State);
        Assert.Equal("confirmed", Assert.Single(record.Receipts).Detail);
        Assert.Equal("operator:ann", record.Attempts[^1].Owner);
    }

    [Fact]
    public async Task A_clean_end_charges_nothing_and_a_dispatch_of_a_second_is_on_its_row()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId id = await fixture.AppendAsync(Message());
        _ = await fixture.LeaseAsync();
        await Task.Delay(1_200, Cancel);
        await fixture.AppendAsync(Message("other")); // the mark comes with a commit that happens anyway
        await fixture.ReopenAsync();

        Assert.True(fixture.Report.PreviousRunClean);
        Assert.Equal(1, fixture.Report.Redelivered);
        MessageLease lease = await fixture.LeaseAsync();
        Assert.Equal((id, true), (lease.Envelope.Id, lease.Redelivered));
        Assert.Equal(0, (await fixture.Store.GetAsync(id, false, Cancel))!.Entry.Deaths);
    }

    [Fact]
    public async Task A_store_below_its_mark_does_not_open_until_the_loss_is_accepted()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        string copy = fixture.Folder.File("older.db");
        await fixture.Store.BackupAsync(copy, Cancel);
        for (int i = 0; i < 7; i++)
        {
            await fixture.AppendAsync(Message());
        }

        await fixture.Store.CloseAsync(Cancel);
        File.Delete(fixture.Options.Path);
        File.Copy(copy, fixture.Options.Path);
        StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(fixture.StartAsync);
        Assert.Equal((StoreOpenFailure.Loss, 7), (refused.Failure, refused.Missing));
        Assert.Throws<ArgumentException>(() => SqliteMaintenance.AcceptLoss(fixture.Options.Path, 6));
        SqliteMaintenance.AcceptLoss(fixture.Options.Path, 7);
        await fixture.StartAsync();
        Assert.Equal(1, fixture.Report.Pending);
    }

    [Fact]
    public async Task A_missing_or_cut_file_and_a_second_owner_are_refused()
    {
        await using StoreFixture fixture = await OpenAsync();
        for (int i = 0; i < 40; i++)
        {
            await fixture.AppendAsync(Message(size: 2_000));
        }

        await using (SqliteStore second = new(fixture.Options, fixture.Retention, new Redactor(), TimeProvider.System))
        {
            StoreOpenException inUse = await Assert.ThrowsAsync<StoreOpenException>(() => second.OpenAsync(new StoreOpening { Node = "x" }, Cancel).AsTask());
            Assert.Equal(StoreOpenFailure.InUse, inUse.Failure);
        }

        await fixture.Store.CloseAsync(Cancel);
        byte[] whole = await File.ReadAllBytesAsync(fixture.Options.Path, Cancel);
        await File.WriteAllBytesAsync(fixture.Options.Path, whole[..(whole.Length / 2)], Cancel);
        Assert.Equal(StoreOpenFailure.Damaged, (await Assert.ThrowsAsync<StoreOpenException>(fixture.StartAsync)).Failure);
        await File.WriteAllBytesAsync(fixture.Options.Path, new byte[9_000], Cancel);
        Assert.Equal(StoreOpenFailure.Damaged, (await Assert.ThrowsAsync<StoreOpenException>(fixture.StartAsync)).Failure);
        File.Delete(fixture.Options.Path);
        StoreOpenException gone = await Assert.ThrowsAsync<StoreOpenException>(fixture.StartAsync);
        Assert.Equal((StoreOpenFailure.Loss, 40), (gone.Failure, gone.Missing));
        await File.WriteAllBytesAsync(fixture.Options.Path, whole, Cancel);
        await fixture.StartAsync();
        Assert.Equal(40, fixture.Report.Pending);
    }

    [Fact]
    public async Task A_newer_schema_is_refused_and_left_alone()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.Store.CloseAsync(Cancel);
        using (SqliteConnection connection = SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadWrite))
        {
            connection.Execute("test", "update schema_version set version = 99");
        }

        Assert.Equal(StoreOpenFailure.Newer, (await Assert.ThrowsAsync<StoreOpenException>(fixture.StartAsync)).Failure);
    }
}
