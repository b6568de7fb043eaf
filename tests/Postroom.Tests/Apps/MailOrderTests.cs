using System.Text;
using MailOrderBot.Services;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Apps.ShopFixture;

namespace Postroom.Tests.Apps;

/// <summary>What the bot does with orders (MB-5 to MB-14).</summary>
public sealed class MailOrderTests
{
    [Fact]
    public async Task MB_9_a_mail_is_checked_before_the_shop_is_held_for_it_and_the_stock_is_decided_while_it_is()
    {
        await using ShopFixture shop = await StartAsync();
        shop.Passing = step => _ = step == "read" ? shop.Sql("begin immediate; update products set stock = 2, price_minor = 500 where sku = 'TEA-001'; update products set active = 0 where sku = 'TEA-002'; commit") : "";

        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001\n1 x TEA-002\n"));
        shop.Passing = null;
        await shop.ReceiveAsync(AnswerTo("two", "one", "2 x TEA-001\n"));

        Assert.Contains("only 2 are available", shop.Letters[0], StringComparison.Ordinal);
        Assert.Contains("there is no article 'TEA-002'", shop.Letters[0], StringComparison.Ordinal);
        Assert.Equal("confirmed|1000", shop.Sql("select status, net_minor from orders"));
        Assert.Equal("0", shop.Sql("select stock from products where sku = 'TEA-001'"));
    }

    [Fact]
    public async Task MB_7_a_footer_with_more_numbers_than_an_order_may_have_lines_is_no_reason_to_ask()
    {
        await using ShopFixture shop = await StartAsync("mailOrder.maxLines=5");

        await shop.ReceiveAsync(MailOf("one", $"3 x TEA-001\n\n{string.Concat(Enumerable.Range(1, 6).Select(i => $"Telephone 030 123456{i}\n"))}"));

        Assert.Equal("confirmed", shop.Sql("select status from orders"));
    }

    [Fact]
    public async Task Who_only_reads_the_shop_waits_for_nobody_who_writes()
    {
        await using ShopFixture shop = await StartAsync();
        using ManualResetEventSlim mayEnd = new();
        using ShopDatabase database = ShopDatabase.Open(shop.Database);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<int> writing = Task.Run(() => database.WriteAsync(
            transaction =>
            {
                transaction.RetireProduct("TEA-001");
                begun.SetResult();
                mayEnd.Wait(TestContext.Current.CancellationToken);
                return transaction.CountProducts();
            },
            TestContext.Current.CancellationToken));
        await begun.Task;

        int before = await database.ReadAsync(transaction => transaction.CountProducts(), TestContext.Current.CancellationToken);
        HealthResult health = await shop.Runtime.Runtime.Services.GetRequiredService<CatalogueKeeper>().CheckAsync(TestContext.Current.CancellationToken);
        mayEnd.Set();

        Assert.Equal((4, "4", 3), (before, health.Data["articles"], await writing));
    }

    [Fact]
    public async Task AC_91_an_order_in_words_is_confirmed_to_the_cent_in_the_senders_thread()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", "Hi,\n\n3 x TEA-001\n2 Black tea\nmint: 12\n\nReference: PO <7>\nShip to: Ann\nGarden 5\n", headers: "References: <root@example.org>\nReply-To: Sales <sales@example.org>\n"));

