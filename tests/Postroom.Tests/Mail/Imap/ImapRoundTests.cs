using Postroom.Mail;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Mail.Imap.ImapBench;

namespace Postroom.Tests.Mail.Imap;

/// <summary>What a look into a mailbox brings, and what it leaves as it was (SR-10 to SR-14, AC-39).</summary>
public sealed class ImapRoundTests
{
    [Fact]
    public async Task SR_10_unread_mails_come_oldest_first_and_reading_marks_nothing()
    {
        await using ImapBench bench = new(null, config => config with { Batch = 2 });
        uint read = bench.Inbox.Deliver(Letter("read"), @"\Seen");
        uint[] fresh = [.. Enumerable.Range(1, 5).Select(i => bench.Inbox.Deliver(Letter($"mail {i}")))];
        bench.Inbox.Deliver(Letter("failed before"), "$ProcessingFailed");

        _ = bench.Start();
        await bench.TakenAsync(5);
        int again = await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(["mail 1", "mail 2", "mail 3", "mail 4", "mail 5"], bench.Subjects);
        Assert.All(fresh, uid => Assert.Equal("", bench.Inbox.FlagsOf(uid)));
        Assert.Equal((@"\Seen", 0), (bench.Inbox.FlagsOf(read), again));
        bench.Correct();
    }

