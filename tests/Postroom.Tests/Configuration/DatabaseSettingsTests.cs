using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Configuration;

/// <summary>Settings in the database (CF-1) and overrides that persist there (CF-9).</summary>
public sealed class DatabaseSettingsTests : ConfigurationTest
{
    [Fact]
    public async Task Ac75_the_seven_layers_override_each_other_in_order_and_the_view_names_the_winner()
    {
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\nlimits: {{ hops: 2, staged: 2, stagedSize: 2, contacts: 2, connections: 2, body: 2 }}\n");
        string application = Write("app.yaml", "limits: { staged: 3, stagedSize: 3, contacts: 3, connections: 3, body: 3 }\n");
        SettingsFile.Write(File("team.db"), [new("limits.stagedSize", "4"), new("limits.contacts", "4"), new("limits.connections", "4"), new("limits.body", "4")]);
        Variables["POSTROOM__limits__contacts"] = "5";
        Variables["POSTROOM__limits__connections"] = "5";
        Variables["POSTROOM__limits__body"] = "5";
        Settings.AddRange(["limits.connections=6", "limits.body=6"]);

        using RuntimeConfiguration configuration = await LoadAsync(Standard(platform, application));
        ReloadResult result = await configuration.SetOverrideAsync("limits.body", "7", persist: false, Cancel);

        Assert.Empty(result.Problems);
        LimitsOptions limits = configuration.Get<LimitsOptions>("limits");
        Assert.Equal((100, 2, 3, 4L, 5, 6, 7L), (limits.ConnectionsPerAddress, limits.Hops, limits.Staged, limits.StagedSize, limits.Contacts, limits.Connections, limits.Body));
        string[] winners = ["connectionsPerAddress", "hops", "staged", "stagedSize", "contacts", "connections", "body"];
        Assert.Equal(
            ["defaults", LayerNames.PlatformFile, LayerNames.ApplicationFile, LayerNames.Database, LayerNames.Environment, LayerNames.CommandLine, LayerNames.Overrides],
            winners.Select(name => View(configuration, $"limits.{name}").Origin.Layer));
    }

    [Fact]
    public async Task Ac75_a_secret_of_any_layer_is_masked_in_view_log_and_exception()
    {
        const string Canary = "canary-of-sixteen-characters";
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\n");
        SettingsFile.Write(File("team.db"), [new("server.keys", $$"""[{"name": "ops", "role": "viewer", "key": "{{Canary}}"}]""")]);
        ListLogger log = new();

        using RuntimeConfiguration configuration = await RuntimeConfiguration.LoadAsync(Standard(platform), Redactor, TimeProvider.System, log, Cancel);
        SettingsFile.Write(File("team.db"), [new("server.keys", $$"""[{"name": "ops", "role": "{{Canary}}", "key": "{{Canary}}"}]""")]);
        ReloadResult refused = await configuration.ReloadAsync(previous: false, Cancel);
        ConfigurationException start = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync(Standard(platform)));

