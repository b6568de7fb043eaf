using System.Buffers;

namespace Postroom.Redis;

/// <summary>The bounds of one reply.</summary>
/// <param name="MaxBulk">The bytes of one text: 1 to <see cref="ProtocolBulk"/>; 32 MiB unless set.</param>
internal sealed record RespLimits(long MaxBulk = 32L << 20)
{
    /// <summary>The most bytes of one text that the protocol allows: 512 MiB.</summary>
    public const long ProtocolBulk = 512L << 20;

    /// <summary>How deep replies may nest, attributes included.</summary>
    public const int MaxDepth = 16;

    /// <summary>The values of one reply, at all depths together.</summary>
    public const int MaxValues = 4 << 20;

    /// <summary>The bytes of one reply, at all depths together.</summary>
    public const long MaxReply = ProtocolBulk;

    /// <summary>The bytes of one line: a short text, an error, a number or a length.</summary>
    public const int MaxLine = 64 * 1024;
}

/// <summary>Reads replies of RESP2 and RESP3 from bytes that come in pieces. What is half read is kept from call to call, so no byte of a large reply is looked at twice.</summary>
/// <remarks>Used by one thread at a time. After a <see cref="RespProtocolException"/> it is of no more use: nobody knows where the next reply begins.</remarks>
internal sealed class RespParser(RespLimits limits)
{
    private const int FirstItems = 1_024; // so that a length alone takes no memory

    private readonly Stack<Frame> _open = new();
    private readonly List<RespValue[]?> _noted = []; // attributes by depth, of the value that comes next
    private ArrayBufferWriter<byte>? _streamed;
    private int _values;
    private long _bytes;

    /// <summary>Whether a reply has begun and not ended.</summary>
    public bool IsWithinReply => _open.Count > 0 || _streamed is not null || (_noted.Count > 0 && _noted[0] is not null);

    /// <summary>Takes the next whole reply, and the bytes read so far from the buffer.</summary>
    /// <exception cref="RespProtocolException">The bytes are no reply, or one beyond the bounds.</exception>
    public bool TryRead(ref ReadOnlySequence<byte> buffer, out RespValue reply)
    {
        SequenceReader<byte> reader = new(buffer);
        bool whole = false;
        reply = default;
        while (!whole && TryReadPart(ref reader, out RespValue value, out bool complete))
        {
            buffer = buffer.Slice(reader.Position);
            reader = new SequenceReader<byte>(buffer);
            if (complete)
            {
                whole = Add(value, out reply);
            }
        }

        if (whole)
        {
            (_values, _bytes) = (0, 0);
        }

        return whole;
    }

    private bool TryReadPart(ref SequenceReader<byte> reader, out RespValue value, out bool complete)
    {
        value = default;
        complete = false;
        if (!TryReadLine(ref reader, out ReadOnlySpan<byte> line))
        {
            return false;
        }

        if (line.IsEmpty)
        {
            throw new RespProtocolException("A reply begins with an empty line.");
        }

        byte type = line[0];
        ReadOnlySpan<byte> text = line[1..];
        if (_streamed is not null)
        {
            return TryReadChunk(ref reader, type, text, out value, out complete);
        }

        complete = true;
        switch (type)
        {
            case (byte)'+':
                value = Copy(RespKind.SimpleString, text);
                return true;
            case (byte)'-':
                value = Copy(RespKind.Error, text);
                return true;
            case (byte)':':
                value = RespValue.Of(Integer(text));
                return true;
            case (byte)'_':
                value = text.IsEmpty ? RespValue.Null : throw Wrong("null", text);
                return true;
            case (byte)'#':
                value = text is [(byte)'t'] ? RespValue.Of(true) : text is [(byte)'f'] ? RespValue.Of(false) : throw Wrong("boolean", text);
                return true;
            case (byte)',':
                value = RespText.TryDouble(text, out double number) ? RespValue.Of(number) : throw Wrong("double", text);
                return true;
            case (byte)'(':
                value = RespText.IsBigNumber(text) ? Copy(RespKind.BigNumber, text) : throw Wrong("big number", text);
                return true;
            case (byte)'$' or (byte)'!' or (byte)'=':
                return TryReadBulk(ref reader, type, text, out value, out complete);
            case (byte)'*' or (byte)'%' or (byte)'~' or (byte)'>' or (byte)'|':
                complete = Open(type, text, out value);
                return true;
            case (byte)'.' when text.IsEmpty && _open.TryPeek(out Frame? frame) && frame.IsStreamed:
                complete = Close(frame, out value);
                return true;
            default:
                throw new RespProtocolException($"A reply begins with byte {type}, which is no type of RESP.");
        }
    }

