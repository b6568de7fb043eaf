namespace Postroom.Mail;

/// <summary>The files of a folder that need not be read again: those in work, and those that were passed over. Safe for concurrent use.</summary>
internal sealed class FileLedger
{
    /// <summary>The most files in work at a time. As a checkpoint they are one fact of at most 64 KiB; what is beyond waits in the folder.</summary>
    public const int Capacity = 4_000;

    private const int MostFailures = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);
    private readonly HashSet<string> _failures = new(StringComparer.Ordinal);
    private HashSet<Guid> _before = [];

    /// <summary>How many files are in work.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _rows.Count;
            }
        }
    }

    /// <summary>Room for further files.</summary>
    public int Room => Math.Max(0, Capacity - Count);

    /// <summary>The files in work whose messages are known.</summary>
    public IReadOnlyList<(FoundFile File, MessageId Id)> Open
    {
        get
        {
            lock (_gate)
            {
                return [.. _rows.Values.Where(row => row.Id is not null).Select(row => (row.File, row.Id!.Value))];
            }
        }
    }

    /// <summary>Begins a run with what an earlier one left in its checkpoint; null for nothing.</summary>
    public void Begin(ReadOnlyMemory<byte>? checkpoint)
    {
        lock (_gate)
        {
            _rows.Clear();
            _failures.Clear();
            _before = [];
            for (ReadOnlySpan<byte> rest = checkpoint is { } given ? given.Span : []; rest.Length >= 16; rest = rest[16..])
            {
                _before.Add(new Guid(rest[..16]));
            }
        }
    }

    /// <summary>Whether a file is in work. One of the same name that has changed is another one.</summary>
    public bool Has(FoundFile file)
    {
        lock (_gate)
        {
            if (_rows.TryGetValue(file.Name, out Row? row) && row.File == file)
            {
                return true;
            }

            if (_before.Count > 0 && _before.Contains(file.Fingerprint))
            {
                _rows[file.Name] = new Row(file, null);
                return true;
            }

            return false;
        }
    }

    /// <summary>Notes a file with its message; null for one that is passed over.</summary>
    public void Add(FoundFile file, MessageId? id)
    {
        lock (_gate)
        {
            _rows[file.Name] = new Row(file, id);
        }
    }

    /// <summary>Forgets a file.</summary>
    public void Remove(FoundFile file)
    {
        lock (_gate)
        {
            if (_rows.TryGetValue(file.Name, out Row? row) && row.File == file)
            {
                _rows.Remove(file.Name);
            }
        }
    }

    /// <summary>Forgets the files that are not there any more.</summary>
    public void KeepOnly(IReadOnlySet<string> names)
    {
        lock (_gate)
        {
            foreach (string gone in _rows.Keys.Where(name => !names.Contains(name)).ToArray())
            {
                _rows.Remove(gone);
            }

            _before = []; // Those that are there have rows now.
        }
    }

    /// <summary>Notes that a file could not be read or moved. True for the first time, which is worth a line in the log.</summary>
    public bool Fail(FoundFile file)
    {
        lock (_gate)
        {
            if (_failures.Count >= MostFailures)
            {
                _failures.Clear();
            }

            return _failures.Add(file.Key);
        }
    }

    /// <summary>The files of the ledger and some more as a checkpoint.</summary>
    public byte[] ToCheckpoint(IEnumerable<FoundFile> more)
    {
        lock (_gate)
        {
            return [.. _rows.Values.Select(row => row.File.Fingerprint).Concat(more.Select(file => file.Fingerprint)).SelectMany(print => print.ToByteArray())];
        }
    }

    private sealed record Row(FoundFile File, MessageId? Id);
}