        Assert.Equal("***", configuration.Current.View().Single(view => view.Key.EndsWith(".key", StringComparison.Ordinal)).Value);
        Assert.NotEmpty(refused.Problems);
        Assert.NotEmpty(log.Lines);
        string[] told = [.. configuration.Current.View().Select(view => view.ToString()), .. refused.Problems.Select(problem => problem.ToString()), .. log.Lines, start.ToString()];
        Assert.DoesNotContain(told, text => text.Contains(Canary, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cf1_the_database_is_read_again_at_its_interval_and_a_broken_value_changes_nothing()
    {
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}', pollInterval: 1s }}\n");
        SettingsFile.Write(File("team.db"), [new("limits.hops", "7")]);
        using RuntimeConfiguration configuration = await LoadAsync(Standard(platform));
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task watch = configuration.WatchAsync(stop.Token);

        SettingsFile.Write(File("team.db"), [new("limits.hops", "many")]);
        await RuntimeHarness.UntilAsync(() => configuration.Problems.Count > 0);
        ConfigurationProblem problem = Assert.Single(configuration.Problems);
        int during = configuration.Get<LimitsOptions>("limits").Hops;
        SettingsFile.Write(File("team.db"), [new("limits.hops", "8")]);
        await RuntimeHarness.UntilAsync(() => configuration.Get<LimitsOptions>("limits").Hops == 8);

        Assert.Equal(7, during);
        Assert.Equal(("limits.hops", LayerNames.Database), (problem.Key, problem.Origin.Layer));
        Assert.Contains("team.db", problem.Origin.Source, StringComparison.Ordinal);
        Assert.Empty(configuration.Problems);
        await stop.CancelAsync();
        await watch;
    }

    [Fact]
    public async Task Cf1_what_others_wrote_is_news_although_somebody_validated_or_kept_an_override_meanwhile_and_ones_own_is_none()
    {
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}', pollInterval: 1s }}\n");
        SettingsFile.Write(File("team.db"), []);
        ManualClock clock = new();
        DatabaseConfigurationLayer layer = new(new SqliteSettings(), clock);
        ConfigurationSources sources = Standard(platform);
        sources.Layers[1] = layer;
        using RuntimeConfiguration configuration = await LoadAsync(sources);
        Channel<int> news = Channel.CreateUnbounded<int>();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        await configuration.SetOverrideAsync("limits.hops", "7", persist: true, Cancel);
        Task watch = layer.WatchAsync(() => news.Writer.TryWrite(SettingsFile.Read(File("team.db")).Count), stop.Token);
        SettingsFile.Write(File("team.db"), [new("limits.hops", "7"), new("limits.staged", "7")]);
        await configuration.ValidateAsync($"config: {{ database: '{File("team.db")}' }}\n", Cancel);
        await configuration.SetOverrideAsync("limits.contacts", "7", persist: true, Cancel);
        await RuntimeHarness.UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            return news.Reader.Count > 0;
        });

        Assert.Equal(3, await news.Reader.ReadAsync(Cancel)); // and not when it was one's own setting alone
        await stop.CancelAsync();
        await watch;
    }

    [Theory]
    [InlineData("store.path", "other.db")]
    [InlineData("store", "{\"path\": \"other.db\"}")]
    [InlineData("runtime.dataDirectory", "elsewhere")]
    [InlineData("config.database", "other.db")]
    [InlineData("redis.url", "redis://elsewhere:6379")]
    public async Task Cf1_what_says_where_the_database_is_cannot_come_from_it(string key, string value)
    {
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\n");
        SettingsFile.Write(File("team.db"), []);
        using RuntimeConfiguration configuration = await LoadAsync(Standard(platform));
        SettingsFile.Write(File("team.db"), [new(key, value)]);

        ConfigurationProblem problem = Assert.Single((await configuration.ReloadAsync(previous: false, Cancel)).Problems);
        ReloadResult kept = await configuration.SetOverrideAsync(key, value, persist: true, Cancel);

        Assert.Equal(key, problem.Key);
        Assert.Contains("it says where the database is", problem.Message, StringComparison.Ordinal);
        Assert.Contains("Set it in a file, the environment or on the command line", Assert.Single(kept.Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cf1_a_database_that_is_named_and_missing_is_refused_with_how_to_make_it()
    {
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\n");

        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync(Standard(platform)));

        Assert.Contains("create table settings (key text primary key, value text)", Assert.Single(refused.Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cf9_an_override_that_persists_is_kept_in_the_database_and_removed_from_it()
    {
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\n");
        SettingsFile.Write(File("team.db"), []);
        using (RuntimeConfiguration first = await LoadAsync(Standard(platform)))
        {
            Assert.NotEmpty((await first.SetOverrideAsync("limits.hops", "many", persist: true, Cancel)).Problems);
            Assert.Empty(SettingsFile.Read(File("team.db")));
            Assert.Empty((await first.SetOverrideAsync("limits.hops", "7", persist: true, Cancel)).Problems);
            Assert.Equal(LayerNames.Overrides, View(first, "limits.hops").Origin.Layer);
        }

        Assert.Equal([("limits.hops", "7")], SettingsFile.Read(File("team.db")));
        using RuntimeConfiguration next = await LoadAsync(Standard(platform));
        Assert.Equal((7, LayerNames.Database), (next.Get<LimitsOptions>("limits").Hops, View(next, "limits.hops").Origin.Layer));

        Assert.Empty((await next.SetOverrideAsync("limits.Hops", null, persist: true, Cancel)).Problems);
        Assert.Equal(new LimitsOptions().Hops, next.Get<LimitsOptions>("limits").Hops);
        Assert.Empty(SettingsFile.Read(File("team.db")));
    }

    [Fact]
    public async Task Cf9_a_secret_is_kept_as_a_reference_only()
    {
        const string Canary = "canary-of-sixteen-characters";
        Variables["OPS_KEY"] = Canary;
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\n");
        SettingsFile.Write(File("team.db"), []);
        using RuntimeConfiguration configuration = await LoadAsync(Standard(platform));

        ReloadResult plain = await configuration.SetOverrideAsync("intake.webhook.token", $"[\"{Canary}\"]", persist: true, Cancel);
        ReloadResult withDefault = await configuration.SetOverrideAsync("intake.webhook.token", $"${{NONE:-{Canary}}}", persist: true, Cancel);
        IReadOnlyList<(string, string?)> afterRefusal = SettingsFile.Read(File("team.db"));
        ReloadResult reference = await configuration.SetOverrideAsync("intake.webhook.token", "${secret://env:OPS_KEY}", persist: true, Cancel);

        Assert.Contains("as plain text", Assert.Single(plain.Problems).Message, StringComparison.Ordinal);
        Assert.Contains("as plain text", Assert.Single(withDefault.Problems).Message, StringComparison.Ordinal);
        Assert.Empty(afterRefusal);
        Assert.Empty(reference.Problems);
        Assert.Equal([("intake.webhook.token", "${secret://env:OPS_KEY}")], SettingsFile.Read(File("team.db")));
    }

    [Fact]
    public async Task Cf9_what_a_later_layer_sets_as_well_is_not_kept_because_it_would_not_be_in_force()
    {
        Variables["POSTROOM__limits__hops"] = "5";
        string platform = Write("postroom.yaml", $"config: {{ database: '{File("team.db")}' }}\n");
        SettingsFile.Write(File("team.db"), []);
        using RuntimeConfiguration configuration = await LoadAsync(Standard(platform));

        ReloadResult kept = await configuration.SetOverrideAsync("limits.hops", "7", persist: true, Cancel);
        ReloadResult live = await configuration.SetOverrideAsync("limits.hops", "7", persist: false, Cancel);

        Assert.Contains("POSTROOM__limits__hops", Assert.Single(kept.Problems).Message, StringComparison.Ordinal);
        Assert.True(live.Applied);
    }

    [Fact]
    public async Task Cf9_an_override_survives_the_process_in_the_facts_of_its_own_store()
    {
        await using (MessageRuntime first = Durable())
        {
            await first.StartAsync(Cancel);
            Assert.Empty((await first.Configuration.SetOverrideAsync("queues.work.maxAttempts", "3", persist: true, Cancel)).Problems);
        }

        await using MessageRuntime next = Durable();
        await next.StartAsync(Cancel);

        Assert.Equal(3, next.Configuration.Current.Get<IReadOnlyDictionary<string, QueueOptions>>("queues")["work"].MaxAttempts);
        Assert.Equal(LayerNames.Database, next.Configuration.Current.View().Single(view => view.Key == "queues.work.maxAttempts").Origin.Layer);
        Assert.Empty((await next.Configuration.SetOverrideAsync("queues.work.maxAttempts", null, persist: true, Cancel)).Problems);
        Assert.Empty(await next.Store.Facts.ListAsync(FactScopes.Settings, Cancel));
    }

    [Fact]
    public async Task Cf9_the_memory_store_says_that_it_keeps_nothing()
    {
        Settings.Add("store.kind=memory");
        using RuntimeConfiguration configuration = await LoadAsync(Standard(File("none.yaml"), mustExist: false));

        ReloadResult kept = await configuration.SetOverrideAsync("limits.hops", "7", persist: true, Cancel);

        Assert.Contains("The memory store keeps no settings after the process ends", Assert.Single(kept.Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cf9_an_override_after_a_step_back_keeps_what_was_restored()
    {
        RuntimeConfiguration configuration = await LoadAsync("limits: { hops: 9, staged: 9 }\n");
        Write("postroom.yaml", "limits: { hops: 8, staged: 8 }\n");
        await configuration.ReloadAsync(previous: false, Cancel);
        await configuration.ReloadAsync(previous: true, Cancel);

        ReloadResult result = await configuration.SetOverrideAsync("limits.staged", "7", persist: false, Cancel);

        Assert.Equal("limits.staged", Assert.Single(result.Changes).Key);
        Assert.Equal((9, 7), (configuration.Get<LimitsOptions>("limits").Hops, configuration.Get<LimitsOptions>("limits").Staged));
    }

    [Fact]
    public async Task Cf7_an_override_is_taken_while_a_file_is_broken_and_the_problems_stay_reported()
    {
        RuntimeConfiguration configuration = await LoadAsync("limits: { hops: 9 }\n");
        Write("postroom.yaml", "limits: { hops: ");
        await configuration.ReloadAsync(previous: false, Cancel);

        ReloadResult result = await configuration.SetOverrideAsync("limits.staged", "7", persist: false, Cancel);

        Assert.True(result.Applied);
        Assert.Equal((9, 7), (configuration.Get<LimitsOptions>("limits").Hops, configuration.Get<LimitsOptions>("limits").Staged));
        Assert.NotEmpty(configuration.Problems);
    }

    private static SettingView View(RuntimeConfiguration configuration, string key) => configuration.Current.View().Single(view => view.Key == key);

    private ConfigurationSources Standard(string? platform, string? application = null, bool mustExist = true)
    {
        Catalog.StoreKinds.Add("sqlite");
        ConfigurationSources standard = ConfigurationSources.Standard(platform, application, Settings, Variables, TimeProvider.System, new SqliteSettings());
        if (!mustExist)
        {
            standard.Layers.RemoveAt(0);
        }

        return new ConfigurationSources { Layers = standard.Layers, Variables = Variables, Catalog = Catalog };
    }

    private MessageRuntime Durable()
    {
        string[] settings = ["store.kind=sqlite", $"store.path={File("p.db")}", $"runtime.dataDirectory={File("data")}", "store.reserve=0"];
        ConfigurationSources sources = new() { Layers = { new DatabaseConfigurationLayer(new SqliteSettings(), TimeProvider.System), new CommandLineConfigurationLayer(settings) } };
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = sources, Loggers = NullLoggerFactory.Instance });
        runtime.RegisterModule(new TestModule(static app =>
        {
            app.AddStore("sqlite", static (options, retention, redactor, clock, _) => new SqliteStore(options, retention, redactor, clock));
            app.AddQueue("work");
        }));
        return runtime;
    }

    private sealed class ListLogger : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Add($"{formatter(state, exception)} {exception}");
    }
}