    private bool TryReadBulk(ref SequenceReader<byte> reader, byte type, scoped ReadOnlySpan<byte> text, out RespValue value, out bool complete)
    {
        value = default;
        complete = true;
        if (type == '$' && text is [(byte)'?'])
        {
            _streamed = new ArrayBufferWriter<byte>();
            complete = false;
            return true;
        }

        long length = Integer(text);
        if (type == '$' && length == -1)
        {
            return true;
        }

        CheckBulk(length, 0);
        if (!TryReadBytes(ref reader, (int)length, out ReadOnlySequence<byte> bytes))
        {
            return false;
        }

        Count(0, length);
        if (type != '=')
        {
            value = RespValue.Of(type == '$' ? RespKind.BulkString : RespKind.Error, bytes.ToArray());
            return true;
        }

        if (length < 4 || bytes.Slice(3, 1).FirstSpan[0] != ':')
        {
            throw new RespProtocolException("A verbatim text has no format of three characters and a colon before it.");
        }

        value = RespValue.Of(RespKind.Verbatim, bytes.Slice(4).ToArray());
        return true;
    }

    private bool TryReadChunk(ref SequenceReader<byte> reader, byte type, scoped ReadOnlySpan<byte> text, out RespValue value, out bool complete)
    {
        value = default;
        complete = false;
        long length = type == ';' ? Integer(text) : throw new RespProtocolException($"A streamed text goes on with byte {type} instead of ';'.");
        if (length == 0)
        {
            value = RespValue.Of(RespKind.BulkString, _streamed!.WrittenSpan.ToArray());
            _streamed = null;
            complete = true;
            return true;
        }

        CheckBulk(length, _streamed!.WrittenCount);
        if (!TryReadBytes(ref reader, (int)length, out ReadOnlySequence<byte> bytes))
        {
            return false;
        }

        Count(0, length);
        bytes.CopyTo(_streamed.GetSpan((int)length));
        _streamed.Advance((int)length);
        return true;
    }

    /// <summary>Begins an aggregate; an empty one is complete at once.</summary>
    private bool Open(byte type, scoped ReadOnlySpan<byte> text, out RespValue value)
    {
        value = default;
        RespKind kind = type switch
        {
            (byte)'*' => RespKind.Array,
            (byte)'~' => RespKind.Set,
            (byte)'>' => RespKind.Push,
            _ => RespKind.Map,
        };
        if (kind == RespKind.Push && _open.Count > 0)
        {
            throw new RespProtocolException("A push comes in the middle of a reply.");
        }

        bool streamed = text is [(byte)'?'] && type is (byte)'*' or (byte)'%' or (byte)'~';
        long count = streamed ? 0 : Integer(text);
        if (count == -1 && type == '*')
        {
            return true;
        }

        long values = kind == RespKind.Map && count is >= 0 and <= RespLimits.MaxValues ? count * 2 : count;
        if (values is < 0 or > RespLimits.MaxValues || _values + values > RespLimits.MaxValues)
        {
            throw new RespProtocolException($"A reply announces {count} values; its limit is {RespLimits.MaxValues} together.");
        }

        if (_open.Count == RespLimits.MaxDepth)
        {
            throw new RespProtocolException($"A reply nests deeper than {RespLimits.MaxDepth}.");
        }

        Frame frame = new(kind, type == '|', streamed, (int)values);
        _open.Push(frame);
        return values == 0 && !streamed && Close(frame, out value);
    }

