namespace Postroom.Mail;

/// <summary>The files of a folder that need not be read again: those in work, and those that were passed over. Safe for concurrent use.</summary>
internal sealed class FileLedger
{
    /// <summary>The most files in work at a time. As a checkpoint they are one fact of at most 64 KiB; what is beyond waits in the folder.</summary>
    public const int Capacity = 4_000;

    private const int MostFailures = 10_000;

    /// <summary>What a checkpoint begins with that holds only files that are passed over for good. No fingerprint of a file.</summary>
    private static readonly Guid Kept = Guid.Empty;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);
    private readonly HashSet<string> _failures = new(StringComparer.Ordinal);
    private HashSet<Guid> _before = [];
    private bool _areBeforeKept;
    private bool _isChanged;

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

    /// <summary>Whether there are files to be kept that no checkpoint has.</summary>
    public bool IsChanged
    {
        get
        {
            lock (_gate)
            {
                return _isChanged;
            }
        }
    }

    /// <summary>Begins a run with what an earlier one left in its checkpoint; null for nothing.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="keptOnly">Whether only files count that are passed over for good, and not those that a source took which moves none.</param>
    public void Begin(ReadOnlyMemory<byte>? checkpoint, bool keptOnly)
    {
        lock (_gate)
        {
            _rows.Clear();
            _failures.Clear();
            (_before, _areBeforeKept, _isChanged) = ([], keptOnly, false);
            if (keptOnly && (checkpoint is not { Length: >= 16 } kept || new Guid(kept.Span[..16]) != Kept))
            {
                return;
            }

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
                _rows[file.Name] = new Row(file, null) { IsKept = _areBeforeKept };
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

    /// <summary>Passes a file over for good: in later runs too, as long as it is there and does not change.</summary>
    public void Keep(FoundFile file)
    {
        lock (_gate)
        {
            _rows[file.Name] = new Row(file, null) { IsKept = true };
            _isChanged = true;
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

    /// <summary>The files that are passed over for good, as a checkpoint. It counts as stored.</summary>
    public byte[] TakeKept()
    {
        lock (_gate)
        {
            _isChanged = false;
            return [.. Kept.ToByteArray(), .. _rows.Values.Where(static row => row.IsKept).SelectMany(static row => row.File.Fingerprint.ToByteArray())];
        }
    }

    /// <summary>What was taken for stored was not: it is to be stored still.</summary>
    public void Untake()
    {
        lock (_gate)
        {
            _isChanged = true;
        }
    }

    private sealed record Row(FoundFile File, MessageId? Id)
    {
        public bool IsKept { get; init; }
    }
}
