using Microsoft.Extensions.Logging;

namespace Postroom.Hosting;

/// <summary>The sources that a configuration asks for: made, replaced and taken away as it changes (CF-8).</summary>
internal sealed partial class SourceSet(SourceSupervisor sources, QueueCatalog queues, Func<string, SourceConfig, IMessageSource?> create, ILogger log) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly HashSet<string> _applied = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (bool IsPaused, bool IsStopped)> _held = new(StringComparer.Ordinal); // by operators, of those that are being replaced

    /// <summary>Brings the sources in line with a configuration; one that fails is logged and keeps no other from it.</summary>
    /// <param name="config">What is asked for.</param>
    /// <param name="isSame">Whether the settings of a name are still those that were applied.</param>
    /// <param name="cancellationToken">Ends the wait for another change.</param>
    public async Task ApplyAsync(IReadOnlyDictionary<string, SourceConfig> config, Func<string, bool> isSame, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            foreach (string name in _applied.Where(name => !IsWanted(name) || !isSame(name)).ToArray())
            {
                _held[name] = sources.HoldOf(name);
                await sources.RemoveAsync(name);
                _applied.Remove(name);
            }

            foreach (string name in _held.Keys.Where(name => !IsWanted(name)).ToArray())
            {
                _held.Remove(name);
            }

            foreach ((string name, SourceConfig source) in config.Where(pair => pair.Value.Enabled && !_applied.Contains(pair.Key)))
            {
                Add(name, source);
            }
        }
        finally
        {
            _turn.Release();
        }

        bool IsWanted(string name) => config.TryGetValue(name, out SourceConfig? source) && source.Enabled;
    }

    public void Dispose() => _turn.Dispose();

    private void Add(string name, SourceConfig config)
    {
        try
        {
            queues.Require(config.Into);
            if (create(name, config) is { } source)
            {
                _held.Remove(name, out (bool IsPaused, bool IsStopped) held);
                sources.Add(source, config.Into, held.IsPaused);
                _applied.Add(name);
                if (held.IsStopped)
                {
                    source.LeaveStopped();
                }
                else if (sources.AreRunning)
                {
                    sources.Start(name);
                }
            }
        }
        catch (Exception e)
        {
            LogFailed(e, name);
        }
    }

    [LoggerMessage(530, LogLevel.Error, "Source '{Name}' could not be brought in line with its settings, and nothing comes in by it. Mend sources.{Name}.")]
    private partial void LogFailed(Exception exception, string name);
}