    [Fact]
    public async Task SR_11_two_copies_of_one_mail_are_one_message_and_are_marked_together_whenever_the_second_comes()
    {
        await using ImapBench bench = new();
        uint one = bench.Inbox.Deliver(Letter("same"));
        uint two = bench.Inbox.Deliver(Letter("same"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        await bench.Sink.WaitForDuplicatesAsync(1, bench.Limit);
        await bench.Source.PollNowAsync(Cancel);

        bench.Sink.SetState(0, MessageState.Acked);
        await bench.MarkAsync(0);
        uint three = bench.Inbox.Deliver(Letter("same"));
        await bench.Source.PollNowAsync(Cancel);

        Assert.All(new[] { one, two, three }, uid => Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(uid)));
        Assert.Single(bench.Sink.Messages);
        bench.Correct();
    }

    [Fact]
    public async Task SR_11_without_a_Message_ID_what_makes_the_mail_itself_reveals_a_copy()
    {
        await using ImapBench bench = new();
        bench.Inbox.Deliver("Received: from here\nDate: Mon, 3 Nov 2025 10:02:00 +0100\nFrom: a@example.org\nSubject: s\n\ntext\n");
        bench.Inbox.Deliver("Received: from there\nDate: Mon, 3 Nov 2025 10:02:00 +0100\nFrom: a@example.org\nSubject: s\n\ntext\n");
        bench.Inbox.Deliver("Date: Mon, 3 Nov 2025 10:02:00 +0100\nFrom: a@example.org\nSubject: s\n\nanother text\n");

        _ = bench.Start();
        await bench.TakenAsync(2);

        Assert.Equal(1, bench.Sink.Duplicates);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SR_12_new_numbers_make_no_second_message_and_a_mark_of_before_meets_no_other_mail(bool sameValidity)
    {
        await using ImapBench bench = new(clock: new ManualClock());
        bench.Inbox.Deliver(Letter("one"));
        bench.Inbox.Deliver(Letter("two"));
        _ = bench.Start();
        await bench.TakenAsync(2);
        await bench.Source.PollNowAsync(Cancel);
        await bench.StopAsync();

        if (sameValidity)
        {
            // A backup was restored: the second mail has the number of the first, and a new one that of the second.
            bench.Inbox.Expunge(1);
            bench.Inbox.Expunge(2);
            bench.Inbox.UidNext = 1;
            bench.Inbox.Deliver(Letter("two"));
        }
        else
        {
            bench.Inbox.Renumber();
        }

        (bench.Clock as ManualClock)!.Advance(TimeSpan.FromSeconds(10));
        _ = bench.Start();
        await bench.Sink.WaitForDuplicatesAsync(sameValidity ? 1 : 2, bench.Limit);
        bench.Inbox.Deliver(Letter("three"));
        await bench.Source.PollNowAsync(Cancel);
        await bench.MarkAsync(1); // that of mail two, under its former number 2

        Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(1));
        Assert.Equal("", bench.Inbox.FlagsOf(2));
        Assert.Equal(["one", "two", "three"], bench.Subjects);
        bench.Correct();
    }

    [Fact]
    public async Task SR_12_numbers_that_change_under_an_open_connection_have_it_opened_anew()
    {
        await using ImapBench bench = new(null, config => config with { Mode = ImapMode.Idle });
        bench.Inbox.Deliver(Letter("one"));
        Task run = bench.Start();
        await bench.TakenAsync(1);
        await bench.Server.WaitForAsync("IDLE", 1, bench.Limit);

        await bench.Server.SayAsync("* OK [UIDVALIDITY 99] renumbered\r\n", Cancel);

        Assert.Contains("has renumbered the mails", (await Assert.ThrowsAsync<ImapConnectionException>(() => run)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(@"\Seen \Deleted")]
    [InlineData(@"\Seen $ProcessingFailed")]
    public async Task SR_13_a_failed_mail_is_left_alone_with_keywords_and_without_and_a_replay_that_succeeds_marks_it_read(string? permanentFlags)
    {
        await using ImapBench bench = new();
        bench.Inbox.PermanentFlags = permanentFlags;
        uint uid = bench.Inbox.Deliver(Letter("bad"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        bench.Sink.SetState(0, MessageState.Failed);

        await bench.MarkAsync(0, MarkRequest.Failed);
        await bench.MarkAsync(0, MarkRequest.Failed); // twice is harmless
        await bench.Source.PollNowAsync(Cancel);
        string? failed = bench.Inbox.FlagsOf(uid);
        await bench.StopAsync();
        bench.NewSource();
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", 3, bench.Limit);
        await bench.Source.PollNowAsync(Cancel);
        await bench.MarkAsync(0);

        Assert.Equal(permanentFlags == @"\Seen \Deleted" ? "" : "$ProcessingFailed", failed);
        Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(uid));
        Assert.Equal((1, 0), (bench.Sink.Messages.Count, bench.Sink.Duplicates));
        bench.Correct();
    }

    [Fact]
    public async Task SR_13_copies_of_a_mail_that_failed_are_all_marked_read_when_its_replay_succeeds_also_after_a_restart()
    {
        await using ImapBench bench = new(null, config => config with { SafetyPoll = TimeSpan.FromMilliseconds(1) });
        uint[] copies = [bench.Inbox.Deliver(Letter("same")), bench.Inbox.Deliver(Letter("same"))];
        _ = bench.Start();
        await bench.Sink.WaitForDuplicatesAsync(1, bench.Limit);
        await bench.Source.PollNowAsync(Cancel);
        bench.Sink.SetState(0, MessageState.Failed);
        await bench.MarkAsync(0, MarkRequest.Failed);
        uint late = bench.Inbox.Deliver(Letter("same"));
        await bench.Source.PollNowAsync(Cancel);
        string?[] failed = [.. copies.Append(late).Select(bench.Inbox.FlagsOf)];
        await bench.StopAsync();

        bench.NewSource();
        int looks = bench.Server.Count("UID SEARCH");
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", looks + 1, bench.Limit);
        bench.Sink.SetState(0, MessageState.Acked); // the replay
        await bench.MarkAsync(0);
        await bench.Source.PollNowAsync(Cancel);

        Assert.All(failed, flags => Assert.Equal("$ProcessingFailed", flags));
        Assert.All(copies.Append(late), uid => Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(uid)));
        Assert.Single(bench.Sink.Messages);
        bench.Correct();
    }

    [Fact]
    public async Task SR_13_a_keyword_that_is_refused_although_it_was_promised_is_remembered_instead()
    {
        await using ImapBench bench = new();
        uint uid = bench.Inbox.Deliver(Letter("bad"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        bench.Server.Next(FakeImapStep.Store, new FakeImapFault.Refuse("NO too many keywords"));

        await bench.MarkAsync(0, MarkRequest.Failed);
        await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(("", 0), (bench.Inbox.FlagsOf(uid), bench.Sink.Duplicates));
    }

    [Fact]
    public async Task SR_14_a_mail_over_maxMessage_comes_with_its_beginning_even_where_the_server_says_that_it_is_short()
    {
        string long_ = Letter("long") + string.Concat(Enumerable.Repeat("a line of text\n", 100_000)) + "the end\n";
        await using ImapBench bench = new(null, config => config with { MaxMessage = 100_000 }, clock: new ManualClock());
        bench.Inbox.Deliver(long_);
        bench.Inbox.Deliver(long_.Replace("long", "longer", StringComparison.Ordinal));
        FakeImapFault lie = new FakeImapFault.Say("* 1 FETCH (UID 1 RFC822.SIZE 10)\r\n* 2 FETCH (UID 2 RFC822.SIZE 1500000)\r\n{tag} OK done\r\n");
        bench.Server.Next(FakeImapStep.Fetch, lie, lie);

        await bench.RunUntilAsync(() => bench.Sink.Messages.Count == 2);

        Assert.All(bench.Sink.Messages, message =>
        {
            MailMessage mail = System.Text.Json.JsonSerializer.Deserialize(message.Body.Span, PostroomJson.Default.MailMessage)!;
            Assert.True(mail.Oversize);
            Assert.InRange(mail.Text.Length, 60_000, 70_000);
            Assert.Empty(mail.Attachments);
        });
        bench.Correct();
    }

    [Fact]
    public async Task A_mail_that_goes_while_it_is_fetched_is_no_failure()
    {
        await using ImapBench bench = new();
        uint gone = bench.Inbox.Deliver(Letter("gone"));
        bench.Inbox.Deliver(Letter("two"));
        bench.Server.Next(FakeImapStep.Body, new FakeImapFault.Meanwhile(() => bench.Inbox.Expunge(gone)));

        _ = bench.Start();
        await bench.TakenAsync(1);

        Assert.Equal(["two"], bench.Subjects);
        bench.Correct();
    }

    [Fact]
    public async Task SR_9_mail_of_others_is_left_as_it_is_is_not_fetched_again_and_takes_no_room()
    {
        await using ImapBench bench = new(null, config => config with { AcceptFrom = ["*@example.org"], Batch = 1_000 });
        for (int i = 0; i < ImapLedger.Capacity + 10; i++)
        {
            bench.Inbox.Deliver($"From: spam@example.com\nSubject: {i}\n\n");
        }

        bench.Inbox.Deliver(Letter("wanted"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        int asked = bench.Server.Count("UID FETCH");
        await bench.Source.PollNowAsync(Cancel);

        Assert.Equal(["wanted"], bench.Subjects);
        Assert.Equal(1, bench.Server.Lines.Count(line => line.Line.Contains("BODY.PEEK[])", StringComparison.Ordinal)));
        Assert.Equal(asked, bench.Server.Count("UID FETCH"));
        Assert.InRange(bench.Sink.Checkpoint!.Value.Length, 1, 100);
        bench.Correct();
    }

    [Fact]
    public async Task With_never_nothing_is_marked_nothing_is_lost_when_one_cannot_be_read_and_a_restart_reads_on()
    {
        await using ImapBench bench = new(null, config => config with { MarkSeen = MarkPolicy.Never });
        bench.Inbox.IsReadOnly = true;
        bench.Inbox.Deliver(Letter("one"));
        uint later = bench.Inbox.Deliver(Letter("two"));
        bench.Inbox.Deliver(Letter("three"));
        bench.Server.FailBody(later, new FakeImapFault.Refuse("NO not now"));
        _ = bench.Start();
        await bench.TakenAsync(2);
        await bench.StopAsync();

        bench.Server.FailBody(later, null);
        bench.NewSource();
        _ = bench.Start();
        await bench.TakenAsync(3);
        await bench.Source.PollNowAsync(Cancel);
        await bench.StopAsync();
        int repeats = bench.Sink.Duplicates;
        bench.NewSource();
        bench.Inbox.Deliver(Letter("four"));
        _ = bench.Start();
        await bench.TakenAsync(4);

        Assert.Equal(["one", "three", "two", "four"], bench.Subjects);
        Assert.Equal((1, 1), (repeats, bench.Sink.Duplicates)); // the third, since the second was still to come
        Assert.All(bench.Inbox.Uids, uid => Assert.Equal("", bench.Inbox.FlagsOf(uid)));
        bench.Correct();
    }

    [Fact]
    public async Task With_never_a_crash_between_messages_that_go_one_by_one_loses_none()
    {
        await using ImapBench bench = new(null, config => config with { MarkSeen = MarkPolicy.Never });
        foreach (string subject in new[] { "one", "refused", "three" })
        {
            bench.Inbox.Deliver(Letter(subject));
        }

        int calls = 0;
        bench.Sink.OnAccept = batch => ++calls switch
        {
            _ when batch.Count > 1 => throw new ArgumentException("one of them cannot be a message"),
            2 => Task.CompletedTask,
            _ => throw new InvalidOperationException("the process dies"),
        };
        await bench.FailAsync();
        bench.Sink.OnAccept = null;
        bench.NewSource();
        _ = bench.Start();
        await bench.TakenAsync(3);

        Assert.Equal(["one", "refused", "three"], bench.Subjects);
    }

    [Fact]
    public async Task With_afterAccept_mails_are_marked_once_they_are_stored_and_never_before()
    {
        await using ImapBench bench = new(null, config => config with { MarkSeen = MarkPolicy.AfterAccept }, clock: new ManualClock());
        uint uid = bench.Inbox.Deliver(Letter("one"));
        string? before = null;
        bench.Sink.OnAccept = _ =>
        {
            before ??= bench.Inbox.FlagsOf(uid);
            return Task.CompletedTask;
        };
        bench.Server.Next(FakeImapStep.Store, new FakeImapFault.Close());

        await bench.RunUntilAsync(() => bench.Inbox.FlagsOf(uid) == @"\Seen");

        Assert.Equal(("", 1), (before, bench.Sink.Messages.Count));
        Assert.Null(bench.Sink.Messages[0].OriginKey);
        bench.Correct();
    }

    [Fact]
    public async Task A_mailbox_that_can_only_be_read_is_said_to_be_that()
    {
        await using ImapBench bench = new();
        bench.Inbox.IsReadOnly = true;

        Exception e = await bench.FailAsync();

        Assert.Contains("can only be read, so mails cannot be marked", e.Message, StringComparison.Ordinal);
        bench.Correct();
    }

    [Fact]
    public void SR_11_the_ledger_of_three_thousand_mails_fits_a_fact_and_one_of_the_first_version_is_read()
    {
        ImapLedger ledger = new();
        ledger.Begin(7, 10);
        foreach (uint uid in Enumerable.Range(1, ImapLedger.Capacity).Select(i => (uint)i))
        {
            ledger.Add(uid, MessageId.New());
        }

        ledger.Keep(5);
        (byte[] checkpoint, int change) = ledger.ToCheckpoint();
        ledger.Saved(change);
        ImapLedger read = ImapLedger.Read(checkpoint);
        byte[] first = [1, .. checkpoint[1..9], .. checkpoint[17..]];

        Assert.InRange(checkpoint.Length, 1, 64 * 1024);
        Assert.False(ledger.IsChanged);
        Assert.Equal((0, new ImapNumbering(7, 0), ImapLedger.Capacity), (read.Room, read.Numbering, read.Count));
        Assert.Equal(checkpoint, read.ToCheckpoint().Checkpoint);
        Assert.Equal((ImapLedger.Capacity, new ImapNumbering(7, 0)), (ImapLedger.Read(first).Count, ImapLedger.Read(first).Numbering));
        Assert.Equal(0, ImapLedger.Read(checkpoint.AsMemory(0, 30)).Count);
    }

    [Fact]
    public async Task A_full_ledger_leaves_the_others_in_the_mailbox_and_reads_on_as_mails_come_to_an_end()
    {
        await using ImapBench bench = new(null, config => config with { Batch = 1_000 });
        for (int i = 0; i < ImapLedger.Capacity + 5; i++)
        {
            bench.Inbox.Deliver(Letter($"m{i}"));
        }

        _ = bench.Start();
        await bench.TakenAsync(ImapLedger.Capacity);
        uint last = bench.Inbox.Uids[^1];
        bench.Server.FailFetch(last, new FakeImapFault.Refuse("NO broken"));
        int full = 0;
        for (int i = 0; i < 4; i++)
        {
            full += await bench.Source.PollNowAsync(Cancel);
        }

        string? standing = bench.Source.Status.Checkpoint;
        bench.Server.FailFetch(last, null);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(i => bench.MarkAsync(i).AsTask()));
        int then = await bench.Source.PollNowAsync(Cancel);

        Assert.Equal((0, 3), (full, then));
        Assert.Contains($" {ImapLedger.Capacity} mails in work", standing, StringComparison.Ordinal); // one that cannot be read takes no room that is not there
    }
}
