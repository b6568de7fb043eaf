using Postroom.Configuration;
using Xunit;

namespace Postroom.Testing;

/// <summary>What a layer can do, in the tests of <see cref="ConfigurationLayerConformance"/>.</summary>
public enum LayerFeature
{
    /// <summary>Its place can change while the layer is watched, as a file can and the environment cannot.</summary>
    Changes,

    /// <summary>Its place can hold what is no settings, as a file can.</summary>
    Breaks,

    /// <summary>It keeps settings (<see cref="IWritableConfigurationLayer"/>).</summary>
    Writes,
}

/// <summary>What every layer of the configuration does alike, wherever its settings are. One is ready when a class that inherits this passes.</summary>
/// <remarks>Derive a public class, say how a layer is made over some settings, and what it can do. The suite waits for signals, never for time.</remarks>
public abstract class ConfigurationLayerConformance
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>What the layer can do; nothing unless overridden.</summary>
    protected virtual IReadOnlySet<LayerFeature> Features { get; } = new HashSet<LayerFeature>();

    /// <summary>Ends a test that hangs.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Makes a layer over settings; called once a test.</summary>
    /// <param name="settings">Paths such as <c>limits.hops</c> with their values as text, lists as JSON.</param>
    protected abstract ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings);

    /// <summary>Replaces all settings at the layer's place, as another program would; asked with <see cref="LayerFeature.Changes"/> only.</summary>
    /// <param name="settings">The settings it has from now on.</param>
    protected virtual ValueTask ChangeAsync(IReadOnlyList<KeyValuePair<string, string>> settings) => throw new NotSupportedException("A layer with LayerFeature.Changes says how its place changes.");

    /// <summary>Puts something at the layer's place that is no settings; asked with <see cref="LayerFeature.Breaks"/> only.</summary>
    protected virtual ValueTask BreakAsync() => throw new NotSupportedException("A layer with LayerFeature.Breaks says how its place breaks.");

    /// <summary>What was written is read, as text and lists, and says which layer it came from.</summary>
    [Fact(Timeout = 60_000)]
    public async Task What_was_written_is_read_and_says_where_it_came_from()
    {
        IConfigurationLayer layer = await CreateAsync([new("limits.hops", "7"), new("limits.staged", "70"), new("logging.redact", """["one","two"]""")]);

        SettingMap map = await layer.LoadAsync(Cancel);

        Assert.False(string.IsNullOrWhiteSpace(layer.Name));
        SettingValue hops = Assert.IsType<SettingValue>(Find(map, "limits.hops"));
        Assert.Equal("7", hops.Text);
        Assert.Equal(layer.Name, hops.Origin.Layer);
        Assert.Equal("70", Assert.IsType<SettingValue>(Find(map, "limits.staged")).Text);
        SettingList redact = Assert.IsType<SettingList>(Find(map, "logging.redact"));
        Assert.Equal(["one", "two"], redact.Items.Select(static item => ((SettingValue)item).Text));
    }

    /// <summary>Without settings there is an empty map, and no error.</summary>
    [Fact(Timeout = 60_000)]
    public async Task Without_settings_the_map_is_empty() => Assert.Empty((await (await CreateAsync([])).LoadAsync(Cancel)).Entries);

    /// <summary>Two loads of the same place give the same.</summary>
    [Fact(Timeout = 60_000)]
    public async Task A_load_changes_nothing()
    {
        IConfigurationLayer layer = await CreateAsync([new("limits.hops", "7")]);

        string first = (await layer.LoadAsync(Cancel)).ToString();

        Assert.Equal(first, (await layer.LoadAsync(Cancel)).ToString());
    }

    /// <summary>References are left to whoever reads the settings.</summary>
    [Fact(Timeout = 60_000)]
    public async Task References_are_not_resolved_by_the_layer()
    {
        IConfigurationLayer layer = await CreateAsync([new("runtime.name", "${NAME:-x} $${y}")]);

        Assert.Equal("${NAME:-x} $${y}", Assert.IsType<SettingValue>(Find(await layer.LoadAsync(Cancel), "runtime.name")).Text);
    }

    /// <summary>A watch ends when it is cancelled, and a load beside it is fine.</summary>
    [Fact(Timeout = 60_000)]
    public async Task A_watch_ends_when_it_is_cancelled()
    {
        IConfigurationLayer layer = await CreateAsync([new("limits.hops", "7")]);
        _ = await layer.LoadAsync(Cancel);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        Task watch = layer.WatchAsync(static () => { }, stop.Token);
        _ = await layer.LoadAsync(Cancel);
        await stop.CancelAsync();
        await watch.WaitAsync(Patience, Cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        Assert.False(watch.IsFaulted);
        Assert.True(watch.IsCompleted);
    }

    /// <summary>A change is told, and a load after it has it; where nothing changes, nothing is told.</summary>
    [Fact(Timeout = 60_000)]
    public async Task A_change_is_told_and_then_read()
    {
        IConfigurationLayer layer = await CreateAsync([new("limits.hops", "7")]);
        _ = await layer.LoadAsync(Cancel);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task watch = layer.WatchAsync(() => told.TrySetResult(), stop.Token);

        bool changes = Features.Contains(LayerFeature.Changes);
        if (changes)
        {
            await ChangeAsync([new("limits.hops", "8")]);
            await told.Task.WaitAsync(Patience, Cancel);
        }

        Assert.Equal(changes ? "8" : "7", Assert.IsType<SettingValue>(Find(await layer.LoadAsync(Cancel), "limits.hops")).Text);
        await stop.CancelAsync();
        await watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Assert.Equal(changes, told.Task.IsCompleted);
    }

    /// <summary>What is no settings is refused with problems that name the layer, and read again once it is mended.</summary>
    [Fact(Timeout = 60_000)]
    public async Task What_is_broken_is_refused_by_name_and_read_again_once_it_is_mended()
    {
        IConfigurationLayer layer = await CreateAsync([new("limits.hops", "7")]);
        Assert.Equal("7", Assert.IsType<SettingValue>(Find(await layer.LoadAsync(Cancel), "limits.hops")).Text);
        if (!Features.Contains(LayerFeature.Breaks))
        {
            return;
        }

        await BreakAsync();
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => layer.LoadAsync(Cancel).AsTask());
        await ChangeAsync([new("limits.hops", "8")]);

        Assert.NotEmpty(refused.Problems);
        Assert.All(refused.Problems, problem => Assert.Equal(layer.Name, problem.Origin.Layer));
        Assert.Equal("8", Assert.IsType<SettingValue>(Find(await layer.LoadAsync(Cancel), "limits.hops")).Text);
    }

    /// <summary>What it keeps is read, replaced whatever its spelling, and removed.</summary>
    [Fact(Timeout = 60_000)]
    public async Task What_it_keeps_is_read_replaced_in_any_spelling_and_removed()
    {
        IConfigurationLayer made = await CreateAsync([new("limits.hops", "7")]);
        Assert.Equal(Features.Contains(LayerFeature.Writes), made is IWritableConfigurationLayer);
        _ = await made.LoadAsync(Cancel);
        if (made is not IWritableConfigurationLayer layer)
        {
            return;
        }

        await layer.WriteAsync("limits.stagedSize", "1000", Cancel);
        await layer.WriteAsync("limits.staged_size", "2000", Cancel);
        SettingMap both = await layer.LoadAsync(Cancel);
        await layer.WriteAsync("limits.STAGED-size", null, Cancel);
        await layer.WriteAsync("limits.unknown", null, Cancel);

        Assert.Equal("2000", Assert.IsType<SettingValue>(Find(both, "limits.stagedSize")).Text);
        Assert.Equal("7", Assert.IsType<SettingValue>(Find(both, "limits.hops")).Text);
        SettingMap left = await layer.LoadAsync(Cancel);
        Assert.Null(Find(left, "limits.stagedSize"));
        Assert.NotNull(Find(left, "limits.hops"));
    }

    private static SettingNode? Find(SettingMap map, string path) =>
        path.Split('.').Aggregate((SettingNode?)map, static (node, name) => (node as SettingMap)?.Find(name));
}
