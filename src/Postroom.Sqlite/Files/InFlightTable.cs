using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>An attempt that had begun and not ended.</summary>
/// <param name="Seq">The row's place in the store; from 1.</param>
/// <param name="Id">The message id.</param>
/// <param name="Attempt">The attempt's number.</param>
/// <param name="Run">The run that began it.</param>
internal readonly record struct InFlightEntry(long Seq, Guid Id, int Attempt, long Run);

/// <summary>The attempts that run now, in a file <c>{path}.inflight</c> that outlives the process but costs no commit.</summary>
/// <remarks>
/// The file is mapped: a store into it is with the kernel at once, so a killed process leaves it behind; a power cut may not.
/// Slots in use at opening are what the process before left; they stay untouched until <see cref="Clear"/>.
/// <see cref="Begin"/> and <see cref="End"/> are safe for concurrent use and allocate nothing, except when the file grows.
/// </remarks>
internal sealed unsafe class InFlightTable : IDisposable
{
    /// <summary>The most attempts that can run at once.</summary>
    public const int MaxSlots = 65_536;

    private const int SlotsPerSegment = 1_024;
    private const int SegmentBytes = SlotsPerSegment * SlotBytes;
    private const int SlotBytes = 64; // a cache line each, so that two workers do not share one

    private readonly FileStream _file;
    private readonly long _run;
    private readonly Lock _lock = new();
    private readonly List<(MemoryMappedFile Map, MemoryMappedViewAccessor View)> _maps = [];

    // Entries are written once, before any slot of the segment is handed out.
    private readonly Slot*[] _segments = new Slot*[MaxSlots / SlotsPerSegment];
    private readonly List<InFlightEntry> _leftovers = [];

    // Slots that were not free at opening, torn ones included.
    private readonly List<int> _held = [];

    // A stack of free slots, low numbers on top, so that the file stays as small as its busiest moment.
    private int[] _free = [];
    private int _freeCount;
    private bool _disposed;

    private InFlightTable(FileStream file, long run)
    {
        _file = file;
        _run = run;
        try
        {
            long segments = Math.Clamp((file.Length + SegmentBytes - 1) / SegmentBytes, 1, MaxSlots / SlotsPerSegment);
            for (int i = 0; i < segments; i++)
            {
                AddSegment();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the process before had begun and not ended, in no particular order; empty after <see cref="Clear"/>.</summary>
    /// <remarks>A torn or foreign slot is left out. The caller compares the rest with the rows that are open.</remarks>
    public IReadOnlyList<InFlightEntry> Leftovers => _leftovers;

    /// <summary>Slots in use now, leftovers included.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return (_maps.Count * SlotsPerSegment) - _freeCount;
            }
        }
    }

    /// <summary>The in-flight file of a store file.</summary>
    public static string PathFor(string storePath) => $"{storePath}.inflight";

    /// <summary>Opens or creates the file, with mode 0600, and reads what was left.</summary>
    /// <param name="storePath">The store file.</param>
    /// <param name="run">The number of this run, written into every slot.</param>
    /// <exception cref="IOException">It cannot be created or read, or its volume is full.</exception>
    public static InFlightTable Open(string storePath, long run) => new(PrivateFiles.OpenOrCreate(PathFor(storePath), FileShare.ReadWrite), run);

