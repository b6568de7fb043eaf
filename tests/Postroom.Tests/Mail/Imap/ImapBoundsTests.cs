using System.Globalization;
using Postroom.Mail;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Mail.Imap.ImapBench;

namespace Postroom.Tests.Mail.Imap;

/// <summary>What a hostile or broken server costs: a clear error in time, and nothing else (ML-5, ML-7; faults F89 to F93).</summary>
public sealed class ImapBoundsTests
{
    [Fact]
    public async Task ML_7_a_refused_command_leaves_the_connection_whole_and_a_broken_one_ends_it()
    {
        await using ImapBench bench = new();
        bench.Server.Next(FakeImapStep.Search, new FakeImapFault.Refuse("NO [SERVERBUG] try later"), null, new FakeImapFault.Close());
        await using ImapConnection connection = await bench.OpenAsync();
        await connection.SelectAsync("INBOX", readOnly: false, Cancel);

        ImapCommandException refused = await Assert.ThrowsAsync<ImapCommandException>(() => connection.SearchAsync("UNSEEN", Cancel).AsTask());
        IReadOnlyList<uint> found = await connection.SearchAsync("UNSEEN", Cancel);
        await Assert.ThrowsAsync<ImapConnectionException>(() => connection.SearchAsync("UNSEEN", Cancel).AsTask());

        Assert.Equal(("SERVERBUG", "try later", 0), (refused.Code, refused.Text, found.Count));
        bench.Correct();
    }

    [Fact]
    public async Task F92_silence_at_any_step_is_a_typed_error_within_the_time_that_is_set()
    {
        FakeImapStep[] steps = [FakeImapStep.Greeting, FakeImapStep.Capability, FakeImapStep.StartTls, FakeImapStep.Login, FakeImapStep.Id, FakeImapStep.Enable, FakeImapStep.Select, FakeImapStep.Search, FakeImapStep.Fetch, FakeImapStep.Body, FakeImapStep.Idle, FakeImapStep.Done];

        await Task.WhenAll(steps.Select(async step =>
        {
            await using ImapBench bench = new(null, config => config with { Timeout = TimeSpan.FromMilliseconds(400), Mode = ImapMode.Idle, IdleRenew = TimeSpan.FromMilliseconds(300) });
            bench.Inbox.Deliver(Letter("one"));
            bench.Server.Next(step, new FakeImapFault.Silence());

            Exception e = await bench.FailAsync();

            Assert.True(e is ImapConnectionException, $"{step}: {e}");
            Assert.Contains("did not answer", e.Message, StringComparison.Ordinal);
            bench.Correct();
        }));
    }

    [Fact]
    public async Task F92_a_connection_that_ends_or_stops_half_way_at_any_step_is_a_typed_error()
    {
        FakeImapStep[] steps = [FakeImapStep.Greeting, FakeImapStep.Capability, FakeImapStep.Login, FakeImapStep.Select, FakeImapStep.Search, FakeImapStep.Fetch, FakeImapStep.Body, FakeImapStep.Done];
        FakeImapFault[] faults = [new FakeImapFault.Close(), new FakeImapFault.Reset(), new FakeImapFault.Half(5), new FakeImapFault.Bye("the server goes down"), new FakeImapFault.Say("\0\0\n\r\n")];

        foreach (FakeImapFault fault in faults)
        {
            await Task.WhenAll(steps.Select(async step =>
            {
                await using ImapBench bench = new(null, config => config with { Mode = ImapMode.Idle, IdleRenew = TimeSpan.FromMilliseconds(50) });
                bench.Inbox.Deliver(Letter("one"));
                bench.Server.Next(step, fault);

                Exception e = await bench.FailAsync();

                Assert.True(e is ImapConnectionException, $"{step} with {fault}: {e}");
            }));
        }
    }

    [Theory]
    [InlineData("* 1 FETCH (UID 1 BODY[] {4294967295}\r\n")]
    [InlineData("* 1 FETCH (UID 1 BODY[] {-1}\r\n")]
    [InlineData("* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n")]
    [InlineData("* 1 FETCH (UID 1 BODY[] {28000000}\r\n")]
    [InlineData("* 1 FETCH ((((((((((((((((((((((((((((((((((((((((((((((((\r\n")]
    [InlineData("* 1 FETCH (UID 1 FLAGS (\"\r\n")]
    [InlineData("P999 OK done\r\n")]
    [InlineData("+ more?\r\n")]
    public async Task F93_an_answer_that_is_none_or_too_much_ends_the_connection(string answer)
    {
        await using ImapBench bench = new();
        bench.Inbox.Deliver(Letter("one"));
        bench.Server.Next(FakeImapStep.Body, new FakeImapFault.Say(answer));

        Assert.IsType<ImapConnectionException>(await bench.FailAsync());
    }

