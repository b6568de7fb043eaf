using MailOrderBot.Domain;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>Lines are read by their words, or asked about (MB-7): none that names an article and a number is lost.</summary>
public sealed class WordOrderTests
{
    [Theory]
    [InlineData("and 3 Black tea please", "3 TEA-002")]
    [InlineData("plus 3 Black tea", "3 TEA-002")]
    [InlineData("also: 3 Black tea", "3 TEA-002")]
    [InlineData("I also need 3 Black tea", "3 TEA-002")]
    [InlineData("Black tea 3 please", "3 TEA-002")]
    [InlineData("Peppermint tea, 6 please", "6 TEA-003")]
    [InlineData("x3 Black tea", "3 TEA-002")]
    [InlineData("(3) Black tea", "3 TEA-002")]
    [InlineData("three Black tea", "3 TEA-002")]
    [InlineData("ten Tea cups", "10 CUP-010")]
    [InlineData("one teapot", "1 POT-020")]
    [InlineData("a teapot, please", "1 POT-020")]
    [InlineData("and a dozen tea cups", "12 CUP-010")]
    [InlineData("2 dozen tea cups", "24 CUP-010")]
    [InlineData("Black tea: three", "3 TEA-002")]
    [InlineData("Teapot - one", "1 POT-020")]
    [InlineData("Tea strainer: 2 packs of 10", "20 STR-030")]
    [InlineData("and please two of the Black tea", "2 TEA-002")]
    [InlineData("3 x TEA-002 (Black tea)", "3 TEA-002")]
    [InlineData("3 x Black tea (TEA-002)", "3 TEA-002")]
    [InlineData("TEA-002 - Black tea - 3", "3 TEA-002")]
    [InlineData("3x TEA-002 @ 3.90", "3 TEA-002")]
    [InlineData("3x TEA-002 @ 3,90 EUR", "3 TEA-002")]
    [InlineData("TEA-002, 3 pcs, 3.90 EUR", "3 TEA-002")]
    [InlineData("TEA-001 x 2, TEA-002 x 3", "2 TEA-001, 3 TEA-002")]
    [InlineData("2 Green tea and 3 Black tea", "2 TEA-001, 3 TEA-002")]
    [InlineData("2 mal Black tea", "2 TEA-002")]
    [InlineData("1 Dutzend TEA-001", "12 TEA-001")]
    [InlineData("Black tea, 3x", "3 TEA-002")]
    [InlineData("3 Black tea!", "3 TEA-002")]
    [InlineData("Please send 10 TEA-001.", "10 TEA-001")]
    [InlineData("Bitte senden Sie uns zehn Black tea, danke!", "10 TEA-002")]
    [InlineData("ein Teapot", "1 POT-020")]
    [InlineData("3 x TEA–002", "3 TEA-002")] // an en-dash
    [InlineData("3 x TEA\u2011002", "3 TEA-002")]
    [InlineData("and 3 TEA\u2011002 please", "3 TEA-002")]
    [InlineData("3 packs TEA-002", "3 TEA-002")] // one is a pack
    [InlineData("TEA-001\tGreen tea\t3", "3 TEA-001")]
    [InlineData("tea-002 two", "2 TEA-002")]
    [InlineData("10 filters and two cups", "10 STR-030, 2 CUP-010")]
    [InlineData("three (3) Black tea", "3 TEA-002")]
    [InlineData("3 (three) x Black tea", "3 TEA-002")]
    [InlineData("3 × TEA-001 à 4,50 €", "3 TEA-001")]
    [InlineData("TEA-002 Qty 3 Price 4.50", "3 TEA-002")]
    [InlineData("ITEM: TEA-003 QTY: 6", "6 TEA-003")]
    [InlineData("Please add 2 more teapots to my order.", "2 POT-020")]
    [InlineData("twenty Black tea", "20 TEA-002")]
    [InlineData("Bitte einmal Black tea und zweimal Green tea", "1 TEA-002, 2 TEA-001")]
    [InlineData("PO 4711", "")]
    [InlineData("Tel. 123", "")]
    public void MB_7_a_line_is_read_by_its_words(string line, string said) => Assert.Equal(said, ShopCatalogue.Said(line));

