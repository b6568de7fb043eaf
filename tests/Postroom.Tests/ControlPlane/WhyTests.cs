using Postroom.Explaining;
using Postroom.Host;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class WhyTests
{
    private static readonly PoolStatus Pool = new() { Name = "router", Queue = "in", State = WorkerState.Idle };
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Each_state_has_one_sentence_that_says_what_comes_next()
    {
        JournalEntry pending = Entry(MessageState.Pending);
        JournalEntry ahead = Entry(MessageState.Pending) with { DueAt = Now.AddSeconds(30), Attempt = 1 };

        Expect("waits behind message " + ahead.Envelope.Id, pending, new WhyFacts { Now = Now, Ahead = ahead });
        Expect("at 2026-03-01 12:00:30Z (in 30 s); 2 of 5 allowed failures", pending with { Attempt = 2, Failures = 2, Error = "no route.", DueAt = Now.AddSeconds(30) });
        Expect("asked to wait until 2026-03-01 13:00:00Z (in 1 h 0 min)", pending with { DueAt = Now.AddHours(1) });
        Expect("Queue 'in' is paused", pending, new WhyFacts { Now = Now, QueuePaused = true });
        Expect("it is parked", pending, new WhyFacts { Now = Now, Parked = true, Pools = [Pool], Ahead = ahead });
        Expect("Nobody reads queue 'in'", pending, new WhyFacts { Now = Now, Pools = [] });
        Expect("free worker of queue 'in', where 7 messages wait", pending, new WhyFacts { Now = Now, Pools = [Pool], Waiting = 7 });
        Expect("A process has the store open: ask it, without --store", pending);
        Expect(
            "'wa' has not started: no credentials. The message is held", Entry(MessageState.Pending, "out.wa"),
            new WhyFacts { Now = Now, Communicator = new CommunicatorStatus { Name = "wa", Kind = "whatsapp", Problem = "no credentials.", Capabilities = new() } });
        Expect("the answer was lost", Entry(MessageState.Pending, "out.wa") with { SendStartedAt = Now });
        Expect("being handled by n/1/in since", Entry(MessageState.Dispatched) with { DispatchedAt = Now.AddSeconds(-5), Owner = "n/1/in", Attempt = 1 });
        Expect("nobody can tell whether it arrived", Entry(MessageState.Failed, "out.wa") with { FailureKind = FailureKind.Uncertain, Error = "timed out" });
        Expect("It led to no further message", Entry(MessageState.Acked) with { Attempt = 1 });
    }

    [Fact]
    public void Every_kind_of_failure_says_how_it_goes_on()
    {
        foreach (FailureKind kind in Enum.GetValues<FailureKind>())
        {
            JournalEntry failed = Entry(MessageState.Failed) with { FailureKind = kind, Error = "the cause", FinishedAt = Now, Failures = 5, Deaths = 3, Attempt = 5 };
            string reason = Why.Explain(new JournalRecord { Entry = failed }, new WhyFacts { Now = Now }).Reason;

            Assert.Contains("the cause", reason, StringComparison.Ordinal);
            Assert.True(reason.Contains("replay", StringComparison.Ordinal), reason);
        }
    }

    [Fact]
    public void An_attempt_that_does_not_count_and_comes_again_is_no_replay()
    {
        JournalRecord record = new()
        {
            Entry = Entry(MessageState.Acked, "out.wa") with { Attempt = 1, FinishedAt = Now },
            Attempts =
            [
                new AttemptRecord { Attempt = 1, EndedAt = Now.AddSeconds(-2), Outcome = "retry", Error = "429: wait 1 s" },
                new AttemptRecord { Attempt = 1, EndedAt = Now, Outcome = "acked" },
            ],
        };

        Assert.DoesNotContain(WhyTimeline.Of(record), line => line.Text.Contains("replay", StringComparison.Ordinal));
        Assert.Equal(["attempt 1", "attempt 1 of replay 1"], WhyTimeline.NamesOf([record.Attempts[0] with { Outcome = "failed" }, record.Attempts[1]], replays: 1));
    }

    [Fact]
    public void The_best_receipt_is_told_and_the_timeline_is_in_order()
    {
        JournalEntry sent = Entry(MessageState.Acked, "out.wa") with { Attempt = 1, FinishedAt = Now, OutsideId = "w1" };
        JournalRecord record = new()
        {
            Entry = sent,
            Attempts = [new AttemptRecord { Attempt = 1, StartedAt = Now.AddSeconds(-1), EndedAt = Now, Outcome = "acked", Owner = "n/1/out.wa" }],
            Receipts = [new() { Status = DeliveryStatus.Sent, At = Now, OutsideId = "w1" }, new() { Status = DeliveryStatus.Read, At = Now.AddMinutes(2) }],
        };

        WhyReport report = Why.Explain(record, new WhyFacts { Now = Now.AddHours(1) });

        Assert.StartsWith("The recipient has read it, at 2026-03-01 12:02:00Z", report.Reason, StringComparison.Ordinal);
        Assert.Equal(report.Timeline.OrderBy(line => line.At).Select(line => line.Text), report.Timeline.Select(line => line.Text));
        Assert.Equal("read by the recipient", report.Timeline[^1].Text);
        Assert.Equal(4, report.Timeline.Count);
    }

    [Fact]
    public async Task The_message_ahead_is_found_in_the_journal_and_ids_may_be_cut()
    {
        RuntimeDouble runtime = new(TimeProvider.System) { Pools = [Pool] };
        Envelope first = new(MessageId.New(), "in", "chat.text", default) { Conversation = "wa/1", CreatedAt = Now };
        Envelope second = new(MessageId.New(), "in", "chat.text", default) { Conversation = "wa/1", CreatedAt = Now, Headers = new Dictionary<string, string> { [HeaderNames.ChannelMessageId] = "outside-7" } };
        CancellationToken cancel = TestContext.Current.CancellationToken;
        await runtime.Store.AppendAsync([first, second], null, cancel);
        WhyReader reader = new(runtime.Journal, runtime.Facts, TimeProvider.System);

        WhyReport? report = await reader.ReadAsync(second.Id, await runtime.GetStatusAsync(cancel), cancel);

        Assert.Contains(first.Id.ToString(), report!.Reason, StringComparison.Ordinal);
        Assert.Equal(second.Id, (await reader.FindAsync(second.Id.ToString(), cancel)).Id);
        Assert.Equal(second.Id, (await reader.FindAsync("outside-7", cancel)).Id);
        Assert.NotEqual(default, await reader.FindAsync(second.Id.ToString()[..35], cancel));
        Assert.Equal(default, await reader.FindAsync("zz", cancel));
    }

    [Fact]
    public async Task Ac88_a_failed_message_that_holds_the_line_is_named_in_memory()
    {
        RuntimeDouble runtime = new(TimeProvider.System) { Pools = [Pool] };
        (MessageId failed, MessageId waiting) = await HoldAsync(runtime.Store, (IQueueControl)runtime.Store);
        WhyReader reader = new(runtime.Journal, runtime.Facts, TimeProvider.System);

        string held = await ReasonAsync(reader, waiting, await runtime.GetStatusAsync(Cancel));
        await runtime.Journal.DiscardAsync(failed, "not wanted", force: false, Cancel);
        string free = await ReasonAsync(reader, waiting, await runtime.GetStatusAsync(Cancel));

        Assert.StartsWith($"It waits behind message {failed} of the same conversation, which failed and holds the line until it is replayed or discarded", held, StringComparison.Ordinal);
        Assert.StartsWith("It waits for a free worker", free, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac88_a_file_that_no_runtime_has_open_tells_of_a_held_line_and_of_a_paused_queue()
    {
        await using Sqlite.Store.StoreFixture fixture = await Sqlite.Store.StoreFixture.OpenAsync();
        (MessageId failed, MessageId waiting) = await HoldAsync(fixture.Store, fixture.Store);
        Envelope other = new(MessageId.New(), "in", "chat.text", default) { Conversation = "wa/2", OrderKey = "wa/2", CreatedAt = Now };
        await fixture.Store.WriteAsync(new StoreWrite { Appends = [other], Facts = [new FactChange(FactScopes.Pause, "in", ReadOnlyMemory<byte>.Empty)] }, Cancel);
        string live = await ReasonAsync(new WhyReader(fixture.Store, fixture.Store.Facts, TimeProvider.System), waiting, null);
        await fixture.Store.CloseAsync(Cancel);

        using SqliteJournalReader cold = SqliteJournalReader.Open(fixture.Options.Path);
        string held = await ReasonAsync(new ColdJournal(cold).Reader(stopped: true), waiting, null);
        string paused = await ReasonAsync(new ColdJournal(cold).Reader(stopped: true), other.Id, null);

        string line = $"It waits behind message {failed} of the same conversation, which failed and holds the line";
        Assert.StartsWith(line, live, StringComparison.Ordinal);
        Assert.StartsWith(line, held, StringComparison.Ordinal);
        Assert.StartsWith("Queue 'in' is paused. 'postroom queues resume in' lets it go on. No runtime runs on this store", paused, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_outside_id_of_any_length_is_found_and_several_messages_are_told_apart_from_none()
    {
        RuntimeDouble runtime = new(TimeProvider.System);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        Envelope[] sent = [new(MessageId.New(), "out.chat", "message.out", default), new(MessageId.New(), "out.chat", "message.out", default)];
        Envelope[] received = [.. Enumerable.Range(0, 2).Select(_ => new Envelope(MessageId.New(), "in", "chat.text", default) { Headers = new Dictionary<string, string> { [HeaderNames.ChannelMessageId] = "twice" } })];
        await runtime.Store.AppendAsync([.. sent, .. received], null, cancel);
        foreach (string outside in (string[])["7", "17"])
        {
            MessageLease lease = await runtime.LeaseAsync("out.chat", cancel);
            DeliveryReceipt receipt = new() { Status = DeliveryStatus.Sent, OutsideId = outside };
            await runtime.Store.WriteAsync(new StoreWrite { Settlements = [new StoreSettlement(lease, Settlement.Acknowledge) { Receipt = receipt }] }, cancel);
        }

        WhyReader reader = new(runtime.Journal, runtime.Facts, TimeProvider.System);
        FoundMessage none = await reader.FindAsync("8", cancel);
        FoundMessage several = await reader.FindAsync("twice", cancel);

        Assert.Equal(sent[0].Id, (await reader.FindAsync("7", cancel)).Id);
        Assert.Equal(sent[1].Id, (await reader.FindAsync("17", cancel)).Id);
        Assert.Equal((null, false, null, true), (none.Id, none.Several, several.Id, several.Several));
        Assert.StartsWith("No message has the id or outside id '8'", none.Complain("8"), StringComparison.Ordinal);
        Assert.StartsWith("Several messages begin with 'twice'", several.Complain("twice"), StringComparison.Ordinal);
    }

    private static async Task<(MessageId Failed, MessageId Waiting)> HoldAsync(IMessageStore store, IQueueControl control)
    {
        control.SetRules("in", new QueueRules { HaltOnFailure = true });
        Envelope[] line = [.. Enumerable.Range(0, 2).Select(_ => new Envelope(MessageId.New(), "in", "chat.text", default) { Conversation = "wa/1", OrderKey = "wa/1", CreatedAt = Now })];
        await store.AppendAsync(line, null, Cancel);
        MessageLease first = (await store.LeaseAsync("in", 1, TimeSpan.FromMinutes(1), Cancel))[0];
        await store.RenewAsync(first, new LeaseProgress.Begin("test"), Cancel);
        await store.SettleAsync(first, Settlement.Fail(FailureKind.Exception, "broken"), [], Cancel);
        return (line[0].Id, line[1].Id);
    }

    private static async Task<string> ReasonAsync(WhyReader reader, MessageId id, RuntimeStatus? status) => (await reader.ReadAsync(id, status, Cancel))!.Reason;

    [Fact]
    public void Where_nobody_works_that_is_the_reason()
    {
        JournalEntry pending = Entry(MessageState.Pending);
        JournalEntry ahead = Entry(MessageState.Pending);
        string stopped = "No runtime runs on this store";

        Expect($"It waits in queue 'in'. {stopped}", pending, new WhyFacts { Now = Now, Stopped = true });
        Expect(stopped, pending, new WhyFacts { Now = Now, Stopped = true, Ahead = ahead });
        Expect($"when its runtime ended without an outcome. {stopped}", Entry(MessageState.Dispatched) with { Attempt = 1 }, new WhyFacts { Now = Now, Stopped = true });
        Expect("Nobody reads queue 'in'", pending, new WhyFacts { Now = Now, Pools = [], Ahead = ahead });
        Expect("No communicator 'wa' is part of this runtime", Entry(MessageState.Pending, "out.wa"), new WhyFacts { Now = Now, Pools = [] });
        Expect("It waits for a free receiver of queue 'in'", pending, new WhyFacts { Now = Now, Pools = [], Receivers = 1 });
    }

    [Fact]
    public void A_long_error_is_told_whole_once_and_one_message_is_not_messages()
    {
        string error = new('x', 400);
        JournalEntry failed = Entry(MessageState.Failed) with { FailureKind = FailureKind.Exhausted, Error = error, FinishedAt = Now, Failures = 2, Attempt = 2 };
        AttemptRecord attempt = new() { Attempt = 1, StartedAt = Now.AddSeconds(-3), EndedAt = Now.AddSeconds(-3), Outcome = "retry", Error = error };

        WhyReport report = Why.Explain(
            new JournalRecord { Entry = failed, Attempts = [attempt, attempt with { Attempt = 2, StartedAt = Now.AddSeconds(-1), EndedAt = Now, Outcome = "failed" }] },
            new WhyFacts { Now = Now });
        WhyReport acked = Why.Explain(
            new JournalRecord { Entry = Entry(MessageState.Acked) with { Attempt = 1 }, Children = [Entry(MessageState.Acked, "out.wa")] }, new WhyFacts { Now = Now });

        string[] timeline = [.. report.Timeline.Select(line => line.Text)];
        Assert.Contains($"attempt 1 ended after 0 ms without success and is repeated: {error}", timeline);
        Assert.Contains("attempt 2 failed for good after 1 s: the same error", timeline);
        Assert.Contains("failed (exhausted)", timeline);
        Assert.DoesNotContain(error, report.Reason, StringComparison.Ordinal);
        Assert.Contains("xxx…. Nothing more", report.Reason, StringComparison.Ordinal);
        Assert.Contains("It led to 1 message, which has ended as well.", acked.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_tries_of_an_outage_are_one_line_with_their_number_and_span()
    {
        AttemptRecord[] tries = [.. Enumerable.Range(0, 14).Select(i => new AttemptRecord
        {
            Attempt = 1, StartedAt = Now.AddSeconds(i - 20), EndedAt = Now.AddSeconds(i - 20), Outcome = i % 2 == 0 ? "retry" : "released", Error = i % 2 == 0 ? "no route" : null, Owner = "w",
        })];
        AttemptRecord[] given = [.. tries.Skip(7).Select(attempt => attempt with { Outcome = "released", Error = "it stops" })];
        AttemptRecord last = new() { Attempt = 1, StartedAt = Now.AddSeconds(-2), EndedAt = Now, Outcome = "acked", Owner = "w" };

        Assert.Equal(
            [$"attempt 1 ended without success 7 times and was given back 7 times from {Why.At(Now.AddSeconds(-20))} to {Why.At(Now.AddSeconds(-7))}, because: no route", "attempt 1 with w succeeded after 2 s"],
            Timeline([.. tries, last]));
        Assert.Equal([$"attempt 1 was given back 7 times from {Why.At(Now.AddSeconds(-13))} to {Why.At(Now.AddSeconds(-7))}, because: it stops"], Timeline(given));
        Assert.Equal(2, Timeline([tries[0], tries[0] with { Error = "another" }]).Length); // no error is lost

        static string[] Timeline(AttemptRecord[] attempts) =>
            [.. Why.Explain(new JournalRecord { Entry = Entry(MessageState.Acked) with { Attempt = 1 }, Attempts = attempts }, new WhyFacts { Now = Now }).Timeline.Skip(1).Select(line => line.Text)];
    }

    [Fact]
    public void An_attempt_of_a_replay_is_told_from_the_one_of_the_same_number_before()
    {
        AttemptRecord failed = new() { Attempt = 1, StartedAt = Now.AddSeconds(-9), EndedAt = Now.AddSeconds(-8), Outcome = "failed", Error = "no" };
        AttemptRecord given = new() { Attempt = 1, StartedAt = Now.AddSeconds(-3), EndedAt = Now.AddSeconds(-2), Outcome = "released" };
        AttemptRecord acked = new() { Attempt = 1, StartedAt = Now.AddSeconds(-1), EndedAt = Now, Outcome = "acked" };

        WhyReport report = Why.Explain(new JournalRecord { Entry = Entry(MessageState.Acked) with { Attempt = 1, Replays = 1 }, Attempts = [failed, given, acked] }, new WhyFacts { Now = Now });

        Assert.Equal(
            ["attempt 1 failed", "attempt 1 of replay 1 was", "attempt 1 of replay 1 succeeded"],
            report.Timeline.Skip(1).Select(line => string.Join(' ', line.Text.Split(' ').Take(line.Text.Contains("replay", StringComparison.Ordinal) ? 6 : 3))));
    }

    [Fact]
    public void What_people_did_is_part_of_the_story()
    {
        AuditRecord replay = new() { At = Now.AddSeconds(-5), User = "admin", Action = "journal.replay", Result = "done" };

        WhyReport report = Why.Explain(
            new JournalRecord { Entry = Entry(MessageState.Pending), Audit = [replay, replay with { At = Now, User = "", Result = "conflict" }] }, new WhyFacts { Now = Now });

        Assert.Equal(["replayed by admin", "replayed by somebody, refused: conflict"], report.Timeline.Skip(1).Select(line => line.Text));
    }

    [Fact]
    public void Jn6_what_an_operator_confirmed_is_not_told_as_the_word_of_the_service()
    {
        JournalRecord record = new()
        {
            Entry = Entry(MessageState.Acked, "out.wa") with { Attempt = 1, FinishedAt = Now },
            Receipts = [new DeliveryReceipt { Status = DeliveryStatus.Delivered, At = Now, Detail = "confirmed" }],
            Audit = [new AuditRecord { At = Now, User = "ops", Action = "journal.confirm", Result = "done" }],
        };

        WhyReport report = Why.Explain(record, new WhyFacts { Now = Now.AddHours(1) });

        Assert.StartsWith("An operator (ops) confirmed at 2026-03-01 12:00:00Z that it arrived; the answer of 'wa' to the send is not known.", report.Reason, StringComparison.Ordinal);
        Assert.Equal(["confirmed as arrived", "confirmed by ops"], report.Timeline.Select(static line => line.Text).Where(static text => text.StartsWith("confirmed", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_message_behind_another_that_is_held_names_what_holds_that_one()
    {
        JournalEntry ahead = Entry(MessageState.Pending, "out.wa") with { DueAt = Now.AddSeconds(8) };
        WhyFacts facts = new() { Now = Now, Pools = [Pool], Ahead = ahead, Communicator = new CommunicatorStatus { Name = "wa", Kind = "whatsapp", Started = true, Problem = "no connection.", Capabilities = new() } };

        Expect($"It waits behind message {ahead.Envelope.Id} of the same conversation, which is held: 'wa' cannot send now: no connection.", Entry(MessageState.Pending, "out.wa"), facts);
    }

    private static void Expect(string words, JournalEntry entry, WhyFacts? facts = null)
    {
        string reason = Why.Explain(new JournalRecord { Entry = entry }, facts ?? new WhyFacts { Now = Now }).Reason;
        Assert.Contains(words, reason, StringComparison.Ordinal);
    }

    private static JournalEntry Entry(MessageState state, string queue = "in") => new()
    {
        Envelope = new Envelope(MessageId.New(), queue, "chat.text", default) { Conversation = "wa/1", CreatedAt = Now.AddMinutes(-1) },
        State = state,
    };
}