    /// <summary>Ends an aggregate; false for attributes, which are no value themselves.</summary>
    private bool Close(Frame frame, out RespValue value)
    {
        _open.Pop();
        value = default;
        if (frame.Kind == RespKind.Map && frame.Items.Count % 2 != 0)
        {
            throw new RespProtocolException("A map has a key without a value.");
        }

        if (_noted.Count > _open.Count + 1 && _noted[_open.Count + 1] is not null)
        {
            throw new RespProtocolException("An aggregate ends with attributes that belong to no value.");
        }

        RespValue[] items = [.. frame.Items];
        if (frame.IsAttribute)
        {
            while (_noted.Count <= _open.Count)
            {
                _noted.Add(null);
            }

            _noted[_open.Count] = items;
            return false;
        }

        value = RespValue.Of(frame.Kind, items);
        return true;
    }

    /// <summary>Puts a complete value where it belongs; true when it is a whole reply.</summary>
    private bool Add(RespValue value, out RespValue reply)
    {
        while (true)
        {
            Count(1, 0);
            if (_noted.Count > _open.Count)
            {
                value = value.With(_noted[_open.Count]);
                _noted[_open.Count] = null;
            }

            if (!_open.TryPeek(out Frame? frame))
            {
                reply = value;
                return true;
            }

            frame.Items.Add(value);
            if (frame.IsStreamed || frame.Items.Count < frame.Count || !Close(frame, out value))
            {
                reply = default;
                return false;
            }
        }
    }

    private void CheckBulk(long length, long before)
    {
        if (length < 0 || length > RespLimits.ProtocolBulk)
        {
            throw new RespProtocolException($"A reply announces a text of {length} bytes; the protocol allows 0 to {RespLimits.ProtocolBulk}.");
        }

        if (length + before > limits.MaxBulk)
        {
            throw new RespProtocolException($"A reply has a text of {length + before} bytes; the limit is {limits.MaxBulk} (redis.maxBulk). Raise it if the server is right.");
        }
    }

    private void Count(int values, long bytes)
    {
        _values += values;
        _bytes += bytes;
        if (_values > RespLimits.MaxValues || _bytes > RespLimits.MaxReply)
        {
            throw new RespProtocolException($"A reply has {_values} values and {_bytes} bytes so far; the limits are {RespLimits.MaxValues} and {RespLimits.MaxReply}.");
        }
    }

    private RespValue Copy(RespKind kind, ReadOnlySpan<byte> text)
    {
        Count(0, text.Length);
        return RespValue.Of(kind, text.ToArray());
    }

    private static bool TryReadLine(ref SequenceReader<byte> reader, out ReadOnlySpan<byte> line)
    {
        if (!reader.TryReadTo(out line, "\r\n"u8))
        {
            return reader.Length > RespLimits.MaxLine
                ? throw new RespProtocolException($"A line of a reply is longer than {RespLimits.MaxLine} bytes.")
                : false;
        }

        return line.Length <= RespLimits.MaxLine ? true : throw new RespProtocolException($"A line of a reply is longer than {RespLimits.MaxLine} bytes.");
    }

    private static bool TryReadBytes(ref SequenceReader<byte> reader, int length, out ReadOnlySequence<byte> bytes)
    {
        bytes = default;
        if (reader.Remaining < length + 2L)
        {
            return false;
        }

        bytes = reader.UnreadSequence.Slice(0, length);
        reader.Advance(length);
        return reader.IsNext("\r\n"u8, advancePast: true) ? true : throw new RespProtocolException($"A text of {length} bytes has no line end behind it.");
    }

    private static long Integer(ReadOnlySpan<byte> text) => RespText.TryInteger(text, out long number) ? number : throw Wrong("number", text);

    private static RespProtocolException Wrong(string what, ReadOnlySpan<byte> text) =>
        new($"A reply has a {what} that is none: '{RespText.Show(System.Text.Encoding.Latin1.GetString(text[..Math.Min(text.Length, 40)]))}'.");

    /// <summary>An aggregate that has begun.</summary>
    private sealed class Frame(RespKind kind, bool isAttribute, bool isStreamed, int count)
    {
        public RespKind Kind { get; } = kind;

        public bool IsAttribute { get; } = isAttribute;

        public bool IsStreamed { get; } = isStreamed;

        public int Count { get; } = count;

        public List<RespValue> Items { get; } = new(Math.Min(count, FirstItems));
    }
}
