using System.Text;
using Xunit;

namespace Postroom.Testing;

/// <content>The end of a lease: once, with all that is staged, or not at all.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>All ways an attempt ends.</summary>
    public static TheoryData<string> Outcomes => ["ack", "retry", "release", "fail"];

    private Settlement Outcome(string name) => name switch
    {
        "ack" => Settlement.Acknowledge,
        "retry" => RetryIn(TimeSpan.FromMinutes(1)),
        "release" => Settlement.Release,
        _ => Settlement.Fail(FailureKind.Rejected, "no such article"),
    };

    /// <summary>Each outcome leads to its state.</summary>
    [Theory(Timeout = Limit)]
    [InlineData("ack", MessageState.Acked)]
    [InlineData("retry", MessageState.Pending)]
    [InlineData("release", MessageState.Pending)]
    [InlineData("fail", MessageState.Failed)]
    public async Task Every_outcome_leads_to_its_state(string outcome, MessageState state)
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);
        Clock.Advance(TimeSpan.FromSeconds(3));

        await SettleAsync(lease, Outcome(outcome));

        JournalEntry entry = await EntryAsync(message);
        Assert.Equal(state, entry.State);
        Assert.Equal(state == MessageState.Pending ? null : Clock.GetUtcNow(), entry.FinishedAt);
        Assert.Equal(outcome == "fail" ? FailureKind.Rejected : null, entry.FailureKind);
        Assert.Equal(outcome switch { "fail" => "no such article", "retry" => "busy", _ => null }, entry.Error);
        Assert.Equal(outcome == "retry" ? Clock.GetUtcNow() + TimeSpan.FromMinutes(1) : null, entry.DueAt);
        Assert.Null(entry.Owner);
    }

    /// <summary>What an attempt staged appears with its outcome, whatever that is.</summary>
    [Theory(Timeout = Limit)]
    [MemberData(nameof(Outcomes))]
    public async Task Staged_messages_appear_with_the_outcome(string outcome)
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);
        Envelope[] staged = [Message(queue: "out.mail") with { ParentId = message.Id }, Message(queue: "out.mail") with { ParentId = message.Id }];
        Assert.False((await Store.GetStatsAsync("out.mail", Cancel)).Queues["out.mail"].Pending > 0);

        await SettleAsync(lease, Outcome(outcome), staged);

        Assert.Equal(2, (await StatsAsync("out.mail")).Pending);
        Assert.Equal(staged.Select(envelope => envelope.Id), (await RecordAsync(message.Id)).Children.Select(child => child.Envelope.Id));
        await LeaseAsync(staged[0]);
        await LeaseAsync(staged[1]);
    }

    /// <summary>A worker that lost its lease changes nothing, and what it staged vanishes with it.</summary>
    [Theory(Timeout = Limit)]
    [MemberData(nameof(Outcomes))]
    public async Task Ac5_a_late_settle_is_refused_and_stores_nothing(string outcome)
    {
        Envelope message = await AppendAsync();
        MessageLease lost = await BeginAsync(message);
        await SettleAsync(lost, Settlement.Release);
        MessageLease current = await BeginAsync(message);
        await SettleAsync(current, Settlement.RetryAt(Clock.GetUtcNow(), "again"));
        MessageLease last = await BeginAsync(message);
        JournalEntry before = await EntryAsync(message);
        Envelope staged = Message(queue: "out.mail");

        LeaseLostException e = await Assert.ThrowsAsync<LeaseLostException>(async () => await SettleAsync(lost, Outcome(outcome), staged));

        Assert.Equal((message.Id, lost.Fence), (e.Id, e.Fence));
        Assert.Equal(before.State, (await EntryAsync(message)).State);
        Assert.Null(await Journal.GetAsync(staged.Id, withBody: false, Cancel));
        await SettleAsync(last, Settlement.Acknowledge);
    }

    /// <summary>An id the store does not hold cannot be settled.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_unknown_message_is_not_settled()
    {
        Envelope known = await AppendAsync();
        MessageLease foreign = await LeaseAsync(known) with { Envelope = Message() };
        Envelope staged = Message(queue: "out.mail");

        await Assert.ThrowsAsync<LeaseLostException>(async () => await SettleAsync(foreign, Settlement.Acknowledge, staged));

        Assert.False(await Store.RenewAsync(foreign, null, Cancel));
        Assert.Null(await Journal.GetAsync(staged.Id, withBody: false, Cancel));
    }

    /// <summary>A settle whose answer was lost is repeated: it succeeds and changes nothing.</summary>
    [Theory(Timeout = Limit)]
    [MemberData(nameof(Outcomes))]
    public async Task A_repeat_of_the_settle_that_ended_the_lease_succeeds_and_changes_nothing(string outcome)
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);
        Envelope staged = Message(queue: "out.mail");
        Settlement settlement = Outcome(outcome);
        await SettleAsync(lease, settlement, staged);
        JournalEntry before = await EntryAsync(message);

        await SettleAsync(lease, settlement, staged);

        Assert.Equal(before with { Envelope = message }, await EntryAsync(message) with { Envelope = message });
        Assert.Equal(1, (await StatsAsync("out.mail")).Pending);
    }

    /// <summary>Another end of the same lease is no repeat: nobody is told that a message is handled when it was given back.</summary>
    [Fact(Timeout = Limit)]
    public async Task Another_end_of_a_lease_that_was_released_is_refused()
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);
        await SettleAsync(lease, Settlement.Release);

        await Assert.ThrowsAsync<LeaseLostException>(async () => await SettleAsync(lease, Settlement.Acknowledge));

        await HandleAsync(message);
    }

    /// <summary>Of two workers that settle the same lease at once one decides.</summary>
    [Fact(Timeout = Limit)]
    public async Task Of_many_settles_of_one_lease_at_once_one_counts()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 50).Select(_ => Message())];
        await Store.AppendAsync(batch, null, Cancel);
        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(50);

        foreach (MessageLease lease in leases)
        {
            await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(async () =>
            {
                try
                {
                    await SettleAsync(lease, i % 2 == 0 ? Settlement.Acknowledge : Settlement.Fail(FailureKind.Rejected, "no"), Message(queue: "out.mail"));
                }
                catch (LeaseLostException)
                {
                    // One of the others was first.
                }
            })));
        }

        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((50, 0, 0), (stats.Acked + stats.Failed, stats.Pending, stats.Dispatched));
        Assert.Equal(50, (await StatsAsync("out.mail")).Pending);
    }

    /// <summary>A long error is cut at 4 KiB, and never inside a character.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_long_reason_is_cut_on_a_character_boundary()
    {
        Envelope message = await AppendAsync();
        string reason = "x" + string.Concat(Enumerable.Repeat("\U0001F600", 3000));

        await SettleAsync(await BeginAsync(message), Settlement.Fail(FailureKind.Rejected, reason));

        string stored = (await EntryAsync(message)).Error!;
        Assert.InRange(Encoding.UTF8.GetByteCount(stored), 4093, 4096);
        Assert.StartsWith(stored, reason, StringComparison.Ordinal);
        Assert.False(char.IsHighSurrogate(stored[^1]));
    }

    /// <summary>Appends, settlements, receipts, facts and notes of one write are stored together.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_write_stores_appends_settlements_facts_and_notes_together()
    {
        Envelope[] batch = [Message() with { DedupKey = "a" }, Message()];
        await Store.AppendAsync(batch, null, Cancel);
        MessageLease first = await BeginAsync(batch[0]);
        MessageLease second = await BeginAsync(batch[1]);
        Envelope appended = Message(queue: "in");
        Envelope staged = Message(queue: "out.mail");
        DeliveryReceipt receipt = new() { Status = DeliveryStatus.Sent, OutsideId = "smtp-1", At = Clock.GetUtcNow() };

        StoreWriteResult result = await Store.WriteAsync(
            new StoreWrite
            {
                Appends = [appended, Message() with { DedupKey = "a" }],
                Settlements =
                [
                    new StoreSettlement(first, Settlement.Acknowledge) { Staged = [staged], Receipt = receipt },
                    new StoreSettlement(second, Settlement.Fail(FailureKind.Refused, "550")),
                ],
                Facts = [new FactChange("scope", "key", "1"u8.ToArray())],
                Notes = [new StoreNote(NoteKind.Audit, Clock.GetUtcNow(), "{}"u8.ToArray())],
            },
            Cancel);

        Assert.Equal([new AppendResult(appended.Id, Duplicate: false), new AppendResult(batch[0].Id, Duplicate: true)], result.Appended);
        JournalRecord record = await RecordAsync(batch[0].Id);
        Assert.Equal(MessageState.Acked, record.Entry.State);
        Assert.Equal("smtp-1", record.Entry.OutsideId);
        Assert.Equal("smtp-1", Assert.Single(record.Receipts).OutsideId);
        Assert.Equal(MessageState.Failed, (await EntryAsync(batch[1])).State);
        Assert.NotNull(await Store.Facts.GetAsync("scope", "key", Cancel));
        await LeaseAsync(appended);
        await LeaseAsync(staged);
    }

    /// <summary>One lost lease takes the whole write with it; the other leases are still held.</summary>
    [Fact(Timeout = Limit)]
    public async Task One_lost_lease_in_a_write_leaves_nothing_of_it()
    {
        Envelope[] batch = [Message(), Message(), Message()];
        await Store.AppendAsync(batch, null, Cancel);
        MessageLease held = await BeginAsync(batch[0]);
        MessageLease lost = await BeginAsync(batch[1]);
        MessageLease alsoHeld = await BeginAsync(batch[2]);
        await SettleAsync(lost, Settlement.Release);
        MessageLease current = await BeginAsync(batch[1]);
        Envelope appended = Message(queue: "in");
        Envelope staged = Message(queue: "out.mail");

        await Assert.ThrowsAsync<LeaseLostException>(async () => await Store.WriteAsync(
            new StoreWrite
            {
                Appends = [appended],
                Settlements =
                [
                    new StoreSettlement(held, Settlement.Acknowledge) { Staged = [staged] },
                    new StoreSettlement(lost, Settlement.Acknowledge),
                    new StoreSettlement(alsoHeld, Settlement.Acknowledge),
                ],
                Facts = [new FactChange("scope", "key", "1"u8.ToArray())],
            },
            Cancel));

        Assert.Null(await Journal.GetAsync(appended.Id, withBody: false, Cancel));
        Assert.Null(await Journal.GetAsync(staged.Id, withBody: false, Cancel));
        Assert.Null(await Store.Facts.GetAsync("scope", "key", Cancel));
        Assert.All(await Task.WhenAll(batch.Select(EntryAsync)), entry => Assert.Equal(MessageState.Dispatched, entry.State));
        foreach (MessageLease lease in (MessageLease[])[held, current, alsoHeld])
        {
            await SettleAsync(lease, Settlement.Acknowledge);
        }
    }

    /// <summary>What people did with a message is a note of it as well, and its outside id finds it.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_audit_note_is_found_with_its_message_and_the_message_by_its_outside_id()
    {
        Envelope message = await AppendAsync(Message(queue: "out.mail"));
        MessageLease lease = await BeginAsync(message);
        DateTimeOffset at = Clock.GetUtcNow();
        await Store.WriteAsync(
            new StoreWrite
            {
                Settlements = [new StoreSettlement(lease, Settlement.Acknowledge) { Receipt = new() { Status = DeliveryStatus.Sent, OutsideId = "7", At = at } }],
                Notes = [new StoreNote(NoteKind.Audit, at, "{\"user\":\"ann\",\"action\":\"journal.replay\",\"result\":\"done\",\"detail\":{\"reason\":\"twice\"}}"u8.ToArray()) { MessageId = message.Id }],
            },
            Cancel);

        AuditRecord audit = Assert.Single((await RecordAsync(message.Id)).Audit);
        JournalPage found = await Journal.QueryAsync(new JournalQuery { OutsideId = "7" }, Cancel);
        JournalPage other = await Journal.QueryAsync(new JournalQuery { OutsideId = "77" }, Cancel);

        AuditEntry row = Assert.Single((await Journal.QueryAuditAsync(new AuditQuery { User = "ann" }, Cancel)).Items);

        Assert.Equal(("ann", "journal.replay", "done"), (audit.User, audit.Action, audit.Result));
        Assert.Equal(("twice", "twice"), (audit.Detail?.GetProperty("reason").GetString(), row.Record.Detail?.GetProperty("reason").GetString()));
        Assert.Equal(at.ToUnixTimeMilliseconds(), audit.At.ToUnixTimeMilliseconds());
        Assert.Equal(message.Id, Assert.Single(found.Items).Envelope.Id);
        Assert.Empty(other.Items);
    }

    /// <summary>A later receipt is a note of its message.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_receipt_note_is_found_with_its_message()
    {
        Envelope message = await AppendAsync(Message(queue: "out.mail"));
        await HandleAsync(message);

        await Store.WriteAsync(
            new StoreWrite
            {
                Notes = [new StoreNote(NoteKind.Receipt, Clock.GetUtcNow(), "{\"status\":\"read\",\"outsideId\":\"wa-1\"}"u8.ToArray()) { MessageId = message.Id }],
            },
            Cancel);

        DeliveryReceipt receipt = Assert.Single((await RecordAsync(message.Id)).Receipts);
        Assert.Equal((DeliveryStatus.Read, "wa-1"), (receipt.Status, receipt.OutsideId));
        Assert.Equal(MessageState.Acked, (await EntryAsync(message)).State);
    }
}
