using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>Who waits for whom among the reads of a store.</summary>
public sealed class ReaderPoolTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_thousand_reads_wait_for_their_turn_and_none_is_refused()
    {
        await using StoreFixture fixture = await OpenAsync();
        using ReaderPool readers = Open(fixture);
        using ManualResetEventSlim gate = new();
        Task[] busy = [.. Enumerable.Range(0, 2).Select(_ => readers.ReadAsync(Held(gate), Cancel).AsTask())];

        Task<int>[] waiting = [.. Enumerable.Range(0, 1_000).Select(number => readers.ReadAsync(_ => number, Cancel).AsTask())];
        gate.Set();

        Assert.Equal(Enumerable.Range(0, 1_000), await Task.WhenAll(waiting).WaitAsync(Soon, Cancel));
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task A_lookup_waits_for_no_scan()
    {
        await using StoreFixture fixture = await OpenAsync();
        using ReaderPool readers = Open(fixture);
        using ManualResetEventSlim gate = new();
        Task[] scans = [.. Enumerable.Range(0, 3).Select(_ => readers.ScanAsync(Held(gate), Cancel).AsTask())];

        Assert.Equal(7, await readers.ReadAsync(_ => 7, Cancel).AsTask().WaitAsync(Soon, Cancel));

        Assert.DoesNotContain(scans, scan => scan.IsCompleted);
        gate.Set();
        await Task.WhenAll(scans).WaitAsync(Soon, Cancel);
    }

    [Fact]
    public async Task A_read_whose_caller_left_while_it_waited_is_not_run()
    {
        await using StoreFixture fixture = await OpenAsync();
        using ReaderPool readers = Open(fixture);
        using ManualResetEventSlim gate = new();
        using CancellationTokenSource left = new();
        Task busy = readers.ScanAsync(Held(gate), Cancel).AsTask();
        bool ran = false;
        Task<bool> abandoned = readers.ScanAsync(_ => ran = true, left.Token).AsTask();

        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => abandoned);
        gate.Set();
        await readers.ScanAsync(_ => true, Cancel).AsTask().WaitAsync(Soon, Cancel);

        Assert.False(ran);
        await busy;
    }

    private static ReaderPool Open(StoreFixture fixture) =>
        new(() => new ReadSession(SqliteConnection.Open(fixture.Options.Path, SqliteAccess.ReadOnly), new NameTable()), _ => { });

    private static Func<ReadSession, bool> Held(ManualResetEventSlim gate) => _ => gate.Wait(Soon);
}
