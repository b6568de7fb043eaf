using Postroom.Redis;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>AC-67, GW-3: entries of other programs become messages of the outbound queue; what cannot be read is among the dead ones.</summary>
public sealed class RedisOutboundTests(RedisStoreTests.Shared shared) : IClassFixture<RedisStoreTests.Shared>
{
    private const string Queue = "out.chat";
    private const int Limit = 30_000;
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private readonly string _prefix = $"o{Guid.NewGuid():n}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Stream => $"{{{_prefix}}}:out:chat";

    private string Group => $"{{{_prefix}}}:gw:chat";

    private async Task<RedisStore> OpenAsync(string node = "node-1")
    {
        RedisStore store = new(new RedisOptions { Url = new Secret(shared.Server.Url), Prefix = _prefix, Lease = TimeSpan.FromSeconds(1) }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await store.OpenAsync(new StoreOpening { Node = node }, Cancel);
        store.TryLease(Queue, 1);
        return store;
    }

    private Task<RespValue> AddAsync(string id, params RespArgument[] more) =>
        shared.Server.AskAsync("XADD", [Stream, "*", "v", "1", "id", id, "recipient", "42", "payload", """{"message":"Hello"}""", .. more]);

    private static async Task<MessageLease> LeaseAsync(RedisStore store) => Assert.Single(await store.LeaseAsync(Queue, 1, LeaseTime, Cancel));

    [Fact(Timeout = Limit)]
    public async Task AC_67_an_entry_of_another_program_is_a_message_once_and_a_malformed_one_is_dead()
    {
        await using RedisStore store = await OpenAsync();
        await AddAsync("their-1", "conversation", "c-1", "idempotencyKey", "k-1");
        await AddAsync("their-2", "idempotencyKey", "k-1"); // says the same again
        await shared.Server.AskAsync("XADD", Stream, "*", "v", "1", "payload", "{");
        await shared.Server.AskAsync("XADD", Stream, "*", "v", "2", "payload", "{}");
        MessageId own = MessageId.New();
        await AddAsync(own.ToString(), "deadline", TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeMilliseconds());

        MessageLease first = await LeaseAsync(store);
        MessageLease second = await LeaseAsync(store);
        string dead = store.Keys.Dead("chat");
        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("XLEN", Stream)).AsInteger() == 0);
        RespValue entries = await shared.Server.AskAsync("XRANGE", dead, "-", "+");

