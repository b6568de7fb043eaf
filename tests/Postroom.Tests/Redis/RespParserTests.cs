using System.Buffers;
using System.Numerics;
using System.Text;
using Postroom.Redis;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>Replies of RESP2 and RESP3 (RD-8).</summary>
public sealed class RespParserTests
{
    [Theory]
    [InlineData("+OK\r\n", "SimpleString:OK")]
    [InlineData("+\r\n", "SimpleString:")]
    [InlineData("-ERR no\r\n", "Error:ERR no")]
    [InlineData("!8\r\nERR a\r\nb\r\n", "Error:ERR a\r\nb")]
    [InlineData(":-42\r\n", "Integer:-42")]
    [InlineData(":+42\r\n", "Integer:42")]
    [InlineData("$3\r\na\r\n\r\n", "BulkString:a\r\n")]
    [InlineData("$0\r\n\r\n", "BulkString:")]
    [InlineData("$-1\r\n", "Null:")]
    [InlineData("*-1\r\n", "Null:")]
    [InlineData("_\r\n", "Null:")]
    [InlineData("#t\r\n", "Boolean:1")]
    [InlineData("#f\r\n", "Boolean:0")]
    [InlineData(",3.25\r\n", "Double:3.25")]
    [InlineData(",inf\r\n", "Double:Infinity")]
    [InlineData(",-inf\r\n", "Double:-Infinity")]
    [InlineData(",nan\r\n", "Double:NaN")]
    [InlineData(",-nan\r\n", "Double:NaN")]
    [InlineData("(3492890328409238509324850943850943825024385\r\n", "BigNumber:3492890328409238509324850943850943825024385")]
    [InlineData("=8\r\ntxt:text\r\n", "Verbatim:text")]
    [InlineData("*0\r\n", "Array[]")]
    [InlineData("*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", "Array[Integer:1,Array[BulkString:x]]")]
    [InlineData("%1\r\n+k\r\n:1\r\n", "Map[SimpleString:k,Integer:1]")]
    [InlineData("~2\r\n:1\r\n:2\r\n", "Set[Integer:1,Integer:2]")]
    [InlineData(">2\r\n+invalidate\r\n_\r\n", "Push[SimpleString:invalidate,Null:]")]
    [InlineData("|1\r\n+ttl\r\n:9\r\n+v\r\n", "|SimpleString:ttl,Integer:9|SimpleString:v")]
    [InlineData("*2\r\n:1\r\n|1\r\n+ttl\r\n:9\r\n:2\r\n", "Array[Integer:1,|SimpleString:ttl,Integer:9|Integer:2]")]
    [InlineData("|1\r\n+ttl\r\n:9\r\n*1\r\n:2\r\n", "|SimpleString:ttl,Integer:9|Array[Integer:2]")]
    [InlineData("$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n", "BulkString:Hello")]
    [InlineData("*?\r\n:1\r\n:2\r\n.\r\n", "Array[Integer:1,Integer:2]")]
    [InlineData("%?\r\n+a\r\n:1\r\n.\r\n", "Map[SimpleString:a,Integer:1]")]
    [InlineData("~?\r\n.\r\n", "Set[]")]
    public void RD_8_every_type_is_read_whole_and_byte_by_byte(string text, string expected)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);

        Assert.Equal(expected, RespBytes.Show(RespBytes.Read(text)));
        Assert.Equal([expected], RespBytes.Read(new RespParser(new RespLimits()), bytes, () => 1).Select(RespBytes.Show));
    }

    [Theory]
    [InlineData("hello\r\n", "no type of RESP")]
    [InlineData("\r\n", "empty line")]
    [InlineData(":12a\r\n", "number")]
    [InlineData(":99999999999999999999\r\n", "number")]
    [InlineData("_x\r\n", "null")]
    [InlineData("#y\r\n", "boolean")]
    [InlineData(",1,5\r\n", "double")]
    [InlineData("(12x\r\n", "big number")]
    [InlineData("$-2\r\n", "-2 bytes")]
    [InlineData("$3\r\nabcde\r\n", "no line end")]
    [InlineData("$600000000\r\n", "the protocol allows")]
    [InlineData("$33554433\r\n", "redis.maxBulk")]
    [InlineData("$?\r\n;33554432\r\n", null)]
    [InlineData("=3\r\nabc\r\n", "verbatim")]
    [InlineData("*99999999\r\n", "99999999 values")]
    [InlineData("%3000000\r\n", "3000000 values")]
    [InlineData("*-3\r\n", "-3 values")]
    [InlineData("%-1\r\n", "-1 values")]
    [InlineData("*1\r\n>1\r\n:1\r\n", "push")]
    [InlineData("%?\r\n:1\r\n.\r\n", "without a value")]
    [InlineData("*1\r\n.\r\n", "no type of RESP")]
    [InlineData("*?\r\n|1\r\n:1\r\n:2\r\n.\r\n", "belong to no value")]
    [InlineData("$?\r\n+x\r\n", "streamed text")]
    public void RD_8_what_is_no_reply_or_too_large_ends_the_connection(string text, string? problem)
    {
        if (problem is null)
        {
            Assert.Throws<InvalidOperationException>(() => RespBytes.Read(text));
            return;
        }

        Assert.Contains(problem, Assert.Throws<RespProtocolException>(() => RespBytes.Read(text)).Message);
    }

    [Fact]
    public void RD_8_replies_nest_up_to_16_and_no_deeper()
    {
        string fits = string.Concat(Enumerable.Repeat("*1\r\n", 16)) + ":1\r\n";

        Assert.Equal(RespKind.Array, RespBytes.Read(fits).Kind);
        Assert.Contains("deeper than 16", Assert.Throws<RespProtocolException>(() => RespBytes.Read("*1\r\n" + fits)).Message);
    }

    [Fact]
    public void RD_8_a_line_without_an_end_is_bounded()
    {
        Assert.Contains("65536", Assert.Throws<RespProtocolException>(() => RespBytes.Read("+" + new string('x', 70_000))).Message);
        Assert.Contains("65536", Assert.Throws<RespProtocolException>(() => RespBytes.Read("+" + new string('x', 70_000) + "\r\n")).Message);
    }

    [Fact]
    public void RD_8_an_announced_length_takes_no_memory_before_its_values_come()
    {
        RespParser parser = new(new RespLimits());
        long before = GC.GetAllocatedBytesForCurrentThread();

        ReadOnlySequence<byte> buffer = new("*4000000\r\n"u8.ToArray());
        bool whole = parser.TryRead(ref buffer, out _);

        Assert.False(whole);
        Assert.True(parser.IsWithinReply);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
    }

    [Fact]
    public void RD_8_values_are_what_they_are_asked_for_as()
    {
        RespValue map = RespBytes.Read("%2\r\n+a\r\n$2\r\n17\r\n+b\r\n,inf\r\n");

        Assert.Equal(17, map.Find("a").AsInteger());
        Assert.Equal(double.PositiveInfinity, map.Find("b").AsDouble());
        Assert.True(map.Find("c").IsNull);
        Assert.Equal(BigInteger.Parse("-340282366920938463463374607431768211456"), RespBytes.Read("(-340282366920938463463374607431768211456\r\n").AsBigInteger());
        Assert.Throws<RespProtocolException>(() => RespBytes.Read("+x\r\n").AsInteger());
        Assert.DoesNotContain("hidden", RespBytes.Read("$6\r\nhidden\r\n").ToString());
    }
}
