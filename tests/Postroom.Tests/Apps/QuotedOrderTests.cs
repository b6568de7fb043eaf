using MailOrderBot.Domain;
using Postroom.Mail;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>What mail programs quote is not ordered once more (MB-7).</summary>
public sealed class QuotedOrderTests
{
    private const string Letter = "Hello Ann,<br><br>thank you for your order MO-2026-000001. Something in it is unclear.<ul><li>9 x TEA-009</li></ul>3 x TEA-001";
    private const string Plain = "Hello Ann,\n\n9 x TEA-009\n";

    [Theory]
    [InlineData("""<div dir="ltr">2 x TEA-002</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Mar 2, 2026 at 9:00 AM Shop &lt;<a href="mailto:s@e.test">s@e.test</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0">9 x TEA-009<br>3 x TEA-001</blockquote></div>""")]
    [InlineData("""<html><body>2 x TEA-002<br><div><br><blockquote type="cite"><div>On 2. Mar 2026, at 09:00, Shop &lt;s@e.test&gt; wrote:</div><br><div><ul><li>9 x TEA-009</li></ul></div></blockquote></div></body></html>""")]
    [InlineData("""<p>2 x TEA-002</p><div style="border-top:solid #E1E1E1 1.0pt"><p><b>From:</b> Shop &lt;s@e.test&gt;<br><b>Sent:</b> Monday, March 2, 2026 9:00 AM<br><b>To:</b> Ann<br><b>Subject:</b> Re: tea</p></div><p>9 x TEA-009</p>""")]
    [InlineData("""<div>2 x TEA-002</div><div name="quote" style="margin:10px"><div><b>Gesendet:</b>&nbsp;Montag, 2. März 2026 um 09:00 Uhr<br><b>Von:</b>&nbsp;"Shop" &lt;s@e.test&gt;<br><b>An:</b>&nbsp;ann@e.test<br><b>Betreff:</b>&nbsp;Re: Tee</div><div name="quoted-content">9 x TEA-009</div></div>""")]
    [InlineData("""<p>2 x TEA-002</p><div class="moz-cite-prefix">Am 02.03.26 um 09:00 schrieb Shop:<br></div><blockquote type="cite" cite="mid:1@e.test"><p>9 x TEA-009</p></blockquote>""")]
    public void MB_7_what_an_html_mail_quotes_is_not_ordered(string html)
    {
        Assert.Equal(["2 x TEA-002"], BodyOrders.Read(HtmlText.Of(html)).Lines.Select(line => line.Raw));
    }

    [Theory]
    [InlineData("Gesendet: Montag\nVon: Shop\nAn: Ann\nBetreff: Re: Tee\n\n")]
    [InlineData("De : Shop\nEnvoyé : lundi\nÀ : Ann\nObjet : Re: thé\n\n")]
    [InlineData("De: Shop\nEnviado el: lunes\nPara: Ann\nAsunto: Re\n\n")]
    [InlineData("Da: Shop\nInviato: lunedì\nA: Ann\nOggetto: Re\n\n")]
    [InlineData("Van: Shop\nVerzonden: maandag\nAan: Ann\nOnderwerp: Re\n\n")]
    [InlineData("*From:* Shop\n*Subject:* Re\n*To:* Ann\n\n")]
    [InlineData("-------- Original-Nachricht --------\n")]
    [InlineData("Il giorno lun 2 mar 2026 alle ore 09:00 Shop <s@e.test> ha scritto:\n")]
    [InlineData("Op ma 2 mrt 2026 om 09:00 schreef Shop <s@e.test>:\n")]
    [InlineData("Shop <s@e.test> schrieb am Mo., 2. März 2026, 09:00:\n")]
    [InlineData("2026-03-02 9:00 GMT+01:00 Shop <s@e.test>:\n")]
    [InlineData("thank you for your order MO-2026-000001. It is confirmed:\n")]
    [InlineData("Please answer this mail with the order, each line like one of these:\n")]
    public void MB_7_what_stands_below_the_header_of_a_quote_is_not_ordered(string header)
    {
        Assert.Equal(["2 x TEA-002"], BodyOrders.Read($"2 x TEA-002\n\n{header}{Plain}").Lines.Select(line => line.Raw));
    }

    [Fact]
    public void MB_7_an_answer_below_a_marked_quote_is_read_and_quotes_in_quotes_are_not()
    {
        string text = HtmlText.Of("<div>On Mon, 2 Mar 2026 Shop wrote:</div><blockquote>9 x TEA-009<blockquote>8 x TEA-008</blockquote></blockquote><p>2 x TEA-002</p><p>Reference: 7</p>");

        OrderRequest request = BodyOrders.Read(text);

        Assert.Equal("On Mon, 2 Mar 2026 Shop wrote:\n> 9 x TEA-009\n>> 8 x TEA-008\n\n2 x TEA-002\n\nReference: 7", text);
        Assert.Equal(["2 x TEA-002"], request.Lines.Select(line => line.Raw));
        Assert.Equal("7", request.Reference);
    }

    [Fact]
    public void MB_11_the_examples_of_a_letter_order_nothing()
    {
        Assert.Empty(BodyOrders.Read(string.Join('\n', ShopLetter.Examples)).Lines);
        Assert.Equal(["2 x TEA-002"], BodyOrders.Read($"2 x TEA-002\n\n{HtmlText.Of(Letter)}").Lines.Select(line => line.Raw));
    }

    [Theory]
    [InlineData("To: 3\n2 x TEA-002")]
    [InlineData("A: 3\n2 x TEA-002")]
    [InlineData("Le petit prince: 3\n2 x TEA-002")]
    public void MB_7_a_line_that_only_begins_like_a_header_is_ordered(string text) => Assert.Equal(2, BodyOrders.Read(text).Lines.Count);

    [Fact]
    public void MB_11_a_list_of_an_html_mail_comes_back_with_one_bullet() =>
        Assert.Equal(["2 x TEA-001", "1 x TEA-002"], BodyOrders.Read(HtmlText.Of("<ul><li>2 x TEA-001</li><li>1 x TEA-002</li></ul>")).Lines.Select(line => line.Raw));

    [Fact]
    public void Deep_quotes_cost_no_more_than_their_length()
    {
        string text = HtmlText.Of(string.Concat(Enumerable.Repeat("<blockquote>a", 200_000)));

        Assert.True(text.Length < 200_000 * 12);
        Assert.EndsWith(">>>>>>>> a", text, StringComparison.Ordinal);
    }
}
