using Postroom.Sqlite;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>What a compaction keeps and lets go, and what an opening that fails leaves behind.</summary>
public sealed class UpkeepTests
{
    private static readonly JournalRetention Nothing = new(TimeSpan.Zero, TimeSpan.Zero);

    private readonly ManualClock _clock = new();

    [Fact]
    public async Task A_store_whose_backlog_cannot_be_read_at_its_opening_closes_at_once_and_lets_the_file_go()
    {
        await using StoreFixture fixture = await StoreFixture.OpenAsync();
        MessageId id = await fixture.AppendAsync(Message());
        await fixture.Store.CloseAsync(Cancel);
        SqliteStore broken = new(fixture.Options, fixture.Retention, new Redactor(), TimeProvider.System);
        broken.Lanes.ReadFault = () => throw SqliteException.Create(SqliteCode.Io | (1 << 8), "disk I/O error", "backlog", fixture.Options.Path);

        await Assert.ThrowsAsync<StoreOpenException>(() => broken.OpenAsync(new StoreOpening { Node = "test" }, Cancel).AsTask());
        await fixture.StartAsync(); // nothing of the failed one has the file open
        await broken.CloseAsync(Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(5), Cancel);
        await broken.DisposeAsync();

        Assert.Equal(id, (await fixture.LeaseAsync()).Envelope.Id);
    }

    [Fact]
    public async Task What_an_operator_did_with_a_message_is_kept_for_its_own_time_and_a_receipt_goes_with_the_message()
    {
        using TempFolder folder = new();
        RetentionOptions retention = new();
        await using SqliteStore store = await OpenAsync(folder, retention);
        Envelope message = await FinishedAsync(store, "order.received");
        foreach (NoteKind kind in (NoteKind[])[NoteKind.Receipt, NoteKind.Audit])
        {
            await store.WriteAsync(new StoreWrite { Notes = [new StoreNote(kind, _clock.GetUtcNow(), "{}"u8.ToArray()) { MessageId = message.Id }] }, Cancel);
        }

        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await store.CompactAsync(Nothing, Cancel));
        Assert.Equal([(long)NoteKind.Audit], Read(folder, "select kind from notes"));

        _clock.Advance(retention.Audit);
        await store.CompactAsync(Nothing, Cancel);
        Assert.Empty(Read(folder, "select kind from notes"));
    }

    [Fact]
    public async Task Names_and_counts_of_types_that_no_message_has_any_more_are_let_go_and_a_type_may_come_back()
    {
        using TempFolder folder = new();
        await using (SqliteStore store = await OpenAsync(folder))
        {
            for (int i = 0; i < 20; i++)
            {
                await FinishedAsync(store, $"chat.invented-{i}");
            }

            await store.AppendAsync([Of("chat.kept")], null, Cancel);
            await CompactLaterAsync(store); // removes the messages
            await FinishedAsync(store, "chat.invented-3"); // back before its name is gone
            await CompactLaterAsync(store); // forgets the names
            Assert.Equal(["chat.invented-3", "chat.kept"], Names(folder));
            Assert.Empty(Read(folder, "select type from totals where type not in (select id from names)"));

            await store.AppendAsync([Of("chat.invented-7")], null, Cancel);
            Assert.Equal(["chat.invented-3", "chat.invented-7", "chat.kept"], Names(folder));
        }

        await using SqliteStore again = await OpenAsync(folder);
        Assert.Equal(["chat.invented-7", "chat.kept"], (await again.CountOpenByTypeAsync("orders", Cancel)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(2, (await again.QueryAsync(new JournalQuery { States = [MessageState.Pending] }, Cancel)).Items.Count);
    }

    [Fact]
    public async Task A_name_that_only_a_repeat_brought_is_let_go_as_well()
    {
        using TempFolder folder = new();
        await using SqliteStore store = await OpenAsync(folder);
        await store.AppendAsync([Of("chat.text") with { DedupKey = "1" }], null, Cancel);
        Assert.True((await store.AppendAsync([Of("chat.invented") with { DedupKey = "1" }], null, Cancel))[0].Duplicate);

        await CompactLaterAsync(store);
        await CompactLaterAsync(store);

        Assert.Equal(["chat.text"], Names(folder));
    }

    [Fact]
    public async Task A_type_that_comes_back_while_its_name_is_being_dropped_gets_a_new_number_and_a_refused_drop_changes_nothing()
    {
        using TempFolder folder = new();
        await using SqliteStore store = await OpenAsync(folder);
        await FinishedAsync(store, "chat.invented");
        await CompactLaterAsync(store);

        store.Writer.CommitFault = _ => throw SqliteException.Create(SqliteCode.Full, "database or disk is full", "commit", folder.Store);
        _clock.Advance(TimeSpan.FromMinutes(10));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.CompactAsync(Nothing, Cancel).AsTask());
        store.Writer.CommitFault = null;
        Assert.Equal(["chat.invented"], Names(folder));

        using ManualResetEventSlim gate = new();
        DelegateOperation<bool> blocker = new(_ => true, applied: _ => gate.Wait(TimeSpan.FromSeconds(10)));
        await store.Writer.PlaceAsync(blocker, Cancel);
        Task compacting = store.CompactAsync(Nothing, Cancel).AsTask(); // its first operation drops the name,
        Task appending = store.AppendAsync([Of("chat.invented")], null, Cancel).AsTask(); // in one transaction with this
        gate.Set();
        await compacting;
        await appending;

        Assert.Equal(["chat.invented"], Names(folder));
        Assert.Equal("chat.invented", Assert.Single(await store.LeaseAsync("orders", 1, LeaseTime, Cancel)).Envelope.Type);
        await CompactLaterAsync(store);
        await CompactLaterAsync(store);
        Assert.Equal(["chat.invented"], Names(folder));
    }

    private static Envelope Of(string type) => new(MessageId.New(), "orders", type, "{}"u8.ToArray());

    private static List<long> Read(TempFolder folder, string sql)
    {
        using SqliteConnection connection = SqliteConnection.Open(folder.Store, SqliteAccess.ReadOnly);
        using SqliteStatement rows = connection.Prepare("test", sql);
        List<long> found = [];
        while (rows.Step())
        {
            found.Add(rows.GetInt64(0));
        }

        return found;
    }

    private static List<string> Names(TempFolder folder)
    {
        using SqliteConnection connection = SqliteConnection.Open(folder.Store, SqliteAccess.ReadOnly);
        using SqliteStatement rows = connection.Prepare("test", "select name from names where kind = 1 order by name");
        List<string> found = [];
        while (rows.Step())
        {
            found.Add(rows.GetText(0));
        }

        return found;
    }

    private async Task<SqliteStore> OpenAsync(TempFolder folder, RetentionOptions? retention = null)
    {
        SqliteStore store = new(new StoreOptions { Path = folder.Store, Reserve = 0 }, retention ?? new RetentionOptions(), new Redactor(), _clock);
        await store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
        return store;
    }

    private async Task<Envelope> FinishedAsync(SqliteStore store, string type)
    {
        Envelope message = Of(type);
        await store.AppendAsync([message], null, Cancel);
        await store.DiscardAsync(message.Id, "a test", force: false, Cancel);
        return message;
    }

    private async Task CompactLaterAsync(SqliteStore store)
    {
        _clock.Advance(TimeSpan.FromMinutes(10));
        await store.CompactAsync(Nothing, Cancel);
    }
}
