using System.Globalization;
using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>A message that starts its conversation writes neither its name nor its key: both are its id.</summary>
public sealed class OwnConversationTests
{
    [Fact]
    public async Task It_comes_back_with_its_conversation_and_is_found_by_it_with_its_followers()
    {
        await using StoreFixture fixture = await OpenAsync();
        Envelope first = Starting();
        await fixture.AppendAsync(first);
        string own = first.Id.ToString();
        MessageId follower = await fixture.AppendAsync(Message(key: own));
        await fixture.AppendAsync(Message());
        Assert.Equal("1", await ReadAsync(fixture, "select count(conversation) from messages"));
        Assert.Equal("1", await ReadAsync(fixture, "select count(key_hash) from messages"));

        foreach (bool reopened in new[] { false, true })
        {
            JournalEntry entry = (await fixture.Store.GetAsync(first.Id, true, Cancel))!.Entry;
            Assert.Equal((own, own), (entry.Envelope.Conversation, entry.Envelope.OrderKey));
            JournalPage page = await fixture.Store.QueryAsync(new JournalQuery { Conversation = own, Ascending = true }, Cancel);
            Assert.Equal([first.Id, follower], page.Items.Select(item => item.Envelope.Id));
            Assert.Equal(2, await fixture.Store.CountKeyAsync("orders", own, 10, Cancel));
            if (!reopened)
            {
                await fixture.ReopenAsync();
            }
        }

        MessageLease lease = await fixture.LeaseAsync();
        Assert.Equal(first.Id, lease.Envelope.Id);
        await fixture.AckAsync(await fixture.LeaseAsync()); // the one without a key, not the follower
        Assert.True(await fixture.IsEmptyAsync());
        await fixture.AckAsync(lease);
        Assert.Equal(follower, (await fixture.LeaseAsync()).Envelope.Id);
        Assert.Empty(fixture.Store.Watch.Damage);
    }

    [Fact]
    public async Task A_message_that_is_given_another_conversation_starts_none()
    {
        await using StoreFixture fixture = await OpenAsync();
        Envelope moved = Starting() with { Conversation = "elsewhere" };
        Envelope none = Starting() with { Conversation = null };
        await fixture.AppendAsync(moved);
        await fixture.AppendAsync(none);
        await fixture.ReopenAsync();

        Assert.Equal("elsewhere", (await fixture.Store.GetAsync(moved.Id, false, Cancel))!.Entry.Envelope.Conversation);
        Assert.Null((await fixture.Store.GetAsync(none.Id, false, Cancel))!.Entry.Envelope.Conversation);
        Assert.Empty((await fixture.Store.QueryAsync(new JournalQuery { Conversation = none.Id.ToString() }, Cancel)).Items);
    }

    [Fact]
    public async Task One_left_on_disk_is_leased_before_those_that_follow_it()
    {
        await using StoreFixture fixture = await OpenAsync();
        await fixture.Store.AppendAsync([.. Enumerable.Range(0, LaneSet.Capacity + 10).Select(_ => Message())], null, Cancel);
        Envelope first = Starting();
        List<MessageId> sent = [await fixture.AppendAsync(first)];
        for (int i = 0; i < 5; i++)
        {
            sent.Add(await fixture.AppendAsync(Message(key: first.Id.ToString())));
        }

        await fixture.ReopenAsync();
        List<MessageId> got = [];
        while (got.Count < sent.Count)
        {
            IReadOnlyList<MessageLease> leases = await fixture.Store.LeaseAsync("orders", 100, LeaseTime, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            got.AddRange(leases.Select(lease => lease.Envelope.Id).Where(sent.Contains));
            await Task.WhenAll(leases.Select(lease => fixture.AckAsync(lease)));
        }

        Assert.Equal(sent, got);
    }

    [Fact]
    public async Task A_whole_batch_is_removed_at_its_time_and_what_must_stay_stays()
    {
        await using StoreFixture fixture = await OpenAsync();
        MessageId[] ids = new MessageId[300];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = await fixture.AppendAsync(i % 3 == 0 ? Starting() : Message(key: i % 3 == 1 ? "shared" : null, size: i == 100 ? 100_000 : 32));
        }

        HashSet<MessageId> kept = [ids[50], ids[120]];
        foreach (MessageId _ in ids)
        {
            MessageLease lease = await fixture.LeaseAsync();
            MessageId id = lease.Envelope.Id;
            if (id == ids[120])
            {
                await fixture.AckAsync(lease, Message("out.chat") with { ParentId = id }); // stays while its answer is open
            }
            else if (id == ids[50])
            {
                await fixture.Store.SettleAsync(lease, new Settlement.Failed(FailureKind.Rejected, "not this one"), [], Cancel); // failed ones are kept longer
            }
            else
            {
                await fixture.AckAsync(lease);
            }
        }

        long removed = await fixture.Store.CompactAsync(new JournalRetention(TimeSpan.Zero, TimeSpan.FromDays(1)), Cancel);

        Assert.Equal(298, removed);
        JournalPage page = await fixture.Store.QueryAsync(new JournalQuery { Queue = "orders", Limit = 100 }, Cancel);
        Assert.Equal(kept, page.Items.Select(item => item.Envelope.Id).ToHashSet());
        StoreQueueStats left = (await fixture.Store.GetStatsAsync("orders", Cancel)).Queues["orders"];
        Assert.Equal((1, 1), (left.Acked, left.Failed));
        Assert.Equal("0", await ReadAsync(fixture, "select count(*) from bodies"));
        Assert.Equal(kept.Count(id => Array.IndexOf(ids, id) % 3 == 1).ToString(CultureInfo.InvariantCulture), await ReadAsync(fixture, "select count(*) from conversations"));
    }

    private static Envelope Starting() => Message() with { StartsConversation = true };

    private static async Task<string> ReadAsync(StoreFixture fixture, string sql)
    {
        var read = new DelegateOperation<string>(session =>
        {
            session.IndexConversations(int.MaxValue);
            using SqliteStatement statement = session.Connection.Prepare("test", sql);
            Assert.True(statement.Step());
            return statement.GetInt64(0).ToString(CultureInfo.InvariantCulture);
        });
        fixture.Store.Writer.Post(read);
        return await read.Answer;
    }
}
