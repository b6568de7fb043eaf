using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>Copies, migrations, cold reads, and what an operator confirms.</summary>
public sealed class MaintenanceTests
{
    [Theory]
    [InlineData("copying")]
    [InlineData("copied")]
    [InlineData("kept")]
    [InlineData("1 changed")]
    [InlineData("1 stamped")]
    [InlineData("1 committed")]
    [InlineData("2 stamped")]
    public async Task A_migration_ended_at_any_step_goes_on_at_the_next_start(string end)
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId id = await fixture.AppendAsync(Message());
        await fixture.Store.CloseAsync(Cancel);
        SchemaStep[] steps = [new(1, "alter table notes add column first text"), new(2, "create table second(a integer); alter table notes add column third text")];
        SchemaPlan ended = new(3, steps) { Reached = point => _ = point == end ? throw new NotSupportedException(point) : point };

        await Assert.ThrowsAsync<NotSupportedException>(() => MigrateAsync(fixture, ended));
        await using SqliteStore store = await MigrateAsync(fixture, new SchemaPlan(3, steps));

        Assert.NotNull(await store.GetAsync(id, true, Cancel));
        Assert.True(File.Exists(fixture.Options.Path + ".v1.bak"));
        using (SqliteConnection copy = SqliteConnection.Open(fixture.Options.Path + ".v1.bak", SqliteAccess.ReadOnly))
        {
            Assert.Equal(1, StoreSchema.VersionOf(copy));
        }

        await store.CloseAsync(Cancel);
        await using SqliteStore older = new(fixture.Options, fixture.Retention, new Redactor(), TimeProvider.System);
        StoreOpenException newer = await Assert.ThrowsAsync<StoreOpenException>(() => older.OpenAsync(new StoreOpening { Node = "test" }, Cancel).AsTask());
        Assert.Equal(StoreOpenFailure.Newer, newer.Failure);
    }

    [Fact]
    public async Task A_copy_during_which_the_wal_grows_too_far_is_begun_again()
    {
        await using StoreFixture fixture = await OpenAsync();
        for (int i = 0; i < 20; i++)
        {
            await fixture.AppendAsync(Message(size: 60_000));
        }

        int tries = 0;
        string copy = fixture.Folder.File("copy.db");
        await fixture.Store.CopyAsync(copy, new SqliteMaintenance.CopyLimits
        {
            WalGrowth = 1 << 20,
            PagesPerStep = 16,
            Tries = 20,
            Stepped = number =>
            {
                tries = number;
                if (number == 1)
                {
                    Grow();
                }
            },
        }, Cancel);
        StoreUnavailableException failed = await Assert.ThrowsAsync<StoreUnavailableException>(() => fixture.Store.CopyAsync(
            fixture.Folder.File("other.db"), new SqliteMaintenance.CopyLimits { WalGrowth = 1 << 20, PagesPerStep = 1, Tries = 2, Stepped = _ => Grow() }, Cancel).AsTask());

        Assert.Equal(2, tries);
        Assert.Contains("2 times", failed.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(fixture.Folder.File("other.db")));
        using SqliteJournalReader reader = SqliteJournalReader.Open(copy);
        Assert.True(reader.Query(new JournalQuery()).Total >= 20);

        // By more than the copy may wait for.
        void Grow()
        {
            for (int i = 0; i < 20; i++)
            {
                fixture.AppendAsync(Message(size: 60_000)).GetAwaiter().GetResult();
            }
        }
    }

    [Theory]
    [InlineData("running")]
    [InlineData("killed")]
    [InlineData("killed without wal index")]
    [InlineData("stopped")]
    public async Task A_cold_read_sees_everything_and_leaves_the_files_as_they_are(string process)
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId first = await fixture.AppendAsync(Message());
        await fixture.ReopenAsync();
        MessageId second = await fixture.AppendAsync(Message());
        using TempFolder copy = new();
        string path = fixture.Options.Path;
        if (process == "stopped")
        {
            await fixture.Store.CloseAsync(Cancel);
        }

        if (process != "running")
        {
            foreach (string suffix in new[] { "", "-wal", "-shm", ".mark", ".lock", ".inflight" }.Where(suffix => File.Exists(path + suffix) && !(suffix == "-shm" && process.Contains("without", StringComparison.Ordinal))))
            {
                using var cp = System.Diagnostics.Process.Start("cp", [path + suffix, copy.Store + suffix])!;
                await cp.WaitForExitAsync(Cancel);
            }

            path = copy.Store;
        }

        string before = Listing(path, process == "running");
        using (SqliteJournalReader reader = SqliteJournalReader.Open(path))
        {
            Assert.Equal([first, second], reader.Query(new JournalQuery { Ascending = true }).Items.Select(item => item.Envelope.Id));
            Assert.NotNull(reader.Get(second, withBody: true));
        }

        await SqliteMaintenance.BackupAsync(path, fixture.Folder.File("backup.db"), Cancel);
        File.Delete(fixture.Folder.File("backup.db"));
        Assert.Equal(before, Listing(path, process == "running"));
    }

    [Fact]
    public async Task A_confirmation_skips_no_state()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId id = await fixture.AppendAsync(Message("out.x"));
        await fixture.Store.SettleAsync(await fixture.LeaseAsync("out.x"), Settlement.Fail(FailureKind.Uncertain, "who knows"), [], Cancel);
        DelegateOperation<bool> watch = new(session =>
        {
            session.Connection.Execute("test", "create temp table moves(a, b); create temp trigger t after update of state on messages begin insert into moves values(old.state, new.state); end");
            return true;
        });
        fixture.Store.Writer.Post(watch);
        await watch.Answer;
        await fixture.Store.ConfirmAsync(id, "ann", Cancel);
        DelegateOperation<string> moves = new(session =>
        {
            using SqliteStatement all = session.Connection.Prepare("moves", "select group_concat(a || b, ' ') from moves");
            _ = all.Step();
            return all.GetText(0);
        });
        fixture.Store.Writer.Post(moves);

        Assert.Equal("30 01 12", await moves.Answer);
        JournalRecord record = (await fixture.Store.GetAsync(id, false, Cancel))!;
        Assert.Equal((MessageState.Acked, "operator:ann"), (record.Entry.State, record.Attempts[^1].Owner));
        Assert.Equal("confirmed", Assert.Single(record.Receipts).Detail);
        await fixture.KillAsync();
        await fixture.Store.Scrubbing;
        Assert.Empty(fixture.Store.Watch.Damage);
    }

    private static string Listing(string store, bool isRunning)
    {
        // The index beside a running store's WAL is where its readers meet: it is there, and changes.
        return string.Join('\n', new DirectoryInfo(Path.GetDirectoryName(store)!).GetFiles().OrderBy(file => file.Name, StringComparer.Ordinal).Select(
            file => isRunning && file.Name.EndsWith("-shm", StringComparison.Ordinal) ? file.Name : $"{file.Name} {file.Length} {file.LastWriteTimeUtc:O}"));
    }

    private static async Task<SqliteStore> MigrateAsync(StoreFixture fixture, SchemaPlan plan)
    {
        SqliteStore store = new(fixture.Options, fixture.Retention, new Redactor(), TimeProvider.System) { SchemaPlan = plan };
        try
        {
            await store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }
}
