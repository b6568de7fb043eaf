using System.Text;

namespace Postroom.Configuration;

/// <summary>Settings in the database: the facts (scope <c>settings</c>) of the runtime's own store, or the table <c>settings</c> of the file <c>config.database</c>.</summary>
/// <remarks>
/// Where the database is, the other layers say: <c>store.*</c>, <c>redis.*</c>, <c>config.*</c> and <c>runtime.dataDirectory</c> in it are problems. Before the store
/// is open its settings are read from its file; a store that cannot be read so is read once it is open, and its settings come as a reload then.
/// It is read again every <c>config.pollInterval</c>, unless it is a store that this process alone writes to. An override that is to persist is kept here.
/// </remarks>
/// <param name="database">Finds the tables.</param>
/// <param name="time">The clock of the polls.</param>
public sealed class DatabaseConfigurationLayer(ISettingsDatabase database, TimeProvider time) : IWritableConfigurationLayer
{
    /// <summary>The most settings of a database: 10,000.</summary>
    public const int MaxSettings = 10_000;

    private static readonly string[][] OfOtherLayers = [["store"], ["redis"], ["config"], ["runtime", "dataDirectory"]];

    private ISettingsTable? _table; // written while a load runs, and by Attach and Detach, which run beside none
    private ISettingsTable? _closed; // what _table was before the store was open
    private string _kind = "memory";
    private TimeSpan _interval = new ConfigOptions().PollInterval;
    private readonly SemaphoreSlim _turn = new(1, 1); // a poll and a write, which has to be no news to it
    private volatile IReadOnlyList<StoredSetting>? _loaded = []; // by the last load; null when it could not read
    private volatile IReadOnlyList<StoredSetting>? _seen = []; // what is in force or was refused; null for what could not be read
    private TaskCompletionSource _moved = NewSignal();
    private bool _isPlaced;

    /// <inheritdoc/>
    public string Name => LayerNames.Database;

    /// <summary>Whether the settings are the runtime's own store's, and not those of another file.</summary>
    internal bool IsOfStore { get; private set; } = true;

