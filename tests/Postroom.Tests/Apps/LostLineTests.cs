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

    [Theory]
    [InlineData("3 x 50667\nShip to: Ann\n50667 Köln", "")]
    [InlineData("3 x 50667\nShip to: Ann\nHauptstr. 10, 50667 Köln", "")]
    [InlineData("3 x 50667\nShip to: Ann\nTel. 0221 50667", "")]
    [InlineData("3 x 50667\n\nAnn Bauer\n50667 Köln", "")]
    [InlineData("3 x 50667\n\nAnn Bauer, Köln 50667", "")]
    [InlineData("3 x 50667\n\nCall me at 10 tomorrow", "")]
    [InlineData("3 x 50667\n\nWe need 2 10 times a year", "")]
    [InlineData("3 x 50667\nShip to: Ann\nTEA-002", "")] // a house may be named so
    [InlineData("3 x TEA-002\nShip to: Ann\nGarden 5\n2 x 50667", "50667")]
    [InlineData("3 x TEA-002\nand 2 x 50667 for Bob, please", "50667")]
    [InlineData("3 x TEA-002\nand 50667 x 2 for Bob, please", "50667")]
    [InlineData("3 x TEA-002\n- 50667, please", "50667")]
    [InlineData("3 x TEA-002\n50667", "50667")]
    [InlineData("3 x TEA-002\nand 50667, please!", "50667")]
    [InlineData("3 x TEA-002\n50667 two", "50667")]
    [InlineData("3 x TEA-002\nand 4006381, please", "4006381")]
    [InlineData("3 x 50667\nShip to: Ann\nplease send 2 TEA-002 to Bob", "TEA-002")]
    public void MB_7_a_number_without_a_letter_is_that_of_an_article_where_it_is_ordered_and_not_in_an_address_or_a_sentence(string text, string asked)
    {
        Catalogue catalogue = new([.. new[] { "50667", "10", "4006381", "TEA-002" }.Select(static sku => new Product { Sku = sku, Name = $"Article {sku}", Currency = "EUR" })]);
        OrderLimits limits = new(500, 9_999, "EUR");

        ResolvedOrder order = new OrderChecker(limits).Resolve(BodyOrders.Read(text), catalogue, SuggestionBudget.For(limits), CancellationToken.None);

        Assert.Equal(asked, string.Join(' ', order.Lines.Where(static line => line.Problem is not null).Select(static line => line.Mention?.Article.Sku ?? line.Raw)));
        Assert.Equal(3, order.Lines[0].Quantity);
    }

    [Fact]
    public async Task A_question_about_an_article_in_a_confirmed_thread_is_passed_on_and_makes_no_order()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", "2 x TEA-001\n"));
        await shop.ReceiveAsync(AnswerTo("two", "one", "Is TEA-002 really black?\n"));

        Assert.Equal("1", shop.Sql("select count(*) from orders"));
        Assert.StartsWith("warning: ann@example.org wrote about ", shop.Notices[^1], StringComparison.Ordinal);
        Assert.Contains("whether it orders more has to be read", shop.Notices[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_7_an_order_in_words_that_cannot_be_read_is_asked_about_in_a_confirmed_thread_too()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", "2 x TEA-001\n"));
        await shop.ReceiveAsync(AnswerTo("two", "one", "Please be so kind and send us in addition 3 TEA-002, and a leaflet.\n"));

        Assert.Equal("confirmed,clarification", shop.Sql("select group_concat(status) from (select status from orders order by id)"));
        Assert.Contains("it names TEA-002", shop.Letters[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_11_a_question_in_an_unclear_thread_leaves_the_lines_of_the_order_as_they_are()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", "2 x TEA-001\n3 x TEA-099\n"));
        await shop.ReceiveAsync(AnswerTo("two", "one", "Is TEA-002 really black?\nShip to: Bob\nGarden 5\n"));

        Assert.Equal("clarification|Bob\nGarden 5", shop.Sql("select status, ship_to from orders"));
        Assert.Equal("2 x TEA-001,3 x TEA-099", shop.Sql("select group_concat(raw) from (select raw from order_lines order by line_no)"));
        Assert.Equal(2, shop.Letters.Count);
    }

    [Theory]
    [InlineData("*CANCEL MO-2026-000001*")]
    [InlineData("CANCEL *MO-2026-000001*.")]
    [InlineData("_CANCEL_ MO-2026-000001")]
    public void MB_13_a_cancellation_in_bold_is_one(string line) =>
        Assert.Equal(["MO-2026-000001"], BodyOrders.Read($"\n{line}\n\nAnn").Cancels);

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
