using Xunit;
using static Postroom.Tests.Apps.ShopFixture;

namespace Postroom.Tests.Apps;

/// <summary>What a mail is for: an order, a cancellation, both, or neither (MB-11, MB-13).</summary>
public sealed class MailPurposeTests
{
    [Fact]
    public async Task MB_13_a_cancellation_with_an_order_does_both_and_operators_hear_of_both()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"));
        string first = shop.Sql("select number from orders");

        await shop.ReceiveAsync(AnswerTo("a2", "a1", $"CANCEL {first}\nInstead I want\n5 x TEA-002"));

        Assert.Equal("cancelled|confirmed", shop.Sql("select group_concat(status, '|') from (select status from orders order by id)"));
        Assert.Contains($"your order {first} is cancelled.", shop.Letters[1], StringComparison.Ordinal);
        Assert.Contains("5 x  TEA-002", shop.Letters[1], StringComparison.Ordinal);
        Assert.DoesNotContain("in addition", shop.Letters[1], StringComparison.Ordinal);
        Assert.Equal("20|95", shop.Sql("select (select stock from products where sku = 'TEA-001'), (select stock from products where sku = 'TEA-002')"));
        Assert.Equal([$"info: ann@example.org cancelled {first}.", "info: New order"], shop.Notices.Skip(1).Select(static notice => notice.StartsWith("info: New", StringComparison.Ordinal) ? notice[..15] : notice));
    }

    [Fact]
    public async Task MB_13_an_order_beside_a_cancellation_that_comes_too_late_goes_to_a_person()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"));
        string first = shop.Sql("select number from orders");
        shop.Runtime.Clock.Advance(TimeSpan.FromMinutes(31));

        await shop.ReceiveAsync(AnswerTo("a2", "a1", $"CANCEL {first}\nInstead I want\n5 x TEA-002"));

        Assert.Equal("confirmed|needs-person", shop.Sql("select group_concat(status, '|') from (select status from orders order by id)"));
        Assert.Contains($"we could not cancel {first}", shop.Letters[1], StringComparison.Ordinal);
        Assert.StartsWith("warning: MO-", shop.Notices[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_13_a_line_that_cancels_is_found_anywhere_and_other_words_are_answered_with_it()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"), MailOf("b1", "1 x TEA-001"));
        string first = shop.Sql("select min(number) from orders");
        string second = shop.Sql("select max(number) from orders");

        await shop.ReceiveAsync(AnswerTo("a2", "a1", $"Hello,\n\nCANCEL {first}"));
        await shop.ReceiveAsync(AnswerTo("b2", "b1", "Bitte stornieren!"), AnswerTo("b3", "b1", $"Please cancel my order {second}."), MailOf("c1", "", "Stornierung"));

        Assert.Equal("cancelled|confirmed", shop.Sql("select group_concat(status, '|') from (select status from orders order by id)"));
        Assert.All(shop.Letters.Skip(3).Take(2), letter => Assert.Contains($"send a mail with this line:\nCANCEL {second}\n", letter, StringComparison.Ordinal));
        Assert.Contains("with the number of the order", shop.Letters[5], StringComparison.Ordinal);
        Assert.Equal(
            [$"warning: ann@example.org speaks of a cancellation ({second}), and nothing is cancelled yet: \"Bitte stornieren!\". Re: Order"],
            shop.Notices.Where(static notice => notice.Contains("Bitte", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task MB_13_an_order_that_an_operator_cancels_gives_its_stock_back()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001\n12 mint"), MailOf("b1", "1 x TEA-001"));

        shop.Sql(MailOrderPageTests.OperatorCancels.Replace("MO-2026-000001", shop.Sql("select min(number) from orders"), StringComparison.Ordinal));

        Assert.Equal("19|60", shop.Sql("select (select stock from products where sku = 'TEA-001'), (select stock from products where sku = 'TEA-003')"));
        Assert.Equal("", shop.Sql("select sku from stock_moves where order_id = 1 group by sku having sum(delta) <> 0"));
        await shop.ReceiveAsync(AnswerTo("a2", "a1", $"CANCEL {shop.Sql("select min(number) from orders")}"));
        Assert.Contains("it is cancelled already", shop.Letters[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_13_words_of_a_cancellation_beside_order_lines_are_asked_about()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", "Please cancel the green tea, and send\n3 x TEA-002"));

        Assert.Equal("clarification", shop.Sql("select status from orders"));
        Assert.Contains("Your mail speaks of a cancellation: \"Please cancel the green tea, and send\"", shop.Letters[0], StringComparison.Ordinal);
        Assert.StartsWith("warning: ann@example.org speaks of a cancellation", Assert.Single(shop.Notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("I want to return\n3 x TEA-001")]
    [InlineData("Rückgabe:\n3 x TEA-001")]
    [InlineData("Please send me a quote for\n3 x TEA-001")]
    [InlineData("Bitte um ein Angebot:\n3 x TEA-001")]
    [InlineData("I have not received\n3 x TEA-001")]
    [InlineData("We did not receive this:\n3 x TEA-001")]
    [InlineData("Please do NOT send\n3 x TEA-001")]
    [InlineData("Bitte keine Tasse schicken:\n3 x TEA-001")]
    [InlineData("Scrap that.\n3 x TEA-001")]
    [InlineData("Rechnung Nr. 4711\n3 x TEA-001")]
    [InlineData("3 x TEA-001\nInvoice date: today")]
    public async Task MB_12_words_that_no_order_has_lead_to_a_person(string text)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", text));

        Assert.Equal("needs-person|20", shop.Sql("select status, (select stock from products where sku = 'TEA-001') from orders"));
        Assert.Contains("One of us will read it and answer you; nothing is ordered by it.", shop.Letters[0], StringComparison.Ordinal);
        Assert.StartsWith("warning: MO-", Assert.Single(shop.Notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Please answer by return of post.\n3 x TEA-001")]
    [InlineData("Send the invoice to the office, please.\n3 x TEA-001")]
    [InlineData("Gemäß Ihrem Angebot bestellen wir\n3 x TEA-001")]
    [InlineData("Don't forget the ribbon.\n3 x TEA-001")]
    [InlineData("3 x TEA-001\nReference: Rechnung 4711")]
    [InlineData("3 x TEA-001\n\nKind regards\nAnn\nIf you have received this mail in error, do not deliver, copy or return it. Rückgabe nur mit Quittung.")]
    public async Task MB_12_the_same_words_in_another_sense_do_not(string text)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", text));

        Assert.Equal("confirmed", shop.Sql("select status from orders"));
    }

    [Fact]
    public async Task A_complaint_in_a_confirmed_thread_is_answered_and_makes_no_order()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"));

        await shop.ReceiveAsync(AnswerTo("a2", "a1", "We did not receive anything."));

        Assert.Equal("1", shop.Sql("select count(*) from orders"));
        Assert.Contains("\"We did not receive anything.\"", shop.Letters[1], StringComparison.Ordinal);
        Assert.Contains("\"We did not receive anything.\"", shop.Notices[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_10_a_second_confirmation_of_a_thread_says_what_it_comes_in_addition_to()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"), AnswerTo("a2", "a1", "1.5 x TEA-002"), AnswerTo("a3", "a1", "1 x TEA-002"), MailOf("b1", "1 x TEA-002"));
        string first = shop.Sql("select min(number) from orders");

        Assert.DoesNotContain("in addition", shop.Letters[0], StringComparison.Ordinal);
        Assert.Contains($"It comes in addition to {first}, which stays as it is.", shop.Letters[2], StringComparison.Ordinal);
        Assert.DoesNotContain("in addition", shop.Letters[3], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Fwd: tea", "Please see below.\n\n---------- Forwarded message ---------\nFrom: Bob <bob@example.org>\nDate: Mon, 2 Mar 2026\nSubject: tea\nTo: Ann\n\n3 x TEA-001")]
    [InlineData("Tea", "Begin forwarded message:\n\n> From: Bob\n> 3 x TEA-001")]
    public async Task MB_11_a_forwarded_order_is_asked_for_in_words_that_help(string subject, string text)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", text, subject));

        Assert.Contains("A forwarded mail is not read. Please write the lines of the order above it", Assert.Single(shop.Letters), StringComparison.Ordinal);
    }
}
