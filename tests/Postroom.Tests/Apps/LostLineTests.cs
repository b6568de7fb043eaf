using MailOrderBot.Domain;
using Postroom.Mail;
using Xunit;
using static Postroom.Tests.Apps.ShopFixture;

namespace Postroom.Tests.Apps;

/// <summary>No order is confirmed without a line that names an article (MB-7): it is read, or asked about.</summary>
public sealed class LostLineTests
{
    [Theory]
    [InlineData("TEA-002")]
    [InlineData("- TEA-002")]
    [InlineData("Black tea")] // a name alone
    [InlineData("and TEA-002, please!")]
    [InlineData("tea-002 two")]
    [InlineData("TEA-002 2-3")]
    [InlineData("TEA-002/TEA-003")]
    [InlineData("* TEA-002 the strong one for the office kitchen")]
    [InlineData("We would also need the TEA-002 in 2 large boxes")]
    [InlineData("Please be so kind and send us in addition 3 TEA-002, and a few words on how to brew it.")]
    [InlineData("Please be so kind and send us in addition 3 x TEA-002 and a few words on how to brew it.")]
    [InlineData("Ship to: Ann\nGarden 5\n2 x TEA-002")]
    public async Task MB_7_a_line_that_names_an_article_and_cannot_be_read_is_asked_about(string line)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", $"2 x TEA-001\n{line}\n"));

        Assert.Equal("clarification", shop.Sql("select status from orders"));
        Assert.Contains("it names TEA-002", shop.Letters[0], StringComparison.Ordinal);
        Assert.Equal("20", shop.Sql("select stock from products where sku = 'TEA-001'"));
    }

    [Theory]
    [InlineData("Hello TEA-002 team,")]
    [InlineData("I loved the TEA-002 last time")]
    [InlineData("The TEA-002 that we got in March was really good, thank you very much.")]
    [InlineData("Note: no TEA-002 this time")]
    [InlineData("> TEA-002")]
    [InlineData("See https://shop.example/TEA-002")]
    [InlineData("-- \nAnn\nfriend of TEA-002")]
    [InlineData("On Mon, 2 Mar 2026 Shop wrote:\nTEA-002")]
    public async Task MB_7_sentences_greetings_quotes_and_signatures_are_no_reason_to_ask(string line)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", $"2 x TEA-001\n\n{line}\n"));

        Assert.Equal("confirmed|1", shop.Sql("select status, (select count(*) from order_lines) from orders"));
    }

    [Fact]
    public async Task A_question_about_an_article_in_a_confirmed_thread_is_passed_on_and_makes_no_order()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", "2 x TEA-001\n"));
        await shop.ReceiveAsync(AnswerTo("two", "one", "Is TEA-002 really black?\n"));

        Assert.Equal("1", shop.Sql("select count(*) from orders"));
    }

    [Fact]
    public void MB_7_rows_of_an_html_table_are_order_lines_also_with_paragraphs_in_their_cells()
    {
        const string Html = "<p class=MsoNormal>2 x TEA-001</p><table class=MsoTableGrid>\n<tr>\n <td>\n  <p class=MsoNormal>CUP-010<o:p></o:p></p>\n </td>\n <td><p class=MsoNormal>4<o:p></o:p></p><p>&nbsp;</p></td></tr>"
            + "<tr><td><div>TEA-003</div></td><td><br>6</td></tr><tr><td>Tea<table><tr><td>a</td><td>b</td></tr></table></td><td>c</td></tr></table><p class=MsoNormal>1 x TEA-002</p>";

        string text = HtmlText.Of(Html);

        Assert.Contains("\nCUP-010\t4\n", text, StringComparison.Ordinal);
        Assert.Equal(["2 x TEA-001", "CUP-010\t4", "TEA-003\t6", "1 x TEA-002"], BodyOrders.Read(text).Lines.Select(line => line.Raw));
    }

    [Fact]
    public void Quotes_and_links_in_cells_stay_what_they_are()
    {
        Assert.Equal("a\t\n> 9 x TEA-009\n>\n2 x TEA-002", HtmlText.Of("<table><tr><td>a</td><td><blockquote><p>9 x TEA-009</p></blockquote></td><td>2 x TEA-002</td></tr></table>"));
        Assert.Equal("a\tb (http://e.test/)", HtmlText.Of("<table><tr><td>a</td><td><p><a href='http://e.test/'>b</a></p></td></tr></table>"));
        Assert.StartsWith("a", HtmlText.Of("<table><tr><td><p>a  <a href='http://e.test/'></td><td></a>b</td></tr></table></td></table><td><p>c"), StringComparison.Ordinal); // whatever is left open
        Assert.Equal("2 x TEA-001\n\n3 x TEA-002", HtmlText.Of("<table><tr><td><p>2 x TEA-001</p><p>3 x TEA-002</p></td></tr></table>")); // a table that lays out a page
    }

    [Fact]
    public async Task MB_11_a_letter_gives_one_stock_for_an_article_also_when_it_changed_since_the_mail_was_read()
    {
        await using ShopFixture shop = await StartAsync();
        shop.Passing = step => _ = step == "read" ? shop.Sql("update products set stock = 9 where sku = 'TEA-001'") : "";

        await shop.ReceiveAsync(MailOf("one", "1.5 x TEA-001\n15 x TEA-001\n"));

        Assert.Contains("9 available", shop.Letters[0], StringComparison.Ordinal);
        Assert.DoesNotContain("20 available", shop.Letters[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Many_long_lines_that_name_no_article_are_looked_at_quickly()
    {
        Catalogue catalogue = new([new Product { Sku = "TEA-001", Name = "Green tea", Currency = "EUR" }]);
        OrderRequest request = BodyOrders.Read(string.Concat(Enumerable.Repeat($"{string.Concat(Enumerable.Repeat("*a* _b_ c ", 25))}\n", 20_000)));
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();

        ResolvedOrder order = new OrderChecker(new OrderLimits(500, 9_999, "EUR")).Resolve(request, catalogue, new SuggestionBudget(1), CancellationToken.None);

        Assert.Empty(order.Lines);
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(5));
    }
}
