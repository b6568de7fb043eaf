using Xunit;

namespace Postroom.Testing;

/// <content>An operator's moves: replay, discard, confirm; and what retention removes.</content>
public abstract partial class MessageStoreConformance
{
    private static async Task<JournalConflictException> ConflictAsync(Envelope envelope, MessageState? state, Func<Task> move)
    {
        JournalConflictException conflict = await Assert.ThrowsAsync<JournalConflictException>(move);
        Assert.Equal((envelope.Id, state), (conflict.Id, conflict.State));
        return conflict;
    }

    /// <summary>A failed message is replayed under its id and counted; attempts begin anew unless they are kept.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ac15_a_replay_of_a_failed_message_keeps_its_id_and_is_counted(bool keepAttempts)
    {
        Envelope message = await AppendAsync(Message() with { DedupKey = "mail-17" });
        await SettleAsync(await BeginAsync(message), Settlement.RetryAt(Clock.GetUtcNow(), "again"));
        await FailAsync(message);

        MessageId id = await Journal.ReplayAsync(message.Id, new ReplayOptions { KeepAttempts = keepAttempts }, Cancel);
        JournalRecord replayed = await RecordAsync(message.Id);
        MessageLease lease = await BeginAsync(message);

        Assert.Equal(message.Id, id);
        JournalEntry entry = replayed.Entry;
        Assert.Equal((MessageState.Pending, 1, null, null), (entry.State, entry.Replays, entry.FailureKind, entry.FinishedAt));
        Assert.Equal(keepAttempts ? (2, 2) : (0, 0), (entry.Attempt, entry.Failures));
        Assert.Equal(2, replayed.Attempts.Count);
        Assert.Equal(keepAttempts ? 3 : 1, lease.Attempt);
        await SettleAsync(lease, Settlement.Acknowledge);
        Assert.Equal(MessageState.Acked, (await EntryAsync(message)).State);
        Assert.True(Assert.Single(await Store.AppendAsync([Message() with { DedupKey = "mail-17" }], null, Cancel)).Duplicate);
    }

    /// <summary>An acknowledged message is replayed as a new one, and only with force.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac15_a_replay_of_an_acknowledged_message_needs_force_and_makes_a_new_one()
    {
        Envelope original = await AppendAsync(Message("a") with { DedupKey = "mail-17", Headers = new Dictionary<string, string> { ["subject"] = "hello" } });
        await HandleAsync(original);
        await ConflictAsync(original, MessageState.Acked, async () => await Journal.ReplayAsync(original.Id, new ReplayOptions(), Cancel));

        MessageId id = await Journal.ReplayAsync(original.Id, new ReplayOptions { Force = true }, Cancel);
        MessageLease lease = await LeaseAsync();

        Assert.NotEqual(original.Id, id);
        Assert.Equal(id, lease.Envelope.Id);
        Assert.Equal(original.Id, lease.Envelope.ReplayOf);
        Assert.Null(lease.Envelope.DedupKey);
        Assert.Equal(("a", "hello"), (lease.Envelope.OrderKey, lease.Envelope.Header("subject")));
        Assert.Equal(original.Body.ToArray(), lease.Envelope.Body.ToArray());
        Assert.True(lease.Envelope.Seq > 0);
        Assert.Equal(MessageState.Acked, (await EntryAsync(original)).State);
    }