        RecordedSend sent = Assert.Single(shop.Mail.Sends);
        string year = Year(shop);
        Assert.Equal(
            $"""
            Hello Ann Müller,

            thank you for your order MO-{year}-000001. It is confirmed:

               3 x  TEA-001  Green tea         4.50 EUR + 7 %  13.50 EUR
               2 x  TEA-002  Black tea         3.90 EUR + 7 %   7.80 EUR
              12 x  TEA-003  Mint tea <fresh>  3.20 EUR + 7 %  38.40 EUR

              Net    59.70 EUR
              Tax     4.19 EUR
              Total  63.89 EUR

            Ship to:
            Ann
            Garden 5

            Your reference: PO <7>

            To cancel it, answer within 30 minutes with this line:
            CANCEL MO-{year}-000001

            Your mail order team

            """,
            sent.Message.Message);
        string html = sent.Message.Metadata["html"].GetString()!;
        Assert.Contains("Mint tea &lt;fresh&gt;", html, StringComparison.Ordinal);
        Assert.Contains("Ann<br>\nGarden 5", html, StringComparison.Ordinal);
        Assert.Equal(("shop-mail:sales@example.org", "Re: Order", "<one@example.org>"), (sent.Message.To!.ToString(), sent.Message.Subject, sent.Message.ReplyTo));
        JournalPage letters = await shop.Runtime.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.shop-mail" }, TestContext.Current.CancellationToken);
        Assert.Equal("<root@example.org> <one@example.org>", Assert.Single(letters.Items).Envelope.Header(HeaderNames.References));
        Assert.Equal("17|98|48", shop.Sql("select group_concat(stock, '|') from (select stock from products where sku like 'TEA%' order by sku)"));
        Assert.Equal("confirmed|EUR|5970|419|6389|PO <7>|ann@example.org", shop.Sql("select status, currency, net_minor, tax_minor, gross_minor, reference, customer_email from orders"));
        Assert.Equal("TEA-001|-3\nTEA-002|-2\nTEA-003|-12", shop.Sql("select sku, delta from stock_moves order by sku"));
        Assert.Equal("in|confirmed\nout|confirmed", shop.Sql("select direction, outcome from mails order by direction"));
        Assert.Equal([$"info: New order MO-{year}-000001 of ann@example.org: 3 lines, 63.89 EUR."], shop.Notices);
    }

    [Theory]
    [InlineData("sku,qty\r\nTEA-001,3\r\nTEA-002,2\r\n", "utf-8", "text/csv; charset=utf-8")]
    [InlineData("Article;Quantity;Note\r\nTEA-001;3;\"grün; \"\"bio\"\"\"\r\nTEA-002;2;\r\n", "iso-8859-1", "text/csv; charset=iso-8859-1")]
    [InlineData("item\tamount\r\nTEA-001\t3\r\nTEA-002\t2\r\n", "utf-16", "application/vnd.ms-excel")]
    [InlineData("sku;qty\r\n\"TEA-001\";\"3\"\r\nTEA-002;2\r\n", "bom", "application/octet-stream")]
    public async Task AC_91_an_order_in_a_file_counts_alone_whatever_its_delimiter_and_charset(string csv, string charset, string type)
    {
        await using ShopFixture shop = await StartAsync();
        Encoding encoding = charset == "bom" ? new UTF8Encoding(true) : Encoding.GetEncoding(charset);

        await shop.ReceiveAsync(MailWithFiles("one", "9 x POT-020\n\nReference: 12", ($"Content-Type: {type}", [.. encoding.GetPreamble(), .. encoding.GetBytes(csv)])));

        Assert.Contains("is confirmed", Assert.Single(shop.Letters), StringComparison.Ordinal);
        Assert.Equal($"TEA-001|3\nTEA-002|2", shop.Sql("select sku, quantity from order_lines order by line_no"));
        Assert.Equal($"12|{(csv.Contains("grün", StringComparison.Ordinal) ? "TEA-001: grün; \"bio\"" : "")}", shop.Sql("select reference, note from orders"));
    }

    [Theory]
    [InlineData("3 x TEA-009\n1 x TEA-002", "3 x TEA-009\n  is not clear: there is no article 'TEA-009'\n  Did you mean TEA-001 (Green tea) or TEA-002 (Black tea) or TEA-003 (Mint tea <fresh>)?\n- 1 x TEA-002\n  is fine: 1 x TEA-002 Black tea, 3.90 EUR")]
    [InlineData("3 x POT-020", "3 x POT-020\n  is not clear: only 2 are available\n  POT-020 Teapot: 24.90 EUR each, 2 available")]
    [InlineData("7 x TEA-003", "7 x TEA-003\n  is not clear: it is sold in packs of 6; 6 or 12 would be possible\n  TEA-003 Mint tea <fresh>: 3.20 EUR each, 60 available, in packs of 6")]
    [InlineData("What do you have?", "We found no order lines in it")]
    public async Task AC_91_an_unclear_order_is_asked_about_and_takes_no_stock(string text, string said)
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", text));

        string letter = Assert.Single(shop.Letters);
        Assert.Contains(said, letter, StringComparison.Ordinal);
        Assert.Contains("3 x ARTICLE\nARTICLE: 3\n3 name of the article", letter, StringComparison.Ordinal);
        Assert.Equal("Re: Order", shop.Mail.Sends[0].Message.Subject);
        Assert.Equal("clarification||20", shop.Sql("select status, (select count(*) from stock_moves where 0 = 1 having count(*) > 0), (select stock from products where sku = 'TEA-001') from orders"));
        Assert.Equal("", shop.Sql("select * from stock_moves"));
        Assert.Empty(shop.Notices);
    }

    [Fact]
    public async Task AC_93_the_same_mail_twice_is_one_order_also_when_the_memory_is_lost()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001"), MailOf("one", "3 x TEA-001"));
        string first = Assert.Single(shop.Letters);
        await shop.RunAsync();
        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001"));

        Assert.Equal(first, Assert.Single(shop.Letters)); // a memory store knows nothing of the one that left
        Assert.Equal("1|17", shop.Sql("select count(*), (select stock from products where sku = 'TEA-001') from orders"));
    }

    [Fact]
    public async Task AC_93_an_answer_completes_the_order_and_a_third_unclear_one_goes_to_a_person()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-009\nReference: R1"), AnswerTo("a2", "a1", "3 x TEA-001\n\nOn Monday Shop wrote:\n> 3 x TEA-009"));
        await shop.ReceiveAsync(MailOf("b1", "1 x nothing"), AnswerTo("b2", "b1", "2 x nothing"), AnswerTo("b3", "b1", "3 x nothing"), AnswerTo("b4", "b1", "Hello?"));

        Assert.Equal("000001|confirmed|R1\n000002|needs-person|", shop.Sql("select substr(number, 9), status, reference from orders order by number"));
        Assert.Equal("TEA-001|3", shop.Sql("select sku, quantity from order_lines where order_id = 1"));
        Assert.Equal(["unclear", "confirmed", "unclear", "unclear", "One of us will read"], shop.Letters.Select(letter => new[] { "unclear", "confirmed", "One of us will read" }.First(word => letter.Contains(word, StringComparison.Ordinal))));
        Assert.Equal(["info: New order", "warning: MO-", "warning: ann@"], shop.Notices.Select(notice => notice[..Math.Min(notice.Length, notice.StartsWith("info", StringComparison.Ordinal) ? 15 : notice.Contains("wrote again", StringComparison.Ordinal) ? 13 : 12)]));
        Assert.Contains("needs a person: it is unclear after 2 questions.", shop.Notices[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_11_an_answer_that_names_only_the_letter_itself_is_known_and_that_of_somebody_else_is_not()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-009"));
        string letter = $"In-Reply-To: <{shop.Mail.Sends[0].Message.Metadata["messageId"].GetString()}@shop.test>\n";

        await shop.ReceiveAsync(MailOf("x1", "5 x TEA-001", headers: letter, from: "eve@example.org"), MailOf("a2", "2 x TEA-001", headers: letter));

        Assert.Equal("ann@example.org|confirmed|2\neve@example.org|confirmed|5", shop.Sql("select customer_email, status, quantity from orders join order_lines on order_id = id order by 1"));
    }

    [Fact]
    public async Task MB_13_an_order_is_cancelled_in_time_by_its_customer_and_by_nobody_else()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001\n12 mint"), MailOf("a2", "1 x TEA-001"));
        string first = $"MO-{Year(shop)}-000001";
        string second = $"MO-{Year(shop)}-000002";

        await shop.ReceiveAsync(MailOf("x1", "", $"CANCEL {first}", from: "eve@example.org"), AnswerTo("a3", "a1", $"cancel {first}\n\nthanks"), MailOf("a4", "", $"CANCEL {first}"));
        shop.Runtime.Clock.Advance(TimeSpan.FromMinutes(31));
        await shop.ReceiveAsync(MailOf("a5", "", $"CANCEL {second}"));

        Assert.Contains($"we could not cancel {first}: there is no such order from your address.", shop.Letters[2], StringComparison.Ordinal);
        Assert.Contains($"your order {first} is cancelled. It will not be sent", shop.Letters[3], StringComparison.Ordinal);
        Assert.Contains("it is cancelled already", shop.Letters[4], StringComparison.Ordinal);
        Assert.Contains("UTC, 30 minutes after its confirmation", shop.Letters[5], StringComparison.Ordinal);
        Assert.Equal("cancelled\nconfirmed", shop.Sql("select status from orders order by number"));
        Assert.Equal("19|60", shop.Sql("select (select stock from products where sku = 'TEA-001'), (select stock from products where sku = 'TEA-003')"));
        Assert.Equal("-1|TEA-001", shop.Sql("select sum(delta), sku from stock_moves group by sku having sum(delta) <> 0"));
    }

    [Fact]
    public async Task An_answer_to_a_refused_cancellation_is_read_by_a_person_as_the_letter_says()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "", "CANCEL MO-2020-000009"));

        await shop.ReceiveAsync(MailOf("a2", "But I did order it!", headers: $"In-Reply-To: <{shop.Mail.Sends[0].Message.Metadata["messageId"].GetString()}@shop.test>\n"));

        Assert.Single(shop.Letters);
        Assert.Equal("info: ann@example.org answered a refused cancellation: Order", Assert.Single(shop.Notices));
        Assert.Equal("0", shop.Sql("select count(*) from orders"));
    }

    [Fact]
    public async Task A_thank_you_for_a_confirmation_orders_nothing_and_more_lines_are_a_new_order()
    {
        await using ShopFixture shop = await StartAsync();

        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"), AnswerTo("a2", "a1", "Thank you!"), AnswerTo("a3", "a1", "And please 1 more:\n1 x TEA-002"));

        Assert.Equal(2, shop.Letters.Count);
        Assert.Equal("2", shop.Sql("select count(*) from orders where status = 'confirmed'"));
        Assert.Equal($"info: ann@example.org wrote about MO-{Year(shop)}-000001 (confirmed) and orders nothing new: Re: Order", shop.Notices[1]);
    }

    [Fact]
    public async Task MB_16_operators_hear_of_large_orders_of_mails_that_fail_for_good_and_of_a_refused_catalogue()
    {
        await using ShopFixture shop = await StartAsync("mailOrder.notifyAbove=40", "queues.orders.maxAttempts=2");
        await shop.ReceiveAsync(MailOf("a1", "2 x POT-020"), MailOf("a2", "1 x TEA-002"));
        shop.Sql("create trigger broken before insert on mails begin select raise(abort, 'the disk is on fire'); end");
        await shop.ReceiveAsync(MailOf("a3", "1 x TEA-002", "Late"));
        await File.WriteAllTextAsync(shop.CatalogueFile, "sku,name,price\nA,Tea,free\n", TestContext.Current.CancellationToken);
        await Hosting.RuntimeHarness.UntilAsync(() =>
        {
            shop.Runtime.Clock.Advance(TimeSpan.FromSeconds(3));
            return shop.Notices.Count >= 5;
        });

        Assert.Equal(
            ["info: New order", "warning: Order", "info: New order", "error: The mail 'Late' of ann@example.org (<a3@example.org>) could not be handled.", "error: The catalogue"],
            shop.Notices.Zip(new[] { 15, 14, 15, 82, 20 }, (notice, length) => notice[..Math.Min(length, notice.Length)]));
        Assert.Contains("Line 2: the price 'free'", shop.Notices[4], StringComparison.Ordinal);
        Assert.Equal("4", shop.Sql("select count(*) from products where active = 1"));
        Assert.Equal("2", shop.Sql("select count(*) from orders"));
    }

    [Fact]
    public async Task MB_20_a_changed_catalogue_is_loaded_and_keeps_the_stock_unless_told_otherwise()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("a1", "3 x TEA-001"));
        const string Changed = "sku,name,price,tax,pack,stock,active,aliases\nTEA-001,Green tea,5.00,7,1,500,yes,\nNEW-001,Cake,2.00,7,1,5,yes,\n";

        await File.WriteAllTextAsync(shop.CatalogueFile, Changed, TestContext.Current.CancellationToken);
        await Hosting.RuntimeHarness.UntilAsync(() =>
        {
            shop.Runtime.Clock.Advance(TimeSpan.FromSeconds(3));
            return shop.Sql("select stock from products where sku = 'NEW-001'") == "5";
        });

        Assert.Equal("NEW-001|5|200|1\nTEA-001|17|500|1", shop.Sql("select sku, stock, price_minor, active from products where active = 1 order by sku"));
        await shop.RunAsync("mailOrder.stockMode=replace");
        Assert.Equal("500", shop.Sql("select stock from products where sku = 'TEA-001'"));
        await shop.ReceiveAsync(MailOf("a2", "3 x TEA-001"));
        await shop.RunAsync("mailOrder.stockMode=replace");
        Assert.Equal("497", shop.Sql("select stock from products where sku = 'TEA-001'")); // the same file again sells nothing back
    }

    [Fact]
    public async Task Settings_that_cannot_be_are_refused_all_together()
    {
        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => StartAsync(
            "mailOrder.currency=euro", "mailOrder.maxLines=0", "mailOrder.cancelWindow=60d", "mailOrder.acceptFrom=friends", "mailOrder.notifyAbove=-5", "mailOrder.replyVia=Shop Mail", "mailOrder.stockMode=add", "mailOrder.catalog=x"));

        Assert.All(
            ["mailOrder.currency", "mailOrder.maxLines", "mailOrder.cancelWindow", "mailOrder.acceptFrom", "mailOrder.notifyAbove", "mailOrder.replyVia", "mailOrder.stockMode", "mailOrder.catalog"],
            key => Assert.Contains(refused.Problems, problem => problem.ToString().Contains(key, StringComparison.Ordinal)));
    }

    private static string Year(ShopFixture shop) => shop.Runtime.Clock.GetUtcNow().Year.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
