using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Postroom.ControlPlane;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class StrictJsonTests
{
    /// <summary>Valid JSON that is refused all the same, with the rule that refuses it.</summary>
    internal static readonly HashSet<string> RefusedOnPurpose =
    [
        "y_object_duplicated_key.json", // GN-3: duplicate properties are refused
        "y_object_duplicated_key_and_value.json",
    ];

    [Fact]
    public void The_public_parsing_cases_behave_as_expected_inside_a_body()
    {
        List<string> wrong = [];
        foreach (string file in Corpora.Required("json", "*.json"))
        {
            string name = Path.GetFileName(file);
            bool accepted = Accepts(File.ReadAllBytes(file));
            bool again = Accepts(File.ReadAllBytes(file));
            bool expected = name.StartsWith("y_", StringComparison.Ordinal) && !RefusedOnPurpose.Contains(name);
            if (accepted != again || (!name.StartsWith("i_", StringComparison.Ordinal) && accepted != expected))
            {
                wrong.Add(name);
            }
        }

        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("-0.5e+10")]
    [InlineData("\"\\u00e9 \\ud83d\\ude00\"")]
    [InlineData("[[],{},null,true,false]")]
    [InlineData("{\"$type\":\"System.Diagnostics.Process\"}")]
    public void Valid_values_are_accepted(string value) => Assert.True(Accepts(Encoding.UTF8.GetBytes(value)));

    [Theory]
    [InlineData("")]
    [InlineData("01")]
    [InlineData("+1")]
    [InlineData("NaN")]
    [InlineData("[1,]")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"a\":1,\"\\u0061\":2}")]
    [InlineData("1/**/")]
    [InlineData("'a'")]
    [InlineData("\"\t\"")]
    [InlineData("\"\\ud800\"")]
    [InlineData("\"\\uDc00\"")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("1}}")]
    public void Tricks_are_refused(string value) => Assert.False(Accepts(Encoding.UTF8.GetBytes(value)));

    [Fact]
    public void Invalid_utf8_is_refused()
    {
        Assert.False(Accepts([(byte)'"', 0xff, (byte)'"']));
        Assert.False(Accepts([(byte)'"', 0xc0, 0xaf, (byte)'"']));
        Assert.False(Accepts([(byte)'"', 0xed, 0xa0, 0x80, (byte)'"']));
    }

    [Fact]
    public void Nesting_ends_at_32_and_a_hundred_thousand_brackets_are_refused()
    {
        Assert.True(Accepts(Encoding.UTF8.GetBytes(new string('[', 30) + new string(']', 30))));
        Assert.False(Accepts(Encoding.UTF8.GetBytes(new string('[', 31) + new string(']', 31))));
        Assert.False(Accepts(Encoding.UTF8.GetBytes(new string('[', 100_000))));
    }

    [Fact]
    public void Typed_bodies_follow_the_same_rules()
    {
        JsonSerializerOptions options = StrictJson.Serializer();

        Assert.Equal(1, JsonSerializer.Deserialize<Dictionary<string, int>>("{\"a\":1}", options)!["a"]);
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Dictionary<string, int>>("{\"a\":1,\"a\":1}", options));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<Dictionary<string, int>>("{\"a\":\"1\"}", options));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<int[]>("[1,]", options));
    }

    [Fact]
    public async Task A_body_that_declares_too_much_is_refused_before_it_is_read()
    {
        DefaultHttpContext context = new();
        context.Request.ContentType = "application/json";
        context.Request.ContentLength = 1001;
        context.Request.Body = new UnreadableStream();

        RequestBody body = await RequestBody.ReadJsonAsync(context.Request, 1000, TestContext.Current.CancellationToken);

        Assert.Equal(413, Assert.IsType<RequestBody.Refused>(body).Status);
    }

    [Theory]
    [InlineData("{\"a\":1}", "application/json", 200)]
    [InlineData("{\"a\":1}", "application/json; charset=utf-8", 200)]
    [InlineData("{\"a\":1}", "application/json; charset=utf-16", 415)]
    [InlineData("{\"a\":1}", "text/plain", 415)]
    [InlineData("{\"a\":1}", null, 415)]
    [InlineData("[1]", "application/json", 400)]
    [InlineData("{", "application/json", 400)]
    [InlineData("", "application/json", 400)]
    [InlineData("{\"a\":\"1234567890123456789012345678901234567890\"}", "application/json", 413)]
    public async Task A_body_is_read_or_refused_with_its_status(string text, string? contentType, int status)
    {
        DefaultHttpContext context = new();
        context.Request.ContentType = contentType;
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(text));

        RequestBody body = await RequestBody.ReadJsonAsync(context.Request, 40, TestContext.Current.CancellationToken);

        Assert.Equal(status, body is RequestBody.Refused refused ? refused.Status : 200);
    }

    [Fact]
    public async Task A_compressed_body_is_refused()
    {
        DefaultHttpContext context = new();
        context.Request.ContentType = "application/json";
        context.Request.Headers.ContentEncoding = "gzip";
        context.Request.Body = new UnreadableStream();

        RequestBody body = await RequestBody.ReadJsonAsync(context.Request, 1000, TestContext.Current.CancellationToken);

        Assert.Equal(415, Assert.IsType<RequestBody.Refused>(body).Status);
    }

    private static bool Accepts(byte[] value)
    {
        byte[] body = [.. "{\"sender\":\"1\",\"msg_type\":\"chat\",\"metadata\":{\"x\":"u8, .. value, .. "}}"u8];
        return RequestBody.ParseObject(body) is RequestBody.Json;
    }

    private sealed class UnreadableStream : MemoryStream
    {
        public override int Read(byte[] buffer, int offset, int count) => throw new InvalidOperationException("read");

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new InvalidOperationException("read");
    }
}
