using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Postroom.Storage;

/// <summary>Writes a packed column: small numbers in few bytes, texts and bytes with their length. Reused by one thread.</summary>
internal sealed class PackWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    public void Clear() => _buffer.ResetWrittenCount();

    public void Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
    }

    public void Number(long value)
    {
        // Zigzag, so that small negative numbers are short as well.
        ulong rest = (ulong)((value << 1) ^ (value >> 63));
        Span<byte> span = _buffer.GetSpan(10);
        int length = 0;
        while (rest >= 0x80)
        {
            span[length++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        span[length++] = (byte)rest;
        _buffer.Advance(length);
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        Number(value.Length);
        Raw(value);
    }

    public void Raw(ReadOnlySpan<byte> value) => _buffer.Write(value);

    public void Text(string value)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        Number(length);
        _ = Encoding.UTF8.GetBytes(value, _buffer.GetSpan(length));
        _buffer.Advance(length);
    }

    public void Id(MessageId id)
    {
        id.WriteBytes(_buffer.GetSpan(16));
        _buffer.Advance(16);
    }

    public void Checksum()
    {
        uint crc = Crc32C.Of(Written);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(4), crc);
        _buffer.Advance(4);
    }
}

/// <summary>Reads a packed column.</summary>
/// <remarks>Everything it reads was verified by a checksum before; what does not fit is an <see cref="InvalidDataException"/>.</remarks>
internal ref struct PackReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public byte Byte() => Raw(1)[0];

    public long Number()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Byte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return (long)(value >> 1) ^ -(long)(value & 1);
            }
        }

        throw new InvalidDataException("A packed number is too long.");
    }

    public int Count() => Number() is >= 0 and <= int.MaxValue and var count ? (int)count : throw new InvalidDataException("A packed length is out of range.");

    public ReadOnlySpan<byte> Bytes() => Raw(Count());

    public string Text() => Encoding.UTF8.GetString(Bytes());

    public MessageId Id() => MessageId.FromBytes(Raw(16));

    private ReadOnlySpan<byte> Raw(int length)
    {
        if (length > _rest.Length)
        {
            throw new InvalidDataException("A packed column ends too early.");
        }

        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
