using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Postroom.Redis;

/// <summary>One part of a command: bytes, a text or a number.</summary>
internal readonly struct RespArgument
{
    private readonly string? _text;
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly long _number;
    private readonly bool _isNumber;

    private RespArgument(string? text, ReadOnlyMemory<byte> bytes, long number, bool isNumber)
    {
        _text = text;
        _bytes = bytes;
        _number = number;
        _isNumber = isNumber;
    }

    public static implicit operator RespArgument(string text) => new(text, default, 0, false);

    public static implicit operator RespArgument(long number) => new(null, default, number, true);

    public static implicit operator RespArgument(byte[] bytes) => new(null, bytes, 0, false);

    public static implicit operator RespArgument(ReadOnlyMemory<byte> bytes) => new(null, bytes, 0, false);

    /// <summary>The text; for names of commands only.</summary>
    public override string ToString() => _text ?? "";

    /// <summary>Writes it as a bulk string.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        if (_isNumber)
        {
            Span<byte> digits = stackalloc byte[20];
            Utf8Formatter.TryFormat(_number, digits, out int count);
            WriteBulk(output, digits[..count]);
        }
        else if (_text is null)
        {
            WriteBulk(output, _bytes.Span);
        }
        else
        {
            int count = Encoding.UTF8.GetByteCount(_text);
            WriteLength(output, (byte)'$', count);
            Span<byte> span = output.GetSpan(count + 2);
            Encoding.UTF8.GetBytes(_text, span);
            "\r\n"u8.CopyTo(span[count..]);
            output.Advance(count + 2);
        }
    }

    /// <summary>Writes a length line.</summary>
    public static void WriteLength(IBufferWriter<byte> output, byte type, long count)
    {
        Span<byte> span = output.GetSpan(24);
        span[0] = type;
        Utf8Formatter.TryFormat(count, span[1..], out int digits);
        "\r\n"u8.CopyTo(span[(1 + digits)..]);
        output.Advance(digits + 3);
    }

    private static void WriteBulk(IBufferWriter<byte> output, ReadOnlySpan<byte> bytes)
    {
        WriteLength(output, (byte)'$', bytes.Length);
        Span<byte> span = output.GetSpan(bytes.Length + 2);
        bytes.CopyTo(span);
        "\r\n"u8.CopyTo(span[bytes.Length..]);
        output.Advance(bytes.Length + 2);
    }
}

/// <summary>A command with its arguments. Built by one thread, then not changed any more; may be sent more than once.</summary>
internal sealed class RespCommand
{
    private readonly List<RespArgument> _arguments;

    /// <summary>Begins a command.</summary>
    /// <param name="name">Its name, such as <c>XADD</c>.</param>
    /// <param name="arguments">Its arguments; further ones are added.</param>
    public RespCommand(string name, params ReadOnlySpan<RespArgument> arguments)
    {
        Name = name;
        _arguments = new List<RespArgument>(arguments.Length + 1) { name };
        _arguments.AddRange(arguments);
    }

    /// <summary>The name, for messages: the arguments may be somebody's.</summary>
    public string Name { get; }

    public int Count => _arguments.Count;

    /// <summary>The name and the arguments.</summary>
    public ReadOnlySpan<RespArgument> Arguments => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_arguments);

    /// <summary>Adds an argument.</summary>
    public RespCommand Add(RespArgument argument)
    {
        _arguments.Add(argument);
        return this;
    }

    /// <summary>Replaces an argument; 0 is the name.</summary>
    public void Set(int index, RespArgument argument) => _arguments[index] = argument;

    /// <summary>Writes it as the protocol wants it.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        RespArgument.WriteLength(output, (byte)'*', _arguments.Count);
        foreach (RespArgument argument in _arguments)
        {
            argument.WriteTo(output);
        }
    }

    public override string ToString() => Name;
}
