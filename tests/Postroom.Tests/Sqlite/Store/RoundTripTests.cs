using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

public sealed class RoundTripTests
{
    [Fact]
    public async Task Every_field_of_an_envelope_comes_back_also_after_a_restart()
    {
        await using StoreFixture fixture = await OpenAsync();
        byte[] body = new byte[1 << 20];
        Random.Shared.NextBytes(body);
        byte[] big = new byte[200_000];
        Random.Shared.NextBytes(big);
        Envelope sent = new(MessageId.New(), "orders", "order.received", body)
        {
            ContentType = "text/plain",
            Direction = MessageDirection.Inbound,
            From = Address.Parse("telegram:12345/7"),
            To = Address.Parse("queue:orders"),
            Conversation = "telegram/12345 ü",
            OrderKey = "other",
            GroupId = MessageId.New(),
            ParentId = MessageId.New(),
            ReplayOf = MessageId.New(),
            DedupKey = "update-1",
            Headers = new Dictionary<string, string> { ["label"] = "x", ["meta.a"] = "{}" },
            Attachments = [Attachment.FromBytes("a.txt", new byte[] { 1, 2, 3 }, "text/plain"), Attachment.FromBytes("big.bin", big), new Attachment { Name = "r", Reference = "media-1" }],
            ExpiresAt = TimeProvider.System.GetUtcNow().AddHours(1),
            MaxAttempts = 9,
            Hops = 3,
        };
        await fixture.AppendAsync(sent);
        await fixture.ReopenAsync();

        Envelope got = (await fixture.LeaseAsync()).Envelope;

        Assert.Equal(sent.Id, got.Id);
        Assert.Equal(1, got.Seq);
        Assert.Equal(body, got.Body.ToArray());
        Assert.Equal(("text/plain", MessageDirection.Inbound, sent.From, sent.To), (got.ContentType, got.Direction, got.From, got.To));
        Assert.Equal((sent.Conversation, "other", sent.GroupId, sent.ParentId), (got.Conversation, got.OrderKey, got.GroupId, got.ParentId));
        Assert.Equal((sent.ReplayOf, sent.DedupKey, sent.MaxAttempts, sent.Hops), (got.ReplayOf, got.DedupKey, got.MaxAttempts, got.Hops));
        Assert.Equal((sent.CreatedAt, sent.ExpiresAt), (got.CreatedAt, got.ExpiresAt));
        Assert.Equal(sent.Headers, got.Headers);
        Assert.Equal(3, got.Attachments.Count);
        Assert.Equal(big, got.Attachments[1].Data!.Value.ToArray());
        Assert.Equal(("a.txt", "text/plain", 3L), (got.Attachments[0].Name, got.Attachments[0].ContentType, got.Attachments[0].Length));
        Assert.Equal("media-1", got.Attachments[2].Reference);
        Assert.Empty(fixture.Store.Watch.Damage);
    }

    [Fact]
    public async Task A_repeated_id_or_key_stores_nothing_and_says_whether_the_body_differs()
    {
        await using StoreFixture fixture = await OpenAsync();
        Envelope first = Message() with { DedupKey = "k" };
        MessageId id = await fixture.AppendAsync(first);

        AppendResult same = (await fixture.Store.AppendAsync([Message() with { DedupKey = "k" }], null, Cancel))[0];
        AppendResult other = (await fixture.Store.AppendAsync([Message(size: 5) with { DedupKey = "k" }], null, Cancel))[0];
        AppendResult again = (await fixture.Store.AppendAsync([first with { DedupKey = null }], null, Cancel))[0];
        AppendResult elsewhere = (await fixture.Store.AppendAsync([Message("other") with { DedupKey = "k" }], null, Cancel))[0];

        Assert.Equal((id, true, true), (same.Id, same.Duplicate, same.SameBody));
        Assert.Equal((id, true, false), (other.Id, other.Duplicate, other.SameBody));
        Assert.Equal((id, true, true), (again.Id, again.Duplicate, again.SameBody));
        Assert.False(elsewhere.Duplicate);
        Assert.Equal(2, (await fixture.Store.GetStatsAsync(null, Cancel)).Appended);
    }

    [Fact]
    public async Task A_settle_stores_its_staged_messages_and_a_lost_lease_stores_nothing()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.AppendAsync(Message());
        MessageLease lease = await fixture.LeaseAsync();
        Envelope staged = Message("replies");
        await fixture.AckAsync(lease, staged);
        await fixture.AckAsync(lease, Message("replies")); // a repeat of the settle that ended it

        Assert.Equal(staged.Id, (await fixture.LeaseAsync("replies")).Envelope.Id);
        Assert.True(await fixture.IsEmptyAsync("replies"));

