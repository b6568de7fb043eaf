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

    /// <summary>How much room a folder's volume has; for tests of full ones.</summary>
    internal Func<string, long> FreeBytes { get; set; } = PrivateFiles.FreeBytes;

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

            return options.MaxSize is { } most && new FileInfo(options.Path).Length is var size && size > most
                ? $"The store has {size} bytes; store.maxSize is {most}. Nothing is accepted until acknowledged messages are compacted."
                : null;
        }
        catch (IOException failure)
        {
            return $"The volume of '{options.Path}' cannot be asked for its free space: {failure.Message}";
        }
    }
}
