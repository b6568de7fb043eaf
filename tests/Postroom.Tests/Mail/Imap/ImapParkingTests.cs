using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Mail.Imap.ImapBench;

namespace Postroom.Tests.Mail.Imap;

/// <summary>Which mails are passed over, and which only wait (ML-5, SR-5).</summary>
public sealed class ImapParkingTests
{
    [Fact]
    public async Task ML_5_a_mail_that_breaks_the_connection_each_time_is_parked_after_three_and_the_rest_go_on()
    {
        await using ImapBench bench = new(clock: new ManualClock());
        bench.Inbox.Deliver(Letter("one"));
        uint bad = bench.Inbox.Deliver(Letter("bad"));
        bench.Inbox.Deliver(Letter("three"));
        bench.Server.FailBody(bad, new FakeImapFault.Half(40));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 2);
        int logins = bench.Server.Connections;
        bench.Server.FailBody(bad, null);
        bench.NewSource();
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", logins + 1, bench.Limit);
        int still = await bench.Source.PollNowAsync(Cancel);
        bench.Inbox.Flag(bad, @"\Seen"); // a person looks at it, and wants it tried again
        await bench.Source.PollNowAsync(Cancel);
        bench.Inbox.Flag(bad, @"\Seen", set: false);
        int then = await bench.Source.PollNowAsync(Cancel);