    /// <inheritdoc/>
    /// <exception cref="ConfigurationException">The table cannot be read, or a row is no setting that may be here; each problem has its key.</exception>
    public async ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken)
    {
        if (_table is not { } table)
        {
            return SettingMap.Empty;
        }

        _loaded = null;
        IReadOnlyList<StoredSetting> settings = await ReadAsync(table, cancellationToken);
        _loaded = settings;
        if (!_isPlaced)
        {
            _seen = settings;
        }

        List<ConfigurationProblem> problems = [];
        SettingMap map = SettingMap.Empty;
        if (settings.Count > MaxSettings || settings.Sum(static setting => (long)(setting.Value?.Length ?? 0)) > SettingText.MaxBytes)
        {
            throw SettingText.Refuse(Name, table.Place, 0, 0, $"There are {settings.Count} settings in {table.Place}; at most {MaxSettings} with 4 MiB together are read. Remove what is no setting.");
        }

        foreach ((string key, string? value) in settings)
        {
            SettingOrigin origin = new(Name, table.Place);
            if (SettingKey.Split(key) is not { } path || path.Count > SettingText.MaxDepth)
            {
                problems.Add(new ConfigurationProblem(key, $"'{key}' in {table.Place} names no setting. Write section.setting, such as workers.orders.parallelism.", origin));
            }
            else if (Forbid(path, table.Place) is { } why)
            {
                problems.Add(new ConfigurationProblem(key, why, origin));
            }
            else if (SettingTree.Find(map, path) is not (null or SettingMap))
            {
                problems.Add(new ConfigurationProblem(key, $"{key} is twice in {table.Place}, in two spellings or as part of another. Case, '_' and '-' do not count. Remove one.", origin));
            }
            else
            {
                map = SettingTree.With(map, path, value is null ? new SettingValue(null, origin) : SettingTree.ReadInline(value, origin));
            }
        }

        return problems.Count == 0 ? map : throw new ConfigurationException(problems);
    }

    /// <inheritdoc/>
    public async Task WatchAsync(Action changed, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                Task moved = _moved.Task; // before the look, so that no move between the two is missed
                if (await IsNewsAsync(cancellationToken))
                {
                    changed();
                }

                // Nobody but this process writes to a store that it owns; an idle one sleeps then.
                await (_table is null or FactsTable { IsOwned: true } ? moved : Task.Delay(_interval, time, cancellationToken)).WaitAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Being cancelled is how a watch ends.
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ConfigurationException">The setting may not be here, or the database cannot be written; nothing is stored.</exception>
    public async ValueTask WriteAsync(string key, string? value, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await ChangeAsync(key, value, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask ChangeAsync(string key, string? value, CancellationToken cancellationToken)
    {
        SettingOrigin origin = new(Name, _table?.Place);
        if (WhyNot(key) is { } why)
        {
            throw new ConfigurationException([new ConfigurationProblem(key, why, origin)]);
        }

        IReadOnlyList<string> path = SettingKey.Split(key)!;
        IReadOnlyList<StoredSetting> former = await ReadAsync(_table!, cancellationToken);
        List<StoredSetting> changes = [];
        foreach (StoredSetting setting in former)
        {
            if (SettingKey.Split(setting.Key) is not { } other)
            {
                continue;
            }

            if (IsUnder(other, path))
            {
                changes.Add(setting with { Value = null });
            }
            else if (IsUnder(path, other))
            {
                throw new ConfigurationException([new ConfigurationProblem(key, $"{key} is part of {setting.Key}, which {_table!.Place} holds as one value. Replace or remove {setting.Key}.", origin)]);
            }
        }

        if (value is not null)
        {
            if (Encoding.UTF8.GetByteCount(value) > StoredFact.MaxValueBytes)
            {
                throw new ConfigurationException([new ConfigurationProblem(key, $"The value of {key} has more than 64 KiB, which is the most a stored setting has. Write it to a file.", origin)]);
            }

            changes.RemoveAll(change => change.Key == key);
            changes.Add(new StoredSetting(key, value));
        }

        if (changes.Count == 0)
        {
            return;
        }

        try
        {
            await _table!.WriteAsync(changes, cancellationToken);
        }
        catch (Exception e) when (e is IOException or StoreUnavailableException)
        {
            throw new ConfigurationException([new ConfigurationProblem(key, $"{key} is not kept, and not in force either: {e.Message}", origin)]);
        }

        if (_seen is { } seen && seen.SequenceEqual(former))
        {
            _seen = Sort(former.Where(setting => !changes.Exists(change => change.Key == setting.Key)).Concat(changes.Where(static change => change.Value is not null)));
        }
    }

    /// <summary>Says why a setting cannot be kept here; null when it can.</summary>
    internal string? WhyNot(string key) => _table is not { } table
        ? $"The {_kind} store keeps no settings after the process ends. Leave out persist, write the setting to a file, or name a SQLite file in config.database."
        : SettingKey.Split(key) is { } path ? Forbid(path, table.Place) : $"'{key}' names no setting.";

    /// <summary>Says where the database is, as the other layers have it. Without effect once a configuration is in force: a change of it needs a restart.</summary>
    internal void Place(StoreOptions store, ConfigOptions config)
    {
        if (!_isPlaced)
        {
            IsOfStore = config.Database is null;
            _kind = store.Kind;
            _interval = config.PollInterval;
            _table = config.Database is { } file ? database.OpenFile(file) : database.OpenStore(store);
        }
    }

    /// <summary>From here on the database stays where it is.</summary>
    internal void KeepPlace()
    {
        _isPlaced = true;
        KeepSeen();
    }

    /// <summary>What was loaded last is in force, or was refused: it is no news.</summary>
    internal void KeepSeen() => _seen = _loaded;

    /// <summary>The store is open: its settings are read and written through it from now on.</summary>
    internal void Attach(IMessageStore store)
    {
        if (IsOfStore && store.Features.Durable)
        {
            _closed = _table;
            Move(new FactsTable(store));
        }
    }

    /// <summary>The store is about to close.</summary>
    internal void Detach()
    {
        if (_table is FactsTable)
        {
            Move(_closed);
        }
    }

    private void Move(ISettingsTable? table)
    {
        _table = table;
        Interlocked.Exchange(ref _moved, NewSignal()).TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static bool IsUnder(IReadOnlyList<string> path, IReadOnlyList<string> above) =>
        path.Count >= above.Count && path.Take(above.Count).SequenceEqual(above, SettingKey.Comparer);

    private static string? Forbid(IReadOnlyList<string> path, string place)
    {
        bool forbidden = OfOtherLayers.Any(other => IsUnder(path, other) || IsUnder(other, path));
        return forbidden
            ? $"{string.Join('.', path)} cannot come from {place}: it says where the database is and has to be known before that is read. Set it in a file, the environment or on the command line."
            : null;
    }

    private static List<StoredSetting> Sort(IEnumerable<StoredSetting> settings) => [.. settings.OrderBy(static setting => setting.Key, StringComparer.Ordinal)];

    private async ValueTask<IReadOnlyList<StoredSetting>> ReadAsync(ISettingsTable table, CancellationToken cancellationToken)
    {
        try
        {
            return Sort(await table.ReadAsync(cancellationToken));
        }
        catch (Exception e) when (e is IOException or InvalidDataException or StoreUnavailableException)
        {
            throw SettingText.Refuse(Name, table.Place, 0, 0, e.Message);
        }
    }

    private async ValueTask<bool> IsNewsAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            IReadOnlyList<StoredSetting>? now = await TryReadAsync(cancellationToken);
            bool isNews = now is null ? _seen is not null : _seen is null || !now.SequenceEqual(_seen);
            _seen = now;
            return isNews;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>What the table holds; null when it cannot be read, which a reload then reports.</summary>
    private async ValueTask<IReadOnlyList<StoredSetting>?> TryReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return _table is { } table ? await ReadAsync(table, cancellationToken) : [];
        }
        catch (ConfigurationException)
        {
            return null;
        }
    }

    /// <summary>The facts of an open store.</summary>
    private sealed class FactsTable(IMessageStore store) : ISettingsTable
    {
        /// <summary>Whether this process alone writes to it.</summary>
        public bool IsOwned => !store.Features.MultiNode;

        public string Place => $"the settings of the {store.Features.Kind} store";

        public async ValueTask<IReadOnlyList<StoredSetting>> ReadAsync(CancellationToken cancellationToken) =>
            [.. (await store.Facts.ListAsync(FactScopes.Settings, cancellationToken)).Select(static fact => new StoredSetting(fact.Key, Encoding.UTF8.GetString(fact.Value.Span)))];

        public async ValueTask WriteAsync(IReadOnlyList<StoredSetting> changes, CancellationToken cancellationToken) =>
            await store.WriteAsync(new StoreWrite { Facts = [.. changes.Select(static change => new FactChange(FactScopes.Settings, change.Key, change.Value is { } value ? Encoding.UTF8.GetBytes(value) : (ReadOnlyMemory<byte>?)null))] }, cancellationToken);
    }
}