        Assert.Equal(("c-1", "c-1", "chat:42", "k-1"), (first.Envelope.Conversation, first.Envelope.OrderKey, first.Envelope.To?.ToString(), first.Envelope.DedupKey));
        Assert.Equal((own, "chat/42"), (second.Envelope.Id, second.Envelope.Conversation));
        Assert.NotNull(second.Envelope.ExpiresAt);
        Assert.Null(store.TryLease(Queue, 1));
        Assert.Equal(2, entries.Items.Length);
        Assert.Contains("field 'payload' cannot be read", entries[0][1][3].AsText());
        Assert.Contains("field 'v' is '2'", entries[1][1][3].AsText());
        Assert.Equal(0, (await shared.Server.AskAsync("XPENDING", Stream, Group))[0].AsInteger());
    }

    [Fact(Timeout = Limit)]
    public async Task AC_67_F60_a_group_that_is_destroyed_is_made_again_and_a_deleted_stream_is_reported_with_the_number()
    {
        await using RedisStore store = await OpenAsync();
        await AddAsync("their-1");
        Assert.Equal("notify", (await LeaseAsync(store)).Envelope.Type);

        await shared.Server.AskAsync("XGROUP", "DESTROY", Stream, Group);
        await AddAsync("their-2", "conversation", "c-2");

        Assert.Equal("c-2", (await LeaseAsync(store)).Envelope.Conversation);
        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("XLEN", Stream)).AsInteger() == 0);
    }

    [Fact(Timeout = Limit)]
    public async Task RD_6_F56_what_a_dead_node_has_read_and_not_adopted_is_adopted_by_the_next_in_order()
    {
        await shared.Server.AskAsync("XGROUP", "CREATE", Stream, Group, "0", "MKSTREAM");
        for (int i = 0; i < 5; i++)
        {
            await AddAsync($"their-{i}", "conversation", "c");
        }

        await shared.Server.AskAsync("XREADGROUP", "GROUP", Group, "dead-node", "COUNT", 3, "STREAMS", Stream, ">");
        await using RedisStore store = await OpenAsync();

        for (int i = 0; i < 5; i++)
        {
            MessageLease lease = await LeaseAsync(store);
            Assert.Equal($"their-{i}", lease.Envelope.DedupKey);
            await store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        }

        await RuntimeHarness.UntilAsync(async () => (await shared.Server.AskAsync("XINFO", "CONSUMERS", Stream, Group)).Items.Length == 1); // F63: the dead one's consumer is gone
    }

    [Fact(Timeout = Limit)]
    public async Task JN_1_a_message_is_found_by_the_id_that_the_service_gave_it_and_not_after_its_time()
    {
        await using RedisStore store = await OpenAsync();
        await AddAsync("their-1");
        MessageLease lease = await LeaseAsync(store);
        await store.RenewAsync(lease, new LeaseProgress.Begin("lane/1"), Cancel);
        DeliveryReceipt receipt = new() { Status = DeliveryStatus.Sent, At = TimeProvider.System.GetUtcNow(), OutsideId = "msg-77" };
        await store.WriteAsync(new StoreWrite { Settlements = [new StoreSettlement(lease, Settlement.Acknowledge) { Receipt = receipt }] }, Cancel);

        JournalPage found = await store.QueryAsync(new JournalQuery { OutsideId = "msg-77" }, Cancel);
        JournalPage other = await store.QueryAsync(new JournalQuery { OutsideId = "msg-7" }, Cancel);
        await store.CompactAsync(new JournalRetention(TimeSpan.Zero, TimeSpan.Zero), Cancel);

        Assert.Equal(lease.Envelope.Id, Assert.Single(found.Items).Envelope.Id);
        Assert.Empty(other.Items);
        Assert.Equal(0, (await shared.Server.AskAsync("EXISTS", store.Keys.Outside("msg-77"))).AsInteger());
    }

    [Fact(Timeout = Limit)]
    public async Task JN_10_over_their_number_the_oldest_dedup_keys_go_and_JN_9_facts_that_have_ended_too()
    {
        RetentionOptions retention = new() { MaxDedupKeys = 2 };
        await using RedisStore store = new(new RedisOptions { Url = new Secret(shared.Server.Url), Prefix = _prefix }, retention, new Redactor(), TimeProvider.System);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        for (int i = 0; i < 4; i++)
        {
            await store.AppendAsync([new Envelope(MessageId.New(), Queue, "notify", "{}"u8.ToArray()) { DedupKey = $"k{i}" }], null, Cancel);
            await store.SettleAsync(await LeaseAsync(store), Settlement.Acknowledge, [], Cancel);
        }

        await store.WriteAsync(new StoreWrite { Facts = [new FactChange("scope", "old", "x"u8.ToArray()) { ExpiresAt = TimeProvider.System.GetUtcNow().AddSeconds(-1) }, new FactChange("scope", "kept", "x"u8.ToArray())] }, Cancel);
        await store.CompactAsync(new JournalRetention(TimeSpan.FromDays(1), TimeSpan.FromDays(1)), Cancel);
        AppendResult[] again = [.. await store.AppendAsync([.. Enumerable.Range(0, 4).Select(i => new Envelope(MessageId.New(), Queue, "notify", "{}"u8.ToArray()) { DedupKey = $"k{i}" })], null, Cancel)];

        Assert.Equal([false, false, true, true], again.Select(result => result.Duplicate));
        Assert.Equal(1, (await shared.Server.AskAsync("HLEN", store.Keys.Facts("scope"))).AsInteger());
    }
}
