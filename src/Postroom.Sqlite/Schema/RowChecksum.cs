using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>The checksums of rows, by which damage inside a sound page is found.</summary>
internal ref struct RowChecksum
{
    private uint _crc;

    public readonly long Value => _crc;

    public void Add(long value)
    {
        Span<byte> bytes = stackalloc byte[9];
        bytes[0] = 1;
        BinaryPrimitives.WriteInt64LittleEndian(bytes[1..], value);
        _crc = Crc32C.Append(_crc, bytes);
    }

    public void Add(long? value)
    {
        if (value is { } number)
        {
            Add(number);
        }
        else
        {
            _crc = Crc32C.Append(_crc, [0]);
        }
    }

    public void Add(scoped ReadOnlySpan<byte> value)
    {
        Add(value.Length);
        _crc = Crc32C.Append(_crc, value);
    }

    public void AddText(string? value)
    {
        if (value is null)
        {
            Add((long?)null);
            return;
        }

        int most = Encoding.UTF8.GetMaxByteCount(value.Length);
        Span<byte> utf8 = most <= 1_024 ? stackalloc byte[1_024] : new byte[most];
        Add(utf8[..Encoding.UTF8.GetBytes(value, utf8)]);
    }

    public void Add(MessageId id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.WriteBytes(bytes);
        _crc = Crc32C.Append(_crc, bytes);
    }

    /// <summary>The key's hash in an index; keys with one hash are told apart by their text.</summary>
    public static long KeyHash(ReadOnlySpan<char> key)
    {
        ulong hash = 0x9E37_79B9_7F4A_7C15UL ^ (ulong)key.Length;
        foreach (char c in key)
        {
            hash = System.Numerics.BitOperations.RotateLeft(hash ^ c, 29) * 0xBF58_476D_1CE4_E5B9UL;
        }

        hash ^= hash >> 31;
        return (long)(hash * 0x94D0_49BB_1331_11EBUL);
    }

    /// <summary>The 16-byte hash of a dedup key.</summary>
    public static byte[] DedupHash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key))[..16];
}
