using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Configuration;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Hosting;

/// <summary>Starts real runtimes over the memory store and waits for what can be seen of them.</summary>
internal static class RuntimeHarness
{
    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<MessageRuntime> StartAsync(Action<IApplicationBuilder> configure, params string[] settings)
    {
        MessageRuntime runtime = Create(configure, settings);
        await runtime.StartAsync(Cancel);
        return runtime;
    }

    public static MessageRuntime Create(Action<IApplicationBuilder> configure, params string[] settings)
    {
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory", .. settings]) } },
        });
        runtime.RegisterModule(new TestModule(configure));
        return runtime;
    }

    /// <summary>Starts a runtime over a store file in a folder.</summary>
    public static async Task<MessageRuntime> StartDurableAsync(string folder, Action<IApplicationBuilder> configure, params string[] settings)
    {
        MessageRuntime runtime = CreateDurable(folder, configure, settings);
        await runtime.StartAsync(Cancel);
        return runtime;
    }

    public static MessageRuntime CreateDurable(string folder, Action<IApplicationBuilder> configure, params string[] settings)
    {
        return Create(
            app =>
            {
                app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
                configure(app);
            },
            ["store.kind=sqlite", $"store.path={Path.Combine(folder, "store.db")}", $"runtime.dataDirectory={folder}", "store.reserve=0", .. settings]);
    }

    /// <summary>A queue 'work' with quick retries, and one pool on it.</summary>
    public static IApplicationBuilder AddWork(
        this IApplicationBuilder app, Func<Order, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle, Action<QueueOptions>? queue = null, Action<WorkerOptions>? pool = null)
    {
        return app
            .AddQueue("work", options =>
            {
                options.Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(2), Max = TimeSpan.FromMilliseconds(10) };
                queue?.Invoke(options);
            })
            .AddHandler("work.todo", RuntimeTestJson.Default.Order, handle, "work")
            .AddWorkers("work", options => pool?.Invoke(options));
    }

    public static async Task<MessageId> PublishAsync(this MessageRuntime runtime, string number, PublishOptions? options = null)
    {
        return (await runtime.Sender.PublishAsync("work", "work.todo", new Order(number), options, Cancel)).Id;
    }

    public static async Task<JournalRecord> EndedAsync(this MessageRuntime runtime, MessageId id, MessageState state)
    {
        JournalRecord? record = null;
        await UntilAsync(async () => (record = await runtime.Journal.GetAsync(id, withBody: false, Cancel))?.Entry.State is MessageState.Acked or MessageState.Failed);
        Assert.True(record!.Entry.State == state, $"{id} is {record.Entry.State} ({record.Entry.FailureKind}): {record.Entry.Error}");
        return record;
    }

    public static async Task<JournalEntry> FailedAsync(this MessageRuntime runtime, string queue)
    {
        JournalPage? page = null;
        await UntilAsync(async () => (page = await runtime.Journal.QueryAsync(new JournalQuery { Queue = queue, States = [MessageState.Failed] }, Cancel)).Items.Count > 0);
        return page!.Items[0];
    }

    public static PoolStatus Pool(this MessageRuntime runtime, string name = "work") => runtime.Workers.GetStatus().Single(pool => pool.Name == name);

    /// <summary>Has a source look, once it runs.</summary>
    public static async Task<int> PollAsync(this MessageRuntime runtime, string source)
    {
        int? found = null;
        await UntilAsync(async () =>
        {
            try
            {
                found = await runtime.Rooms.Sources.PollAsync(source, Cancel);
            }
            catch (OriginUnavailableException)
            {
                // Its loop has not begun yet.
            }

            return found is not null;
        });
        return found!.Value;
    }

    public static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!await condition())
        {
            await Task.Delay(5, limit.Token);
        }
    }
}

public sealed record Order(string Number);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Order))]
public sealed partial class RuntimeTestJson : JsonSerializerContext;

internal sealed class TestModule(Action<IApplicationBuilder> configure) : IApplicationModule
{
    public string Name => "test";

    public string Version => "1";

    public void Configure(IApplicationBuilder app) => configure(app);
}
