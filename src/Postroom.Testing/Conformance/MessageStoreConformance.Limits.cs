using Xunit;

namespace Postroom.Testing;

/// <content>Limits per key: how many at a time, and how many per period (QU-5).</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>A key at its limit waits, everything behind it goes on, and its oldest goes first when one has ended.</summary>
    [Fact(Timeout = Limit)]
    public async Task Qu5_a_key_at_its_concurrency_waits_and_everything_behind_it_goes_on()
    {
        LimitTo(new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, "shop"), Concurrency = 2 });
        Envelope[] north = [await OfShopAsync("north"), await OfShopAsync("north"), await OfShopAsync("north"), await OfShopAsync("north")];
        Envelope south = await OfShopAsync("south");
        Envelope none = await AppendAsync();

        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(10);
        Assert.Equal([north[0].Id, north[1].Id, south.Id, none.Id], leases.Select(lease => lease.Envelope.Id));
        await NothingIsDueAsync();

        await SettleAsync(leases[0], Settlement.Acknowledge);
        MessageLease third = await LeaseAsync(north[2]);
        await NothingIsDueAsync();
        await SettleAsync(leases[1], RetryIn(TimeSpan.FromMinutes(1)));
        await SettleAsync(third, Settlement.Fail(FailureKind.Rejected, "no"));
        await HandleAsync(north[3]);
        Clock.Advance(TimeSpan.FromMinutes(1));
        await HandleAsync(north[1]);
        foreach (MessageLease lease in leases.Skip(2))
        {
            await SettleAsync(lease, Settlement.Acknowledge);
        }
    }

    /// <summary>Whoever asks why a message waits is told the limit, and when its turn comes.</summary>
    [Fact(Timeout = Limit)]
    public async Task Qu5_a_message_that_waits_at_a_limit_is_told_at_which_and_until_when()
    {
        QueueLimit rate = new() { Key = new LimitKey(LimitKeyKind.Header, "shop"), Rate = new Rate(2, TimeSpan.FromMinutes(1)) };
        QueueLimit atATime = new() { Key = new LimitKey(LimitKeyKind.From), Concurrency = 1 };
        LimitTo(rate, atATime);
        Clock.Advance(TimeSpan.FromSeconds(30));
        Envelope[] north = [await OfShopAsync("north"), await OfShopAsync("north"), await OfShopAsync("north")];
        MessageLease first = await LeaseAsync(north[0]);
        await NothingIsDueAsync();

        Assert.Null(Control.FindLimit(first.Envelope.Id));
        Assert.Null(Control.FindLimit(MessageId.New()));
        Assert.Equal(new LimitWait(rate, "north", 0, Clock.GetUtcNow() + TimeSpan.FromSeconds(30)), Control.FindLimit(north[1].Id));
        Assert.Equal(new LimitWait(rate, "north", 1, Clock.GetUtcNow() + TimeSpan.FromSeconds(60)), Control.FindLimit(north[2].Id));

        LimitTo(rate with { Rate = null, Concurrency = 1 });
        await NothingIsDueAsync();
        Assert.Equal((0, (DateTimeOffset?)null), (Control.FindLimit(north[1].Id)!.Ahead, Control.FindLimit(north[1].Id)!.Until));
    }

    /// <summary>A bucket begins empty, fills at its rate, and holds what one period brings; a lease that is given back unused costs nothing.</summary>
    [Fact(Timeout = Limit)]
    public async Task Qu5_a_rate_begins_with_an_empty_bucket_and_lets_go_what_one_period_brings()
    {
        LimitTo(new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, "shop"), Rate = new Rate(2, TimeSpan.FromMinutes(1)) });
        Envelope[] north = [await OfShopAsync("north"), await OfShopAsync("north"), await OfShopAsync("north")];
        await NothingIsDueAsync();

        Task<IReadOnlyList<MessageLease>> first = LeaseUpToAsync(10).AsTask();
        Assert.False(first.IsCompleted);
        Clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(north[0].Id, Assert.Single(await first).Envelope.Id);
        await SettleAsync((await first)[0], Settlement.Release);
        await HandleAsync(north[0]);
        await NothingIsDueAsync();

        Clock.Advance(TimeSpan.FromHours(1));
        Envelope late = await OfShopAsync("north");
        IReadOnlyList<MessageLease> both = await LeaseUpToAsync(10);
        Assert.Equal([north[1].Id, north[2].Id], both.Select(lease => lease.Envelope.Id));
        Envelope other = await OfShopAsync("south");
        await HandleAsync(other); // nobody has seen this key: it has what flowed in since the start
        foreach (MessageLease lease in both)
        {
            await SettleAsync(lease, Settlement.Acknowledge);
        }

        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromSeconds(30));
        await HandleAsync(late);
    }

    /// <summary>Of several limits each has to let a message go, and limits that change apply to what waits and runs.</summary>
    [Fact(Timeout = Limit)]
    public async Task Qu5_every_limit_counts_and_limits_may_change()
    {
        LimitTo(
            new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, "shop"), Concurrency = 1 },
            new QueueLimit { Key = new LimitKey(LimitKeyKind.From), Concurrency = 1 });
        Envelope first = await OfShopAsync("north", "chat:ann");
        Envelope byShop = await OfShopAsync("north", "chat:bob");
        Envelope bySender = await OfShopAsync("south", "chat:ann");
        Envelope free = await OfShopAsync("east", "chat:cem");

        IReadOnlyList<MessageLease> leases = await LeaseUpToAsync(10);
        Assert.Equal([first.Id, free.Id], leases.Select(lease => lease.Envelope.Id));
        LimitTo(new QueueLimit { Key = new LimitKey(LimitKeyKind.From), Concurrency = 1 });
        MessageLease second = await LeaseAsync(byShop);
        await NothingIsDueAsync();
        LimitTo();
        MessageLease third = await LeaseAsync(bySender);

        foreach (MessageLease lease in (MessageLease[])[.. leases, second, third])
        {
            await SettleAsync(lease, Settlement.Acknowledge);
        }

        Assert.Equal(0, (await StatsAsync()).Dispatched);
    }

    /// <summary>What waits at a limit keeps its place in its conversation, expires, is discarded, and is parked like everything else.</summary>
    [Fact(Timeout = Limit)]
    public async Task Qu5_what_waits_at_a_limit_keeps_its_order_and_may_end_there()
    {
        LimitTo(new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, "shop"), Concurrency = 1 });
        Envelope first = await OfShopAsync("north");
        MessageLease running = await BeginAsync(first);
        Envelope head = await OfShopAsync("north", key: "a");
        Envelope follower = await OfShopAsync("south", key: "a");
        Envelope expiring = await AppendAsync(OfShop("north") with { ExpiresAt = Clock.GetUtcNow().AddSeconds(5) });
        Envelope discarded = await OfShopAsync("north");
        await NothingIsDueAsync();

        Clock.Advance(TimeSpan.FromSeconds(5));
        _ = await ComesToAsync(expiring, MessageState.Failed);
        await Journal.DiscardAsync(discarded.Id, "not wanted", force: false, Cancel);
        await SettleAsync(running, Settlement.Acknowledge);
        await HandleAsync(head);
        await HandleAsync(follower);
        await NothingIsDueAsync();
    }

    private void LimitTo(params QueueLimit[] limits) => Control.SetRules(Orders, new QueueRules { Limits = limits });

    private Envelope OfShop(string shop, string? from = null, string? key = null) =>
        Message(key) with { From = from is null ? null : Address.Parse(from), Headers = new Dictionary<string, string> { ["shop"] = shop } };

    private Task<Envelope> OfShopAsync(string shop, string? from = null, string? key = null) => AppendAsync(OfShop(shop, from, key));
}
