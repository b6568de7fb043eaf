using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Xunit;

namespace Postroom.Testing;

/// <content>Many publishers, many workers, random outcomes from a fixed seed: what has to hold in every interleaving.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>How many messages the concurrency tests send; a slow medium may take fewer.</summary>
    protected virtual int ConcurrentMessages => 2_000;

    /// <summary>Nothing is lost, nothing is with two workers, each key is handled in order, and the sums add up.</summary>
    /// <param name="seed">The seed of keys and outcomes.</param>
    [Theory(Timeout = Limit)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Ac12_under_many_publishers_and_workers_nothing_is_lost_or_doubled_and_every_key_keeps_its_order(int seed)
    {
        const int Publishers = 4;
        const int Workers = 8;
        int each = ConcurrentMessages / Publishers;
        Workshop workshop = new(this, seed, each * Publishers);

        await RunTogetherAsync(
        [
            .. Enumerable.Range(0, Publishers).Select(i => (Func<CancellationToken, Task>)(token => workshop.PublishAsync(i, each, token))),
            .. Enumerable.Range(0, Workers).Select(i => (Func<CancellationToken, Task>)(token => workshop.WorkAsync(i, token))),
        ]);

        StoreQueueStats stats = await StatsAsync();
        StoreQueueStats staged = await StatsAsync("out.mail");
        Assert.Equal((0, 0, 0, 0), (stats.Pending, stats.Dispatched, stats.Delayed, stats.Blocked));
        Assert.Equal(each * Publishers, stats.Acked + stats.Failed);
        Assert.Equal((workshop.Acked, workshop.Failed), (stats.Acked, stats.Failed));
        Assert.Equal(workshop.Acked, staged.Pending);
        Assert.Equal(stats.Acked + stats.Failed + staged.Pending, (await Store.GetStatsAsync(null, Cancel)).Appended);
        Assert.Empty(await Control.CountOpenByTypeAsync(Orders, Cancel));
        await workshop.CheckOrderAsync();
    }

    /// <summary>Discards with force, replays and settlements at once: each message ends as one of them says, and is counted once.</summary>
    [Fact(Timeout = Limit)]
    public async Task Giving_up_replaying_and_settling_at_once_ends_every_message_once()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 400).Select(i => Message($"key-{i % 20}"))];
        await Store.AppendAsync(batch, null, Cancel);
        int ended = 0;
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        async Task WorkAsync(CancellationToken token)
        {
            while (true)
            {
                foreach (MessageLease lease in await Store.LeaseAsync(Orders, 5, LeaseTime, token))
                {
                    try
                    {
                        await Store.RenewAsync(lease, new LeaseProgress.Begin("pool/1"), token);
                        await SettleAsync(lease, Settlement.Acknowledge);
                        Interlocked.Increment(ref ended);
                    }
                    catch (LeaseLostException)
                    {
                        // Given up meanwhile.
                    }
                }
            }
        }

        async Task OperateAsync(int seed)
        {
            Random random = new(seed);
            for (int i = 0; i < 600; i++)
            {
                Envelope message = batch[random.Next(batch.Length)];
                try
                {
                    if (random.Next(2) == 0)
                    {
                        await Journal.DiscardAsync(message.Id, "stop", force: true, Cancel);
                    }
                    else
                    {
                        await Journal.ReplayAsync(message.Id, new ReplayOptions(), Cancel);
                    }
                }
                catch (JournalConflictException)
                {
                    // It stands elsewhere by now.
                }
            }
        }

        Task[] workers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(() => WorkAsync(done.Token)))];
        await Task.WhenAll(Enumerable.Range(0, 3).Select(i => Task.Run(() => OperateAsync(i))));
        foreach (Envelope message in batch)
        {
            await Moves.FirstAsync(move => move.MessageId == message.Id && move.To is MessageState.Acked or MessageState.Failed, Cancel);
        }

        // What a replay made due last is handled by the workers before this one, the youngest.
        Envelope last = await AppendAsync(Message("key-0"));
        await ComesToAsync(last, MessageState.Acked);
        while ((await StatsAsync()) is { } waiting && waiting.Pending + waiting.Dispatched > 0)
        {
            await Task.Yield();
        }

        await done.CancelAsync();
        await Task.WhenAll(workers.Select(async worker => await Assert.ThrowsAnyAsync<OperationCanceledException>(() => worker)));
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((0, 0, 0, 0), (stats.Pending, stats.Dispatched, stats.Delayed, stats.Blocked));
        Assert.Equal(batch.Length + 1, stats.Acked + stats.Failed);
        Assert.Equal(ended, stats.Acked);
        foreach (IGrouping<MessageId, Transition> life in Moves.All().GroupBy(move => move.MessageId))
        {
            MessageState? state = null;
            foreach (Transition move in life)
            {
                Assert.Equal(state, move.From);
                state = move.To;
            }
        }
    }

    /// <summary>Runs all together; the first failure ends the others and is the test's.</summary>
    private static async Task RunTogetherAsync(IReadOnlyList<Func<CancellationToken, Task>> parts)
    {
        using CancellationTokenSource failing = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        ExceptionDispatchInfo? first = null;
        await Task.WhenAll(parts.Select(part => Task.Run(async () =>
        {
            try
            {
                await part(failing.Token);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref first, ExceptionDispatchInfo.Capture(e), null);
                await failing.CancelAsync();
            }
        })));
        first?.Throw();
    }

    /// <summary>The publishers and workers of one run, and what they saw.</summary>
    private sealed class Workshop(MessageStoreConformance suite, int seed, int total)
    {
        private readonly ConcurrentDictionary<MessageId, int> _inWork = new();
        private readonly ConcurrentDictionary<string, int> _keysInWork = new(StringComparer.Ordinal);
        private readonly ConcurrentDictionary<string, ConcurrentQueue<Envelope>> _ended = new(StringComparer.Ordinal);
        private readonly CancellationTokenSource _allEnded = new();
        private int _acked;
        private int _failed;

        public int Acked => _acked;

        public int Failed => _failed;

        public async Task PublishAsync(int publisher, int count, CancellationToken cancellationToken)
        {
            Random random = new((seed * 100) + publisher);
            for (int sent = 0; sent < count;)
            {
                Envelope[] batch = [.. Enumerable.Range(0, Math.Min(random.Next(1, 8), count - sent)).Select(_ => suite.Message(random.Next(10) == 0 ? null : $"key-{random.Next(100)}"))];
                await suite.Store.AppendAsync(batch, null, cancellationToken);
                sent += batch.Length;
            }
        }

        public async Task WorkAsync(int worker, CancellationToken cancellationToken)
        {
            Random random = new((seed * 1_000) + worker);
            using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _allEnded.Token);
            while (true)
            {
                IReadOnlyList<MessageLease> leases;
                try
                {
                    leases = await suite.Store.LeaseAsync(Orders, random.Next(1, 5), LeaseTime, ending.Token);
                }
                catch (OperationCanceledException) when (_allEnded.IsCancellationRequested)
                {
                    return;
                }

                foreach (MessageLease lease in leases)
                {
                    Enter(lease.Envelope);
                }

                foreach (MessageLease lease in leases.OrderBy(_ => random.Next()))
                {
                    await HandleAsync(lease, worker, random, cancellationToken);
                }
            }
        }

        public async Task CheckOrderAsync()
        {
            foreach ((string key, ConcurrentQueue<Envelope> ended) in _ended)
            {
                long[] order = [.. ended.Select(envelope => envelope.Seq)];
                Assert.True(order.SequenceEqual(order.Order()), $"{key} ended in the order {string.Join(", ", order)}.");
            }

            foreach (MessageId id in _ended.Values.SelectMany(ended => ended).Select(envelope => envelope.Id).Take(50))
            {
                Assert.Contains((await suite.RecordAsync(id)).Entry.State, (MessageState[])[MessageState.Acked, MessageState.Failed]);
            }
        }

        private async Task HandleAsync(MessageLease lease, int worker, Random random, CancellationToken cancellationToken)
        {
            if (random.Next(4) > 0)
            {
                Assert.True(await suite.Store.RenewAsync(lease, new LeaseProgress.Begin($"pool/{worker}"), cancellationToken));
            }

            if (random.Next(3) == 0)
            {
                await Task.Yield();
            }

            // Left before the settle: the next worker may hold the message before this call returns.
            Leave(lease.Envelope);
            switch (random.Next(10))
            {
                case 0:
                    await suite.SettleAsync(lease, Settlement.Release);
                    return;
                case 1:
                    await suite.SettleAsync(lease, Settlement.RetryAt(suite.Clock.GetUtcNow(), "at once"));
                    return;
                case 2:
                    await suite.SettleAsync(lease, suite.RetryIn(TimeSpan.FromMilliseconds(random.Next(1, 50))));
                    suite.Clock.Advance(TimeSpan.FromMilliseconds(50));
                    return;
                case 3:
                    End(lease.Envelope);
                    await suite.SettleAsync(lease, Settlement.Fail(FailureKind.Rejected, "no"));
                    Count(ref _failed);
                    return;
                default:
                    End(lease.Envelope);
                    await suite.SettleAsync(lease, Settlement.Acknowledge, suite.Message(queue: "out.mail"));
                    Count(ref _acked);
                    return;
            }
        }

        private void Enter(Envelope envelope)
        {
            Assert.True(_inWork.TryAdd(envelope.Id, 0), $"{envelope.Id} is with two workers.");
            Assert.True(envelope.OrderKey is null || _keysInWork.TryAdd(envelope.OrderKey, 0), $"{envelope.OrderKey} is with two workers.");
        }

        private void Leave(Envelope envelope)
        {
            _inWork.TryRemove(envelope.Id, out _);
            if (envelope.OrderKey is { } key)
            {
                _keysInWork.TryRemove(key, out _);
            }
        }

        private void End(Envelope envelope)
        {
            if (envelope.OrderKey is { } key)
            {
                _ended.GetOrAdd(key, static _ => new ConcurrentQueue<Envelope>()).Enqueue(envelope);
            }
        }

        private void Count(ref int ended)
        {
            Interlocked.Increment(ref ended);
            if (Volatile.Read(ref _acked) + Volatile.Read(ref _failed) == total)
            {
                _allEnded.Cancel();
            }
        }
    }
}
