using Xunit;

namespace Postroom.Tests.Messages;

public sealed class MessageIdTests
{
    [Fact]
    public void Ids_of_one_thread_are_strictly_increasing()
    {
        MessageId[] ids = [.. Enumerable.Range(0, 100_000).Select(_ => MessageId.New())];

        Assert.All(ids.Zip(ids.Skip(1)), pair => Assert.True(pair.First < pair.Second));
        Assert.Equal(ids, ids.OrderBy(id => id.ToString(), StringComparer.Ordinal));
    }

    [Fact]
    public void Ids_of_eight_threads_are_unique_and_increase_in_each()
    {
        MessageId[][] made = new MessageId[8][];
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(i => new Thread(() => made[i] = [.. Enumerable.Range(0, 100_000).Select(_ => MessageId.New())]))];
        foreach (Thread thread in threads)
        {
            thread.Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        Assert.Equal(800_000, made.SelectMany(ids => ids).ToHashSet().Count);
        Assert.All(made, ids => Assert.True(ids.SequenceEqual(ids.Order())));
    }

    [Fact]
    public void An_id_is_a_uuid_of_version_7_and_variant_2_in_lower_case()
    {
        string text = MessageId.New().ToString();

        Assert.Matches("^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", text);
        Assert.Equal(7, Guid.Parse(text).Version);
    }

    [Fact]
    public void Text_and_bytes_round_trip_and_keep_the_order()
    {
        MessageId[] ids = [.. Enumerable.Range(0, 1_000).Select(_ => MessageId.New()), MessageId.Empty];

        foreach (MessageId id in ids)
        {
            byte[] bytes = new byte[16];
            id.WriteBytes(bytes);
            Assert.Equal(id, MessageId.Parse(id.ToString()));
            Assert.Equal(id, MessageId.Parse(id.ToString().ToUpperInvariant()));
            Assert.Equal(id, MessageId.FromBytes(bytes));
            Assert.Equal(Convert.ToHexStringLower(bytes), id.ToString().Replace("-", "", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0198f2c46d1e7a3080005f3b2a90c1d4")]
    [InlineData("{0198f2c4-6d1e-7a30-8000-5f3b2a90c1d4}")]
    [InlineData("0198f2c4-6d1e-7a30-8000-5f3b2a90c1dg")]
    [InlineData("0198f2c4-6d1e-7a30-8000-5f3b2a90c1d4 ")]
    [InlineData("0x98f2c4-6d1e-7a30-8000-5f3b2a90c1d4")]
    [InlineData("+198f2c4-6d1e-7a30-8000-5f3b2a90c1d4")]
    [InlineData("0198f2c4-+d1e-7a30-8000-5f3b2a90c1d4")]
    public void Anything_else_is_not_an_id(string? text)
    {
        Assert.False(MessageId.TryParse(text, out MessageId id));
        Assert.True(id.IsEmpty);
    }

    [Fact]
    public void A_text_that_is_not_an_id_is_quoted_at_most_64_characters_long()
    {
        FormatException e = Assert.Throws<FormatException>(() => MessageId.Parse(new string('x', 10_000)));

        Assert.InRange(e.Message.Length, 64, 250);
        Assert.Throws<ArgumentException>(() => MessageId.FromBytes(new byte[15]));
    }
}
