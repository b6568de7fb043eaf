using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Postroom.Sqlite;

/// <summary>What a WAL file holds, as far as SQLite will not tell.</summary>
internal enum WalVerdict
{
    /// <summary>No file, an empty one, or a header of zeros: nothing to recover.</summary>
    Empty,

    /// <summary>Every frame of the current generation is sound.</summary>
    Sound,

    /// <summary>The last frame is bad and none follows: a write the crash cut short, never confirmed.</summary>
    TornTail,

    /// <summary>
    /// Bad frames inside the last transaction, and nothing written after it. A power cut leaves this when the disk wrote the
    /// transaction's frames in another order, unconfirmed; so does a rolled-back transaction that had outgrown the cache. Damage to the
    /// last confirmed one looks the same. The mark file decides.
    /// </summary>
    TornTransaction,

    /// <summary>Frames follow a transaction with a bad frame, so it had been complete: confirmed data is behind the damage.</summary>
    Damaged,

    /// <summary>The header is bad although frames follow; SQLite would drop them all without a word.</summary>
    DamagedHeader,
}

/// <summary>The result of <see cref="WalScan"/>.</summary>
/// <param name="Verdict">What the file holds.</param>
/// <param name="PageBytes">The page size; 0 when the header does not say.</param>
/// <param name="SoundFrames">Sound frames from the start; SQLite looks no further.</param>
/// <param name="LastCommitFrame">The last of them that ends a transaction, from 1, up to which SQLite recovers; 0 for none.</param>
/// <param name="FramesBehind">Frames of the same generation behind the first bad one.</param>
/// <param name="CommitsBehind">Those of them that end a transaction.</param>
internal sealed record WalScanResult(
    WalVerdict Verdict, int PageBytes, long SoundFrames, long LastCommitFrame, long FramesBehind, long CommitsBehind);

/// <summary>Reads a WAL file before SQLite does.</summary>
/// <remarks>
/// SQLite takes the first bad frame for the end of the file: one flipped byte turned 336 confirmed rows into 2 without an error.
/// The format is that of https://www.sqlite.org/fileformat2.html#the_write_ahead_log. With <c>synchronous=NORMAL</c> commits are not flushed one by
/// one, so after a power cut even <see cref="WalVerdict.Damaged"/> may be nothing worse than lost last commits.
/// </remarks>
internal static class WalScan
{
    private const int HeaderBytes = 32;
    private const int FrameHeaderBytes = 24;
    private const int ChunkBytes = 256 * 1024;
    private const uint Magic = 0x377F_0682; // its lowest bit says that checksums read big-endian words
    private const uint Version = 3_007_000;

    /// <summary>The WAL file of a store file.</summary>
    public static string PathFor(string storePath) => $"{storePath}-wal";

    /// <summary>Scans a WAL file; memory stays below 400 KiB whatever its size.</summary>
    /// <param name="walPath">The file; no connection of this process may be open on its database.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static WalScanResult Scan(string walPath)
    {
        if (!File.Exists(walPath))
        {
            return new WalScanResult(WalVerdict.Empty, 0, 0, 0, 0, 0);
        }

        using FileStream file = new(walPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: ChunkBytes);
        return Scan(file);
    }

    private static WalScanResult Scan(FileStream file)
    {
        byte[] header = new byte[HeaderBytes];
        int read = file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
        if (read < HeaderBytes || !header.AsSpan().ContainsAnyExcept((byte)0))
        {
            return new WalScanResult(WalVerdict.Empty, 0, 0, 0, 0, 0);
        }

        int pageBytes = PageBytesOf(header);
        uint magic = Word(header, 0);
        var sum = new Checksum(isBigEndian: (magic & 1) != 0);
        sum.Add(header.AsSpan(0, 24));
        if ((magic & ~1u) != Magic || Word(header, 4) != Version || pageBytes == 0 || !sum.Matches(header.AsSpan(24)))
        {
            return new WalScanResult(file.Length > HeaderBytes ? WalVerdict.DamagedHeader : WalVerdict.Empty, pageBytes, 0, 0, 0, 0);
        }

        return new Frames(header.AsSpan(16, 8), pageBytes, sum).Scan(file);
    }

