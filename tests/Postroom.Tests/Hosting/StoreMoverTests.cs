using Postroom.Host;
using Postroom.Hosting;
using Postroom.Memory;
using Postroom.Sqlite;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>ST-28: another kind or file of store takes over what the former one holds.</summary>
public sealed class StoreMoverTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task St28_open_messages_come_in_order_and_finished_ones_with_their_outcome_and_a_second_move_brings_nothing_twice()
    {
        Held held = await FillAsync(120);
        await using SqliteStore target = await OpenAsync(_folder.File("new.db"));

        StoreMove first = await MoveAsync(target);
        StoreMove second = await MoveAsync(target);

        IReadOnlyList<JournalEntry> arrived = await AllAsync(target);
        Assert.Equal((3, 120, 2), (first.Finished, first.Open, first.Facts));
        Assert.Equal((0, 123), (second.Finished, second.AlreadyThere));
        Assert.Equal(held.Open, arrived.Where(static entry => entry.State == MessageState.Pending).Select(static entry => entry.Envelope.Id));
        JournalEntry failed = arrived.Single(entry => entry.Envelope.Id == held.Failed);
        Assert.Equal((MessageState.Failed, FailureKind.Rejected, "no stock"), (failed.State, failed.FailureKind, failed.Error));
        Assert.Equal(MessageState.Acked, arrived.Single(entry => entry.Envelope.Id == held.Acked).State);
        JournalEntry doubtful = arrived.Single(entry => entry.Envelope.Id == held.Claimed);
        Assert.Equal((MessageState.Failed, FailureKind.Uncertain), (doubtful.State, doubtful.FailureKind));
        Assert.Equal("7", System.Text.Encoding.UTF8.GetString((await target.Facts.GetAsync(FactScopes.Settings, "limits.hops", Cancel))!.Value.Span));
        AppendResult repeated = (await target.AppendAsync([new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray()) { DedupKey = "acked" }], null, Cancel))[0];
        Assert.Equal((true, held.Acked), (repeated.Duplicate, repeated.Id));
    }

    [Fact]
    public async Task St28_an_interrupted_move_leaves_the_source_as_it_was_and_the_next_one_goes_on_behind_it()
    {
        Held held = await FillAsync(250);
        byte[] before = await File.ReadAllBytesAsync(_folder.Store, Cancel);
        using CancellationTokenSource stop = new();
        await using SqliteStore target = await OpenAsync(_folder.File("new.db"));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => MoveAsync(target, moved =>
        {
            if (moved.Open >= 100)
            {
                stop.Cancel();
            }
        }, stop));
        int halfway = (await AllAsync(target)).Count(static entry => entry.State == MessageState.Pending);
        byte[] after = await File.ReadAllBytesAsync(_folder.Store, Cancel);
        await MoveAsync(target);

        Assert.InRange(halfway, 100, 249);
        Assert.Equal(before, after);
        Assert.Equal(held.Open, (await AllAsync(target)).Where(static entry => entry.State == MessageState.Pending).Select(static entry => entry.Envelope.Id));
    }

    [Fact]
    public async Task St28_a_store_of_another_kind_takes_them_as_well_and_one_with_work_of_its_own_is_refused()
    {
        Held held = await FillAsync(5);
        await using MemoryStore target = new(TimeProvider.System, new MemoryStoreOptions(), new RetentionOptions());
        _ = await target.OpenAsync(new StoreOpening { Node = "n" }, Cancel);
        await using MemoryStore busy = new(TimeProvider.System, new MemoryStoreOptions(), new RetentionOptions());
        _ = await busy.OpenAsync(new StoreOpening { Node = "n" }, Cancel);
        await busy.AppendAsync([new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray())], null, Cancel);

        StoreMove moved = await MoveAsync(target);
        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => MoveAsync(busy));

        Assert.Equal((3, 5), (moved.Finished, moved.Open));
        Assert.Equal(held.Open, (await AllAsync(target)).Where(static entry => entry.State == MessageState.Pending).Select(static entry => entry.Envelope.Id));
        Assert.Contains("open messages of its own", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task St28_the_command_moves_a_file_sets_the_former_one_aside_and_a_start_on_another_kind_is_refused_before()
    {
        await FillAsync(5);
        string[] memory = ["store.kind=memory", $"store.path={_folder.Store}", $"runtime.dataDirectory={_folder.Path}"];

        StoreOpenException refused = await Assert.ThrowsAsync<StoreOpenException>(() => StartAsync(memory));
        int code = await StoreMoveCommand.RunAsync(new HostArguments { Settings = [$"store.path={_folder.Store}", $"runtime.dataDirectory={_folder.Path}"], Quiet = true }, $"sqlite:{_folder.File("sub/new.db")}", Cancel);
        await using HostedRuntime started = await StartAsync(memory);

        Assert.Contains($"'{_folder.Store}' of an earlier start holds 6 open messages", refused.Message, StringComparison.Ordinal);
        Assert.Contains("postroom store move --to", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Done, code);
        Assert.False(File.Exists(_folder.Store));
        Assert.True(File.Exists(_folder.Store + ".moved"));
        Assert.Equal(RuntimeState.Running, started.Runtime.State);
        using SqliteJournalReader arrived = SqliteJournalReader.Open(_folder.File("sub/new.db"));
        Assert.Equal(5, arrived.Query(new JournalQuery { States = [MessageState.Pending] }).Total);
    }

    private static async Task<HostedRuntime> StartAsync(string[] settings)
    {
        HostedRuntime host = HostedRuntime.Create(new HostArguments { Settings = [.. settings, "server.urls.0=http://127.0.0.1:0"] }, static _ => { }, standalone: false, output: null);
        try
        {
            await host.StartAsync(Cancel);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    private static async Task<SqliteStore> OpenAsync(string path)
    {
        SqliteStore store = new(new StoreOptions { Kind = "sqlite", Path = path, Reserve = 0 }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        _ = await store.OpenAsync(new StoreOpening { Node = "n" }, Cancel);
        return store;
    }

    private static async Task<IReadOnlyList<JournalEntry>> AllAsync(IMessageStore store)
    {
        List<JournalEntry> all = [];
        await foreach (JournalEntry entry in ((IJournal)store).EachAsync(new JournalQuery { Ascending = true, Limit = 100 }, Cancel))
        {
            all.Add(entry);
        }

        return all;
    }

    private async Task<StoreMove> MoveAsync(IMessageStore target, Action<StoreMove>? told = null, CancellationTokenSource? stop = null)
    {
        using SqliteJournalReader reader = SqliteJournalReader.Open(_folder.Store);
        return await new StoreMover(new ColdJournal(reader), new StoreMoveCommand.ColdFacts(reader), target, TimeProvider.System)
            .RunAsync(told is null ? null : new StoreMoveCommand.Progress(told), stop?.Token ?? Cancel);
    }

    /// <summary>A store with one message of each outcome, one whose send began, some that wait, and two facts; it ended in order.</summary>
    private async Task<Held> FillAsync(int open)
    {
        await using SqliteStore store = await OpenAsync(_folder.Store);
        MessageId acked = await EndAsync("acked", Settlement.Acknowledge);
        MessageId failed = await EndAsync("failed", Settlement.Fail(FailureKind.Rejected, "no stock"));
        MessageId claimed = await AppendAsync("claimed");
        MessageLease lease = Assert.Single(await store.LeaseAsync("orders", 1, TimeSpan.FromMinutes(1), Cancel));
        Assert.True(await store.RenewAsync(lease, new LeaseProgress.Begin("out/1"), Cancel));
        Assert.True(await store.RenewAsync(lease, new LeaseProgress.Claim(TimeProvider.System.GetUtcNow()), Cancel));
        await store.SettleAsync(lease, new Settlement.Retried(TimeProvider.System.GetUtcNow().AddHours(1), "asked", CountsAttempt: true) { KeepsClaim = true }, [], Cancel);
        List<MessageId> waiting = [];
        for (int i = 0; i < open; i++)
        {
            waiting.Add(await AppendAsync($"open {i}"));
        }

        await store.WriteAsync(new StoreWrite { Facts = [new FactChange(FactScopes.Settings, "limits.hops", "7"u8.ToArray()), new FactChange(FactScopes.Pause, "orders", "paused"u8.ToArray())] }, Cancel);
        await store.CloseAsync(Cancel);
        return new Held(acked, failed, claimed, waiting);

        async Task<MessageId> AppendAsync(string key) =>
            (await store.AppendAsync([new Envelope(MessageId.New(), "orders", "order.received", System.Text.Encoding.UTF8.GetBytes($"\"{key}\"")) { DedupKey = key, OrderKey = key.Split(' ')[0] }], null, Cancel))[0].Id;

        async Task<MessageId> EndAsync(string key, Settlement outcome)
        {
            MessageId id = await AppendAsync(key);
            MessageLease own = Assert.Single(await store.LeaseAsync("orders", 1, TimeSpan.FromMinutes(1), Cancel));
            await store.SettleAsync(own, outcome, [], Cancel);
            return id;
        }
    }

    private sealed record Held(MessageId Acked, MessageId Failed, MessageId Claimed, IReadOnlyList<MessageId> Open);
}
