using System.Text;
using Postroom.Mail;
using Xunit;

namespace Postroom.Tests.Mail.Reading;

/// <summary>The text of a mail is what its reader sees and its writer means (ML-11): broken lines are put together, and what is struck out or hidden is left out.</summary>
public sealed class WhatCountsTests
{
    [Theory]
    [InlineData("we need \n3 Black tea\n", false, "we need 3 Black tea\n")]
    [InlineData("3 x TEA-001\n4 x TEA-002\n", false, "3 x TEA-001\n4 x TEA-002\n")]
    [InlineData("one \ntwo \nthree\n", true, "onetwothree\n")]
    [InlineData("> quoted \n> goes on\nmine\n", false, "> quoted goes on\nmine\n")]
    [InlineData("> quoted \nmine\n", false, "> quoted \nmine\n")] // a paragraph ends with its quote
    [InlineData(">> deep \n> less\n", false, ">> deep \n> less\n")]
    [InlineData("text \n-- \nAnn \nGarden 5\n", false, "text \n-- \nAnn Garden 5\n")]
    [InlineData(" > stuffed\n From here\n", false, "> stuffed\nFrom here\n")]
    [InlineData("a \n", false, "a ")]
    [InlineData("\n\na", false, "\n\na\n")]
    public void A_flowed_text_is_put_together(string text, bool deletesSpace, string lines)
    {
        Assert.Equal(lines, FlowedText.Unflow(text, deletesSpace));
        Assert.Equal(lines, FlowedText.Unflow(text.Replace("\n", "\r\n", StringComparison.Ordinal), deletesSpace));
    }

    [Theory]
    [InlineData("text/plain; format=flowed", "we need \n3 Black tea", "we need 3 Black tea")]
    [InlineData("text/plain; charset=utf-8; Format=Flowed; DelSp=Yes", "we need  \n3 Black tea", "we need 3 Black tea")]
    [InlineData("text/plain", "we need \n3 Black tea", "we need \n3 Black tea")]
    public void A_mail_says_whether_its_text_is_flowed(string type, string body, string text) => Assert.Equal(text, Read($"Content-Type: {type}\n\n{body}\n").TrimEnd('\n'));

    [Theory]
    [InlineData("2 x A<br><s>3 x B</s><br>4 x C", "2 x A\n\n4 x C")]
    [InlineData("<p>2 x A</p><p><strike>3 x B</strike></p>", "2 x A")]
    [InlineData("<ul><li>2 x A</li><li><del>3 x B</del></li></ul>", "- 2 x A\n-")]
    [InlineData("2 x A<s><br>3 x B<br></s>4 x C", "2 x A\n\n4 x C")]
    [InlineData("<p>2 x A <span style=\"text-decoration: line-through\">3 x B</span></p>", "2 x A")]
    [InlineData("<div style='color:red;TEXT-DECORATION:line-through'><div>3 x B</div>5 x D</div>2 x A", "2 x A")]
    [InlineData("<s>3 x <s>B</s> more</s>2 x A", "2 x A")]
    [InlineData("<table><tr><td>A</td><td>2</td></tr><tr style=\"text-decoration:line-through\"><td>B</td><td>3</td></tr><tr><td>C</td><td>4</td></tr></table>", "A\t2\n\t\nC\t4")]
    [InlineData("<div style=\"display: none\">3 x B</div>2 x A", "2 x A")]
    [InlineData("<span style=\"display:none;font-size:12px\">3 x B<br>4 x C</span>2 x A", "2 x A")]
    [InlineData("<span style=\"visibility:hidden\">3 x B</span>2 x A", "2 x A")]
    [InlineData("<span style=\"font-size:0px\">3 x B</span><span style=\"font-size:0.9em\">2 x A</span>", "2 x A")]
    [InlineData("<p hidden>3 x B<p>2 x A", "2 x A")]
    [InlineData("<img style=\"display:none\">2 x A", "2 x A")]
    [InlineData("<section title=\"hidden treasure\">2 x A</section>", "2 x A")]
    [InlineData("<styled>2 x A</styled>", "2 x A")]
    public void What_is_struck_out_or_hidden_does_not_count(string html, string text) => Assert.Equal(text, HtmlText.WithoutStruck(html, out _));

    [Fact]
    public void What_is_struck_out_stays_in_the_plain_form_of_a_letter_that_is_written() => Assert.Equal("9 8", HtmlText.Of("<s>9</s> 8<i hidden>7</i>"));

    [Fact]
    public void Of_two_forms_the_html_is_read_where_it_says_more()
    {
        Assert.Equal("2 x A", Both("2 x A\n3 x B", "<p>2 x A</p><p><s>3 x B</s></p>"));
        Assert.Equal("A\t2", Both("A\n\n2", "<table><tr><td>A</td><td>2</td></tr></table>"));
        Assert.Equal("A 2", Both("A 2", "<table><tr><td>A</td><td>2</td></tr></table>"));
        Assert.Equal("| *A* | 2 |", Both("| *A* | 2 |", "<table><tr><td><b>A</b></td><td>2</td></tr></table>"));
        Assert.Equal("plain", Both("plain", "<p>html</p>"));
        Assert.Equal("A\t2", Read($"Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n\nA\n\n2\n--a\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<table><tr><td>A</td><td>2</td></tr></table>\n--r\nContent-Type: image/png; name=a.png\n\nPNG\n--r--\n--a--\n"));
    }

    private static string Both(string plain, string html) => Read($"Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n\n{plain}\n--a\nContent-Type: text/html\n\n{html}\n--a--\n");

    private static string Read(string mail) => MailMessageReader.Read(Encoding.UTF8.GetBytes($"MIME-Version: 1.0\n{mail}".ReplaceLineEndings("\r\n")), DateTimeOffset.UnixEpoch).Text;
}
