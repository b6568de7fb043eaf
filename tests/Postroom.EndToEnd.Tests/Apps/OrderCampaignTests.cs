using System.Globalization;
using Postroom.EndToEnd.Tests.Program;
using Postroom.Testing;
using Postroom.Tests.Mail;
using Xunit;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>
/// Many mails, four workers, kills at times that a seed decides, with polling and with IDLE, letters by SMTP to a server in this process and to a real Exim. <c>./test</c> runs a
/// short form. The long form, which is what AC-95 asks for:
/// <c>POSTROOM_ORDER_MAILS=1000 POSTROOM_ORDER_EXIM_MAILS=1000 POSTROOM_ORDER_KILLS=20 tests/Postroom.EndToEnd.Tests/bin/Release/net10.0/Postroom.EndToEnd.Tests -method "*Ac95*"</c>;
/// <c>POSTROOM_ORDER_SEED</c> repeats the kills of one.
/// </summary>
[Collection(Processes.Name)]
public sealed class OrderCampaignTests(ITestOutputHelper output)
{
    private const int MailsPerThread = 4;
    private const int LongestWait = 400; // ms from the mail that is waited for to the kill

    private readonly int _seed = Number("POSTROOM_ORDER_SEED", Random.Shared.Next(1_000_000_000));

    // What an order is, without what depends on the order in which customers come: number, row key and time.
    private const string Content = """
        select m.message_id, m.outcome, ifnull(o.message_id, ''), ifnull(o.status, ''), ifnull(o.gross_minor, ''), (select group_concat(raw || '=' || ifnull(sku, '') || '*' || ifnull(quantity, '') || '@' || net_minor || '+' || tax_minor)
          from (select * from order_lines l where l.order_id = o.id order by line_no)) from mails m left join orders o on o.id = m.order_id where m.direction = 'in' order by m.message_id;
        select sku, stock from products order by sku
        """;

    [Fact]
    public async Task Ac95_Polling_and_idle_give_the_same_database_with_the_order_of_each_thread_kept()
    {
        int mails = Number("POSTROOM_ORDER_MAILS", 60);
        int kills = Number("POSTROOM_ORDER_KILLS", 2);

        await using FakeSmtpServer letters = new();
        string polled = await PlayAsync("polling", LetterBox.Of(letters), mails / MailsPerThread, kills);
        await using FakeSmtpServer others = new();
        string idled = await PlayAsync("idle", LetterBox.Of(others), mails / MailsPerThread, kills);

        Assert.Equal(polled, idled);
    }

    [Fact]
    public async Task Ac95_Letters_through_a_real_Exim_are_all_delivered()
    {
        int threads = Number("POSTROOM_ORDER_EXIM_MAILS", 24) / MailsPerThread;
        await using RealMailServer exim = await RealMailServer.StartEximAsync(RealProgram.Cancel, Enumerable.Range(0, threads).Select(thread => $"customer{thread}"));
        await PlayAsync("idle", LetterBox.Of(exim), threads, Number("POSTROOM_ORDER_KILLS", 1));
    }

    private async Task<string> PlayAsync(string mode, LetterBox box, int threads, int kills)
    {
        await using RealImapServer dovecot = await RealImapServer.StartAloneAsync(RealProgram.Cancel);
        await using OrderRun run = new(dovecot, box, mode, "sqlite");
        List<string> files = [];
        for (int step = 0; step < MailsPerThread; step++)
        {
            for (int thread = 0; thread < threads; thread++)
            {
                files.Add(dovecot.Deliver(MailOf(thread, step)));
            }
        }

        // Printed first: a kill that leaves the test hanging is to be repeated as well.
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{mode}: POSTROOM_ORDER_SEED={_seed} repeats the kills."));
        Random random = new(_seed);
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();
        await run.RunAsync();
        int letters = threads * 3;
        int arrived = -OrderRun.Connections;
        foreach (int reached in Enumerable.Range(0, kills).Select(_ => random.Next(files.Count)).Order().ToArray())
        {
            // A letter that is on its way at three deaths in a row is given up as the cause of them: between two kills as many come as may have been on their way.
            await run.UntilAsync(async () => (box.Count() >= arrived + OrderRun.Connections || box.Count() >= letters) && await run.SqlAsync("select count(*) from mails where direction = 'in'") is { Length: > 0 } count && int.Parse(count, CultureInfo.InvariantCulture) >= reached);
            await Task.Delay(random.Next(LongestWait), RealProgram.Cancel);
            await run.Program.KillAsync();
            arrived = box.Count();
            await run.RunAsync();
        }

        for (int seen = box.Count(); seen < letters; seen = box.Count())
        {
            await run.UntilAsync(() => Task.FromResult(box.Count() > seen)); // letters go one at a time: many take longer than a wait, and none stands still
        }

        await run.UntilAsync(() => Task.FromResult(run.Letters.Select(letter => OrderRun.Header(letter, "Message-ID")).Distinct().Count() >= letters && files.TrueForAll(file => dovecot.FlagsOf(file) == "S")));
        output.WriteLine($"{mode}: {files.Count} mails, {kills} kills, {System.Diagnostics.Stopwatch.GetElapsedTime(begun)}.");

        Assert.Equal(letters, run.Check().Length);
        Assert.Equal("", await run.SqlAsync("select a.message_id from mails a join mails b on substr(a.message_id, 1, 7) = substr(b.message_id, 1, 7) and a.direction = 'in' and b.direction = 'in' and a.message_id < b.message_id and a.rowid > b.rowid"));
        Assert.Equal("", await run.SqlAsync("select l.order_id from order_lines l join orders o on o.id = l.order_id where o.status = 'confirmed' group by l.order_id, l.sku having sum(l.quantity) <> -(select sum(delta) from stock_moves s where s.order_id = l.order_id and s.sku = l.sku)"));
        Assert.Equal($"{threads * 2}|{threads * 2}", await run.SqlAsync("select count(*), count(distinct number) from orders where status = 'confirmed'"));
        return await run.SqlAsync(Content);
    }

    /// <summary>A thread: an unclear order, its correction, one more order, and thanks. In another order its outcome would be another.</summary>
    private static string MailOf(int thread, int step)
    {
        string root = $"t{thread:0000}-0";
        int count = (thread % 7) + 1;
        string text = step switch
        {
            0 => "2 x TEA-009",
            1 => $"{count} x TEA-001\n2 x TEA-002",
            2 => $"One more please:\n{count} x TEA-002",
            _ => "Thank you.",
        };

        // One address for each thread: to one for all, the reply limit (SE-10) would hold all but ten letters for an hour.
        return OrderRun.Mail($"t{thread:0000}-{step}", $"customer{thread}@example.test", text, step == 0 ? null : root);
    }

    private static int Number(string name, int fallback) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int number) ? number : fallback;
}
