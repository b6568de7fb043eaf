using Postroom.EndToEnd.Tests.Program;
using Postroom.Testing;
using Postroom.Tests.Mail;
using Xunit;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>The bot dies in the middle of an order; order, letter and stock are as if it had not.</summary>
[Collection(Processes.Name)]
public sealed class OrderDeathTests
{
    private static readonly string[] Steps =
    [
        "dispatched mail.received", "before the handler", "before commit", "after commit", "after the handler", "acknowledged mail.received", "dispatched notify", "acknowledged notify",
    ];

    [Fact]
    public async Task Ac92_Killed_at_every_step_an_order_is_one_order_with_one_letter_its_stock_is_taken_once_and_its_mail_is_read_at_the_end()
    {
        await using RealImapServer dovecot = await RealImapServer.StartAloneAsync(RealProgram.Cancel);
        await using FakeSmtpServer letters = new();
        await using OrderRun run = new(dovecot, LetterBox.Of(letters), "idle", "sqlite");
        List<string> mails = [];
        foreach (string step in Steps)
        {
            // Each run finishes the order that the one before died of.
            string id = $"step{mails.Count}";
            mails.Add(dovecot.Deliver(OrderRun.Mail(id, $"c{mails.Count}@example.org", "3 x TEA-001")));
            await run.DieAsync(step, id);
            if (step is not ("acknowledged mail.received" or "dispatched notify" or "acknowledged notify"))
            {
                Assert.Equal("", dovecot.FlagsOf(mails[^1]));
            }
        }

        await run.RunAsync();
        await run.UntilAsync(() => Task.FromResult(mails.TrueForAll(mail => dovecot.FlagsOf(mail) == "S") && Customers(run.Letters).Distinct().Count() >= Steps.Length));
        await run.Program.KillAsync(); // read and answered: dying now brings nothing back
        await run.RunAsync();
        await run.UntilAsync(async () => (await run.Program.ApiAsync("status")).ToString().Contains("shop-inbox", StringComparison.Ordinal));

        Assert.Equal("8|8|confirmed", await run.SqlAsync("select count(*), count(distinct message_id), group_concat(distinct status) from orders"));
        Assert.Equal("-24|8", await run.SqlAsync("select sum(delta), count(*) from stock_moves"));
        Assert.Equal("999976", await run.SqlAsync("select stock from products where sku = 'TEA-001'"));
        Assert.Equal(Steps.Select((_, i) => $"c{i}@example.org").Order(), Customers(run.Check()).Order());
        Assert.Empty(letters.Violations);
    }

    private static IEnumerable<string> Customers(string[] letters) => letters.Select(letter => OrderRun.Header(letter, "To"));

    [Theory]
    [InlineData("polling")]
    [InlineData("idle")]
    public async Task Ac99_With_a_store_in_memory_unread_mail_is_the_durable_record(string mode)
    {
        await using RealImapServer dovecot = await RealImapServer.StartAloneAsync(RealProgram.Cancel);
        await using FakeSmtpServer letters = new();
        await using OrderRun run = new(dovecot, LetterBox.Of(letters), mode, "memory");
        string mail = dovecot.Deliver(OrderRun.Mail("one", "ann@example.org", "3 x TEA-001"));

        await run.DieAsync("after commit", "one");
        Assert.Equal("", dovecot.FlagsOf(mail));
        Assert.Empty(run.Letters);
        await run.RunAsync();
        await run.UntilAsync(() => Task.FromResult(dovecot.FlagsOf(mail) == "S" && run.Letters.Length > 0));

        Assert.Contains("is confirmed", Assert.Single(run.Letters), StringComparison.Ordinal);
        Assert.Equal("1|999997", await run.SqlAsync("select count(*), (select stock from products where sku = 'TEA-001') from orders"));
    }
}
