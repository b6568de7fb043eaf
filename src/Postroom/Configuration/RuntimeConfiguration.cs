using Microsoft.Extensions.Logging;

namespace Postroom.Configuration;

/// <summary>
/// The configuration of a running process: a snapshot in force, and the way to the next one.
/// </summary>
/// <remarks>
/// A reload builds and validates a whole new snapshot. Any problem: nothing changes and all problems are listed. A good one is published as a
/// diff in one step. Safe for concurrent use; reloads that are asked for while one waits to begin share it.
/// </remarks>
public sealed partial class RuntimeConfiguration : IRuntimeConfiguration, IDisposable
{
    private static readonly TimeSpan SettleTime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ReloadInterval = TimeSpan.FromSeconds(1);

    private readonly ConfigurationSources _sources;
    private readonly ConfigurationLoader _loader;
    private readonly Redactor _redactor;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly OverrideConfigurationLayer _overrides;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Lock _lock = new();
    private readonly List<Subscription> _subscriptions = []; // guarded by _lock
    private Task<ReloadResult>? _waiting; // the reload that has not begun yet; guarded by _lock
    private volatile ConfigurationSnapshot _current;
    private volatile IReadOnlyList<ConfigurationProblem> _problems = [];
    private (ConfigurationSnapshot Snapshot, IReadOnlyList<ConfigurationLoader.Layer> Layers)? _previous; // written by the holder of _turn
    private IReadOnlyList<ConfigurationLoader.Layer> _layers; // what each layer held when _current was made; written by the holder of _turn
    private long? _lastReload; // written before _waiting is cleared, read by the task that fills it next

    private RuntimeConfiguration(
        ConfigurationSources sources, ConfigurationLoader loader, OverrideConfigurationLayer overrides, Redactor redactor, TimeProvider time, ILogger logger, ConfigurationSnapshot first,
        IReadOnlyList<ConfigurationLoader.Layer> layers)
    {
        _sources = sources;
        _loader = loader;
        _overrides = overrides;
        _redactor = redactor;
        _time = time;
        _logger = logger;
        _current = first;
        _layers = layers;
    }

    /// <inheritdoc/>
    public ConfigurationSnapshot Current => _current;

    /// <inheritdoc/>
    public IReadOnlyList<ConfigurationProblem> Problems => _problems;

    /// <summary>Loads the configuration for the first time.</summary>
    /// <param name="sources">Layers, secret stores and what settings may name. An <see cref="OverrideConfigurationLayer"/> is added as the last layer if there is none.</param>
    /// <param name="redactor">Learns every secret and the patterns of <c>logging.redact</c>.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Gets notices of subscribers that fail and of refused reloads.</param>
    /// <param name="cancellationToken">Ends the load.</param>
    /// <exception cref="ConfigurationException">It cannot be used; every problem is listed.</exception>
    public static async ValueTask<RuntimeConfiguration> LoadAsync(
        ConfigurationSources sources, Redactor redactor, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        if (sources.Layers.OfType<OverrideConfigurationLayer>().FirstOrDefault() is not { } overrides)
        {
            overrides = new OverrideConfigurationLayer();
            sources.Layers.Add(overrides);
        }

        var loader = new ConfigurationLoader(sources, redactor);
        ConfigurationLoader.Candidate candidate = await loader.LoadAsync(cancellationToken);
        if (candidate.Problems.Count > 0)
        {
            throw new ConfigurationException(candidate.Problems);
        }

        var first = new ConfigurationSnapshot(1, candidate.Sections, candidate.Readings, candidate.Notices, redactor);
        redactor.SetPatterns(first.Get<LoggingOptions>("logging").Redact);
        RuntimeConfiguration configuration = new(sources, loader, overrides, redactor, time, logger, first, candidate.Layers);
        configuration.Database?.KeepPlace();
        return configuration;
    }

    /// <summary>The layer of the database; null when there is none.</summary>
    internal DatabaseConfigurationLayer? Database => _sources.Layers.OfType<DatabaseConfigurationLayer>().FirstOrDefault();

    /// <summary>The settings of one section in force now.</summary>
    /// <typeparam name="T">The type the section was described with.</typeparam>
    /// <param name="section">The section's name, such as <c>queues</c>.</param>
    public T Get<T>(string section)
        where T : class => Current.Get<T>(section);

    /// <inheritdoc/>
    public IDisposable Subscribe<T>(string section, Func<SectionChange<T>, CancellationToken, ValueTask> handler)
        where T : class
    {
        _ = Get<T>(section); // a wrong name or type is told at once
        var subscription = new Subscription(section, (old, now, changes, token) => handler(new SectionChange<T>(old.Get<T>(section), now.Get<T>(section), changes), token), Remove);
        lock (_lock)
        {
            _subscriptions.Add(subscription);
        }

        return subscription;
    }

    /// <inheritdoc/>
    public Task<ReloadResult> ReloadAsync(bool previous, CancellationToken cancellationToken)
    {
        if (previous)
        {
            return RestoreAsync(cancellationToken);
        }

        Task<ReloadResult> reload;
        lock (_lock)
        {
            // Whoever asks before the next one has begun to read gets what that one reads.
            reload = _waiting ??= Task.Run(ReloadInTurnAsync, CancellationToken.None);
        }

        return reload.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ReloadResult> ValidateAsync(string document, CancellationToken cancellationToken)
    {
        ConfigurationLoader.Candidate candidate = await _loader.LoadAsync(document, cancellationToken);
        return candidate.Problems.Count > 0
            ? Refused(candidate.Problems)
            : Refused([]) with { Changes = Compare(_current, new ConfigurationSnapshot(_current.Version, candidate.Sections, candidate.Readings, candidate.Notices, _redactor)) };
    }

    /// <inheritdoc/>
    public async Task<ReloadResult> SetOverrideAsync(string key, string? value, bool persist, CancellationToken cancellationToken)
    {
        var origin = new SettingOrigin(LayerNames.Overrides, key);
        if (SettingKey.Split(key) is not { } path)
        {
            return Refused([new ConfigurationProblem(key, $"'{key}' names no setting. Write section.setting, such as workers.orders.parallelism.", origin)]);
        }

        IWritableConfigurationLayer? writable = persist ? _sources.Layers.OfType<IWritableConfigurationLayer>().LastOrDefault() : null;
        if (persist && writable is null)
        {
            return Refused([new ConfigurationProblem(key, "No layer of this runtime can keep an override after the process ends. Leave out persist, or write the setting to a file.", origin)]);
        }

        await _turn.WaitAsync(cancellationToken);
        try
        {
            return await OverrideAsync(key, path, value, writable, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Watches every layer and reloads once changes have settled for 500 ms. Runs until cancelled.</summary>
    /// <param name="cancellationToken">Ends the watch, which is not an error.</param>
    public async Task WatchAsync(CancellationToken cancellationToken)
    {
        using var changed = new SemaphoreSlim(0);
        Task watches = Task.WhenAll(_sources.Layers.Select(layer => WatchLayerAsync(layer, () => changed.Release(), cancellationToken)));
        try
        {
            while (true)
            {
                await changed.WaitAsync(cancellationToken);
                do
                {
                    while (changed.Wait(0, CancellationToken.None))
                    {
                        // All that has come in so far is one change.
                    }

                    await Task.Delay(SettleTime, _time, cancellationToken);
                }
                while (changed.CurrentCount > 0);
                await ReloadAsync(previous: false, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await watches;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();
}
