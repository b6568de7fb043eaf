using Postroom.Mail;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Mail.Imap.ImapBench;

namespace Postroom.Tests.Mail.Imap;

/// <summary>Servers that know no keywords, or do not search for them, as Exchange, Office 365 and Kerio.</summary>
public sealed class ImapKeywordTests
{
    [Theory]
    [InlineData(@"\Seen \Answered \Flagged \Deleted \Draft $MDNSent", 0)] // What Exchange says.
    [InlineData(@"\Seen \Flagged \Deleted \*", 1)] // Keeps keywords, and does not find them.
    public async Task SR_10_SR_13_a_server_that_refuses_to_search_for_keywords_is_read_and_a_failed_mail_is_handled_once(string permanentFlags, int refused)
    {
        await using ImapBench bench = new(new FakeImapOptions { KeywordSearch = false });
        bench.Inbox.PermanentFlags = permanentFlags;
        uint bad = bench.Inbox.Deliver(Letter("bad"));
        uint good = bench.Inbox.Deliver(Letter("good"));
        _ = bench.Start();
        await bench.TakenAsync(2);
        bench.Sink.SetState(0, MessageState.Failed);
        bench.Sink.SetState(1, MessageState.Acked);

        await bench.MarkAsync(0, MarkRequest.Failed);
        await bench.MarkAsync(1);
        await bench.Source.PollNowAsync(Cancel);
        await bench.Source.PollNowAsync(Cancel);
        int asked = bench.Server.Count("UID SEARCH UNSEEN UNKEYWORD");
        await bench.StopAsync();
        bench.NewSource();
        int looks = bench.Server.Count("UID SEARCH");
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", looks + 1 + refused, bench.Limit);
        await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(refused, asked); // once for each connection
        Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(good));
        Assert.Equal(refused == 0 ? "" : "$ProcessingFailed", bench.Inbox.FlagsOf(bad));
        Assert.Equal((2, 0), (bench.Sink.Messages.Count, bench.Sink.Duplicates));
        Assert.Equal(2, bench.Server.Count("UID FETCH 1 (UID BODY.PEEK[])") + bench.Server.Count("UID FETCH 2 (UID BODY.PEEK[])"));
        await bench.MarkAsync(0); // a replay that succeeds
        Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(bad));
        bench.Correct();
    }

    [Fact]
    public async Task SR_10_a_mailbox_that_is_read_without_marks_is_read_where_keywords_are_not_searched_for()
    {
        await using ImapBench bench = new(new FakeImapOptions { KeywordSearch = false }, config => config with { MarkSeen = MarkPolicy.Never });
        bench.Inbox.Deliver(Letter("one"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        bench.Inbox.Deliver(Letter("two"));
        await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(["one", "two"], bench.Subjects);
        bench.Correct();
    }

    [Fact]
    public async Task A_search_that_is_refused_for_the_time_or_whatever_it_asks_for_is_no_word_about_keywords()
    {
        await using ImapBench bench = new();
        bench.Inbox.Deliver(Letter("one"));
        bench.Server.Next(FakeImapStep.Search, new FakeImapFault.Refuse("NO [INUSE] later"), new FakeImapFault.Refuse("NO sorry"), new FakeImapFault.Refuse("NO sorry"));

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 1);

        Assert.Equal(["UID SEARCH UNSEEN UNKEYWORD $ProcessingFailed", "UID SEARCH UNSEEN UNKEYWORD $ProcessingFailed", "UID SEARCH UNSEEN", "UID SEARCH UNSEEN UNKEYWORD $ProcessingFailed"],
            bench.Server.Lines.Select(line => line.Line).Where(line => line.StartsWith("UID SEARCH", StringComparison.Ordinal)).Take(4));
    }

    [Fact]
    public async Task SR_13_a_mail_whose_message_is_kept_no_more_but_whose_key_is_known_is_not_shown_as_done_and_not_read_with_every_look()
    {
        await using ImapBench bench = new(null, config => config with { SafetyPoll = TimeSpan.FromMilliseconds(1) });
        uint uid = bench.Inbox.Deliver(Letter("old"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        bench.Sink.SetState(0, null, keepKey: true); // it failed, and retention.failed is shorter than retention.dedup

        await bench.Source.PollNowAsync(Cancel);
        await bench.Source.PollNowAsync(Cancel);
        await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(("", 1, 1), (bench.Inbox.FlagsOf(uid), bench.Sink.Messages.Count, bench.Sink.Duplicates));
    }

    [Fact]
    public async Task SR_13_a_failed_mail_is_not_worked_on_again_after_a_restart_that_remembers_nothing_where_keywords_are_not_searched_for()
    {
        await using ImapBench bench = new(new FakeImapOptions { KeywordSearch = false });
        bench.Inbox.PermanentFlags = @"\Seen \Flagged \Deleted \*"; // Keeps keywords, and does not find them.
        uint bad = bench.Inbox.Deliver(Letter("bad"));
        uint good = bench.Inbox.Deliver(Letter("good"));
        bench.Inbox.Flag(bad, "$ProcessingFailed"); // by an earlier run, whose memory store is gone
        _ = bench.Start();
        await bench.TakenAsync(1);
        await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(["good"], bench.Subjects);
        Assert.Equal(0, bench.Server.Count($"UID FETCH {bad} (UID BODY.PEEK[])"));
        Assert.Equal("", bench.Inbox.FlagsOf(good));
        bench.Correct();
    }
}
