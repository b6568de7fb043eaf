using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>How far the store had come at a commit.</summary>
/// <param name="Run">The run that committed.</param>
/// <param name="CommitNo">The commit's number; rises in every commit.</param>
/// <param name="AppendedTotal">Messages appended since the store was created.</param>
internal readonly record struct Mark(long Run, long CommitNo, long AppendedTotal);

/// <summary>What opening the mark file found.</summary>
internal enum MarkFileState
{
    /// <summary>No file, or nothing written yet.</summary>
    New,

    /// <summary>At least one slot is sound; a bad one beside it is ignored.</summary>
    Sound,

    /// <summary>Both slots are bad: a notice is due, and the next write replaces them.</summary>
    Unreadable,
}

/// <summary>The high-water mark <c>{path}.mark</c> outside the database, by which lost commits are found at start.</summary>
/// <remarks>
/// Two slots are written in turn, so that one survives a torn write of the other. They are not flushed: the kernel keeps them when
/// the process dies, and what the disk holds of them after a power cut is never ahead of the store, which flushed before.
/// Used by one thread, the writer.
/// </remarks>
internal sealed class MarkFile : IDisposable
{
    // A sector each: disks write sectors whole.
    private const int SlotSpacingBytes = 512;
    private const int SlotBytes = 32;
    private const int ChecksumAt = 28;
    private const uint Magic = 0x314B_524D; // "MRK1"

    private readonly SafeFileHandle _file;
    private int _nextSlot;

    private MarkFile(SafeFileHandle file)
    {
        _file = file;
        Span<byte> content = stackalloc byte[SlotSpacingBytes + SlotBytes];
        content.Clear();
        int length = RandomAccess.Read(file, content, fileOffset: 0);
        ReadOnlySpan<byte> first = content[..SlotBytes];
        ReadOnlySpan<byte> second = content.Slice(SlotSpacingBytes, SlotBytes);
        Mark? even = Decode(first);
        Mark? odd = Decode(second);

        Newest = even is null || odd?.CommitNo > even.Value.CommitNo ? odd : even;
        _nextSlot = even is not null && Newest == even ? 1 : 0;
        State = Newest is not null ? MarkFileState.Sound
            : length == 0 || (IsEmpty(first) && IsEmpty(second)) ? MarkFileState.New
            : MarkFileState.Unreadable;
    }

    /// <summary>What was found at opening.</summary>
    public MarkFileState State { get; }

    /// <summary>The newest sound mark at opening; null unless <see cref="State"/> is <see cref="MarkFileState.Sound"/>.</summary>
    public Mark? Newest { get; }

    /// <summary>The mark file of a store file.</summary>
    public static string PathFor(string storePath) => $"{storePath}.mark";

    /// <summary>Opens or creates the file, with mode 0600, and reads it.</summary>
    /// <exception cref="IOException">It cannot be created or read.</exception>
    public static MarkFile Open(string storePath)
    {
        string path = PathFor(storePath);
        PrivateFiles.CreateUnlessExists(path);
        SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            return new MarkFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The newest sound mark beside a store file, without creating or changing anything; null when there is none.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Mark? Read(string storePath)
    {
        if (!File.Exists(PathFor(storePath)))
        {
            return null;
        }

        using MarkFile mark = new(File.OpenHandle(PathFor(storePath), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return mark.Newest;
    }

    /// <summary>Writes the mark of a commit that is on disk, over the older slot, without a flush.</summary>
    /// <exception cref="IOException">It cannot be written; the other slot still holds the mark before.</exception>
    public void Write(in Mark mark)
    {
        Span<byte> slot = stackalloc byte[SlotBytes];
        Encode(mark, slot);
        RandomAccess.Write(_file, slot, _nextSlot * SlotSpacingBytes);
        _nextSlot ^= 1;
    }

    /// <summary>Writes the mark into both slots and flushes: after an accepted loss the store restarts below its old mark.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Rewrite(in Mark mark)
    {
        Write(mark);
        Write(mark);
        RandomAccess.FlushToDisk(_file);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static void Encode(in Mark mark, Span<byte> slot)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(slot, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(slot[4..], mark.Run);
        BinaryPrimitives.WriteInt64LittleEndian(slot[12..], mark.CommitNo);
        BinaryPrimitives.WriteInt64LittleEndian(slot[20..], mark.AppendedTotal);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[ChecksumAt..], Crc32C.Of(slot[..ChecksumAt]));
    }

    private static Mark? Decode(ReadOnlySpan<byte> slot) =>
        BinaryPrimitives.ReadUInt32LittleEndian(slot) == Magic
        && BinaryPrimitives.ReadUInt32LittleEndian(slot[ChecksumAt..]) == Crc32C.Of(slot[..ChecksumAt])
            ? new Mark(
                BinaryPrimitives.ReadInt64LittleEndian(slot[4..]),
                BinaryPrimitives.ReadInt64LittleEndian(slot[12..]),
                BinaryPrimitives.ReadInt64LittleEndian(slot[20..]))
            : null;

    private static bool IsEmpty(ReadOnlySpan<byte> slot) => !slot.ContainsAnyExcept((byte)0);
}
