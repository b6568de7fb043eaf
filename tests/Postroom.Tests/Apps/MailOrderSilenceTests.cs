using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Mail;
using Xunit;
using static Postroom.Tests.Apps.ShopFixture;

namespace Postroom.Tests.Apps;

/// <summary>Whom the bot never answers (MB-15), and that nothing goes round in circles.</summary>
public sealed class MailOrderSilenceTests
{
    [Theory]
    [InlineData("Auto-Submitted: auto-replied\n", "ann@example.org", "a machine sent it (Auto-Submitted: auto-replied)")]
    [InlineData("Auto-Submitted: auto-generated (rejected)\n", "ann@example.org", "a machine sent it")]
    [InlineData("Precedence: bulk\n", "ann@example.org", "it went to many")]
    [InlineData("List-Id: <tea.example.org>\n", "ann@example.org", "it went to many")]
    [InlineData("Return-Path: <>\n", "ann@example.org", "it reports on a delivery")]
    [InlineData("X-Auto-Response-Suppress: All\n", "ann@example.org", "a machine sent it")]
    [InlineData("", "MAILER-DAEMON@example.org", "a mail server sent it")]
    [InlineData("", "Shop@Example.Test", "it is from the shop's own address")]
    [InlineData("Reply-To: shop@example.test\n", "ann@example.org", "it is from the shop's own address")]
    [InlineData("", "shop@mail.test", "it is from the shop's own address")]
    [InlineData("", "undisclosed", "nobody can be answered")]
    public async Task AC_94_machines_lists_bounces_and_itself_get_no_answer(string headers, string from, string why)
    {
        await using ShopFixture shop = await StartAsync("""mailOrder.addresses=["shop@example.test"]""");

        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001", headers: headers, from: from));

        Assert.Empty(shop.Letters);
        Assert.Empty(shop.Notices);
        Assert.Equal("0", shop.Sql("select count(*) from orders"));
        Assert.StartsWith($"in|ignored: {why}", shop.Sql("select direction, outcome from mails"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task MB_16_operators_are_told_of_a_letter_that_a_mail_server_gave_up_and_of_no_other_mail()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001"));
        string letter = shop.Sql("select message_id from mails where direction = 'out'");
        int told = shop.Notices.Count;

        await shop.ReceiveAsync(BounceTests.Report($"<{letter}@shop.test>", "message/rfc822"), BounceTests.Report("<foreign@shop.test>", "message/rfc822").Replace("report-1", "report-2", StringComparison.Ordinal));

        Assert.Equal("warning: MO-2026-000001: the letter to ann@example.org was not delivered (5.1.1 550 no such user, ask somebody else). Tell the customer in another way.", Assert.Single(shop.Notices.Skip(told)).Replace(shop.Sql("select number from orders"), "MO-2026-000001", StringComparison.Ordinal));
        Assert.Single(shop.Letters);
    }

    [Fact]
    public async Task MB_16_operators_are_told_of_a_letter_that_a_mail_server_refuses_at_once()
    {
        await using ShopFixture shop = await StartAsync();
        shop.Mail.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("550"), "550 5.1.1 no such user"));

        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001"), MailOf("two", "1 x TEA-001"));
        await Hosting.RuntimeHarness.UntilAsync(() => shop.Notices.Count >= 3);

        string lost = Assert.Single(shop.Notices, static notice => notice.Contains("not delivered", StringComparison.Ordinal));
        Assert.Matches(@"^warning: MO-\d{4}-000001: the letter to ann@example\.org was not delivered \(.*550 5\.1\.1 no such user.*\)\. Tell the customer in another way\.$", lost);
    }

    [Fact]
    public async Task MB_15_a_blocked_customer_gets_no_answer_and_an_unknown_one_none_where_only_known_ones_are_served()
    {
        await using ShopFixture shop = await StartAsync("mailOrder.acceptFrom=known");
        shop.Sql("insert into customers(email, name, blocked) values('ann@example.org', 'Ann', 1), ('bob@example.org', 'Bob', 0)");

        await shop.ReceiveAsync(MailOf("a", "1 x TEA-001"), MailOf("b", "1 x TEA-001", from: "Bob <BOB@example.org>"), MailOf("c", "1 x TEA-001", from: "carl@example.org"));

        Assert.Equal("bob@example.org", shop.Sql("select customer_email from orders"));
        Assert.Single(shop.Letters);
        Assert.Equal("warning: carl@example.org is no known customer and was not answered: Order", shop.Notices[^1]);
    }

