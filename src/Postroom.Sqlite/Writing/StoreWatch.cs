namespace Postroom.Sqlite;

/// <summary>Looks at the store's surroundings before commits, at most once a second, and keeps what stops admission.</summary>
internal sealed class StoreWatch(StoreOptions options, TimeProvider clock)
{
    private const long LeastFree = 1L << 20;

    private readonly FileIdentityWatch _identity = new(clock);
    private readonly Lock _gate = new();
    private readonly List<string> _damage = [];
    private long? _lookedAt;
    private bool _wasFull;
    private volatile string? _surroundings;
    private volatile string? _damaged;
    private volatile bool _nothingToRemove;

    /// <summary>How much room a folder's volume has; for tests of full ones.</summary>
    internal Func<string, long> FreeBytes { get; set; } = PrivateFiles.FreeBytes;

    /// <summary>Called when the file has more than nine tenths of <c>store.maxSize</c>, at most once a second, on the writer's thread.</summary>
    internal Action? NearlyFull { get; set; }

    /// <summary>Whether no acknowledged message is left to make room with, as found last.</summary>
    internal bool NothingToRemove
    {
        set => _nothingToRemove = value;
    }

    /// <summary>The size above which acknowledged messages go before their time; null for none (ST-19).</summary>
    internal long? EarlyAbove => options.MaxSize is { } most ? most - (most / 10) : null;

    /// <summary>Why nothing is admitted; null when it is.</summary>
    public string? Problem => _damaged ?? _surroundings;

    public IReadOnlyList<string> Damage
    {
        get
        {
            lock (_gate)
            {
                return [.. _damage];
            }
        }
    }

    /// <summary>Remembers which files are open.</summary>
    public void Opened()
    {
        _identity.Remember(options.Path);
        _identity.Remember(WalScan.PathFor(options.Path));
        _identity.Remember(MarkFile.PathFor(options.Path));
    }

    public void Reopened() => Opened();

    /// <summary>Notes damage: admission stops until a person has looked.</summary>
    public void Damaged(string what)
    {
        lock (_gate)
        {
            if (_damage.Count < 100 && !_damage.Contains(what))
            {
                _damage.Add(what);
            }

            _damaged = $"The store is damaged: {_damage[0]}{(_damage.Count > 1 ? $" And {_damage.Count - 1} more." : "")} "
                + "Nothing is accepted. Stop, keep its files, and restore a backup. 'postroom journal list --store FILE' reads what is still readable.";
        }
    }

    /// <summary>A write found no room. Small ones may still succeed; nothing is accepted until there is some room again, whatever the reserve.</summary>
    public void Full()
    {
        _wasFull = true;
        _lookedAt = null;
        Look();
    }

    /// <summary>What of the surroundings keeps it from accepting, as last looked at; null for nothing.</summary>
    public string? Lack => _surroundings;

    public void Look()
    {
        if (_lookedAt is { } last && clock.GetElapsedTime(last) < TimeSpan.FromSeconds(1))
        {
            return;
        }

        _lookedAt = clock.GetTimestamp();
        _surroundings = _identity.Check() ?? LackOfSpace();
    }

    private string? LackOfSpace()
    {
        try
        {
            long free = FreeBytes(Path.GetDirectoryName(Path.GetFullPath(options.Path))!);
            if (_wasFull && free < LeastFree)
            {
                return $"The volume of '{options.Path}' is full ({free} bytes free). Nothing is accepted until there are {LeastFree}; what is in work goes on as far as there is room.";
            }

            _wasFull = false;
            if (free < options.Reserve)
            {
                return $"The volume of '{options.Path}' has {free} bytes free; store.reserve is {options.Reserve}. Nothing is accepted until there is more; what is in work goes on.";
            }

            return LackOfSize();
        }
        catch (IOException failure)
        {
            return $"The volume of '{options.Path}' cannot be asked for its free space: {failure.Message}";
        }
    }

    /// <summary>Room is made while there is something to make it with; what comes in meanwhile may go a tenth beyond the limit.</summary>
    private string? LackOfSize()
    {
        if (options.MaxSize is not { } most || new FileInfo(options.Path).Length is var size && size <= EarlyAbove)
        {
            return null;
        }

        NearlyFull?.Invoke();
        return size <= most || (!_nothingToRemove && size <= most + (most / 10)) ? null
            : _nothingToRemove ? $"The store has {size} bytes; store.maxSize is {most}, and no acknowledged message is left that could be removed early. Nothing is accepted until open messages end, failed ones are discarded or past retention.failed, or store.maxSize is raised."
            : $"The store has {size} bytes; store.maxSize is {most}. Acknowledged messages are removed early now; nothing is accepted until there is room.";
    }
}
