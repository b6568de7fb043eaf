using System.Globalization;
using Postroom.EndToEnd.Tests.Program;
using Postroom.Testing;
using Postroom.Tests.Mail;
using Xunit;

namespace Postroom.EndToEnd.Tests.Apps;

/// <summary>
/// Many mails, four workers, kills at times that a seed decides, with polling and with IDLE, letters by SMTP to a server in this process and to a real Exim. <c>./test</c> runs a
/// short form. The long form, which is what AC-95 asks for:
/// <c>POSTROOM_ORDER_MAILS=1000 POSTROOM_ORDER_EXIM_MAILS=1000 POSTROOM_ORDER_SINGLE_MAILS=1000 POSTROOM_ORDER_KILLS=20 tests/Postroom.EndToEnd.Tests/bin/Release/net10.0/Postroom.EndToEnd.Tests -method "*Ac95*"</c>;
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
        int mails = Number("POSTROOM_ORDER_MAILS", 40);
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

    [Theory]
    [InlineData("polling")]
    [InlineData("idle")]
    public async Task Ac95_With_the_settings_as_they_are_every_mail_is_one_order_and_one_letter_and_an_operator_decides_what_kills_left_undecided(string mode)
    {
        int mails = Number("POSTROOM_ORDER_SINGLE_MAILS", 24);
        await using RealImapServer dovecot = await RealImapServer.StartAloneAsync(RealProgram.Cancel);
        await using FakeSmtpServer server = new();
        LetterBox box = LetterBox.Of(server);
        await using OrderRun run = new(dovecot, box, mode, "sqlite", asShipped: true);
        string[] files = [.. Enumerable.Range(0, mails).Select(mail => dovecot.Deliver(OrderRun.Mail($"s{mail:0000}", Customer(mail), $"{(mail % 7) + 1} x TEA-001")))];
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"as shipped, {mode}: POSTROOM_ORDER_SEED={_seed} repeats the kills."));
        Random random = new(_seed);
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();
        await run.RunAsync();
        int[] kills = [.. Enumerable.Range(0, Number("POSTROOM_ORDER_KILLS", 2)).Select(_ => random.Next(mails)).Order()];
        foreach (int reached in kills)
        {
            await run.UntilAsync(async () =>
            {
                await run.DecideAsync(); // near the end the mails that are left may all be such that earlier kills have set aside
                return await run.SqlAsync("select count(*) from mails where direction = 'in'") is { Length: > 0 } count && int.Parse(count, CultureInfo.InvariantCulture) >= reached;
            });
            await Task.Delay(random.Next(LongestWait), RealProgram.Cancel);
            await run.Program.KillAsync();
            await run.RunAsync();
        }

        // As long as letters come; what stands still is what waits for a person.
        for (int seen = -1; !IsDone(); seen = box.Count())
        {
            await run.UntilAsync(async () =>
            {
                await run.DecideAsync();
                return IsDone() || box.Count() > seen;
            });
        }

        output.WriteLine($"as shipped, {mode}: {mails} mails, {kills.Length} kills, {run.Confirmed} letters confirmed and {run.Replayed} replayed by the operator, {run.Poisoned} replayed that had seen too many deaths, {box.Count() - mails} letters twice, {System.Diagnostics.Stopwatch.GetElapsedTime(begun)}.");
        Assert.Equal(Enumerable.Range(0, mails).Select(Customer).Order(StringComparer.Ordinal), run.Check().Select(letter => OrderRun.Header(letter, "To")).Order(StringComparer.Ordinal));
        Assert.Equal($"{mails}|{mails}|{mails}", await run.SqlAsync("select count(*), count(distinct number), count(distinct message_id) from orders where status = 'confirmed'"));
        Assert.Equal(
            (1_000_000 - Enumerable.Range(0, mails).Sum(static mail => (mail % 7) + 1)).ToString(CultureInfo.InvariantCulture), await run.SqlAsync("select stock from products where sku = 'TEA-001'"));

        bool IsDone() => box.Count() >= mails && run.Letters.Select(letter => OrderRun.Header(letter, "Message-ID")).Distinct().Count() >= mails && Array.TrueForAll(files, file => dovecot.FlagsOf(file) == "S");

        static string Customer(int mail) => string.Create(CultureInfo.InvariantCulture, $"customer{mail}@example.test");
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
