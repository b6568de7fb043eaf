using System.Text;
using MailOrderBot.Domain;
using Xunit;
using static Postroom.Tests.Apps.ShopFixture;

namespace Postroom.Tests.Apps;

/// <summary>A part of what the customer wrote is not confirmed in silence (MB-6, MB-7, MB-11).</summary>
public sealed class PartialOrderTests
{
    [Theory]
    [InlineData("2 x TEA-001\nShip to: Ann\nGarden 5\n\n3 x TEA-002\nShip to: Bob\nPark 7", "2 addresses to deliver to")]
    [InlineData("2 x TEA-001\nLieferadresse: Ann, Garden 5\n\nDelivery address:\nBob\nPark 7", "2 addresses to deliver to")]
    public async Task MB_7_two_addresses_are_asked_about(string text, string said)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", text));

        Assert.Equal("clarification", shop.Sql("select status from orders"));
        Assert.Contains(said, shop.Letters[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Delivery address:")]
    [InlineData("Deliver to:")]
    [InlineData("Lieferadresse:")]
    [InlineData("Versand an:")]
    [InlineData("Lieferanschrift:")]
    [InlineData("Ship to:")]
    public void MB_7_an_address_has_several_labels(string label)
    {
        OrderRequest request = BodyOrders.Read($"2 x TEA-001\n{label} Ann\nGartenstr. 12\n10115 Berlin\n\nThanks");

        Assert.Equal("Ann\nGartenstr. 12\n10115 Berlin", request.ShipTo);
        Assert.Equal("2 TEA-001", ShopCatalogue.Said(ShopCatalogue.Resolve(request)));
    }

    [Theory]
    [InlineData("and 3 x TEA-002 please", true)]
    [InlineData("2 x TEA-099", true)]
    [InlineData("Our order is in the file.\n\nKind regards\nAnn\nGarden 5", false)]
    public async Task MB_6_a_file_counts_alone_and_the_letter_says_which_order_lines_beside_it_were_not_read(string text, bool says)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailWithFiles("one", text, ("Content-Type: text/csv", Encoding.UTF8.GetBytes("sku,qty\nTEA-001,3\n"))));

        Assert.Equal("confirmed", shop.Sql("select status from orders"));
        Assert.Equal(says, shop.Letters[0].Contains($"Beside the file your text says: {text}. We did not read that", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "order.xlsx", true)]
    [InlineData("application/pdf", "Bestellung.PDF", true)]
    [InlineData("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "order.docx", true)]
    [InlineData("image/png", "logo.png", false)]
    [InlineData("text/plain", "ATT00001.txt", false)]
    public async Task MB_6_a_file_that_may_be_an_order_and_is_not_read_is_said(string type, string name, bool says)
    {
        await using ShopFixture shop = await StartAsync();
        string mail = MailWithFiles("one", "2 x TEA-001", ($"Content-Type: {type}", [1, 2, 3])).Replace("order.csv", name, StringComparison.Ordinal);

        await shop.ReceiveAsync(mail);

        Assert.Equal("confirmed", shop.Sql("select status from orders"));
        Assert.Equal(says, shop.Letters[0].Contains($"We did not read {name}: of files we read CSV only.", StringComparison.Ordinal));
    }

    [Fact]
    public void MB_7_what_follows_twenty_thousand_lines_is_not_left_out_in_silence()
    {
        string many = string.Concat(Enumerable.Repeat("\n", 20_000));

        Assert.Contains("more than 20000 lines", Assert.Single(BodyOrders.Read($"2 x TEA-001{many}3 x TEA-002").Problems), StringComparison.Ordinal);
        Assert.Empty(BodyOrders.Read($"2 x TEA-001{many[..^2]}").Problems);
        Assert.Empty(BodyOrders.Read($"2 x TEA-001\n-- {many}3 x TEA-002").Problems);
    }

    [Fact]
    public async Task A_text_that_was_cut_is_not_confirmed()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", $"2 x TEA-001\n\n{string.Concat(Enumerable.Repeat($"{new string('x', 990)}\n", 1_100))}"));

        Assert.Equal("clarification", shop.Sql("select status from orders"));
        Assert.Contains("more text than the 1048576 characters", shop.Letters[0], StringComparison.Ordinal);
    }
}
