using System.Buffers;
using System.Globalization;
using System.Text;
using Postroom.Redis;

namespace Postroom.Tests.Redis;

/// <summary>Replies as bytes, whole or in pieces, and a writer of random ones.</summary>
internal static class RespBytes
{
    /// <summary>Reads all replies of bytes that come in pieces of given lengths.</summary>
    public static List<RespValue> Read(RespParser parser, byte[] bytes, Func<int> pieceLength)
    {
        List<RespValue> replies = [];
        byte[] kept = [];
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(Math.Max(1, pieceLength()), bytes.Length - at);
            ReadOnlySequence<byte> buffer = Join(kept, bytes.AsMemory(at, length));
            at += length;
            while (parser.TryRead(ref buffer, out RespValue reply))
            {
                replies.Add(reply);
            }

            kept = buffer.ToArray();
        }

        return replies;
    }

    /// <summary>One reply that is whole.</summary>
    public static RespValue Read(string text, RespLimits? limits = null)
    {
        ReadOnlySequence<byte> buffer = new(Encoding.Latin1.GetBytes(text));
        return new RespParser(limits ?? new RespLimits()).TryRead(ref buffer, out RespValue reply) ? reply : throw new InvalidOperationException("It is not whole.");
    }

    /// <summary>A value in words, so that two can be compared.</summary>
    public static string Show(RespValue value)
    {
        string shown = value.Items.Length > 0 || value.Kind is RespKind.Array or RespKind.Map or RespKind.Set or RespKind.Push
            ? $"{value.Kind}[{string.Join(",", value.Items.Select(Show))}]"
            : $"{value.Kind}:{value.AsText()}";
        return value.Attributes is { } attributes ? $"|{string.Join(",", attributes.Select(Show))}|{shown}" : shown;
    }

    /// <summary>A random reply: what it is in words, and its bytes, streamed or not.</summary>
    public static string Write(StringBuilder bytes, Random random, int depth = 0)
    {
        string noted = "";
        if (depth < 4 && random.Next(12) == 0)
        {
            bytes.Append("|1\r\n");
            noted = $"|{Write(bytes, random, depth + 4)},{Write(bytes, random, depth + 4)}|";
        }

        return noted + (depth < 4 && random.Next(3) == 0 ? WriteAggregate(bytes, random, depth) : WriteSimple(bytes, random));
    }

    private static string WriteAggregate(StringBuilder bytes, Random random, int depth)
    {
        (char type, RespKind kind) = random.Next(3) switch { 0 => ('*', RespKind.Array), 1 => ('%', RespKind.Map), _ => ('~', RespKind.Set) };
        int count = random.Next(5);
        bool streamed = random.Next(4) == 0;
        bytes.Append(type).Append(streamed ? "?" : count.ToString(CultureInfo.InvariantCulture)).Append("\r\n");
        List<string> items = [];
        for (int i = 0; i < (type == '%' ? count * 2 : count); i++)
        {
            items.Add(Write(bytes, random, depth + 1));
        }

        bytes.Append(streamed ? ".\r\n" : "");
        return $"{kind}[{string.Join(",", items)}]";
    }

    private static string WriteSimple(StringBuilder bytes, Random random)
    {
        string text = new([.. Enumerable.Range(0, random.Next(30)).Select(_ => (char)random.Next(1, 127))]);
        string line = text.Replace('\r', 'r').Replace('\n', 'n');
        switch (random.Next(10))
        {
            case 0:
                bytes.Append(CultureInfo.InvariantCulture, $"+{line}\r\n");
                return $"SimpleString:{line}";
            case 1:
                bytes.Append(CultureInfo.InvariantCulture, $"-{line}\r\n");
                return $"Error:{line}";
            case 2:
                long number = random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(60);
                bytes.Append(CultureInfo.InvariantCulture, $":{number}\r\n");
                return $"Integer:{number.ToString(CultureInfo.InvariantCulture)}";
            case 3:
                bytes.Append(random.Next(3) switch { 0 => "_\r\n", 1 => "$-1\r\n", _ => "*-1\r\n" });
                return "Null:";
            case 4:
                bytes.Append("#t\r\n");
                return "Boolean:1";
            case 5:
                bytes.Append(",1.5e3\r\n");
                return "Double:1500";
            case 6:
                bytes.Append("(-123456789012345678901234567890\r\n");
                return "BigNumber:-123456789012345678901234567890";
            case 7:
                bytes.Append(CultureInfo.InvariantCulture, $"={text.Length + 4}\r\ntxt:{text}\r\n");
                return $"Verbatim:{text}";
            case 8:
                bytes.Append(CultureInfo.InvariantCulture, $"!{text.Length}\r\n{text}\r\n");
                return $"Error:{text}";
            default:
                if (random.Next(2) == 0)
                {
                    bytes.Append(CultureInfo.InvariantCulture, $"${text.Length}\r\n{text}\r\n");
                }
                else
                {
                    bytes.Append("$?\r\n");
                    for (int at = 0; at < text.Length;)
                    {
                        int length = random.Next(1, text.Length - at + 1);
                        bytes.Append(CultureInfo.InvariantCulture, $";{length}\r\n{text.AsSpan(at, length)}\r\n");
                        at += length;
                    }

                    bytes.Append(";0\r\n");
                }

                return $"BulkString:{text}";
        }
    }

    private static ReadOnlySequence<byte> Join(byte[] first, ReadOnlyMemory<byte> second)
    {
        if (first.Length == 0)
        {
            return new ReadOnlySequence<byte>(second);
        }

        Segment begin = new(first, 0);
        Segment end = begin.Then(second);
        return new ReadOnlySequence<byte>(begin, 0, end, second.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index)
        {
            Memory = memory;
            RunningIndex = index;
        }

        public Segment Then(ReadOnlyMemory<byte> memory)
        {
            Segment next = new(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