    [Fact]
    public async Task AC_94_two_bots_that_answer_each_other_stop_at_the_first_letter()
    {
        await using ShopFixture one = await StartAsync();
        await using ShopFixture other = await StartAsync();
        await one.ReceiveAsync(MailOf("start", "hello", from: "other@example.org"));

        int letters = await PlayAsync(one, other, machineSays: "Auto-Submitted: auto-replied\n");

        Assert.Equal(1, letters);
    }

    [Fact]
    public async Task AC_94_a_machine_that_does_not_say_so_and_always_begins_anew_is_not_answered_for_ever()
    {
        await using ShopFixture shop = await StartAsync();

        for (int i = 0; i < 15; i++)
        {
            await shop.ReceiveAsync(MailOf($"auto{i}", "I am on holiday", "Out of office"));
        }

        Assert.Equal(10, shop.Letters.Count);
        Assert.Equal("10", shop.Sql("select count(*) from orders"));
        Assert.Contains("got 10 questions within an hour (mailOrder.maxQuestionsPerHour)", shop.Notices[0], StringComparison.Ordinal);
        await shop.ReceiveAsync(MailOf("order", "1 x TEA-001"));
        Assert.Contains("is confirmed", shop.Letters[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_id_of_somebody_elses_mail_brings_nobody_their_answer()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("one", "3 x TEA-001\nShip to: a secret place"));
        await shop.RunAsync();

        await shop.ReceiveAsync(MailOf("one", "1 x TEA-002", from: "eve@example.org"));

        Assert.DoesNotContain("secret", Assert.Single(shop.Letters), StringComparison.Ordinal);
        Assert.Equal("2", shop.Sql("select count(*) from orders"));
    }

    [Fact]
    public async Task AC_86_hostile_strings_in_every_field_come_back_as_text()
    {
        await using ShopFixture shop = await StartAsync("mailOrder.maxQuestionsPerHour=1000");
        string[] strings = [.. Messages.HostileStrings.All().Where(text => !text.AsSpan().ContainsAny('\r', '\n', '\0')).Take(60), "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "\u202Egnp.exe"];
        int n = 0;
        foreach (string text in strings)
        {
            await shop.ReceiveAsync(MailOf($"h{n++}", $"3 x TEA-009\n2 x {text}\nReference: {text}\nShip to: {text}", "Order"));
        }

        Assert.Equal(strings.Length, shop.Mail.Sends.Count);
        Assert.All(shop.Mail.Sends, send =>
        {
            Assert.DoesNotContain("<script", send.Message.Metadata["html"].GetString(), StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("<img", send.Message.Metadata["html"].GetString(), StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain('\u202E', send.Message.Message);
        });
    }

    /// <summary>Carries the letters of each bot to the other until none comes any more; how many there were.</summary>
    private static async Task<int> PlayAsync(ShopFixture one, ShopFixture other, string machineSays)
    {
        int carried = 0;
        for (int quiet = 0; quiet < 2 && carried < 50; (one, other) = (other, one))
        {
            int before = carried;
            foreach (string letter in one.Letters.Skip(carried / 2).ToArray())
            {
                carried++;
                await other.ReceiveAsync(MailOf($"m{carried}", letter, "Re: hello", machineSays, "shop@example.org"));
            }

            quiet = carried == before ? quiet + 1 : 0;
        }

        return one.Letters.Count + other.Letters.Count;
    }

    [Fact]
    public async Task MB_16_operators_hear_of_both_orders_when_two_customers_chose_the_same_Message_ID()
    {
        await using ShopFixture shop = await StartAsync();
        await shop.ReceiveAsync(MailOf("one", "1 x TEA-001"));
        byte[] raw = System.Text.Encoding.UTF8.GetBytes(MailOf("one", "2 x TEA-001", from: "Bob <bob@example.org>").ReplaceLineEndings("\r\n"));

        // Another account of the shop, since within one a Message-ID that was seen is a repeat.
        MailMessage mail = MailMessageReader.Read(raw, shop.Runtime.Clock.GetUtcNow()) with { Account = "sales@mail.test" };
        await shop.Runtime.Runtime.View.OpenSink("shop-inbox").AcceptAsync([MailTranslation.ToSource(mail, "orders", "shop-mail", null, raw)], null, TestContext.Current.CancellationToken);
        await shop.Runtime.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        Assert.Equal(["ann@example.org", "bob@example.org"], shop.Notices.Select(notice => notice.Split(' ')[5].TrimEnd(':')));
        Assert.Equal(2, shop.Letters.Count);
    }
}
