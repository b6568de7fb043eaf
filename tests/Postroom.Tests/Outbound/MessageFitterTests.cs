using Xunit;

namespace Postroom.Tests.Outbound;

public sealed class MessageFitterTests
{
    private static readonly CommunicatorCapabilities Nothing = new();

    [Fact]
    public void What_a_channel_can_show_stays_as_it_is()
    {
        OutgoingMessage message = new("<b>hello</b>") { Format = TextFormat.Html, Interactive = new Interactive.Buttons([new("a", "A")]), Attachments = [Attachment.FromBytes("a.txt", new byte[3])] };
        CommunicatorCapabilities all = new() { Formats = [TextFormat.Html], Buttons = true, Attachments = true };

        Assert.Same(message, MessageFitter.Fit(message, all, out IReadOnlyList<string> degraded));
        Assert.Empty(degraded);
    }

    [Fact]
    public void Ac57_buttons_become_a_numbered_list_below_the_text()
    {
        OutgoingMessage message = new("Which one?") { Interactive = new Interactive.Buttons([new("a", "The red one"), new("b", "The blue one", "only two left")]) };

        OutgoingMessage fitted = MessageFitter.Fit(message, Nothing, out IReadOnlyList<string> degraded);

        Assert.Equal(("Which one?\n\n1. The red one\n2. The blue one: only two left", null), (fitted.Message, fitted.Interactive));
        Assert.Equal(["buttons became a numbered list"], degraded);
    }

    [Fact]
    public void A_list_keeps_its_sections_header_and_footer()
    {
        Interactive.List list = new("Open", [new("Fruit", [new("1", "Apple"), new("2", "Pear")]), new("Nuts", [new("3", "Walnut")])]) { Header = "Today", Footer = "Until noon" };

        OutgoingMessage fitted = MessageFitter.Fit(new OutgoingMessage("Choose:") { Interactive = list }, Nothing, out _);

        Assert.Equal("Today\n\nChoose:\n\nFruit\n1. Apple\n2. Pear\n\nNuts\n3. Walnut\n\nUntil noon", fitted.Message);
    }

    [Fact]
    public void A_link_button_becomes_body_blank_line_and_address()
    {
        OutgoingMessage fitted = MessageFitter.Fit(
            new OutgoingMessage("Your order") { Interactive = new Interactive.CtaUrl("Open", new Uri("https://example.org/o/1?x=ä")) }, Nothing, out _);

        Assert.Equal("Your order\n\nhttps://example.org/o/1?x=%C3%A4", fitted.Message);
    }

    [Fact]
    public void Files_become_lines_that_name_them()
    {
        OutgoingMessage fitted = MessageFitter.Fit(
            new OutgoingMessage("See") { Attachments = [Attachment.FromBytes("bill.pdf", new byte[1_234]), new Attachment { Name = "voice.ogg", Reference = "media-1" }] }, Nothing, out IReadOnlyList<string> degraded);

        Assert.Equal("See\n\n[bill.pdf, 1234 bytes: this channel takes no files]\n[voice.ogg: this channel takes no files]", fitted.Message);
        Assert.Empty(fitted.Attachments);
        Assert.Single(degraded);
    }

    [Theory]
    [InlineData("<p>One &amp; <b>two</b></p><p>three</p>", "One & two\nthree")]
    [InlineData("<a href=\"https://example.org/\">the page</a>", "the page (https://example.org/)")]
    [InlineData("<a href='https://example.org/'>https://example.org/</a>", "https://example.org/")]
    [InlineData("a<br>b<br/>c", "a\nb\nc")]
    [InlineData("<style>b { }</style><script>alert('<b>')</script>x<!-- y -->", "x")]
    [InlineData("1 < 2 and 3 > 2", "1 < 2 and 3 > 2")]
    [InlineData("&lt;b&gt;no tag&lt;/b&gt;", "<b>no tag</b>")]
    [InlineData("<p>a</p>\n\n\n\n<p>b</p>", "a\n\nb")]
    public void Html_becomes_its_words(string html, string text)
    {
        OutgoingMessage fitted = MessageFitter.Fit(new OutgoingMessage(html) { Format = TextFormat.Html }, Nothing, out IReadOnlyList<string> degraded);

        Assert.Equal((text, TextFormat.Text), (fitted.Message, fitted.Format));
        Assert.Equal(["format html became plain text"], degraded);
    }
}