        await fixture.AppendAsync(Message());
        MessageLease old = await fixture.LeaseAsync();
        await fixture.Store.SettleAsync(old, Settlement.Release, [], Cancel);
        MessageLease current = await fixture.LeaseAsync();
        Assert.True(current.Fence > old.Fence);
        Assert.Equal(1, current.Attempt);
        await fixture.AckAsync(current);
        await Assert.ThrowsAsync<LeaseLostException>(() => fixture.AckAsync(old, Message("replies")));
        Assert.True(await fixture.IsEmptyAsync("replies"));
    }

    [Fact]
    public async Task A_key_keeps_its_order_through_a_retry_and_a_restart()
    {
        await using StoreFixture fixture = await OpenAsync();
        List<MessageId> sent = [];
        for (int i = 0; i < 5; i++)
        {
            sent.Add(await fixture.AppendAsync(Message(key: "a")));
        }

        MessageLease first = await fixture.LeaseAsync();
        await fixture.Store.SettleAsync(first, Settlement.RetryAt(TimeProvider.System.GetUtcNow().AddMilliseconds(600), "busy"), [], Cancel);
        Assert.True(await fixture.IsEmptyAsync());
        await fixture.ReopenAsync();
        Assert.Equal(5, fixture.Report.Pending);

        List<MessageId> got = [];
        for (int i = 0; i < 5; i++)
        {
            MessageLease lease = await fixture.LeaseAsync();
            got.Add(lease.Envelope.Id);
            if (i == 0)
            {
                Assert.Equal((2, 1), (lease.Attempt, lease.Failures));
            }

            await fixture.AckAsync(lease);
        }

        Assert.Equal(sent, got);
        JournalRecord record = (await fixture.Store.GetAsync(sent[0], withBody: true, Cancel))!;
        Assert.Equal(["retry", "acked"], record.Attempts.Select(attempt => attempt.Outcome));
        Assert.Equal(32, record.Entry.BodyLength);
    }

    [Fact]
    public async Task A_delayed_message_waits_for_its_instant_and_an_expired_one_fails()
    {
        await using StoreFixture fixture = await OpenAsync();
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        MessageId late = await fixture.AppendAsync(Message() with { NotBefore = now.AddMilliseconds(500) });
        MessageId dead = await fixture.AppendAsync(Message() with { NotBefore = now.AddHours(1), ExpiresAt = now.AddMilliseconds(300) });
        MessageId now1 = await fixture.AppendAsync(Message());

        Assert.Equal(now1, (await fixture.LeaseAsync()).Envelope.Id);
        MessageLease lease = await fixture.LeaseAsync();
        Assert.Equal(late, lease.Envelope.Id);
        Assert.True(TimeProvider.System.GetUtcNow() >= now.AddMilliseconds(490));

        await Eventually(async () => (await fixture.Store.GetAsync(dead, false, Cancel))!.Entry.FailureKind == FailureKind.Expired);
    }

    [Fact]
    public async Task Facts_are_written_with_messages_and_read_back()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.Store.AppendAsync([Message()], new FactChange(FactScopes.Checkpoint, "inbox", new byte[] { 7 }), Cancel);
        await fixture.Store.WriteAsync(new StoreWrite { Facts = [new FactChange("x", "a", new byte[1]), new FactChange("x", "b", new byte[2], TimeProvider.System.GetUtcNow())] }, Cancel);
        await fixture.ReopenAsync();

        Assert.Equal(7, (await fixture.Store.Facts.GetAsync(FactScopes.Checkpoint, "inbox", Cancel))!.Value.Span[0]);
        Assert.Equal("a", Assert.Single(await fixture.Store.Facts.ListAsync("x", Cancel)).Key);
        await fixture.Store.WriteAsync(new StoreWrite { Facts = [new FactChange("x", "a", null)] }, Cancel);
        Assert.Null(await fixture.Store.Facts.GetAsync("x", "a", Cancel));
    }

    [Fact]
    public async Task Publishers_at_once_share_commits()
    {
        await using StoreFixture fixture = await OpenAsync();
        long before = fixture.Store.Writer.Commits;
        await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < 50; i++)
            {
                await fixture.AppendAsync(Message());
            }
        })));

        Assert.Equal(3_200, (await fixture.Store.GetStatsAsync("orders", Cancel)).Queues["orders"].Pending);
        Assert.InRange(fixture.Store.Writer.Commits - before, 1, 1_600);
    }

    internal static async Task Eventually(Func<Task<bool>> condition, int seconds = 10)
    {
        for (int i = 0; i < seconds * 40; i++)
        {
            if (await condition())
            {
                return;
            }

            await Task.Delay(25, Cancel);
        }

        Assert.Fail("The condition did not come true in time.");
    }
}
