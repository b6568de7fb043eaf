using System.Globalization;
using System.Numerics;
using System.Text;

namespace Postroom.Redis;

/// <summary>What a reply is, by its first byte.</summary>
internal enum RespKind : byte
{
    /// <summary>Nothing: <c>_</c>, or the empty forms of RESP2, <c>$-1</c> and <c>*-1</c>.</summary>
    Null,

    /// <summary>A short text, <c>+</c>.</summary>
    SimpleString,

    /// <summary>A refusal, <c>-</c> or <c>!</c>.</summary>
    Error,

    /// <summary>A 64-bit number, <c>:</c>.</summary>
    Integer,

    /// <summary>Bytes, <c>$</c>, in one piece or streamed.</summary>
    BulkString,

    /// <summary>Values in order, <c>*</c>.</summary>
    Array,

    /// <summary>True or false, <c>#</c>.</summary>
    Boolean,

    /// <summary>A floating-point number, <c>,</c>; may be infinite or no number.</summary>
    Double,

    /// <summary>A whole number of any length, <c>(</c>.</summary>
    BigNumber,

    /// <summary>A text with its format, <c>=</c>; the format is left out of the value.</summary>
    Verbatim,

    /// <summary>Keys and values by turns, <c>%</c>.</summary>
    Map,

    /// <summary>Values without order, <c>~</c>.</summary>
    Set,

    /// <summary>What the server says unasked, <c>&gt;</c>; it answers no command.</summary>
    Push,
}

/// <summary>One reply of a server. A small value; what it holds was copied out of the connection's buffers.</summary>
internal readonly struct RespValue
{
    private readonly long _number;
    private readonly object? _content;

    private RespValue(RespKind kind, long number, object? content, RespValue[]? attributes = null)
    {
        Kind = kind;
        _number = number;
        _content = content;
        Attributes = attributes;
    }

    public RespKind Kind { get; }

    /// <summary>What the server added about this value, keys and values by turns; null for nothing.</summary>
    public RespValue[]? Attributes { get; }

    public bool IsNull => Kind == RespKind.Null;

    public bool IsError => Kind == RespKind.Error;

    /// <summary>The values of an aggregate, keys and values by turns for a map; empty for everything else.</summary>
    public RespValue[] Items => _content as RespValue[] ?? [];

    /// <summary>The bytes of a text or a number as the server sent it; empty for what has none.</summary>
    public ReadOnlyMemory<byte> Bytes => _content as byte[] ?? [];

    public RespValue this[int index] => Items[index];

    public static RespValue Null => default;

    public static RespValue Of(long number) => new(RespKind.Integer, number, null);

    public static RespValue Of(bool value) => new(RespKind.Boolean, value ? 1 : 0, null);

    public static RespValue Of(double number) => new(RespKind.Double, BitConverter.DoubleToInt64Bits(number), null);

    public static RespValue Of(RespKind kind, byte[] bytes) => new(kind, 0, bytes);

    public static RespValue Of(RespKind kind, RespValue[] items) => new(kind, 0, items);

    public RespValue With(RespValue[]? attributes) => attributes is null ? this : new RespValue(Kind, _number, _content, attributes);

    /// <summary>The text; empty for what has none.</summary>
    public string AsText() => Kind switch
    {
        RespKind.Integer => _number.ToString(CultureInfo.InvariantCulture),
        RespKind.Double => AsDouble().ToString("R", CultureInfo.InvariantCulture),
        RespKind.Boolean => _number == 0 ? "0" : "1",
        _ => Encoding.UTF8.GetString(Bytes.Span),
    };

    /// <summary>The text; null for nothing.</summary>
    public string? AsTextOrNull() => IsNull ? null : AsText();

    /// <summary>The number, from whatever form the server chose for it.</summary>
    /// <exception cref="RespProtocolException">It is none.</exception>
    public long AsInteger() => Kind switch
    {
        RespKind.Integer or RespKind.Boolean => _number,
        RespKind.Double => (long)AsDouble(),
        _ when long.TryParse(Bytes.Span, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) => number,
        _ => throw new RespProtocolException($"A number was expected, and the reply is {this}."),
    };

    /// <summary>The floating-point number, from whatever form the server chose for it.</summary>
    /// <exception cref="RespProtocolException">It is none.</exception>
    public double AsDouble() => Kind switch
    {
        RespKind.Double => BitConverter.Int64BitsToDouble(_number),
        RespKind.Integer or RespKind.Boolean => _number,
        _ when RespText.TryDouble(Bytes.Span, out double number) => number,
        _ => throw new RespProtocolException($"A number was expected, and the reply is {this}."),
    };

    public bool AsBoolean() => AsInteger() != 0;

    public BigInteger AsBigInteger() => Kind == RespKind.BigNumber ? BigInteger.Parse(AsText(), CultureInfo.InvariantCulture) : AsInteger();

    /// <summary>The value of a key, in a map of RESP3 or its flat array in RESP2; null when there is none.</summary>
    public RespValue Find(string key)
    {
        RespValue[] items = Items;
        for (int i = 0; i + 1 < items.Length; i += 2)
        {
            if (items[i].AsText() == key)
            {
                return items[i + 1];
            }
        }

        return Null;
    }

    /// <summary>The kind and the size; never the content, which may be somebody's message.</summary>
    public override string ToString() => Kind switch
    {
        RespKind.Null => "nothing",
        RespKind.Error => $"the error '{RespText.Show(AsText())}'",
        RespKind.Integer or RespKind.Double or RespKind.Boolean => $"{Kind} {AsText()}",
        _ when _content is RespValue[] items => $"{Kind} of {items.Length}",
        _ => $"{Kind} of {Bytes.Length} bytes",
    };
}
