using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>Identifies one message: a UUID of version 7 (RFC 9562 section 5.7), so ids sort by the time they were made.</summary>
/// <remarks>
/// Sixteen bytes without an allocation. Ids made by one process are strictly increasing: they come from a clock and a counter,
/// the lower half is drawn once per process. As text an id is 36 characters in lower case.
/// </remarks>
[JsonConverter(typeof(JsonText))]
public readonly struct MessageId : IEquatable<MessageId>, IComparable<MessageId>, ISpanFormattable, ISpanParsable<MessageId>
{
    // Milliseconds in the upper 48 bits, a counter in the 12 below and four spare ones: a burst borrows from the next millisecond.
    private static long _last;
    private static readonly ulong ProcessPart = 0x8000_0000_0000_0000UL
        | (BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8)) & 0x3FFF_FFFF_FFFF_FFFFUL);

    private static readonly SearchValues<char> IdCharacters = SearchValues.Create("-0123456789abcdefABCDEF");

    private readonly ulong _high;
    private readonly ulong _low;

    private MessageId(ulong high, ulong low)
    {
        _high = high;
        _low = low;
    }

    internal const int TextLength = 36;

    /// <summary>The id that names no message; the value of <c>default</c>.</summary>
    public static MessageId Empty => default;

    /// <summary>Whether this is <see cref="Empty"/>.</summary>
    public bool IsEmpty => _high == 0 && _low == 0;

    /// <summary>The instant in the id, in UTC with millisecond precision. Under bursts it may run a little ahead of the clock.</summary>
    public DateTimeOffset CreatedAt => DateTimeOffset.FromUnixTimeMilliseconds((long)(_high >> 16));

    /// <summary>Makes the next id of this process. Safe for concurrent use.</summary>
    public static MessageId New()
    {
        long floor = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() << 12;
        long last;
        long next;
        do
        {
            last = Volatile.Read(ref _last);
            next = Math.Max(floor, last + 1);
        }
        while (Interlocked.CompareExchange(ref _last, next, last) != last);

        ulong high = ((ulong)(next >> 12) << 16) | 0x7000UL | ((ulong)next & 0xFFFUL);
        return new MessageId(high, ProcessPart);
    }

    /// <summary>Reads the sixteen bytes that <see cref="WriteBytes"/> wrote.</summary>
    /// <exception cref="ArgumentException">There are not exactly sixteen bytes.</exception>
    public static MessageId FromBytes(ReadOnlySpan<byte> bytes)
    {
        return bytes.Length == 16
            ? new MessageId(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]))
            : throw new ArgumentException($"A message id has 16 bytes; these are {bytes.Length}.", nameof(bytes));
    }

    /// <summary>Writes sixteen bytes in network order, so that byte order is id order.</summary>
    /// <param name="destination">At least sixteen bytes.</param>
    public void WriteBytes(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _low);
    }

    /// <summary>Reads the 36-character form.</summary>
    /// <exception cref="FormatException">The text is not a UUID.</exception>
    public static MessageId Parse(string s, IFormatProvider? provider = null) => Parse(s.AsSpan(), provider);

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static MessageId Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null)
    {
        return TryParse(s, provider, out MessageId id)
            ? id
            : throw new FormatException($"'{s[..Math.Min(s.Length, 64)]}' is not a message id. An id looks like 0198f2c4-6d1e-7a30-8000-5f3b2a90c1d4.");
    }

    /// <summary>Reads the 36-character form if it is one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, out MessageId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out MessageId result) => TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out MessageId result)
    {
        // Guid's own reader also takes surrounding space, signs and 0x inside the groups.
        if (s.Length != 36 || s.ContainsAnyExcept(IdCharacters) || !Guid.TryParseExact(s, "D", out Guid value))
        {
            result = default;
            return false;
        }

        Span<byte> bytes = stackalloc byte[16];
        _ = value.TryWriteBytes(bytes, bigEndian: true, out _);
        result = FromBytes(bytes);
        return true;
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        Span<byte> bytes = stackalloc byte[16];
        WriteBytes(bytes);
        return new Guid(bytes, bigEndian: true).TryFormat(destination, out charsWritten);
    }

    /// <summary>Writes the 36-character form as UTF-8.</summary>
    internal bool TryFormat(Span<byte> utf8, out int bytesWritten)
    {
        Span<byte> bytes = stackalloc byte[16];
        WriteBytes(bytes);
        return new Guid(bytes, bigEndian: true).TryFormat(utf8, out bytesWritten);
    }

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    /// <summary>The 36-character form in lower case.</summary>
    public override string ToString()
    {
        return string.Create(36, this, static (span, id) => id.TryFormat(span, out _, default, null));
    }

    /// <inheritdoc/>
    public bool Equals(MessageId other) => _high == other._high && _low == other._low;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is MessageId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        // Clock and counter in a row: ids of one process fall into neighbouring buckets, which is what caches like.
        ulong moment = ((_high >> 16) << 12) | (_high & 0xFFF);
        return (int)(moment ^ (moment >> 32) ^ _low ^ (_low >> 32));
    }

    /// <inheritdoc/>
    public int CompareTo(MessageId other) => _high != other._high ? _high.CompareTo(other._high) : _low.CompareTo(other._low);

    /// <summary>Whether both name the same message.</summary>
    public static bool operator ==(MessageId left, MessageId right) => left.Equals(right);

    /// <summary>Whether they name different messages.</summary>
    public static bool operator !=(MessageId left, MessageId right) => !left.Equals(right);

    /// <summary>Whether the left id was made earlier.</summary>
    public static bool operator <(MessageId left, MessageId right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left id was made later.</summary>
    public static bool operator >(MessageId left, MessageId right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left id was not made later.</summary>
    public static bool operator <=(MessageId left, MessageId right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left id was not made earlier.</summary>
    public static bool operator >=(MessageId left, MessageId right) => left.CompareTo(right) >= 0;

    internal sealed class JsonText : JsonConverter<MessageId>
    {
        public override MessageId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            return reader.TokenType == JsonTokenType.String && TryParse(reader.GetString(), out MessageId id)
                ? id
                : throw new JsonException("Expected a message id, a UUID of 36 characters.");
        }

        public override void Write(Utf8JsonWriter writer, MessageId value, JsonSerializerOptions options)
        {
            Span<char> text = stackalloc char[36];
            _ = value.TryFormat(text, out _, default, null);
            writer.WriteStringValue(text);
        }
    }
}
