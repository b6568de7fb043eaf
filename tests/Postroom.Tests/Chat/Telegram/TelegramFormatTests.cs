using Postroom.Chat;
using Postroom.Testing;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>TG-3 and TG-4: what formats become, read back by the fake's own parser of the service's HTML.</summary>
public sealed class TelegramFormatTests
{
    [Theory]
    [InlineData("a <b>b</b> c", "a <b>b</b> c")]
    [InlineData("<STRONG>b</strong> <em>i</em> <ins>u</ins> <del>s</del> <strike>s</strike>", "<b>b</b> <i>i</i> <u>u</u> <s>s</s> <s>s</s>")]
    [InlineData("<b>a<i>b</b>c</i>", "<b>a<i>b</i></b>c&lt;/i&gt;")]
    [InlineData("<b>open", "<b>open</b>")]
    [InlineData("</b>x", "&lt;/b&gt;x")]
    [InlineData("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;")]
    [InlineData("<b onclick=\"x()\">b</b>", "<b>b</b>")]
    [InlineData("<a href=\"https://x.org/?a=1&amp;b=2\">l</a>", "<a href=\"https://x.org/?a=1&amp;b=2\">l</a>")]
    [InlineData("<a href='https://x.org/\"'>l</a>", "<a href=\"https://x.org/&quot;\">l</a>")]
    [InlineData("<a href=\"javascript:alert(1)\">l</a>", "&lt;a href=&quot;javascript:alert(1)&quot;&gt;l&lt;/a&gt;")]
    [InlineData("<a>l</a>", "&lt;a&gt;l&lt;/a&gt;")]
    [InlineData("<span class=\"tg-spoiler\">x</span> <span>y</span>", "<span class=\"tg-spoiler\">x</span> &lt;span&gt;y&lt;/span&gt;")]
    [InlineData("<pre><code class=\"language-c#\">a<b>b</b></code></pre>", "<pre><code class=\"language-c#\">a&lt;b&gt;b&lt;/b&gt;</code></pre>")]
    [InlineData("<blockquote expandable>q</blockquote>", "<blockquote expandable>q</blockquote>")]
    [InlineData("<tg-emoji emoji-id=\"5368324170671202286\">x</tg-emoji>", "<tg-emoji emoji-id=\"5368324170671202286\">x</tg-emoji>")]
    [InlineData("1 < 2 &amp; 3 & 4 &nbsp; &#65; &#x42; &#0;", "1 &lt; 2 &amp; 3 &amp; 4 &amp;nbsp; A B &amp;#0;")]
    [InlineData("<b", "&lt;b")]
    [InlineData("<b></b>x", "x")]
    public void Html_keeps_the_tags_that_the_service_allows(string html, string sent) => Assert.Equal(sent, Whole(TelegramHtml.Read(html)));

    [Theory]
    [InlineData("**b** __b__ *i* _i_ ~~s~~ ||x||", "<b>b</b> <b>b</b> <i>i</i> <i>i</i> <s>s</s> <tg-spoiler>x</tg-spoiler>")]
    [InlineData("***both***", "<b><i>both</i></b>")]
    [InlineData("**a *b* c**", "<b>a <i>b</i> c</b>")]
    [InlineData("**a *b** c*", "<b>a *b</b> c*")]
    [InlineData("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name")]
    [InlineData("**open", "**open")]
    [InlineData("\\*plain\\* \\<", "*plain* &lt;")]
    [InlineData("`a*b*<c>` and ``x`y``", "<code>a*b*&lt;c&gt;</code> and <code>x`y</code>")]
    [InlineData("[a *b*](https://x.org/?q=\"1\")", "<a href=\"https://x.org/?q=&quot;1&quot;\">a <i>b</i></a>")]
    [InlineData("[a](javascript:x) [b] (c)", "[a](javascript:x) [b] (c)")]
    [InlineData("# Head *line*\ntext", "<b>Head <i>line</i></b>\ntext")]
    [InlineData("- one\n  * two\n+ three", "• one\n  • two\n• three")]
    [InlineData("> a\n> **b**\nc", "<blockquote>a\n<b>b</b></blockquote>\nc")]
    [InlineData("```cs\nint *a* = 1 < 2;\n```\nend", "<pre><code class=\"language-cs\">int *a* = 1 &lt; 2;</code></pre>\nend")]
    [InlineData("```\nopen", "<pre>open</pre>")]
    [InlineData("<b>no html</b> & so", "&lt;b&gt;no html&lt;/b&gt; &amp; so")]
    [InlineData("![alt](https://x.org/i.png)", "<a href=\"https://x.org/i.png\">alt</a>")]
    public void Markdown_becomes_that_html(string markdown, string sent) => Assert.Equal(sent, Whole(TelegramMarkdown.Read(markdown)));

    [Fact]
    public void T17_no_hostile_text_makes_markup_that_the_service_refuses_and_none_gets_lost()
    {
        foreach (string text in HostileStrings.All())
        {
            string clean = Characters.Clean(text);
            string escaped = FormattedText.Escape(clean);

            Assert.Equal(clean, Shown(TelegramHtml.Read(escaped)));
            Assert.Equal(clean, Shown(TelegramHtml.Read($"<b>{escaped}</b>")));
            _ = Shown(TelegramHtml.Read(text));
            _ = Shown(TelegramMarkdown.Read(text));
            _ = Shown(TelegramMarkdown.Read($"**{text}** [{text}](https://x.org/) `{text}`"));
        }
    }

    [Fact]
    public void Random_markup_always_becomes_html_that_the_service_takes_whole_and_in_parts()
    {
        string[] pieces = ["<b>", "</b>", "<i>", "</i>", "<a href=\"https://x.org\">", "</a>", "<pre>", "</pre>", "<code>", "</code>", "&lt;", "&", "<", ">", "\"", "**", "*", "_", "`", "```", "||", "~~", "[x](https://y.org)", "\n", "> ", "# ", "word ", "\U0001F600", "\\"];
        Random random = new(42);
        for (int round = 0; round < 2_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 60)).Select(_ => pieces[random.Next(pieces.Length)]));
            foreach (FormattedText read in (FormattedText[])[TelegramHtml.Read(text), TelegramMarkdown.Read(text)])
            {
                Assert.Equal(read.Text, Shown(read));
                foreach (Range part in TextSplitter.Ranges(read.Text, 10, 3))
                {
                    Assert.Equal(read.Text[part], new FakeTelegramHtml(read.Render(part)).Read().Text);
                }
            }
        }
    }

    [Fact]
    public void Long_hostile_markup_takes_time_in_proportion_to_its_length()
    {
        foreach (string piece in (string[])["<b ", "<a href=\"", "[", "[a](", "**a ", "*_~|`", "&", "<b><i>", "`a``b"])
        {
            string text = string.Concat(Enumerable.Repeat(piece, 200_000 / piece.Length));

            _ = Shown(TelegramHtml.Read(text));
            _ = Shown(TelegramMarkdown.Read(text));
        }
    }

    private static string Whole(FormattedText text) => text.Render(..);

    private static string Shown(FormattedText text) => new FakeTelegramHtml(Whole(text)).Read().Text;
}
