using System.Diagnostics;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Sqlite;

public sealed class SqliteConnectionTests : IDisposable
{
    private const string Schema = "pragma journal_mode=wal; create table notes (seq integer primary key, name text, body blob, weight real);";
    private const string Insert = "insert into notes (seq, name, body, weight) values (?1, ?2, ?3, ?4)";
    private const string Count = "select count(*) from notes";

    private readonly TempFolder _folder = new();

    public static TheoryData<string> Libraries => new("bundled", "system");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Libraries))]
    public void What_is_bound_is_read_back_with_either_library(string library)
    {
        using SqliteConnection connection = Open(library);
        connection.Execute("schema", Schema);
        using SqliteStatement insert = connection.Prepare("insert", Insert);
        string longText = new('ü', 5_000);

        insert.Bind(1, long.MaxValue);
        insert.BindText(2, longText);
        insert.BindBlob(3, [0, 1, 255]);
        insert.Bind(4, 0.25);
        int changed = insert.Run();

        using SqliteStatement select = connection.Prepare("select", "select seq, name, body, weight from notes");
        Assert.Equal(1, changed);
        Assert.True(select.Step());
        Assert.Equal(long.MaxValue, select.GetInt64(0));
        Assert.Equal(longText, select.GetText(1));
        Assert.Equal([0, 1, 255], select.GetBlob(2).ToArray());
        Assert.Equal(0.25, select.GetDouble(3));
        Assert.False(select.Step());
        Assert.StartsWith("3.", connection.Library.Version, StringComparison.Ordinal);
    }

    [Fact]
    public void Empty_text_and_an_empty_blob_are_not_null()
    {
        using SqliteConnection connection = Create();
        using SqliteStatement insert = connection.Prepare("insert", Insert);

        insert.Bind(1, 1);
        insert.BindText(2, "");
        insert.BindBlob(3, []);
        insert.BindNull(4);
        insert.Run();

        using SqliteStatement select = connection.Prepare("select", "select name, body, weight from notes");
        Assert.True(select.Step());
        Assert.False(select.IsNull(0));
        Assert.False(select.IsNull(1));
        Assert.True(select.IsNull(2));
        Assert.Null(select.GetOptionalText(2));
        Assert.Equal(0, select.GetBlob(1).Length);
    }

    [Fact]
    public void Binding_and_stepping_allocate_nothing()
    {
        using SqliteConnection connection = Create();
        using SqliteStatement insert = connection.Prepare("insert", Insert);
        byte[] body = new byte[300];
        connection.Execute("begin", "begin");
        InsertRow(insert, 1, body);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int seq = 2; seq <= 100; seq++)
        {
            InsertRow(insert, seq, body);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_refused_row_is_a_constraint_of_its_own_statement_which_stays_usable()
    {
        using SqliteConnection connection = Create();
        using SqliteStatement insert = connection.Prepare("note.insert", Insert);
        InsertRow(insert, 1, [1]);

        var refused = Assert.Throws<SqliteException>(() => InsertRow(insert, 1, [1]));

        Assert.Equal(SqliteFault.Constraint, refused.Fault);
        Assert.Equal((19, 1555), (refused.Code, refused.ExtendedCode));
        Assert.Equal("note.insert", refused.Statement);
        Assert.False(refused.IsUnavailable || refused.IsDamaged);
        InsertRow(insert, 2, [1]);
    }

    [Fact]
    public void A_file_that_is_no_database_is_damaged_and_an_absent_one_unavailable()
    {
        File.WriteAllText(_folder.Store, new string('x', 4096));
        using SqliteConnection connection = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadWrite);

        var foreign = Assert.Throws<SqliteException>(() => connection.Execute("schema", Schema));
        var absent = Assert.Throws<SqliteException>(() => SqliteConnection.Open(_folder.File("absent.db"), SqliteAccess.ReadWrite));

        Assert.True(foreign.IsDamaged);
        Assert.True(absent.IsUnavailable);
        Assert.Equal(SqliteFault.CannotOpen, absent.Fault);
    }

    [Fact]
    public void A_read_only_connection_refuses_to_write()
    {
        using SqliteConnection writer = Create();
        using SqliteConnection reader = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadOnly);

        var refused = Assert.Throws<SqliteException>(() => reader.Execute("delete", "delete from notes"));

        Assert.Equal(SqliteFault.ReadOnly, refused.Fault);
    }

    [Fact]
    public void A_full_database_is_a_full_disk_and_nothing_else()
    {
        using SqliteConnection connection = Create();
        using SqliteStatement insert = connection.Prepare("insert", Insert);
        connection.Execute("limit", "pragma max_page_count=4");

        var full = Assert.Throws<SqliteException>(() => InsertRow(insert, 1, new byte[100_000]));

        Assert.Equal(SqliteFault.DiskFull, full.Fault);
        Assert.True(full.IsUnavailable);
        Assert.Contains("Free space", full.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public async Task A_short_foreign_lock_is_waited_for_in_milliseconds(string library)
    {
        using SqliteConnection writer = Open(library);
        writer.Execute("schema", Schema);
        using SqliteConnection foreign = Open(library);
        foreign.Execute("begin", "begin immediate");

        long begun = Stopwatch.GetTimestamp();
        Task waiting = Task.Run(() => writer.Execute("insert", "insert into notes (seq) values (1)"), Cancel);
        await Task.Delay(TimeSpan.FromMilliseconds(60), Cancel);
        Assert.False(waiting.IsCompleted);
        foreign.Execute("commit", "commit");
        await waiting;

        // The bundled library alone would sleep a whole second.
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalMilliseconds, 50, 900);
    }

    [Fact]
    public void A_lock_held_longer_than_the_timeout_is_busy()
    {
        using SqliteConnection writer = Create();
        using SqliteConnection foreign = Open("system");
        foreign.Execute("begin", "begin immediate");
        writer.BusyTimeout = TimeSpan.FromMilliseconds(80);

        long begun = Stopwatch.GetTimestamp();
        var busy = Assert.Throws<SqliteException>(() => writer.Execute("insert", "insert into notes (seq) values (1)"));

        Assert.Equal(SqliteFault.Busy, busy.Fault);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalMilliseconds, 75, 2_000);
    }

    [Fact]
    public async Task An_interrupt_ends_a_running_statement_and_a_wait_for_a_lock()
    {
        using SqliteConnection connection = Create();
        Task running = Task.Run(
            () => connection.Execute("endless", "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"), Cancel);
        SqliteFault ended = await InterruptUntilEndedAsync(connection, running);

        using SqliteConnection foreign = Open("system");
        foreign.Execute("begin", "begin immediate");
        Task waiting = Task.Run(() => connection.Execute("insert", "insert into notes (seq) values (1)"), Cancel);
        SqliteFault endedWait = await InterruptUntilEndedAsync(connection, waiting);

        Assert.Equal(SqliteFault.Interrupted, ended);
        Assert.Contains(endedWait, new[] { SqliteFault.Busy, SqliteFault.Interrupted });
    }

    [Fact]
    public void Wal_frames_are_counted_by_commit_and_gone_after_a_truncating_checkpoint()
    {
        using SqliteConnection connection = Create();
        using SqliteStatement insert = connection.Prepare("insert", Insert);
        int before = connection.WalFrames;
        InsertRow(insert, 1, new byte[20_000]);

        int grown = connection.WalFrames;
        CheckpointResult copied = connection.Checkpoint(SqliteCheckpoint.Passive);
        CheckpointResult emptied = connection.Checkpoint(SqliteCheckpoint.Truncate);

        Assert.True(grown > before);
        Assert.Equal(new CheckpointResult(Blocked: false, grown, grown), copied);
        Assert.False(emptied.Blocked);
        Assert.Equal(0, new FileInfo(WalScan.PathFor(_folder.Store)).Length);
    }

    [Fact]
    public void A_checkpoint_held_back_by_a_reader_says_so()
    {
        using SqliteConnection writer = Create();
        using SqliteStatement insert = writer.Prepare("insert", Insert);
        using SqliteConnection reader = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadOnly);
        reader.Execute("snapshot", "begin; select count(*) from notes");
        InsertRow(insert, 1, new byte[20_000]);

        CheckpointResult held = writer.Checkpoint(SqliteCheckpoint.Passive);

        Assert.True(held.Blocked);
        Assert.True(held.CopiedFrames < held.WalFrames);
    }

    [Fact]
    public void A_backup_is_the_moment_of_its_beginning_although_commits_go_on()
    {
        using SqliteConnection writer = Create();
        using SqliteStatement insert = writer.Prepare("insert", Insert);
        for (int seq = 1; seq <= 50; seq++)
        {
            InsertRow(insert, seq, new byte[4_000]);
        }

        using SqliteConnection reader = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadOnly);
        string copyPath = _folder.File("copy.db");
        int steps = 0;
        using (SqliteBackup backup = SqliteBackup.Begin(reader, copyPath))
        {
            while (backup.Step(pages: 5))
            {
                steps++;
                InsertRow(insert, 1_000 + steps, new byte[4_000]);
            }

            Assert.Equal(0, backup.RemainingPages);
        }

        using SqliteConnection copy = SqliteConnection.Open(copyPath, SqliteAccess.ReadOnly);
        Assert.True(steps > 5);
        Assert.Equal(50, Number(copy, Count));
        Assert.Equal(50 + steps, Number(reader, Count));
        Assert.False(PrivateFiles.IsTooOpen(copyPath));
        Assert.Throws<IOException>(() => SqliteBackup.Begin(reader, copyPath));
    }

    [Fact]
    public void Text_without_a_statement_is_refused()
    {
        using SqliteConnection connection = Create();

        Assert.Throws<ArgumentException>(() => connection.Prepare("nothing", "-- only a comment"));
    }

    [Fact]
    public void Closing_ends_statements_and_rolls_back()
    {
        SqliteConnection connection = Create();
        SqliteStatement insert = connection.Prepare("insert", Insert);
        connection.Execute("begin", "begin");
        InsertRow(insert, 1, [1]);
        Assert.True(connection.InTransaction);

        connection.Dispose();
        insert.Dispose();
        connection.Interrupt();
        connection.Dispose();

        using SqliteConnection again = SqliteConnection.Open(_folder.Store, SqliteAccess.ReadWrite);
        Assert.Equal(0, Number(again, Count));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static long Number(SqliteConnection connection, string sql)
    {
        using SqliteStatement select = connection.Prepare("number", sql);
        Assert.True(select.Step());
        return select.GetInt64(0);
    }

    private static void InsertRow(SqliteStatement insert, long seq, ReadOnlySpan<byte> body)
    {
        insert.Bind(1, seq);
        insert.BindText(2, "a name");
        insert.BindBlob(3, body);
        insert.Bind(4, 1.5);
        insert.Run();
    }

    private static async Task<SqliteFault> InterruptUntilEndedAsync(SqliteConnection connection, Task running)
    {
        while (!running.IsCompleted)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), Cancel);
            connection.Interrupt();
        }

        return (await Assert.ThrowsAsync<SqliteException>(() => running)).Fault;
    }

    private SqliteConnection Create()
    {
        SqliteConnection connection = Open("system");
        connection.Execute("schema", Schema);
        return connection;
    }

    private SqliteConnection Open(string library)
    {
        SqliteLibrary? chosen = library == "bundled" ? SqliteLibrary.LoadBundled() : SqliteLibrary.LoadSystem();
        Assert.SkipWhen(chosen is null, "This machine has no SQLite of its own.");
        return SqliteConnection.Open(_folder.Store, SqliteAccess.ReadWriteCreate, chosen);
    }
}
