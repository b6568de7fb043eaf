using System.Collections.Concurrent;
using Postroom.Memory;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Postroom.Tests.Sqlite.Store;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Queues;

/// <summary>Limits per key (QU-5) in a whole runtime, under load, and with more keys and messages than are kept.</summary>
public sealed class QueueLimitTests
{
    [Theory]
    [InlineData("memory", 1)]
    [InlineData("sqlite", 2)]
    [InlineData("sqlite", 3)]
    public async Task Qu5_no_key_is_ever_over_its_limit_and_everything_is_handled(string store, int seed)
    {
        const int Count = 3_000;
        ConcurrentDictionary<string, int> running = new();
        ConcurrentDictionary<string, int> most = new();
        ConcurrentDictionary<string, string> last = new();
        int handled = 0;
        int mixed = 0;
        using TempFolder folder = new();
        Action<IApplicationBuilder> configure = app => app
            .AddWork(async (order, context, _) =>
            {
                string header = $"h{context.Envelope.Header("shop")}";
                string key = $"k{context.Envelope.OrderKey}";
                Enter(header);
                Enter(key);
                if (order.Number.GetHashCode(StringComparison.Ordinal) % 5 == 0)
                {
                    await Task.Delay(1, CancellationToken.None);
                }

                Leave(header);
                Leave(key);
                if (context.Attempt == 1 && order.Number.EndsWith('7'))
                {
                    return HandlerResult.RetryAfter(TimeSpan.FromMilliseconds(1), "again");
                }

                mixed |= last.TryGetValue(key, out string? before) && string.CompareOrdinal(before, order.Number) > 0 ? 1 : 0;
                last[key] = order.Number;
                Interlocked.Increment(ref handled);
                return HandlerResult.Completed;
            }, queue => queue.Limits = [new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, "shop"), Concurrency = 3 }], pool => pool.Parallelism = 16)
            .AddWorkers("second", pool => (pool.Queue, pool.Parallelism) = ("work", 16));
        await using MessageRuntime runtime = store == "memory" ? await StartAsync(configure) : await StartDurableAsync(folder.Path, configure, "store.synchronous=normal");

        await Parallel.ForEachAsync(Enumerable.Range(0, 8), Cancel, async (part, _) =>
        {
            Random random = new((seed * 100) + part);
            for (int i = part * Count / 8; i < (part + 1) * Count / 8; i++)
            {
                await runtime.PublishAsync($"{i:00000}", new PublishOptions { OrderKey = $"p{part}-{i % 40}", Headers = new Dictionary<string, string> { ["shop"] = $"{Math.Min(random.Next(12), 4)}" } });
            }
        });
        await UntilAsync(() => Volatile.Read(ref handled) == Count);

        Assert.All(most, pair => Assert.InRange(pair.Value, 1, pair.Key[0] == 'h' ? 3 : 1));
        Assert.Contains(most, pair => pair.Key[0] == 'h' && pair.Value == 3);
        Assert.Equal(0, mixed);
        await UntilAsync(async () => (await runtime.Store.GetStatsAsync("work", Cancel)).Queues["work"] is { Pending: 0, Dispatched: 0 });

        void Enter(string key)
        {
            int now = running.AddOrUpdate(key, 1, static (_, count) => count + 1);
            most.AddOrUpdate(key, now, (_, before) => Math.Max(before, now));
        }

        void Leave(string key) => running.AddOrUpdate(key, 0, static (_, count) => count - 1);
    }

    [Fact]
    public async Task Qu5_a_flood_of_one_key_keeps_no_other_key_waiting()
    {
        TaskCompletionSource end = new();
        ConcurrentQueue<string> handled = new();
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddWork(async (order, _, _) =>
            {
                if (order.Number == "flood")
                {
                    await end.Task;
                }

                handled.Enqueue(order.Number);
                return HandlerResult.Completed;
            }),
            "queues.work.limits=[{\"key\":\"header:shop\",\"concurrency\":2}]");
        for (int i = 0; i < 500; i++)
        {
            await runtime.PublishAsync("flood", new PublishOptions { Headers = new Dictionary<string, string> { ["shop"] = "one" } });
        }

        for (int i = 0; i < 50; i++)
        {
            await runtime.PublishAsync($"other{i}", new PublishOptions { Headers = new Dictionary<string, string> { ["shop"] = $"{i}" } });
        }

        await UntilAsync(() => handled.Count == 50);
        Assert.DoesNotContain("flood", handled);
        Assert.Equal(2, runtime.Pool().Busy);
        end.SetResult();
        await UntilAsync(() => handled.Count == 550);
    }

    [Fact]
    public async Task Qu5_more_than_fit_into_memory_wait_at_a_limit_and_the_rest_of_the_queue_goes_on()
    {
        await using StoreFixture fixture = await StoreFixture.OpenAsync(made => made.Rules("orders", Limited(new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, "shop"), Concurrency = 1 })));
        await AppendAsync(fixture.Store, 9_000, "one");
        await AppendAsync(fixture.Store, 5_000, null);

        MessageLease held = (await LeaseAsync(fixture.Store, 1))[0];
        for (int done = 0; done < 5_000;)
        {
            IReadOnlyList<MessageLease> leases = await LeaseAsync(fixture.Store, 256);
            Assert.All(leases, lease => Assert.Null(lease.Envelope.Header("shop")));
            await SettleAsync(fixture.Store, leases);
            done += leases.Count;
        }

        await SettleAsync(fixture.Store, [held]);
        fixture.Store.SetRules("orders", new QueueRules());
        long last = 0;
        for (int done = 1; done < 9_000;)
        {
            IReadOnlyList<MessageLease> leases = await LeaseAsync(fixture.Store, 256);
            Assert.All(leases, lease => Assert.Equal("{}"u8.ToArray(), lease.Envelope.Body.ToArray())); // the bodies had gone
            last = Math.Max(last, leases[^1].Envelope.Seq);
            await SettleAsync(fixture.Store, leases);
            done += leases.Count;
        }
    }

    [Fact]
    public async Task T34_a_flood_of_keys_is_forgotten_and_not_kept()
    {
        ManualClock clock = new();
        MemoryStore store = new(clock);
        store.SetRules("orders", Limited(new QueueLimit { Key = new LimitKey(LimitKeyKind.From), Rate = new Rate(60, TimeSpan.FromHours(1)) }));
        clock.Advance(TimeSpan.FromHours(1));
        const int Flood = 150_000;
        for (int i = 0; i < Flood; i += 500)
        {
            await store.AppendAsync([.. Enumerable.Range(i, 500).Select(n => new Envelope(MessageId.New(), "orders", "order.received", default) { From = Address.ForRecipient("chat", $"{n}") })], null, Cancel);
            IReadOnlyList<MessageLease> leases = await store.LeaseAsync("orders", 500, TimeSpan.FromMinutes(1), Cancel);
            Assert.Equal(500, leases.Count);
            await SettleAsync(store, leases);
        }

        Assert.InRange(store.Lane("orders").Lane.LimitedKeys, 1_000, Storage.LaneLimits.MostKeys);
        Assert.InRange(store.Lane("orders").Lane.LimitLooks, 1, (long)Flood * Storage.LaneLimits.MostLooks);
    }

    [Fact]
    public void T34_a_new_key_looks_at_few_others_also_when_none_can_be_forgotten()
    {
        ManualClock clock = new();
        Storage.LaneLimits limits = new([new QueueLimit { Key = new LimitKey(LimitKeyKind.From), Rate = new Rate(1, TimeSpan.FromHours(1)) }], clock);
        const int More = 2_000;
        for (int i = 0; i < Storage.LaneLimits.MostKeys; i++)
        {
            Assert.False(limits.TryEnter(From(i))); // the bucket is empty: each key keeps its message
        }

        long before = limits.Looks;
        for (int i = 0; i < More; i++)
        {
            limits.TryEnter(From(Storage.LaneLimits.MostKeys + i));
        }

        Assert.Equal(Storage.LaneLimits.MostKeys + More, limits.Keys);
        Assert.InRange(limits.Looks - before, 1, More * Storage.LaneLimits.MostLooks);

        static Storage.OpenMessage From(int sender) => new(new Envelope(MessageId.New(), "orders", "order.received", default) { From = Address.ForRecipient("chat", $"{sender}") });
    }

    private static QueueRules Limited(params QueueLimit[] limits) => new() { Limits = limits };

    private static async Task AppendAsync(SqliteStore store, int count, string? shop)
    {
        Dictionary<string, string> headers = shop is null ? [] : new() { ["shop"] = shop };
        for (int i = 0; i < count; i += 1_000)
        {
            await store.AppendAsync([.. Enumerable.Range(0, 1_000).Select(_ => new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray()) { Headers = headers })], null, Cancel);
        }
    }

    private static async Task<IReadOnlyList<MessageLease>> LeaseAsync(SqliteStore store, int max) =>
        await store.LeaseAsync("orders", max, TimeSpan.FromMinutes(1), Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel);

    private static Task SettleAsync(IMessageStore store, IEnumerable<MessageLease> leases) => Task.WhenAll(leases.Select(lease => store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel).AsTask()));
}