        Assert.Equal((4, 0, 1), (logins, still, then));
        Assert.Equal(["one", "three", "bad"], bench.Subjects);
    }

    [Fact]
    public async Task ML_5_the_mail_that_breaks_the_answer_for_many_is_found_by_asking_for_each_alone()
    {
        await using ImapBench bench = new(clock: new ManualClock());
        bench.Inbox.Deliver(Letter("one"));
        uint bad = bench.Inbox.Deliver(Letter("bad"));
        bench.Inbox.Deliver(Letter("three"));
        bench.Server.FailFetch(bad, new FakeImapFault.Close());

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 2);
        int logins = bench.Server.Connections;
        bench.Server.FailFetch(bad, null);
        bench.NewSource();
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", logins + 1, bench.Limit);
        int still = await bench.Source.PollNowAsync(Cancel);
        bench.Inbox.Deliver(Letter("four"));
        int then = await bench.Source.PollNowAsync(Cancel);

        Assert.Equal((5, 0, 1), (logins, still, then)); // all at once, three times the bad one, the rest
        Assert.Equal(["one", "three", "four"], bench.Subjects);
        Assert.Equal(
            ["1:3", "1", "2", "2", "2", "3", "4"],
            bench.Server.Lines.Where(line => line.Line.EndsWith("(UID INTERNALDATE RFC822.SIZE)", StringComparison.Ordinal)).Select(line => line.Line.Split(' ')[2]));
    }

    [Theory]
    [InlineData("NO [EXPUNGEISSUED] gone")]
    [InlineData("* 2 FETCH (UID 2 BODY[] NIL)\r\n{tag} OK done\r\n")]
    public async Task ML_5_a_mail_that_is_refused_or_has_nothing_in_it_is_passed_over_after_three_looks(string answer)
    {
        await using ImapBench bench = new();
        bench.Inbox.Deliver(Letter("one"));
        uint bad = bench.Inbox.Deliver(Letter("bad"));
        bench.Inbox.Deliver(Letter("three"));
        bench.Server.FailBody(bad, answer[0] == '*' ? new FakeImapFault.Say(answer) : new FakeImapFault.Refuse(answer));
        _ = bench.Start();
        await bench.TakenAsync(2);
        for (int i = 0; i < 4; i++)
        {
            await bench.Source.PollNowAsync(Cancel);
        }

        Assert.Equal(3, bench.Server.Lines.Count(line => line.Line == "UID FETCH 2 (UID BODY.PEEK[])"));
        Assert.Equal(["one", "three"], bench.Subjects);
    }

    [Theory]
    [InlineData("NO [UNAVAILABLE] try later")]
    [InlineData("NO [SERVERBUG] internal error")]
    [InlineData("NO [OVERQUOTA] too much")]
    [InlineData("NO Too many requests. Suggested backoff 60 s")]
    [InlineData("BAD Request is throttled.")]
    public async Task ML_5_SR_5_a_server_that_refuses_every_mail_for_a_while_fails_the_source_and_no_mail_is_lost(string answer)
    {
        await using ImapBench bench = new(clock: new ManualClock());
        string[] subjects = [.. Enumerable.Range(0, 4).Select(i => $"m{i}")];
        Array.ForEach(subjects, subject => bench.Inbox.Deliver(Letter(subject)));
        bench.Server.Next(FakeImapStep.Body, Enumerable.Repeat(new FakeImapFault.Refuse(answer), 16));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == subjects.Length);

        Assert.Equal(subjects, bench.Subjects);
        Assert.InRange(bench.Server.Connections, 2, 20);
    }

    [Fact]
    public async Task ML_5_SR_5_a_server_that_breaks_the_connection_at_every_mail_for_a_while_loses_none()
    {
        FakeImapFault[] faults = [new FakeImapFault.Reset(), new FakeImapFault.Bye("maintenance"), new FakeImapFault.Close(), new FakeImapFault.Half(20)];
        await using ImapBench bench = new(clock: new ManualClock());
        string[] subjects = [.. Enumerable.Range(0, 4).Select(i => $"m{i}")];
        Array.ForEach(subjects, subject => bench.Inbox.Deliver(Letter(subject)));
        bench.Server.Next(FakeImapStep.Body, Enumerable.Repeat(faults, 4).SelectMany(some => some));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == subjects.Length);

        Assert.Equal(subjects, bench.Subjects);
    }

    [Fact]
    public async Task ML_5_SR_5_a_server_that_gives_two_mails_on_each_connection_and_then_no_more_is_read_on_all_the_same()
    {
        await using ImapBench bench = new(clock: new ManualClock());
        string[] subjects = [.. Enumerable.Range(0, 7).Select(i => $"m{i}")];
        Array.ForEach(subjects, subject => bench.Inbox.Deliver(Letter(subject)));
        FakeImapFault no = new FakeImapFault.Refuse("NO enough for now");
        bench.Server.Next(FakeImapStep.Body, Enumerable.Repeat(new[] { null, null, no, no }, 8).SelectMany(some => some));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == subjects.Length);

        Assert.Equal(subjects, bench.Subjects);
        Assert.InRange(bench.Server.Connections, 3, 12);
    }

    [Fact]
    public async Task ML_5_what_was_read_before_tells_an_outage_from_a_bad_mail_also_for_the_only_unread_one()
    {
        await using ImapBench bench = new(clock: new ManualClock());
        bench.Inbox.Deliver(Letter("before"));
        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 1);
        bench.Inbox.Deliver(Letter("only"));
        bench.Server.Next(FakeImapStep.Body, Enumerable.Repeat(new FakeImapFault.Refuse("NO internal error"), 12));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 2);

        Assert.Equal(["before", "only"], bench.Subjects);
    }

    [Fact]
    public async Task ML_5_a_refusal_that_is_of_the_time_is_never_the_mails_and_holds_up_no_other()
    {
        await using ImapBench bench = new();
        uint later = bench.Inbox.Deliver(Letter("later"));
        bench.Inbox.Deliver(Letter("two"));
        bench.Server.FailBody(later, new FakeImapFault.Refuse("NO [UNAVAILABLE] not now"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        for (int i = 0; i < 5; i++)
        {
            await bench.Source.PollNowAsync(Cancel);
        }

        bench.Server.FailBody(later, null);
        int then = await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(1, then);
        Assert.Equal(["two", "later"], bench.Subjects);
    }

    [Fact]
    public async Task ML_5_two_mails_that_break_the_connection_each_time_are_both_parked_and_the_rest_go_on()
    {
        await using ImapBench bench = new(clock: new ManualClock());
        uint[] bad = [bench.Inbox.Deliver(Letter("bad 1")), bench.Inbox.Deliver(Letter("bad 2"))];
        bench.Inbox.Deliver(Letter("good"));
        Array.ForEach(bad, uid => bench.Server.FailBody(uid, new FakeImapFault.Close()));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 1);

        Assert.Equal(["good"], bench.Subjects);
        Assert.InRange(bench.Server.Connections, 6, 10);
    }
}