    [Theory]
    [InlineData("No. 3 Black tea", "TEA-002")]
    [InlineData("½ Black tea", "no whole number")]
    [InlineData("1.5 Black tea please", "no whole number")]
    [InlineData("Tea strainer: 2 packs", "packs of 10, and we count single ones: please write 20 x STR-030")]
    [InlineData("3 packs TEA-003", "please write 18 x TEA-003")]
    [InlineData("2 packs of 5 Tea strainers", "STR-030")]
    [InlineData("3 x TEA-001 (Black tea)", "TEA-001 is Green tea, and it names TEA-002 (Black tea) too")]
    [InlineData("Black tea 3 or 4", "TEA-002")]
    [InlineData("3 Black tea?", "TEA-002")]
    [InlineData("Could we perhaps get 3 Black tea for Monday", "TEA-002")]
    [InlineData("3 Black tea but not the strong one", "TEA-002")]
    [InlineData("TEA-001\tGreen tea\t3\t4", "TEA-001")]
    [InlineData("2 each of TEA-001 and TEA-002", "TEA-001 and TEA-002")]
    [InlineData("and some Black tea", "'some' is no whole number")]
    [InlineData("and a few Black tea", "TEA-002")]
    [InlineData("half a dozen tea cups", "CUP-010")]
    [InlineData("twenty-five Black tea", "TEA-002")]
    [InlineData("fünfundzwanzig Black tea", "TEA-002")]
    [InlineData("Item: Black tea", "TEA-002")]
    [InlineData("We have 3 Black tea", "TEA-002")]
    [InlineData("Thank you for the 2 teapots", "POT-020")]
    [InlineData("3 x Green Lantern", "Did you mean")]
    [InlineData("and 3 Blak tea please", "there is no article 'Blak tea'")]
    [InlineData("Black tea, 3 Green tea, 2", "TEA-002 and TEA-001")]
    [InlineData("We would like to have for our new office, which opens in May, three of the famous Black tea that you had at the fair.", "TEA-002")]
    public void MB_7_a_line_with_a_known_name_and_a_number_is_read_or_asked_about(string line, string why)
    {
        ResolvedOrder order = ShopCatalogue.Resolve($"2 x TEA-001\n{line}\n");

        CheckedLine asked = Assert.Single(order.Lines, static checkedLine => checkedLine.Problem is not null);
        Assert.Contains(why, why == "Did you mean" && asked.Problem!.Suggestions.Count > 0 ? why : asked.Problem!.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("The green tea was lovely, thank you")]
    [InlineData("Is there a pot that keeps warm?")]
    [InlineData("Hello Black tea team,")]
    [InlineData("We have enough black tea for now")]
    public void MB_7_a_sentence_that_names_an_article_without_a_number_is_no_reason_to_ask(string line) => Assert.Equal("2 TEA-001", ShopCatalogue.Said($"2 x TEA-001\n\n{line}\n"));

    [Fact]
    public void MB_11_the_lines_keep_the_order_of_the_mail()
    {
        ResolvedOrder order = ShopCatalogue.Resolve("TEA-003\n2 x TEA-001\nand some Black tea\n4 Earl Grey\n1 x POT-020\n");

        Assert.Equal(["TEA-003", "2 x TEA-001", "and some Black tea", "4 Earl Grey", "1 x POT-020"], order.Lines.Select(static line => line.Raw));
    }

    [Theory]
    [InlineData("Mit freundlichen Grüßen\nJörg Weiß\nGartenstraße 12\n10115 Berlin")]
    [InlineData("Viele Grüße aus Berlin\nJörg\nHauptstr. 5")]
    [InlineData("Kind regards,\nAnn Green\n12 Green Street\nFax 123\nHRB 4711")]
    [InlineData("Thanks!\nAnn\nTel 123456\nRoom 12")]
    [InlineData("LG Ann\nHauptstr. 5")]
    [InlineData("MfG\nWeiß GmbH\nHauptstr. 5\nHRB 4711")]
    [InlineData("Best,\nAnn\nSuite 5")]
    [InlineData("Cheers, Ann\nFax 123")]
    [InlineData("Thx\nAnn Black\nFon 0171 123")]
    [InlineData("Vielen Dank und viele Grüße\nAnn\nBlack Tea Road 5")]
    public void MB_7_what_stands_below_the_closing_holds_up_no_order(string closing)
    {
        Assert.Equal("3 TEA-002", ShopCatalogue.Said($"Hello,\n\n3 x TEA-002\n\n{closing}\n"));
        Assert.Equal("3 TEA-002", ShopCatalogue.Said($"Hello,\n\nplease send three Black tea.\n\n{closing}\n")); // an order in words
    }

    [Theory]
    [InlineData("Kind regards\nAnn\n3 x TEA-099", "2 TEA-001, ?")]
    [InlineData("Kind regards\nAnn\n3 x Earl Grey", "2 TEA-001, ?")]
    [InlineData("Kind regards\nAnn\n\n3 Black tea", "2 TEA-001, 3 TEA-002")]
    [InlineData("Kind regards\nAnn\nPS: and 3 Black tea for Bob", "2 TEA-001, ?")]
    [InlineData("Gartenstraße 12", "2 TEA-001, ?")] // no closing
    public void MB_7_an_order_line_below_the_closing_is_none_the_less_one(string end, string said) => Assert.Equal(said, ShopCatalogue.Said($"2 x TEA-001\n\n{end}\n"));
}