    [Fact]
    public async Task ML_5_an_endless_line_an_endless_literal_and_an_endless_flood_end_and_memory_stays_flat()
    {
        await using ImapBench bench = new();
        bench.Server.Next(FakeImapStep.Search, new FakeImapFault.Say($"* LIST {new string('x', 200_000)}"), new FakeImapFault.First("* 3 FETCH (FLAGS ())", int.MaxValue));
        GC.Collect();
        long before = GC.GetTotalMemory(forceFullCollection: true);

        ImapConnectionException line = await Assert.ThrowsAsync<ImapConnectionException>(() => SearchAsync(bench));
        ImapConnectionException flood = await Assert.ThrowsAsync<ImapConnectionException>(() => SearchAsync(bench));

        Assert.Contains("more than 65536 bytes", line.Message, StringComparison.Ordinal);
        Assert.Contains("more than 1000000 answers to one UID SEARCH", flood.Message, StringComparison.Ordinal);
        long grown = long.MaxValue;
        for (int tries = 0; tries < 240 && grown >= 8 << 20; tries++) // tests beside this one hold memory too, each for a while
        {
            grown = GC.GetTotalMemory(forceFullCollection: true) - before;
            await Task.Delay(grown >= 8 << 20 ? 250 : 0, TestContext.Current.CancellationToken);
        }

        Assert.True(grown < 8 << 20, $"{grown} bytes");
    }

    [Fact]
    public async Task ML_5_a_million_results_are_read_in_little_memory_and_one_more_is_too_many()
    {
        const long Limit = 100 << 20;
        string million = string.Create(CultureInfo.InvariantCulture, $"* SEARCH {string.Join(' ', Enumerable.Range(1, 1_000_000).Reverse())}\r\n");
        await using ImapBench bench = new();
        IReadOnlyList<uint> found = [];
        long allocated = long.MaxValue;
        for (int tries = 0; tries < 20 && allocated >= Limit; tries++) // tests beside this one allocate too
        {
            bench.Server.Next(FakeImapStep.Search, new FakeImapFault.Say($"{million}{{tag}} OK done\r\n"));
            long before = GC.GetTotalAllocatedBytes(precise: true);
            found = await SearchAsync(bench);
            allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        bench.Server.Next(FakeImapStep.Search, new FakeImapFault.Say($"{million}* SEARCH 1000001\r\n{{tag}} OK done\r\n"));
        ImapConnectionException tooMany = await Assert.ThrowsAsync<ImapConnectionException>(() => SearchAsync(bench));

        Assert.Equal((1_000_000, 1u, 1_000_000u), (found.Count, found[0], found[^1]));
        Assert.True(allocated < Limit, $"{allocated} bytes"); // the fake's own included
        Assert.Contains("more than 1000000 mails", tooMany.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ML_5_a_big_mail_that_trickles_is_read_and_one_that_drips_is_not_waited_for()
    {
        await using ImapBench slow = new(null, config => config with { Timeout = TimeSpan.FromSeconds(1) });
        slow.Inbox.Deliver(Letter("big") + string.Concat(Enumerable.Repeat("a line of text\n", 20_000)));
        slow.Server.Next(FakeImapStep.Body, new FakeImapFault.Trickle(20_000, TimeSpan.FromMilliseconds(80)));
        await using ImapBench drip = new(null, config => config with { Timeout = TimeSpan.FromMilliseconds(400) });
        drip.Inbox.Deliver(Letter("drip") + new string('x', 5_000)); // longer than the time it has
        drip.Server.Next(FakeImapStep.Body, new FakeImapFault.Trickle(1, TimeSpan.FromMilliseconds(20)));

        _ = slow.Start();
        Task<Exception> dripped = drip.FailAsync();
        await slow.TakenAsync(1); // longer than the time of silence as a whole

        Assert.Contains("is not waited for", (await dripped).Message, StringComparison.Ordinal);
        Assert.IsType<ImapConnectionException>(await dripped);
    }

    [Fact]
    public async Task A_wait_that_is_given_up_ends_at_once_and_leaves_nothing_behind()
    {
        FakeImapStep[] steps = [FakeImapStep.Greeting, FakeImapStep.Login, FakeImapStep.Search, FakeImapStep.Body];
        foreach (FakeImapStep step in steps)
        {
            await using ImapBench bench = new();
            bench.Inbox.Deliver(Letter("one"));
            bench.Server.Next(step, new FakeImapFault.Silence());
            _ = bench.Start();
            await bench.Server.WaitForSilenceAsync(step, bench.Limit);

            long begun = TimeProvider.System.GetTimestamp();
            await bench.StopAsync();

            Assert.True(TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(1.5), step.ToString());
            bench.Correct(); // nothing was said into the middle of a command
        }
    }

    private static async Task<IReadOnlyList<uint>> SearchAsync(ImapBench bench)
    {
        await using ImapConnection connection = await bench.OpenAsync();
        await connection.SelectAsync("INBOX", readOnly: false, Cancel);
        return await connection.SearchAsync("UNSEEN", Cancel);
    }
}
