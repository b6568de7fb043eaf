using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class ReloadTests : ConfigurationTest
{
    [Fact]
    public async Task Ac73_a_good_reload_publishes_a_diff_and_says_what_needs_a_restart()
    {
        RuntimeConfiguration configuration = await LoadAsync("workers: { a: { parallelism: 1 } }\nstore: { path: a.db }\n");
        ConfigurationSnapshot before = configuration.Current;
        Write("postroom.yaml", "workers: { a: { parallelism: 2 }, b: {} }\nstore: { path: b.db }\nserver: { urls: ['http://127.0.0.1:1'], hosts: [x] }\n");

        ReloadResult result = await configuration.ReloadAsync(previous: false, Cancel);

        Assert.True(result.Applied);
        Assert.Equal(2, result.Version);
        Assert.Contains(new SettingChange("workers.a.parallelism", "1", "2", NeedsRestart: false), result.Changes);
        Assert.Contains(new SettingChange("workers.b.parallelism", null, "8", NeedsRestart: false), result.Changes);
        Assert.Equal(["store.path", "server.urls"], result.NeedsRestart);
        Assert.Equal(1, before.Get<IReadOnlyDictionary<string, WorkerOptions>>("workers")["a"].Parallelism);
        Assert.Equal(2, configuration.Get<IReadOnlyDictionary<string, WorkerOptions>>("workers")["a"].Parallelism);
    }

    [Theory]
    [InlineData("limits: { hops: 0 }\nqueus: {}\n", 2, "limits.hops")]
    [InlineData("limits: { hops: \"1", 1, "not YAML")]
    [InlineData("runtime: { drainTimeout: 2m }\n", 1, "longer than stopTimeout")]
    [InlineData("", 1, "empty now")]
    [InlineData(null, 1, "is gone")]
    public async Task Ac73_a_broken_half_written_or_deleted_file_changes_nothing_and_says_key_and_line(string? text, int problems, string reason)
    {
        RuntimeConfiguration configuration = await LoadAsync("limits: { hops: 9 }\n");
        ConfigurationSnapshot before = configuration.Current;
        if (text is null)
        {
            System.IO.File.Delete(File("postroom.yaml"));
        }
        else
        {
            Write("postroom.yaml", text);
        }

        ReloadResult result = await configuration.ReloadAsync(previous: false, Cancel);

        Assert.False(result.Applied);
        Assert.Equal(problems, result.Problems.Count);
        Assert.Contains(result.Problems, problem => problem.Message.Contains(reason, StringComparison.Ordinal));
        Assert.Same(before, configuration.Current);
        Assert.Equal(result.Problems, configuration.Problems);
        Assert.All(result.Problems, problem => Assert.True(text is null or "" || (problem.Origin.Line > 0 && problem.Origin.Source == File("postroom.yaml")), problem.ToString()));
    }

    [Theory]
    [InlineData("sources: { shop: { type: folder, path: x,\n  into: ordres } }\n", "sources.shop.into")]
    [InlineData("workers: { extra: {\n  queue: ordres } }\n", "workers.extra.queue")]
    [InlineData("schedules: { daily: { cron: '0 7 * * *', type: schedule.report,\n  queue: ordres } }\n", "schedules.daily.queue")]
    [InlineData("intake: { webhook: {\n  into: ordres } }\n", "intake.webhook.into")]
    public async Task Cf7_what_names_an_undeclared_queue_is_a_problem_with_key_and_line_at_the_start_and_at_a_reload(string text, string key)
    {
        Catalog.RunModules = new HashSet<string>();
        const string Queues = "queues: { orders: {} }\n";
        RuntimeConfiguration configuration = await LoadAsync(Queues);
        ConfigurationSnapshot before = configuration.Current;
        Write("postroom.yaml", Queues + text);

        ReloadResult reload = await configuration.ReloadAsync(previous: false, Cancel);
        ConfigurationException start = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync(Queues + text));

        Assert.Same(before, configuration.Current);
        Assert.All([Assert.Single(reload.Problems), Assert.Single(start.Problems)], problem =>
        {
            Assert.Equal((key, 3), (problem.Key, problem.Origin.Line));
            Assert.Contains($"{key} is 'ordres', which is no declared queue. Did you mean 'orders'?", problem.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_good_reload_after_a_refused_one_clears_its_problems()
    {
        var layer = new FixedLayer("table", "limits: { hops: 0 }");
        ConfigurationSources sources = Sources();
        layer.Yaml = "limits: { hops: 1 }";
        sources.Layers.Add(layer);
        RuntimeConfiguration configuration = await LoadAsync(sources);
        layer.Yaml = "limits: { hops: 0 }";
        await configuration.ReloadAsync(previous: false, Cancel);
        Assert.Single(configuration.Problems);

        layer.Yaml = "limits: { hops: 2 }";
        ReloadResult result = await configuration.ReloadAsync(previous: false, Cancel);

        Assert.True(result.Applied);
        Assert.Empty(configuration.Problems);
    }

    [Fact]
    public async Task A_subscriber_gets_old_and_new_value_and_a_failing_one_stops_nobody()
    {
        RuntimeConfiguration configuration = await LoadAsync();
        var seen = new List<SectionChange<LimitsOptions>>();
        configuration.Subscribe<LimitsOptions>("limits", (_, _) => throw new InvalidOperationException("broken"));
        using IDisposable subscription = configuration.Subscribe<LimitsOptions>("limits", (change, _) =>
        {
            seen.Add(change);
            return ValueTask.CompletedTask;
        });
        configuration.Subscribe<HooksOptions>("hooks", (_, _) => throw new InvalidOperationException("must not be called"));

        await configuration.SetOverrideAsync("limits.hops", "7", persist: false, Cancel);

        SectionChange<LimitsOptions> change = Assert.Single(seen);
        Assert.Equal((50, 7), (change.Old.Hops, change.New.Hops));
        Assert.Equal("limits.hops", Assert.Single(change.Changes).Key);
        subscription.Dispose();
        await configuration.SetOverrideAsync("limits.hops", "8", persist: false, Cancel);
        Assert.Single(seen);
    }

    [Fact]
    public async Task An_override_wins_until_it_is_removed_and_a_bad_one_changes_nothing()
    {
        RuntimeConfiguration configuration = await LoadAsync("limits: { hops: 9 }\n");

        Assert.True((await configuration.SetOverrideAsync("limits.hops", "7", persist: false, Cancel)).Applied);
        ReloadResult bad = await configuration.SetOverrideAsync("limits.hops", "many", persist: false, Cancel);
        Assert.False(bad.Applied);
        Assert.Equal(LayerNames.Overrides, Assert.Single(bad.Problems).Origin.Layer);
        Assert.False((await configuration.SetOverrideAsync("limits..hops", "7", persist: false, Cancel)).Applied);
        Assert.Equal(7, configuration.Get<LimitsOptions>("limits").Hops);

        Assert.True((await configuration.SetOverrideAsync("limits.hops", null, persist: false, Cancel)).Applied);
        Assert.Equal(9, configuration.Get<LimitsOptions>("limits").Hops);
        Assert.Empty(configuration.Problems);
    }

    [Fact]
    public async Task A_persistent_override_is_written_to_the_layer_that_can_and_refused_without_one()
    {
        RuntimeConfiguration without = await LoadAsync();
        Assert.False((await without.SetOverrideAsync("limits.hops", "7", persist: true, Cancel)).Applied);

        var layer = new FixedLayer(LayerNames.Database, "");
        ConfigurationSources sources = Sources();
        sources.Layers.Insert(0, layer);
        RuntimeConfiguration with = await LoadAsync(sources);
        await with.SetOverrideAsync("limits.hops", "bad", persist: true, Cancel);
        await with.SetOverrideAsync("limits.hops", "7", persist: true, Cancel);

        Assert.Equal([("limits.hops", "7")], layer.Written);
    }

    [Fact]
    public async Task The_snapshot_before_the_last_reload_can_be_restored_once()
    {
        RuntimeConfiguration configuration = await LoadAsync("limits: { hops: 9 }\n");
        Assert.True((await configuration.ReloadAsync(previous: true, Cancel)).NothingToRestore);
        Write("postroom.yaml", "limits: { hops: 8 }\n");
        await configuration.ReloadAsync(previous: false, Cancel);

        ReloadResult result = await configuration.ReloadAsync(previous: true, Cancel);

        Assert.True(result.Applied);
        Assert.Equal(3, result.Version);
        Assert.Equal(9, configuration.Get<LimitsOptions>("limits").Hops);
        Assert.True((await configuration.ReloadAsync(previous: true, Cancel)).NothingToRestore);
    }

    [Fact]
    public async Task A_hundred_reloads_at_once_become_at_most_two()
    {
        var layer = new FixedLayer("table", "limits: { hops: 1 }");
        ConfigurationSources sources = Sources();
        sources.Layers.Add(layer);
        RuntimeConfiguration configuration = await LoadAsync(sources);
        var gate = new TaskCompletionSource();
        layer.BeforeLoad = () => gate.Task;
        layer.Yaml = "limits: { hops: 2 }";

        Task<ReloadResult>[] reloads = [.. Enumerable.Range(0, 100).Select(_ => configuration.ReloadAsync(previous: false, Cancel))];
        gate.SetResult();
        await Task.WhenAll(reloads);

        Assert.InRange(layer.Loads - 1, 1, 2);
        Assert.All(reloads, reload => Assert.True(reload.Result.Applied));
    }

    [Fact]
    public async Task A_watched_change_is_reloaded_once_it_has_settled()
    {
        var layer = new FixedLayer("table", "limits: { hops: 1 }");
        ConfigurationSources sources = Sources();
        sources.Layers.Add(layer);
        RuntimeConfiguration configuration = await LoadAsync(sources);
        var told = new TaskCompletionSource<int>();
        configuration.Subscribe<LimitsOptions>("limits", (change, _) =>
        {
            told.TrySetResult(change.New.Hops);
            return ValueTask.CompletedTask;
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task watch = configuration.WatchAsync(stop.Token);
        Action changed = await layer.Watched;

        layer.Yaml = "limits: { hops: 2 }";
        for (int i = 0; i < 50; i++)
        {
            changed();
        }

        Assert.Equal(2, await told.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
        Assert.Equal(2, layer.Loads);
        await stop.CancelAsync();
        await watch;
    }

    [Fact]
    public async Task A_file_that_was_always_empty_has_no_settings_and_is_no_problem()
    {
        var layer = new FileConfigurationLayer("file", Write("a.yaml", "\n"), mustExist: false, TimeProvider.System);

        for (int load = 0; load < 2; load++)
        {
            Assert.Empty((await layer.LoadAsync(TestContext.Current.CancellationToken)).Entries);
        }
    }

    [Fact]
    public async Task A_changed_file_is_noticed()
    {
        var layer = new FileConfigurationLayer("file", Write("a.yaml", "a: 1\n"), mustExist: true, TimeProvider.System);
        _ = await layer.LoadAsync(Cancel); // a change is one of what was read
        var changed = new TaskCompletionSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task watch = layer.WatchAsync(() => changed.TrySetResult(), stop.Token);

        Write("a.yaml", "a: 22\n");

        await changed.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        await stop.CancelAsync();
        await watch;
    }

    [Fact]
    public async Task An_edit_that_leaves_time_and_length_as_they_were_is_noticed()
    {
        string path = Write("a.yaml", "a: 1\n");
        var layer = new FileConfigurationLayer("file", path, mustExist: true, TimeProvider.System);
        await layer.LoadAsync(Cancel);
        DateTime written = System.IO.File.GetLastWriteTimeUtc(path);
        System.IO.File.WriteAllText(path + "~", "a: 2\n");
        System.IO.File.SetLastWriteTimeUtc(path + "~", written);
        System.IO.File.Move(path + "~", path, overwrite: true);
        var changed = new TaskCompletionSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        Task watch = layer.WatchAsync(() => changed.TrySetResult(), stop.Token);

        await changed.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        await stop.CancelAsync();
        await watch;
    }

    [Fact]
    public async Task A_file_named_explicitly_must_exist()
    {
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync(Sources(File("nowhere.yaml"))));

        Assert.Contains("does not exist", refused.Message, StringComparison.Ordinal);
    }
}
