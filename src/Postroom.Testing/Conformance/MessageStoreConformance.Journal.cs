using Xunit;

namespace Postroom.Testing;

/// <content>The journal: what is found, in which order, and what is known of one message.</content>
public abstract partial class MessageStoreConformance
{
    private async Task<MessageId[]> FindAsync(JournalQuery query) => [.. (await Journal.QueryAsync(query, Cancel)).Items.Select(item => item.Envelope.Id)];

    /// <summary>Each part of a query narrows it; all that are set must hold.</summary>
    [Fact(Timeout = Limit)]
    public async Task Every_part_of_a_query_narrows_it()
    {
        MessageId group = MessageId.New();
        DateTimeOffset start = Clock.GetUtcNow();
        Envelope chat = await AppendAsync(Message(queue: "in", type: "chat.text") with
        {
            Conversation = "telegram/42",
            From = Address.Parse("telegram:42/7"),
            To = Address.Parse("queue:orders"),
            Direction = MessageDirection.Inbound,
            GroupId = group,
        });
        Clock.Advance(TimeSpan.FromMinutes(1));
        Envelope child = await AppendAsync(Message(queue: "out.mail", type: "notify") with
        {
            Conversation = "telegram/42",
            To = Address.Parse("mail:anna@example.org"),
            Direction = MessageDirection.Outbound,
            ParentId = chat.Id,
            GroupId = group,
        });
        Clock.Advance(TimeSpan.FromMinutes(1));
        Envelope failed = await AppendAsync(Message() with { From = Address.Parse("mail:bob@example.org") });
        Envelope acked = await AppendAsync();
        await FailAsync(failed);
        await HandleAsync(acked);
        MessageLease running = await BeginAsync(child);

        async Task Finds(JournalQuery query, params Envelope[] expected)
        {
            Assert.Equal(expected.Select(envelope => envelope.Id), await FindAsync(query with { Ascending = true }));
            Assert.Equal(expected.Length, (await Journal.QueryAsync(query, Cancel)).Total);
        }

        await Finds(new JournalQuery(), chat, child, failed, acked);
        await Finds(new JournalQuery { States = [MessageState.Pending] }, chat);
        await Finds(new JournalQuery { States = [MessageState.Dispatched] }, child);
        await Finds(new JournalQuery { States = [MessageState.Acked, MessageState.Failed] }, failed, acked);
        await Finds(new JournalQuery { Queue = Orders }, failed, acked);
        await Finds(new JournalQuery { Queue = "nobody" });
        await Finds(new JournalQuery { Conversation = "telegram/42" }, chat, child);
        await Finds(new JournalQuery { From = "telegram:" }, chat);
        await Finds(new JournalQuery { From = "mail:bob@example.org" }, failed);
        await Finds(new JournalQuery { To = "mail:anna" }, child);
        await Finds(new JournalQuery { Type = "notify" }, child);
        await Finds(new JournalQuery { Direction = MessageDirection.Internal }, failed, acked);
        await Finds(new JournalQuery { Kind = FailureKind.Rejected }, failed);
        await Finds(new JournalQuery { Group = group }, chat, child);
        await Finds(new JournalQuery { Parent = chat.Id }, child);
        await Finds(new JournalQuery { Since = start.AddMinutes(1) }, child, failed, acked);
        await Finds(new JournalQuery { Until = start.AddMinutes(1) }, chat);
        await Finds(new JournalQuery { Since = start.AddMinutes(1), Until = start.AddMinutes(2) }, child);
        await Finds(new JournalQuery { Conversation = "telegram/42", States = [MessageState.Pending], Type = "chat.text", Queue = "in" }, chat);
        await Finds(new JournalQuery { Conversation = "telegram/42", Queue = Orders });
        await Finds(new JournalQuery { Text = failed.Id.ToString() }, failed);
        await Finds(new JournalQuery { Text = "ANNA@example" }, child);
        await Finds(new JournalQuery { Text = "such article" }, failed);
        await Finds(new JournalQuery { Text = "telegram/42" }, chat, child);
        await Finds(new JournalQuery { Text = "100%_' --" });
        await SettleAsync(running, Settlement.Acknowledge);
    }

    /// <summary>Newest first unless asked for otherwise; pages follow each other by cursor without gap or repeat, also while messages arrive.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pages_follow_each_other_by_cursor(bool ascending)
    {
        Envelope[] batch = [.. Enumerable.Range(0, 45).Select(_ => Message())];
        await Store.AppendAsync(batch, null, Cancel);
        JournalQuery query = new() { Limit = 20, Ascending = ascending, Queue = Orders };

        JournalPage first = await Journal.QueryAsync(query, Cancel);
        Envelope late = await AppendAsync();
        JournalPage second = await Journal.QueryAsync(query with { Cursor = first.Next }, Cancel);
        JournalPage third = await Journal.QueryAsync(query with { Cursor = second.Next }, Cancel);

        IEnumerable<MessageId> expected = ascending ? [.. batch.Select(envelope => envelope.Id), late.Id] : batch.Select(envelope => envelope.Id).Reverse();
        Assert.Equal(expected, ((JournalPage[])[first, second, third]).SelectMany(page => page.Items).Select(item => item.Envelope.Id));
        Assert.Equal((20, 20), (first.Items.Count, second.Items.Count));
        Assert.Equal((45L, false), (first.Total, first.TotalIsAtLeast));
        Assert.Equal(46, third.Total);
        Assert.Null(third.Next);
    }

