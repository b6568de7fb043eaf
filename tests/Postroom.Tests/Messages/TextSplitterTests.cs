using Xunit;

namespace Postroom.Tests.Messages;

public sealed class TextSplitterTests
{
    [Fact]
    public void Lines_go_in_groups_and_their_ends_become_one()
    {
        string text = string.Join("\r\n", Enumerable.Range(1, 95));

        IReadOnlyList<string> parts = TextSplitter.Split(text, 4_096, lines: 30);

        Assert.Equal([30, 30, 30, 5], parts.Select(part => part.Split('\n').Length));
        Assert.Equal(text.ReplaceLineEndings("\n"), string.Join('\n', parts));
    }

    [Theory]
    [InlineData("one two three", 8, new[] { "one two", "three" })]
    [InlineData("one two three", 7, new[] { "one two", "three" })]
    [InlineData("one\ntwo three", 8, new[] { "one", "two", "three" })] // the last line end, although a blank is nearer
    [InlineData("abcdefgh", 3, new[] { "abc", "def", "gh" })]
    [InlineData("ab😀cd", 3, new[] { "ab", "😀c", "d" })]
    [InlineData("e\u0301e\u0301", 3, new[] { "e\u0301", "e\u0301" })]
    [InlineData("a\n\n \n\nb", 2, new[] { "a\n", "b" })]
    [InlineData(" \n ", 10, new string[0])]
    [InlineData("", 10, new string[0])]
    public void A_long_text_is_cut_where_it_hurts_least(string text, int limit, string[] parts)
    {
        Assert.Equal(parts, TextSplitter.Split(text, limit));
    }

    [Fact]
    public void A_part_is_not_ended_at_a_blank_that_would_leave_it_nearly_empty()
    {
        IReadOnlyList<string> parts = TextSplitter.Split("You wrote: " + new string('x', 10_000), 4_000);

        Assert.Equal([4_000, 4_000, 2_011], parts.Select(part => part.Length));
        Assert.StartsWith("You wrote: x", parts[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_the_text_no_part_is_too_long_blank_or_half_a_character()
    {
        Random random = new(11);
        string[] pieces = ["a", " ", "\n", "\r\n", "😀", "👩‍👩‍👧‍👦", "e\u0301", "word", "\t", "ß"];
        for (int round = 0; round < 2_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(60)).Select(_ => pieces[random.Next(pieces.Length)]));
            int limit = random.Next(2, 20);

            IReadOnlyList<string> parts = TextSplitter.Split(text, limit, random.Next(2) == 0 ? null : random.Next(1, 5));

            Assert.All(parts, part => Assert.True(part.Length <= limit && !string.IsNullOrWhiteSpace(part) && !char.IsLowSurrogate(part[0]) && !char.IsHighSurrogate(part[^1]), part));
            Assert.Equal(Letters(text), Letters(string.Concat(parts)));
        }

        static string Letters(string text) => string.Concat(text.Where(letter => !char.IsWhiteSpace(letter)));
    }
}
