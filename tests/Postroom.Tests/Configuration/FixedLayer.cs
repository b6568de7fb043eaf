using Postroom.Configuration;

namespace Postroom.Tests.Configuration;

/// <summary>A layer of the test's own, which can change, count loads and keep overrides, as the database will.</summary>
internal sealed class FixedLayer(string name, string yaml) : IWritableConfigurationLayer
{
    private readonly TaskCompletionSource<Action> _watched = new();

    public string Name => name;

    public string Yaml { get; set; } = yaml;

    public int Loads { get; private set; }

    public Func<Task>? BeforeLoad { get; set; }

    public Task<Action> Watched => _watched.Task;

    public List<(string Key, string? Value)> Written { get; } = [];

    public async ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken)
    {
        Loads++;
        if (BeforeLoad is { } wait)
        {
            await wait();
        }

        return YamlSettings.Parse(Yaml, name, "table");
    }

    public Task WatchAsync(Action changed, CancellationToken cancellationToken)
    {
        _watched.TrySetResult(changed);
        return Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
    }

    public ValueTask WriteAsync(string key, string? value, CancellationToken cancellationToken)
    {
        Written.Add((key, value));
        return ValueTask.CompletedTask;
    }
}
