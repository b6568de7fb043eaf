using System.Text.Json;
using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Configuration;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.Conformance;

/// <summary>Every built-in layer keeps what a layer promises (TK-2).</summary>
public abstract class FileLayerTests(string extension) : ConfigurationLayerConformance, IDisposable
{
    private readonly TempFolder _folder = new();

    protected override IReadOnlySet<LayerFeature> Features { get; } = new HashSet<LayerFeature> { LayerFeature.Changes, LayerFeature.Breaks };

    private string Path => _folder.File($"postroom.{extension}");

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => _folder.Dispose();

    protected override async ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings)
    {
        if (settings.Count > 0) // A file may be absent, but not empty.
        {
            await ChangeAsync(settings);
        }

        return new FileConfigurationLayer(LayerNames.PlatformFile, Path, mustExist: false, TimeProvider.System);
    }

    protected override async ValueTask ChangeAsync(IReadOnlyList<KeyValuePair<string, string>> settings) => await File.WriteAllTextAsync(Path, Text(settings), Cancel);

    protected override async ValueTask BreakAsync() => await File.WriteAllTextAsync(Path, "{ limits: [", Cancel);

    private static string Text(IReadOnlyList<KeyValuePair<string, string>> settings) => "{" + string.Join(", ", settings.GroupBy(static setting => setting.Key.Split('.')[0]).Select(static section =>
        $"\"{section.Key}\": {{{string.Join(", ", section.Select(static setting => $"\"{setting.Key.Split('.')[1]}\": {(setting.Value[0] == '[' ? setting.Value : JsonSerializer.Serialize(setting.Value, SettingJson.Default.String))}"))}}}")) + "}";
}

public sealed class YamlFileLayerTests() : FileLayerTests("yaml");

public sealed class JsonFileLayerTests() : FileLayerTests("json");

public sealed class EnvironmentLayerTests : ConfigurationLayerConformance
{
    protected override ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings) => new(
        new EnvironmentConfigurationLayer(settings.ToDictionary(static setting => $"POSTROOM__{setting.Key.Replace(".", "__", StringComparison.Ordinal)}", static setting => setting.Value, StringComparer.Ordinal)));
}

public sealed class CommandLineLayerTests : ConfigurationLayerConformance
{
    protected override ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings) =>
        new(new CommandLineConfigurationLayer([.. settings.Select(static setting => $"{setting.Key}={setting.Value}")]));
}

public sealed class OverrideLayerTests : ConfigurationLayerConformance
{
    protected override ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings)
    {
        SettingMap map = settings.Aggregate(SettingMap.Empty, static (map, setting) => SettingTree.With(map, SettingKey.Split(setting.Key)!, SettingTree.ReadInline(setting.Value, new SettingOrigin(LayerNames.Overrides))));
        return new(new OverrideConfigurationLayer { Current = map });
    }
}

/// <summary>The table of another file, which others write as well.</summary>
public sealed class DatabaseFileLayerTests : ConfigurationLayerConformance, IDisposable
{
    private readonly TempFolder _folder = new();

    protected override IReadOnlySet<LayerFeature> Features { get; } = new HashSet<LayerFeature> { LayerFeature.Changes, LayerFeature.Breaks, LayerFeature.Writes };

    private string Path => _folder.File("team.db");

    public void Dispose() => _folder.Dispose();

    protected override ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings)
    {
        SettingsFile.Write(Path, settings);
        DatabaseConfigurationLayer layer = new(new SqliteSettings(), TimeProvider.System);
        layer.Place(new StoreOptions(), new ConfigOptions { Database = Path, PollInterval = TimeSpan.FromMilliseconds(20) });
        return new(layer);
    }

    protected override ValueTask ChangeAsync(IReadOnlyList<KeyValuePair<string, string>> settings)
    {
        SettingsFile.Write(Path, settings);
        return ValueTask.CompletedTask;
    }

    protected override ValueTask BreakAsync()
    {
        SettingsFile.Write(Path, [new("store.path", "elsewhere.db"), new("limits..hops", "7")]);
        return ValueTask.CompletedTask;
    }
}

/// <summary>The facts of the runtime's own store.</summary>
public sealed class DatabaseStoreLayerTests : ConfigurationLayerConformance, IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ManualClock _clock = new();
    private SqliteStore? _store;

    protected override IReadOnlySet<LayerFeature> Features { get; } = new HashSet<LayerFeature> { LayerFeature.Writes };

    public async ValueTask DisposeAsync()
    {
        if (_store is not null)
        {
            await _store.DisposeAsync();
        }

        _folder.Dispose();
    }

    protected override async ValueTask<IConfigurationLayer> CreateAsync(IReadOnlyList<KeyValuePair<string, string>> settings)
    {
        StoreOptions options = new() { Kind = "sqlite", Path = _folder.File("p.db") };
        _store = new SqliteStore(options, new RetentionOptions(), new Redactor(), _clock);
        _ = await _store.OpenAsync(new StoreOpening { Node = "n" }, Cancel);
        DatabaseConfigurationLayer layer = new(new SqliteSettings(), _clock);
        layer.Place(options, new ConfigOptions());
        layer.Attach(_store);
        foreach ((string key, string value) in settings)
        {
            await layer.WriteAsync(key, value, Cancel);
        }

        return layer;
    }
}