    /// <summary>The content of a finished message can be erased: its record stays, a repeat of its key is still known, and nothing can be replayed.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Jn12_erasing_removes_body_files_and_personal_headers_of_a_finished_message(bool fails)
    {
        Envelope whole = Message() with
        {
            DedupKey = "mail-17",
            From = Address.Parse("shop:ada"),
            Headers = new Dictionary<string, string> { ["subject"] = "my ailment", ["meta.name"] = "Ada", [HeaderNames.Label] = "orders" },
            Attachments = [Attachment.FromBytes("ada.txt", "secret"u8.ToArray()), Attachment.FromBytes("large.txt", new byte[100_000])],
        };
        Envelope message = await AppendAsync(whole);
        await ConflictAsync(message, MessageState.Pending, async () => await Journal.EraseAsync(message.Id, Cancel));
        MessageLease lease = await BeginAsync(message);
        await ConflictAsync(message, MessageState.Dispatched, async () => await Journal.EraseAsync(message.Id, Cancel));
        await SettleAsync(lease, fails ? Settlement.Fail(FailureKind.Rejected, "no") : Settlement.Acknowledge);

        bool erased = await Journal.EraseAsync(message.Id, Cancel);
        bool again = await Journal.EraseAsync(message.Id, Cancel);
        JournalEntry entry = (await Journal.GetAsync(message.Id, withBody: true, Cancel))!.Entry;
        AppendResult same = Assert.Single(await Store.AppendAsync([whole with { Id = MessageId.New() }], null, Cancel));
        AppendResult other = Assert.Single(await Store.AppendAsync([whole with { Id = MessageId.New(), Body = "[1]"u8.ToArray() }], null, Cancel));

        Assert.Equal((true, false), (erased, again));
        Assert.Equal((0, 0, fails ? MessageState.Failed : MessageState.Acked), (entry.Envelope.Body.Length, entry.Envelope.Attachments.Count, entry.State));
        Assert.Equal([HeaderNames.Erased, HeaderNames.Label], entry.Envelope.Headers.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(Address.Parse("shop:ada"), entry.Envelope.From);
        Assert.Equal((true, true), (same.Duplicate, same.SameBody));
        Assert.Equal((true, false), (other.Duplicate, other.SameBody));
        await ConflictAsync(message, entry.State, async () => await Journal.ReplayAsync(message.Id, new ReplayOptions { Force = true }, Cancel));
        await Assert.ThrowsAsync<JournalConflictException>(async () => await Journal.EraseAsync(MessageId.New(), Cancel));
    }

    /// <summary>An open message is not replayed, not even with force; an unknown one neither.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac15_a_replay_of_an_open_message_is_a_conflict()
    {
        Envelope message = await AppendAsync();
        ReplayOptions force = new() { Force = true };

        await ConflictAsync(message, MessageState.Pending, async () => await Journal.ReplayAsync(message.Id, force, Cancel));
        MessageLease lease = await BeginAsync(message);
        await ConflictAsync(message, MessageState.Dispatched, async () => await Journal.ReplayAsync(message.Id, force, Cancel));
        Envelope unknown = Message();
        await ConflictAsync(unknown, null, async () => await Journal.ReplayAsync(unknown.Id, force, Cancel));

        await SettleAsync(lease, Settlement.Acknowledge);
        Assert.Equal(0, (await EntryAsync(message)).Replays);
    }

    /// <summary>A message that waits is given up with the operator's reason, wherever it waits.</summary>
    [Theory(Timeout = Limit)]
    [InlineData("ready")]
    [InlineData("delayed")]
    [InlineData("retry")]
    [InlineData("following")]
    [InlineData("parked")]
    public async Task A_waiting_message_is_discarded(string place)
    {
        MessageLease? head = place == "following" ? await BeginAsync(await AppendAsync("a")) : null;
        Control.SetRules(Orders, place == "parked" ? new QueueRules { ParkedTypes = new HashSet<string> { OrderReceived } } : new QueueRules());
        Envelope message = await AppendAsync(Message("a") with { NotBefore = place == "delayed" ? Clock.GetUtcNow().AddMinutes(1) : null });
        if (place == "retry")
        {
            await SettleAsync(await BeginAsync(message), RetryIn(TimeSpan.FromMinutes(1)));
        }

        await Journal.DiscardAsync(message.Id, "typed by mistake", force: false, Cancel);
        Control.SetRules(Orders, new QueueRules());
        Clock.Advance(TimeSpan.FromMinutes(1));

        await NothingIsDueAsync();
        JournalEntry entry = await EntryAsync(message);
        Assert.Equal((MessageState.Failed, FailureKind.Discarded, "typed by mistake"), (entry.State, entry.FailureKind, entry.Error));
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((0, 0, 0, 0, 1), (stats.Pending, stats.Delayed, stats.Parked, stats.Blocked, stats.Failed));
        Assert.Equal(head is null ? 0 : 1, stats.Dispatched);
    }

    /// <summary>A message with a worker is given up with force only; its worker then has lost it.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_dispatched_message_is_discarded_with_force_only()
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);

        await ConflictAsync(message, MessageState.Dispatched, async () => await Journal.DiscardAsync(message.Id, "stop", force: false, Cancel));
        Assert.True(await Store.RenewAsync(lease, null, Cancel));
        await Journal.DiscardAsync(message.Id, "stop", force: true, Cancel);

