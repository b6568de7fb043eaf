using Postroom.Sqlite;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Host;

/// <summary>The store's file cannot be opened again after a failed commit: the process ends with exit code 4 (ST-25).</summary>
[Collection(PostOfficeCollection.Name)]
public sealed class FatalStoreTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        Environment.ExitCode = 0; // What a fatal failure sets is this test's, not the test program's.
        _folder.Dispose();
    }

    [Fact]
    public async Task A_running_runtime_is_faulted_and_not_alive()
    {
        await using MessageRuntime runtime = await StartDurableAsync(_folder.Path, app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        Break(runtime);

        await Assert.ThrowsAsync<StoreUnavailableException>(() => runtime.PublishAsync("x"));

        Assert.Contains("The process has to end", (await runtime.Failure.WaitAsync(TimeSpan.FromSeconds(10), Cancel)).Message, StringComparison.Ordinal);
        await UntilAsync(() => runtime.State == RuntimeState.Faulted);
        Assert.Equal(RuntimeState.Faulted, (await runtime.View.GetStatusAsync(Cancel)).State);
        await runtime.StopAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.Equal(RuntimeState.Faulted, runtime.State);
    }

    [Fact]
    public async Task The_loop_and_the_wait_of_a_program_end_a_receive_throws_and_the_exit_code_is_4()
    {
        await using PostOffice office = await PostOffice.StartAsync(Arguments(), cancellationToken: Cancel);
        office.Exit = _ => { };
        IMessageSink sink = office.Runtime.View.OpenSink("test");
        await sink.AcceptAsync([new SourceMessage("in", "chat.text", "{\"text\":\"hi\"}"u8.ToArray())], null, Cancel);
        Task running = office.RunAsync(Cancel);
        int received = 0;

        await foreach (Message message in office.ReceiveAllAsync(Cancel))
        {
            Assert.Equal(1, ++received);
            Break(office.Runtime);
        }

        await running.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.Equal(1, received);
        Assert.Equal(4, Environment.ExitCode);
        using HttpClient client = new() { BaseAddress = new Uri(office.Addresses[0]) };
        await UntilAsync(async () =>
        {
            using HttpResponseMessage live = await client.GetAsync(new Uri("/health/live", UriKind.Relative), Cancel);
            return live.StatusCode == System.Net.HttpStatusCode.ServiceUnavailable;
        });
        await Assert.ThrowsAsync<StoreUnavailableException>(() => office.ReceiveAsync(cancellationToken: Cancel));
    }

    [Fact]
    public async Task A_program_that_waits_for_something_else_is_ended_after_the_stop_timeout()
    {
        TaskCompletionSource<int> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using PostOffice office = await PostOffice.StartAsync([.. Arguments(), "--set", "runtime.stopTimeout=1s", "--set", "runtime.drainTimeout=500ms", "--set", "runtime.cancelGrace=100ms"], cancellationToken: Cancel);
        office.Exit = code => ended.TrySetResult(code);
        Break(office.Runtime);

        await Assert.ThrowsAsync<IntakeClosedException>(async () => await office.Runtime.View.OpenSink("test").AcceptAsync([new SourceMessage("in", "chat.text", "{}"u8.ToArray())], null, Cancel));

        Assert.Equal(4, await ended.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel));
    }

    /// <summary>The next flush fails, and the file is then found to have lost what was confirmed.</summary>
    private static void Break(MessageRuntime runtime)
    {
        SqliteStore store = (SqliteStore)runtime.Store;
        string path = runtime.Configuration.Current.Get<StoreOptions>("store").Path;
        store.Writer.CommitFault = committed =>
        {
            if (committed)
            {
                using SqliteConnection other = SqliteConnection.Open(path, SqliteAccess.ReadWrite);
                other.Execute("test", "update store_state set commit_no = commit_no - 5");
                throw SqliteException.Create(SqliteCode.Io | (4 << 8), "flush failed", "commit", path);
            }
        };
    }

    private string[] Arguments() =>
    [
        "--set", "store.kind=sqlite", "--set", $"store.path={_folder.Store}", "--set", $"runtime.dataDirectory={_folder.Path}", "--set", "server.urls.0=http://127.0.0.1:0", "--set", "store.reserve=0",
    ];
}
