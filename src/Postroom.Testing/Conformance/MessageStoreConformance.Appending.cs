using Xunit;

namespace Postroom.Testing;

/// <content>Appends: all or none, in order, and repeats that are told apart.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>One result per message, in the order of the batch; the store numbers them in that order.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_batch_is_numbered_and_answered_in_its_order()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 50).Select(_ => Message())];

        IReadOnlyList<AppendResult> results = await Store.AppendAsync(batch, null, Cancel);

        Assert.Equal(batch.Select(envelope => new AppendResult(envelope.Id, Duplicate: false)), results);
        JournalPage page = await Journal.QueryAsync(new JournalQuery { Ascending = true, Limit = 100 }, Cancel);
        Assert.Equal(batch.Select(envelope => envelope.Id), page.Items.Select(item => item.Envelope.Id));
        Assert.Equal(50, page.Items.Select(item => item.Envelope.Seq).Distinct().Count());
        Assert.True(page.Items[0].Envelope.Seq > 0);
    }

    /// <summary>An empty batch may still move a checkpoint.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_checkpoint_is_stored_with_its_batch_also_with_an_empty_one()
    {
        await Store.AppendAsync([Message()], new FactChange(FactScopes.Checkpoint, "inbox", "7"u8.ToArray()), Cancel);
        StoredFact? first = await Store.Facts.GetAsync(FactScopes.Checkpoint, "inbox", Cancel);
        IReadOnlyList<AppendResult> none = await Store.AppendAsync([], new FactChange(FactScopes.Checkpoint, "inbox", "8"u8.ToArray()), Cancel);
        StoredFact? second = await Store.Facts.GetAsync(FactScopes.Checkpoint, "inbox", Cancel);

        Assert.Equal("7"u8.ToArray(), first!.Value.ToArray());
        Assert.Empty(none);
        Assert.Equal("8"u8.ToArray(), second!.Value.ToArray());
    }

    /// <summary>An append that is cancelled before it starts leaves nothing behind.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_cancelled_append_stores_nothing()
    {
        FactChange checkpoint = new(FactScopes.Checkpoint, "inbox", "7"u8.ToArray());

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.AppendAsync([Message(), Message()], checkpoint, new CancellationToken(canceled: true)));

        Assert.Empty((await Journal.QueryAsync(new JournalQuery(), Cancel)).Items);
        Assert.Null(await Store.Facts.GetAsync(FactScopes.Checkpoint, "inbox", Cancel));
    }

    /// <summary>A source repeats what was not acknowledged: the first message answers for the repeat.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_repeated_dedup_key_gives_the_first_message_and_stores_nothing()
    {
        Envelope first = await AppendAsync(Message() with { DedupKey = "mail-17" });

        IReadOnlyList<AppendResult> results = await Store.AppendAsync(
            [Message() with { DedupKey = "mail-18" }, Message() with { DedupKey = "mail-17" }, Message() with { DedupKey = "mail-17", Body = "{\"a\":1}"u8.ToArray() }], null, Cancel);

        Assert.False(results[0].Duplicate);
        Assert.Equal(new AppendResult(first.Id, Duplicate: true, SameBody: true), results[1]);
        Assert.Equal(new AppendResult(first.Id, Duplicate: true, SameBody: false), results[2]);
        Assert.Equal(2, (await StatsAsync()).Pending);
    }

    /// <summary>A repeat that brings another file, or the same under another name, is another message under a used key.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_repeated_dedup_key_says_whether_the_files_are_the_same()
    {
        Envelope first = await AppendAsync(With("a.txt", "one"u8) with { DedupKey = "mail-17" });

        IReadOnlyList<AppendResult> results = await Store.AppendAsync(
            [.. new[] { With("a.txt", "one"u8), With("a.txt", "two"u8), With("b.txt", "one"u8), Message() }.Select(repeat => repeat with { DedupKey = "mail-17" })], null, Cancel);

        Assert.All(results, result => Assert.Equal((first.Id, true), (result.Id, result.Duplicate)));
        Assert.Equal([true, false, false, false], results.Select(result => result.SameBody));
        Assert.Equal([true, false], (await Store.AppendAsync([With("a.txt", "one"u8) with { Id = first.Id }, With("a.txt", "two"u8) with { Id = first.Id }], null, Cancel)).Select(result => result.SameBody));

        Envelope With(string name, ReadOnlySpan<byte> data) => Message() with { Attachments = [Attachment.FromBytes(name, data.ToArray())] };
    }

    /// <summary>Repeats inside one batch are told apart too.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_key_repeated_inside_one_batch_is_stored_once()
    {
        Envelope first = Message() with { DedupKey = "mail-17" };

        IReadOnlyList<AppendResult> results = await Store.AppendAsync([first, Message() with { DedupKey = "mail-17" }], null, Cancel);

        Assert.Equal([new AppendResult(first.Id, Duplicate: false), new AppendResult(first.Id, Duplicate: true)], results);
        Assert.Equal(1, (await StatsAsync()).Pending);
    }

    /// <summary>Keys are unique per queue.</summary>
    [Fact(Timeout = Limit)]
    public async Task The_same_dedup_key_in_another_queue_is_another_message()
    {
        await AppendAsync(Message() with { DedupKey = "mail-17" });

        await AppendAsync(Message(queue: "invoices") with { DedupKey = "mail-17" });

        Assert.Equal(1, (await StatsAsync("invoices")).Pending);
    }

    /// <summary>Keys are compared character by character.</summary>
    [Fact(Timeout = Limit)]
    public async Task Dedup_keys_that_differ_in_case_only_are_different()
    {
        await AppendAsync(Message() with { DedupKey = "Mail-17" });
        await AppendAsync(Message() with { DedupKey = "mail-17" });

        Assert.Equal(2, (await StatsAsync()).Pending);
    }

    /// <summary>An append whose answer was lost is repeated with the same id.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_repeated_id_succeeds_and_stores_nothing()
    {
        Envelope first = await AppendAsync();
        await HandleAsync(first);

        IReadOnlyList<AppendResult> results = await Store.AppendAsync([first with { Seq = 0 }, first with { Seq = 0, Body = "[]"u8.ToArray() }], null, Cancel);

        Assert.Equal([new AppendResult(first.Id, Duplicate: true, SameBody: true), new AppendResult(first.Id, Duplicate: true, SameBody: false)], results);
        await NothingIsDueAsync();
    }

    /// <summary>A key is kept for eight days after its message has finished, then it is free again.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_dedup_key_is_kept_while_its_message_is_open_and_for_its_retention_after()
    {
        Envelope first = await AppendAsync(Message() with { DedupKey = "mail-17" });
        Clock.Advance(TimeSpan.FromDays(30));
        AppendResult whileOpen = Assert.Single(await Store.AppendAsync([Message() with { DedupKey = "mail-17" }], null, Cancel));
        await HandleAsync(first);

        Clock.Advance(TimeSpan.FromDays(8) - TimeSpan.FromMinutes(1));
        AppendResult within = Assert.Single(await Store.AppendAsync([Message() with { DedupKey = "mail-17" }], null, Cancel));
        Clock.Advance(TimeSpan.FromMinutes(2));
        AppendResult after = Assert.Single(await Store.AppendAsync([Message() with { DedupKey = "mail-17" }], null, Cancel));

        Assert.Equal(new AppendResult(first.Id, Duplicate: true), whileOpen);
        Assert.Equal(new AppendResult(first.Id, Duplicate: true), within);
        Assert.False(after.Duplicate);
    }

    /// <summary>The key outlives the record of its message.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_dedup_key_holds_after_its_message_was_compacted()
    {
        Envelope first = await AppendAsync(Message() with { DedupKey = "mail-17" });
        await HandleAsync(first);
        Clock.Advance(TimeSpan.FromDays(7));
        await Journal.CompactAsync(new JournalRetention(TimeSpan.FromDays(7), TimeSpan.FromDays(30)), Cancel);

        IReadOnlyList<AppendResult> results = await Store.AppendAsync(
            [Message() with { DedupKey = "mail-17" }, Message() with { DedupKey = "mail-17", Body = "[]"u8.ToArray() }], null, Cancel);

        Assert.Null(await Journal.GetAsync(first.Id, withBody: false, Cancel));
        Assert.Equal([new AppendResult(first.Id, Duplicate: true, SameBody: true), new AppendResult(first.Id, Duplicate: true, SameBody: false)], results);
    }

    /// <summary>Every field comes back as it was given, through a lease and through the journal.</summary>
    [Fact(Timeout = Limit)]
    public async Task Every_field_of_a_message_comes_back_through_lease_and_journal()
    {
        DateTimeOffset now = Clock.GetUtcNow();
        Envelope full = new(MessageId.New(), Orders, OrderReceived, new byte[] { 0, 1, 2, 255, 10, 13 })
        {
            ContentType = "application/octet-stream",
            Direction = MessageDirection.Inbound,
            From = Address.Parse("telegram:-100123/9"),
            To = Address.Parse("label:operators"),
            Conversation = "telegram/-100123/9 \u00e4\U0001F600",
            OrderKey = "another key",
            GroupId = MessageId.New(),
            ParentId = MessageId.New(),
            ReplayOf = MessageId.New(),
            DedupKey = "update-\u4e2d-1",
            Headers = new Dictionary<string, string> { ["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ["subject"] = "\u00dcber; \"x\"", ["meta.a"] = "{\"b\":[1]}", ["empty"] = "" },
            Attachments =
            [
                Attachment.FromBytes("bild \u00fc.png", new byte[] { 9, 8, 7 }, "image/png"),
                Attachment.FromBytes("empty.bin", ReadOnlyMemory<byte>.Empty),
                new Attachment { Name = "voice.ogg", ContentType = "audio/ogg", Reference = "media-77", Length = 1234 },
            ],
            CreatedAt = now.AddMilliseconds(-123),
            NotBefore = now.AddMilliseconds(-1),
            ExpiresAt = now.AddHours(1).AddMilliseconds(7),
            MaxAttempts = 17,
            Hops = 3,
        };

        await AppendAsync(full);
        MessageLease lease = await LeaseAsync(full);
        JournalRecord record = await RecordAsync(full.Id);
        JournalRecord? bare = await Journal.GetAsync(full.Id, withBody: false, Cancel);
        JournalEntry listed = Assert.Single((await Journal.QueryAsync(new JournalQuery(), Cancel)).Items);

        Same(full, lease.Envelope, withBody: true);
        Same(full, record.Entry.Envelope, withBody: true);
        Same(full, bare!.Entry.Envelope, withBody: false);
        Same(full, listed.Envelope, withBody: false);
        Assert.Equal(6, listed.BodyLength);
        Assert.Equal(lease.Envelope.Seq, listed.Envelope.Seq);
    }

    /// <summary>A bare message comes back bare: nothing that was absent is there, nothing that was empty is absent.</summary>
    /// <param name="conversation">The conversation.</param>
    /// <param name="orderKey">The order key.</param>
    [Theory(Timeout = Limit)]
    [InlineData(null, null)]
    [InlineData(null, "")]
    [InlineData("c-1", null)]
    [InlineData("c-1", "")]
    [InlineData("c-1", "c-1")]
    [InlineData("c-1", "k-2")]
    [InlineData(null, "k-2")]
    public async Task Absent_and_empty_order_keys_and_conversations_stay_what_they_are(string? conversation, string? orderKey)
    {
        Envelope bare = new(MessageId.New(), Orders, OrderReceived, default) { Conversation = conversation, OrderKey = orderKey, CreatedAt = Clock.GetUtcNow() };

        await AppendAsync(bare);
        MessageLease lease = await LeaseAsync(bare);

        Same(bare, lease.Envelope, withBody: true);
        Same(bare, (await RecordAsync(bare.Id)).Entry.Envelope, withBody: true);
        Assert.Null(lease.Envelope.NotBefore);
        Assert.Null(lease.Envelope.ExpiresAt);
        Assert.Null(lease.Envelope.DedupKey);
        Assert.Empty(lease.Envelope.Headers);
        Assert.Empty(lease.Envelope.Attachments);
        Assert.Empty(lease.Progress);
        Assert.Null(lease.SendStartedAt);
    }

    /// <summary>A body larger than a row's share is stored apart and comes back whole.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_large_body_comes_back_whole()
    {
        byte[] body = new byte[300_000];
        new Random(17).NextBytes(body);
        Envelope large = await AppendAsync(Message() with { Body = body });

        MessageLease lease = await LeaseAsync(large);

        Assert.True(lease.Envelope.Body.Span.SequenceEqual(body));
        Assert.True((await RecordAsync(large.Id)).Entry.Envelope.Body.Span.SequenceEqual(body));
    }

    private static void Same(Envelope expected, Envelope actual, bool withBody)
    {
        Assert.Equal(expected.Id, actual.Id);
        Assert.Equal(expected.Queue, actual.Queue);
        Assert.Equal(expected.Type, actual.Type);
        Assert.Equal(withBody ? expected.Body.ToArray() : [], actual.Body.ToArray());
        Assert.Equal(expected.ContentType, actual.ContentType);
        Assert.Equal(expected.Direction, actual.Direction);
        Assert.Equal(expected.From, actual.From);
        Assert.Equal(expected.To, actual.To);
        Assert.Equal(expected.Conversation, actual.Conversation);
        Assert.Equal(expected.OrderKey, actual.OrderKey);
        Assert.Equal(expected.GroupId, actual.GroupId);
        Assert.Equal(expected.ParentId, actual.ParentId);
        Assert.Equal(expected.ReplayOf, actual.ReplayOf);
        Assert.Equal(expected.DedupKey, actual.DedupKey);
        Assert.Equal(expected.Headers.OrderBy(pair => pair.Key, StringComparer.Ordinal), actual.Headers.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        Assert.Equal(expected.CreatedAt, actual.CreatedAt);
        Assert.Equal(expected.NotBefore, actual.NotBefore);
        Assert.Equal(expected.ExpiresAt, actual.ExpiresAt);
        Assert.Equal(expected.MaxAttempts, actual.MaxAttempts);
        Assert.Equal(expected.Hops, actual.Hops);
        Assert.Equal(expected.Attachments.Count, actual.Attachments.Count);
        foreach ((Attachment one, Attachment other) in expected.Attachments.Zip(actual.Attachments))
        {
            Assert.Equal(one with { Data = null }, other with { Data = null });
            Assert.Equal(withBody ? one.Data?.ToArray() : null, other.Data?.ToArray());
        }
    }
}