        Assert.False(await Store.RenewAsync(lease, null, Cancel));
        await Assert.ThrowsAsync<LeaseLostException>(async () => await SettleAsync(lease, Settlement.Acknowledge, Message(queue: "out.mail")));
        Assert.Equal((MessageState.Failed, FailureKind.Discarded), ((await EntryAsync(message)).State, (await EntryAsync(message)).FailureKind));
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((0, 0, 1), (stats.Pending, stats.Dispatched, stats.Failed));
    }

    /// <summary>What is acknowledged, or not there, cannot be given up.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_acknowledged_or_unknown_message_is_not_discarded()
    {
        Envelope message = await AppendAsync();
        await HandleAsync(message);
        Envelope unknown = Message();

        await ConflictAsync(message, MessageState.Acked, async () => await Journal.DiscardAsync(message.Id, "stop", force: true, Cancel));
        await ConflictAsync(unknown, null, async () => await Journal.DiscardAsync(unknown.Id, "stop", force: true, Cancel));

        Assert.Equal((1, 0), ((await StatsAsync()).Acked, (await StatsAsync()).Failed));
    }

    /// <summary>An uncertain send is confirmed: acked with a receipt, through every state, without a worker.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_confirmation_moves_an_uncertain_message_through_every_state()
    {
        Envelope message = await AppendAsync(Message("a"));
        MessageLease lease = await BeginAsync(message);
        await Store.RenewAsync(lease, new LeaseProgress.Claim(Clock.GetUtcNow()), Cancel);
        await SettleAsync(lease, Settlement.Fail(FailureKind.Uncertain, "no answer"));
        DateTimeOffset? claimed = (await EntryAsync(message)).SendStartedAt;
        Clock.Advance(TimeSpan.FromHours(1));

        await Journal.ConfirmAsync(message.Id, "anna", Cancel);
        await ComesToAsync(message, MessageState.Acked);

        JournalRecord record = await RecordAsync(message.Id);
        Assert.NotNull(claimed);
        Assert.Equal((MessageState.Acked, null, null), (record.Entry.State, record.Entry.FailureKind, record.Entry.SendStartedAt));
        Assert.Equal(Clock.GetUtcNow(), record.Entry.FinishedAt);
        DeliveryReceipt receipt = Assert.Single(record.Receipts);
        Assert.Equal((DeliveryStatus.Delivered, "confirmed"), (receipt.Status, receipt.Detail));
        Assert.Equal("operator:anna", record.Attempts[^1].Owner);
        Assert.Equal(
            [(MessageState.Failed, MessageState.Pending), (MessageState.Pending, MessageState.Dispatched), (MessageState.Dispatched, MessageState.Acked)],
            Moves.Of(message.Id).TakeLast(3).Select(move => (move.From!.Value, move.To)));
        await NothingIsDueAsync();
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((0, 0), (stats.Pending, stats.Failed));
    }

    /// <summary>Nothing but an uncertain message is confirmed.</summary>
    [Fact(Timeout = Limit)]
    public async Task Only_an_uncertain_message_is_confirmed()
    {
        Envelope message = await AppendAsync();
        await ConflictAsync(message, MessageState.Pending, async () => await Journal.ConfirmAsync(message.Id, "anna", Cancel));
        await FailAsync(message, FailureKind.Refused);

        await ConflictAsync(message, MessageState.Failed, async () => await Journal.ConfirmAsync(message.Id, "anna", Cancel));
    }

    /// <summary>Finished messages are removed when their own time is past, open ones never.</summary>
    [Fact(Timeout = Limit)]
    public async Task Compaction_removes_what_has_finished_long_enough_ago()
    {
        JournalRetention retention = new(TimeSpan.FromDays(7), TimeSpan.FromDays(30));
        Envelope acked = await AppendAsync();
        Envelope failed = await AppendAsync();
        await HandleAsync(acked);
        await FailAsync(failed);
        Envelope open = await AppendAsync();

        Clock.Advance(TimeSpan.FromDays(7) - TimeSpan.FromMilliseconds(1));
        long early = await Journal.CompactAsync(retention, Cancel);
        Clock.Advance(TimeSpan.FromMilliseconds(1));
        long first = await Journal.CompactAsync(retention, Cancel);
        MessageId[] left = await FindAsync(new JournalQuery { Ascending = true });
        Clock.Advance(TimeSpan.FromDays(23));
        long second = await Journal.CompactAsync(retention, Cancel);
        long third = await Journal.CompactAsync(retention, Cancel);

        Assert.Equal((0, 1, 1, 0), (early, first, second, third));
        Assert.Equal([failed.Id, open.Id], left);
        Assert.Null(await Journal.GetAsync(failed.Id, withBody: true, Cancel));
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((1, 0, 0), (stats.Pending, stats.Acked, stats.Failed));
        await HandleAsync(open);
    }

    /// <summary>A parent stays while one of its children is open.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_parent_is_kept_while_a_child_is_open()
    {
        JournalRetention retention = new(TimeSpan.FromDays(7), TimeSpan.FromDays(30));
        Envelope parent = await AppendAsync();
        Envelope child = Message(queue: "out.mail") with { ParentId = parent.Id };
        await SettleAsync(await BeginAsync(parent), Settlement.Acknowledge, child);

        Clock.Advance(TimeSpan.FromDays(8));
        long kept = await Journal.CompactAsync(retention, Cancel);
        await HandleAsync(child);
        long removed = await Journal.CompactAsync(retention, Cancel);

        Assert.Equal((0, 1), (kept, removed));
        Assert.NotNull(await Journal.GetAsync(child.Id, withBody: false, Cancel));
    }
}