    /// <summary>What has begun and not ended by the file of a store that this process does not have open; creates and changes nothing.</summary>
    /// <remarks>A torn slot is left out, as one of a running process may be.</remarks>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static IReadOnlyList<InFlightEntry> Read(string storePath)
    {
        string path = PathFor(storePath);
        if (!File.Exists(path))
        {
            return [];
        }

        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] content = new byte[Math.Min(file.Length, (long)MaxSlots * SlotBytes) / SlotBytes * SlotBytes];
        int length = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false) / SlotBytes * SlotBytes;
        List<InFlightEntry> begun = [];
        foreach (ref readonly Slot slot in MemoryMarshal.Cast<byte, Slot>(content.AsSpan(0, length)))
        {
            if (slot.IsSound)
            {
                begun.Add(slot.Entry);
            }
        }

        return begun;
    }

    /// <summary>Notes that an attempt begins; to be called before its handler.</summary>
    /// <param name="seq">The row's place in the store; at least 1.</param>
    /// <param name="id">The message id.</param>
    /// <param name="attempt">The attempt's number.</param>
    /// <returns>The slot, for <see cref="End"/>.</returns>
    /// <exception cref="InvalidOperationException"><see cref="MaxSlots"/> attempts run already.</exception>
    /// <exception cref="IOException">The file cannot grow; the attempt must not start.</exception>
    public int Begin(long seq, Guid id, int attempt)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(seq, 1);
        uint checksum = Slot.ChecksumOf(seq, id, attempt, _run);

        // Under the lock up to the end: a slot written while the file is unmapped would end the process.
        lock (_lock)
        {
            int index = TakeFree();
            Slot* slot = SlotAt(index);
            slot->Attempt = attempt;
            slot->Id = id;
            slot->Run = _run;
            slot->Checksum = checksum;
            Volatile.Write(ref slot->Seq, seq); // last: a slot without it is free
            return index;
        }
    }

    /// <summary>Notes that the attempt of a slot ended, however it did.</summary>
    public void End(int slot)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            Volatile.Write(ref SlotAt(slot)->Seq, 0);
            _free[_freeCount++] = slot;
        }
    }

    /// <summary>Frees the slots the process before left; to be called once recovery has recorded them.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            foreach (int index in _held)
            {
                *SlotAt(index) = default;
                _free[_freeCount++] = index;
            }

            _held.Clear();
            _leftovers.Clear();
        }
    }

    /// <summary>Unmaps and closes the file; what is in use stays in it. No attempt may begin any more; the end of one is left in the file.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            Unmap();
        }

        _file.Dispose();
    }

    private void Unmap()
    {
        Array.Clear(_segments);
        foreach ((MemoryMappedFile map, MemoryMappedViewAccessor view) in _maps)
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            map.Dispose();
        }
    }

    private int TakeFree()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_freeCount == 0)
        {
            AddSegment();
        }

        return _free[--_freeCount];
    }

    private Slot* SlotAt(int index) => _segments[index / SlotsPerSegment] + (index % SlotsPerSegment);

    private void AddSegment()
    {
        int segment = _maps.Count;
        if (segment == _segments.Length)
        {
            throw new InvalidOperationException($"{MaxSlots} attempts run at once, the most '{_file.Name}' can note. Lower the workers' parallelism.");
        }

        ReserveSegment(segment);
        var map = MemoryMappedFile.CreateFromFile(
            _file, mapName: null, capacity: 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        MemoryMappedViewAccessor view = map.CreateViewAccessor((long)segment * SegmentBytes, SegmentBytes);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _segments[segment] = (Slot*)(start + view.PointerOffset);
        _maps.Add((map, view));

        Array.Resize(ref _free, _maps.Count * SlotsPerSegment);
        for (int index = _free.Length - 1; index >= segment * SlotsPerSegment; index--)
        {
            Slot* slot = SlotAt(index);
            if (slot->Seq == 0)
            {
                _free[_freeCount++] = index;
                continue;
            }

            _held.Add(index);
            if (slot->IsSound)
            {
                _leftovers.Add(slot->Entry);
            }
        }
    }

    /// <summary>Writes zeros up to the end of the segment: storing into a mapped page that has no block on a full disk kills the process.</summary>
    private void ReserveSegment(int segment)
    {
        long end = (segment + 1L) * SegmentBytes;
        long length = _file.Length;
        if (length < end)
        {
            RandomAccess.Write(_file.SafeFileHandle, new byte[end - length], length);
        }
    }

    [StructLayout(LayoutKind.Explicit, Size = SlotBytes)]
    private struct Slot
    {
        [FieldOffset(0)]
        public long Seq;

        [FieldOffset(8)]
        public Guid Id;

        [FieldOffset(24)]
        public long Run;

        [FieldOffset(32)]
        public int Attempt;

        [FieldOffset(36)]
        public uint Checksum;

        public readonly bool IsSound => Seq > 0 && Checksum == ChecksumOf(Seq, Id, Attempt, Run);

        public readonly InFlightEntry Entry => new(Seq, Id, Attempt, Run);

        [SkipLocalsInit]
        public static uint ChecksumOf(long seq, Guid id, int attempt, long run)
        {
            Span<byte> bytes = stackalloc byte[36];
            MemoryMarshal.Write(bytes, in seq);
            MemoryMarshal.Write(bytes[8..], in id);
            MemoryMarshal.Write(bytes[24..], in run);
            MemoryMarshal.Write(bytes[32..], in attempt);
            return Crc32C.Of(bytes);
        }
    }
}
