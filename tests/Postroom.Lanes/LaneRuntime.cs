using Postroom.Configuration;
using Postroom.Sqlite;

namespace Postroom.Lanes;

/// <summary>A runtime on a store file whose lanes are measured.</summary>
internal static class LaneRuntime
{
    /// <summary>Starts one.</summary>
    /// <param name="folder">Where the store is.</param>
    /// <param name="configure">Registers the communicators.</param>
    public static async Task<MessageRuntime> StartAsync(string folder, Action<IApplicationBuilder> configure)
    {
        Directory.CreateDirectory(folder);
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources
            {
                Layers = { new CommandLineConfigurationLayer(["store.kind=sqlite", $"store.path={Path.Combine(folder, "store.db")}", $"runtime.dataDirectory={folder}", "store.reserve=0"]) },
            },
        });
        runtime.RegisterModule(new Module(app =>
        {
            app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
            configure(app);
        }));
        await runtime.StartAsync(CancellationToken.None);
        return runtime;
    }

    /// <summary>Stores one message for a recipient.</summary>
    public static Task EmitAsync(this MessageRuntime runtime, string communicator, string recipient, string text)
    {
        // The label is a header of the message, by which a limit of the settings finds it; the recipient alone says where it goes.
        return runtime.Dispatcher.EmitAsync(new OutgoingMessage(communicator, text) { To = Address.ForRecipient(communicator, recipient) }, CancellationToken.None).AsTask();
    }

    /// <summary>Waits until something holds.</summary>
    /// <exception cref="TimeoutException">It did not within the time.</exception>
    public static async Task UntilAsync(Func<Task<bool>> holds, TimeSpan patience, string what)
    {
        using CancellationTokenSource limit = new(patience);
        while (!await holds())
        {
            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException($"'{what}' did not come true within {patience}.");
            }

            await Task.Delay(10);
        }
    }

    /// <summary>How many messages of all lanes are open.</summary>
    public static async Task<long> OpenAsync(this MessageRuntime runtime)
    {
        StoreStats stats = await runtime.Store.GetStatsAsync(null, CancellationToken.None);
        return stats.Queues.Where(pair => pair.Key.StartsWith("out.", StringComparison.Ordinal)).Sum(pair => pair.Value.Pending + pair.Value.Dispatched);
    }

    private sealed class Module(Action<IApplicationBuilder> configure) : IApplicationModule
    {
        public string Name => "lanes";

        public string Version => "1";

        public void Configure(IApplicationBuilder app) => configure(app);
    }
}
