using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Queues;

/// <summary>Pull receivers on a store that can refuse.</summary>
public sealed class ReceiverTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_delivery_whose_acknowledgement_was_refused_after_its_loop_had_ended_comes_back()
    {
        using TempFolder folder = new();
        await using MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources
            {
                Layers = { new CommandLineConfigurationLayer(["store.kind=sqlite", $"store.path={folder.Store}", $"runtime.dataDirectory={folder.Path}", "store.reserve=0"]) },
            },
        });
        runtime.RegisterModule(new TestModule(app => app
            .AddQueue("pulled")
            .AddPayload("work.todo", RuntimeTestJson.Default.Order)
            .AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock))));
        await runtime.StartAsync(Cancel);
        MessageId id = (await runtime.Sender.PublishAsync("pulled", "work.todo", new Order("1"), null, Cancel)).Id;
        StoreWriter writer = ((SqliteStore)runtime.Store).Writer;
        IMessageQueue queue = runtime.OpenQueue("pulled");
        using ManualResetEventSlim reached = new();
        using ManualResetEventSlim gate = new();
        Task<bool>? refused = null;
        await foreach (Delivery delivery in queue.ConsumeAsync(1, Cancel))
        {
            writer.CommitFault = _ =>
            {
                reached.Set();
                gate.Wait(Cancel);
                throw SqliteException.Create(SqliteCode.Full, "disk full", "commit", "store");
            };
            refused = queue.AckAsync(delivery, null, Cancel).AsTask();
            await Task.Run(() => reached.Wait(Cancel), Cancel);
            break;
        }

        writer.CommitFault = null;
        gate.Set();
        await Assert.ThrowsAsync<StoreUnavailableException>(() => refused!);

        await foreach (Delivery again in queue.ConsumeAsync(1, Cancel))
        {
            Assert.Equal((id, 1), (again.Envelope.Id, again.Attempt));
            Assert.True(await queue.AckAsync(again, null, Cancel));
            break;
        }
    }
}