    /// <summary>A page that ends exactly with the last message is the last.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_full_last_page_has_no_next_and_an_offset_skips()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 6).Select(_ => Message())];
        await Store.AppendAsync(batch, null, Cancel);

        JournalPage whole = await Journal.QueryAsync(new JournalQuery { Limit = 6 }, Cancel);
        JournalPage skipped = await Journal.QueryAsync(new JournalQuery { Limit = 2, Offset = 3, Ascending = true }, Cancel);
        JournalPage behind = await Journal.QueryAsync(new JournalQuery { Offset = 6 }, Cancel);

        Assert.Null(whole.Next);
        Assert.Equal([batch[3].Id, batch[4].Id], skipped.Items.Select(item => item.Envelope.Id));
        Assert.Equal(6, skipped.Total);
        Assert.Empty(behind.Items);
    }

    /// <summary>A message that nobody stored is not found.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_unknown_id_is_not_found()
    {
        Assert.Null(await Journal.GetAsync(MessageId.New(), withBody: true, Cancel));
    }

    /// <summary>All attempts are kept with number, times, outcome, error and owner.</summary>
    [Fact(Timeout = Limit)]
    public async Task The_attempts_of_a_message_are_kept_in_order()
    {
        Envelope message = await AppendAsync();
        DateTimeOffset start = Clock.GetUtcNow();
        MessageLease first = await BeginAsync(message, "pool/1");
        Clock.Advance(TimeSpan.FromSeconds(2));
        await SettleAsync(first, RetryIn(TimeSpan.FromSeconds(8)));
        Clock.Advance(TimeSpan.FromSeconds(8));
        MessageLease second = await BeginAsync(message, "pool/2");
        AttemptRecord running = (await RecordAsync(message.Id)).Attempts[^1];
        await SettleAsync(second, Settlement.Fail(FailureKind.Exhausted, "still broken"));

        IReadOnlyList<AttemptRecord> attempts = (await RecordAsync(message.Id)).Attempts;

        Assert.Equal((2, "running", null), (running.Attempt, running.Outcome, running.EndedAt));
        Assert.Equal([(1, "retry"), (2, "failed")], attempts.Select(attempt => (attempt.Attempt, attempt.Outcome)));
        Assert.Equal((start, start.AddSeconds(2)), (attempts[0].StartedAt, attempts[0].EndedAt));
        Assert.Equal((start.AddSeconds(10), start.AddSeconds(10)), (attempts[1].StartedAt, attempts[1].EndedAt));
        Assert.Equal(["busy", "still broken"], attempts.Select(attempt => attempt.Error));
        Assert.Equal(FailureKind.Exhausted, attempts[1].Kind);
        Assert.EndsWith("pool/1", attempts[0].Owner, StringComparison.Ordinal);
    }

    /// <summary>A first attempt that succeeds at once is shown from the message itself; one that follows a release is shown too.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_success_is_among_the_attempts_also_after_a_release(bool released)
    {
        Envelope message = await AppendAsync();
        IReadOnlyList<AttemptRecord> none = (await RecordAsync(message.Id)).Attempts;
        if (released)
        {
            await SettleAsync(await BeginAsync(message), Settlement.Release);
        }

        await HandleAsync(message);

        IReadOnlyList<AttemptRecord> attempts = (await RecordAsync(message.Id)).Attempts;
        Assert.Empty(none);
        Assert.Equal((1, "acked"), (attempts[^1].Attempt, attempts[^1].Outcome));
        Assert.All(attempts.SkipLast(1), attempt => Assert.Equal("released", attempt.Outcome));
    }

    /// <summary>Of a message that waited, or was worked on, for a second or longer the journal knows when its only attempt began.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(90, 0)]
    [InlineData(0, 3)]
    [InlineData(90, 3)]
    public async Task The_begin_of_an_only_attempt_is_kept_when_there_was_a_wait_or_it_took_long(int wait, int work)
    {
        Envelope message = await AppendAsync();
        DateTimeOffset made = Clock.GetUtcNow();
        Clock.Advance(TimeSpan.FromSeconds(wait));
        MessageLease lease = await BeginAsync(message);
        Clock.Advance(TimeSpan.FromSeconds(work));
        await SettleAsync(lease, Settlement.Acknowledge);

        AttemptRecord only = Assert.Single((await RecordAsync(message.Id)).Attempts);

        Assert.Equal((1, "acked"), (only.Attempt, only.Outcome));
        Assert.Equal((made.AddSeconds(wait), made.AddSeconds(wait + work)), (only.StartedAt, only.EndedAt));
    }

    /// <summary>Children and copies are found with their message, and no others.</summary>
    [Fact(Timeout = Limit)]
    public async Task Children_and_copies_are_found_with_their_message()
    {
        MessageId group = MessageId.New();
        Envelope parent = await AppendAsync(Message() with { GroupId = group });
        Envelope copy = await AppendAsync(Message(queue: "out.mail") with { GroupId = group });
        Envelope child = await AppendAsync(Message(queue: "out.mail") with { ParentId = parent.Id });
        await AppendAsync(Message(queue: "out.mail") with { ParentId = copy.Id, GroupId = MessageId.New() });

        JournalRecord record = await RecordAsync(parent.Id);

        Assert.Equal(child.Id, Assert.Single(record.Children).Envelope.Id);
        Assert.Equal(copy.Id, Assert.Single(record.Copies).Envelope.Id);
        Assert.Empty((await RecordAsync(child.Id)).Copies);
    }
}
