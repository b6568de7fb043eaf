using System.Text;
using Postroom.Redis;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>Anything at all for the reader of replies (RD-8). <see cref="Fuzz"/> tells of the long form.</summary>
public sealed class RespFuzzTests(ITestOutputHelper output)
{
    private static readonly byte[][] Words =
    [
        .. new[] { "\r\n", "*", "$", ":", "+", "-", "%", "~", ">", "|", "=", "!", "(", ",", "#t\r\n", "_\r\n", "$?\r\n", ";4\r\nabcd\r\n", ";0\r\n", "*?\r\n", ".\r\n", "-1\r\n", "$-1\r\n", "99999999\r\n", "*16\r\n", "|1\r\n", "inf", "nan", "\0" }
            .Select(Encoding.UTF8.GetBytes),
    ];

    [Fact]
    public void RD_8_replies_are_the_same_however_their_bytes_are_cut()
    {
        Fuzz.Run(
            output,
            random =>
            {
                StringBuilder text = new();
                List<string> expected = [];
                for (int count = random.Next(1, 20); count > 0; count--)
                {
                    expected.Add(RespBytes.Write(text, random));
                }

                byte[] bytes = Encoding.Latin1.GetBytes(text.ToString());
                int most = random.Next(4) == 0 ? 1 : random.Next(1, bytes.Length + 1);
                RespParser parser = new(new RespLimits());

                Assert.Equal(expected, RespBytes.Read(parser, bytes, () => random.Next(1, most + 1)).Select(RespBytes.Show));
                Assert.False(parser.IsWithinReply);

                List<RespValue> cut = RespBytes.Read(new RespParser(new RespLimits()), bytes[..random.Next(bytes.Length)], () => random.Next(1, most + 1));
                Assert.Equal(expected[..cut.Count], cut.Select(RespBytes.Show)); // what came before a cut is whole, and nothing else came
            },
            "random replies in random pieces",
            seconds: 1);
    }

    [Fact]
    public void RD_8_any_bytes_are_replies_or_end_the_connection_with_a_reason()
    {
        Fuzz.Run(
            output,
            random =>
            {
                StringBuilder text = new();
                RespBytes.Write(text, random);
                byte[] bytes = Fuzz.Bend(Encoding.Latin1.GetBytes(text.ToString()), Words, random);
                try
                {
                    foreach (RespValue value in RespBytes.Read(new RespParser(new RespLimits(1 << 20)), bytes, () => random.Next(1, 200)))
                    {
                        Assert.NotNull(RespBytes.Show(value));
                    }
                }
                catch (RespProtocolException e)
                {
                    Assert.NotEmpty(e.Message);
                    Assert.DoesNotContain(e.Message, char.IsControl);
                }
            },
            "replies that are bent",
            seconds: 1);
    }
}