    private static int PageBytesOf(ReadOnlySpan<byte> header)
    {
        uint bytes = Word(header, 8);
        return bytes is >= 512 and <= 65_536 && uint.IsPow2(bytes) ? (int)bytes : 0;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);

    /// <summary>The running checksum: two sums over pairs of words, in the byte order of the machine that wrote the file.</summary>
    private struct Checksum(bool isBigEndian)
    {
        private readonly bool _isSwapped = isBigEndian == BitConverter.IsLittleEndian;
        private uint _first;
        private uint _second;

        public void Add(ReadOnlySpan<byte> bytes)
        {
            ReadOnlySpan<uint> words = MemoryMarshal.Cast<byte, uint>(bytes);
            uint first = _first;
            uint second = _second;
            for (int i = 0; i + 1 < words.Length; i += 2)
            {
                first += (_isSwapped ? BinaryPrimitives.ReverseEndianness(words[i]) : words[i]) + second;
                second += (_isSwapped ? BinaryPrimitives.ReverseEndianness(words[i + 1]) : words[i + 1]) + first;
            }

            _first = first;
            _second = second;
        }

        public readonly bool Matches(ReadOnlySpan<byte> stored) => Word(stored, 0) == _first && Word(stored, 4) == _second;
    }

    /// <summary>The walk over the frames behind a sound header.</summary>
    private ref struct Frames(ReadOnlySpan<byte> salts, int pageBytes, Checksum sum)
    {
        private readonly ReadOnlySpan<byte> _salts = salts;
        private Checksum _sum = sum;
        private long _sound;
        private long _lastCommit;
        private bool _isBadReached;
        private bool _isBadCurrent;
        private long _behind;
        private long _commitsBehind;
        private bool _isTransactionClosed;
        private bool _isWrittenAfterwards;

        public WalScanResult Scan(FileStream file)
        {
            byte[] frame = new byte[FrameHeaderBytes + pageBytes];
            while (file.ReadAtLeast(frame, frame.Length, throwOnEndOfStream: false) == frame.Length)
            {
                if (!_isBadReached && IsSound(frame))
                {
                    _sound++;
                    _lastCommit = IsCommit(frame) ? _sound : _lastCommit;
                }
                else
                {
                    NoteUnsound(frame);
                }
            }

            return new WalScanResult(Judge(), pageBytes, _sound, _lastCommit, _behind, _commitsBehind);
        }

        private static bool IsCommit(ReadOnlySpan<byte> frame) => Word(frame, 4) != 0;

        private readonly bool IsCurrent(ReadOnlySpan<byte> frame) => frame.Slice(8, 8).SequenceEqual(_salts);

        private bool IsSound(ReadOnlySpan<byte> frame)
        {
            if (!IsCurrent(frame) || Word(frame, 0) == 0)
            {
                return false;
            }

            _sum.Add(frame[..8]);
            _sum.Add(frame[FrameHeaderBytes..]);
            return _sum.Matches(frame.Slice(16, 8));
        }

        private void NoteUnsound(ReadOnlySpan<byte> frame)
        {
            bool isCurrent = IsCurrent(frame); // other salts are frames of an earlier generation, or a damaged header
            if (!_isBadReached)
            {
                _isBadReached = true;
                _isBadCurrent = isCurrent;
            }
            else if (isCurrent)
            {
                _behind++;
                _commitsBehind += IsCommit(frame) ? 1 : 0;
                _isWrittenAfterwards |= _isTransactionClosed;
            }

            _isTransactionClosed |= isCurrent && IsCommit(frame);
        }

        // The writer starts a transaction only after the one before is flushed and confirmed.
        private readonly WalVerdict Judge() => _isWrittenAfterwards ? WalVerdict.Damaged
            : _behind > 0 ? WalVerdict.TornTransaction
            : _isBadCurrent ? WalVerdict.TornTail
            : WalVerdict.Sound;
    }
}
