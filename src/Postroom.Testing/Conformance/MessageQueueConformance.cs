using Xunit;

namespace Postroom.Testing;

/// <summary>What <see cref="IMessageQueue"/> keeps over every store, as tests.</summary>
/// <remarks>The queue has the default options: five attempts, backoff of 1 s doubling to 5 minutes, give or take a fifth.</remarks>
public abstract class MessageQueueConformance : IAsyncLifetime
{
    /// <summary>The longest time one test may take, in milliseconds of the real clock.</summary>
    protected const int Limit = 60_000;

    private const string OrderReceived = "order.received";
    private readonly List<IAsyncEnumerator<Delivery>> _held = [];
    private IMessageQueue? _queue;
    private IMessageStore? _store;

    /// <summary>The clock of queue and store.</summary>
    protected ManualClock Clock { get; } = new();

    /// <summary>Ends with the test or its time limit.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private IMessageQueue Queue => _queue ?? throw new InvalidOperationException("The queue is made in InitializeAsync.");

    private IMessageStore Store => _store ?? throw new InvalidOperationException("The store is made in InitializeAsync.");

    /// <summary>Makes a queue named <c>orders</c> over an empty, opened store.</summary>
    protected abstract ValueTask<(IMessageQueue Queue, IMessageStore Store)> CreateAsync(ManualClock clock);

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => (_queue, _store) = await CreateAsync(Clock);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (IAsyncEnumerator<Delivery> consumer in _held)
        {
            await consumer.DisposeAsync();
        }

        if (_store is IAsyncDisposable store)
        {
            await store.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>A publish returns after the commit, and a repeat gives the first message.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_publish_is_stored_when_it_returns_and_a_repeat_gives_the_first_message()
    {
        PublishOptions options = new() { DedupKey = "mail-17", Headers = new Dictionary<string, string> { ["subject"] = "hello" }, Conversation = "c-1", MaxAttempts = 2 };

        PublishResult first = await Queue.PublishAsync(new QueueMessage(OrderReceived, "1"u8.ToArray(), "text/plain"), options, Cancel);
        PublishResult repeat = await PublishAsync(options);
        JournalRecord? record = await ((IJournal)Store).GetAsync(first.Id, withBody: true, Cancel);

        Assert.Equal((first.Id, true), (repeat.Id, repeat.Duplicate));
        Envelope envelope = record!.Entry.Envelope;
        Assert.Equal(("orders", OrderReceived, "text/plain"), (envelope.Queue, envelope.Type, envelope.ContentType));
        Assert.Equal(("c-1", "c-1", "hello", 2), (envelope.Conversation, envelope.OrderKey, envelope.Header("subject"), envelope.MaxAttempts));
        Assert.Equal("1"u8.ToArray(), envelope.Body.ToArray());
        Assert.Equal(1, (await Queue.GetStatsAsync(Cancel)).Pending);
    }

    /// <summary>A delay holds a message back, a time to live ends it.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delay_holds_a_message_back_and_a_time_to_live_ends_it()
    {
        PublishResult late = await PublishAsync(new PublishOptions { Delay = TimeSpan.FromMinutes(1) });
        PublishResult brief = await PublishAsync(new PublishOptions { Delay = TimeSpan.FromMinutes(1), TimeToLive = TimeSpan.FromSeconds(30) });
        IAsyncEnumerable<Transition> moves = ((IJournal)Store).WatchAsync(move => move.MessageId == brief.Id && move.To == MessageState.Failed, null, Cancel);

        Clock.Advance(TimeSpan.FromSeconds(30));
        await foreach (Transition move in moves)
        {
            Assert.Equal(FailureKind.Expired, move.Kind);
            break;
        }

        Clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(late.Id, (await TakeAsync()).Envelope.Id);
    }

    /// <summary>An acknowledged message has ended, with what was staged; repeating it changes nothing.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_ack_ends_the_message_with_what_is_staged_and_may_be_repeated()
    {
        PublishResult published = await PublishAsync();
        Delivery delivery = await TakeAsync();
        Envelope staged = new(MessageId.New(), "out.mail", "notify", "{}"u8.ToArray()) { CreatedAt = Clock.GetUtcNow() };

        bool first = await Queue.AckAsync(delivery, [staged], Cancel);
        bool second = await Queue.AckAsync(delivery, [staged], Cancel);

        Assert.Equal((published.Id, 1, false), (delivery.Envelope.Id, delivery.Attempt, delivery.Redelivered));
        Assert.True(first);
        Assert.True(second);
        Assert.Equal(MessageState.Acked, (await StateAsync(published)).State);
        Assert.Equal(1, (await Store.GetStatsAsync("out.mail", Cancel)).Queues["out.mail"].Pending);
    }

    /// <summary>A null delay is the queue's backoff.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac21_a_nack_without_a_delay_waits_for_the_backoff_of_the_queue()
    {
        PublishResult published = await PublishAsync();
        foreach (double seconds in (double[])[1, 2, 4])
        {
            Delivery delivery = await TakeAsync();
            Assert.True(await Queue.NackAsync(delivery, null, Cancel));
            DateTimeOffset due = (await StateAsync(published)).DueAt!.Value;
            TimeSpan wait = due - Clock.GetUtcNow();
            Assert.Equal(0, due.Ticks % TimeSpan.TicksPerMillisecond);
            Assert.InRange(wait.TotalSeconds, seconds * 0.8, seconds * 1.2);
            Clock.Advance(wait);
        }

        Assert.Equal(4, (await TakeAsync()).Attempt);
    }

    /// <summary>A zero delay is at once, at the head of its key.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac21_a_nack_with_zero_is_due_at_once_at_the_head_of_its_key()
    {
        PublishResult head = await PublishAsync(new PublishOptions { OrderKey = "a" });
        await PublishAsync(new PublishOptions { OrderKey = "a" });

        Assert.True(await Queue.NackAsync(await TakeAsync(), TimeSpan.Zero, Cancel));

        Delivery again = await TakeAsync();
        Assert.Equal((head.Id, 2), (again.Envelope.Id, again.Attempt));
    }

    /// <summary>A value is exactly that.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ac21_a_nack_with_ten_seconds_waits_exactly_ten_seconds()
    {
        PublishResult head = await PublishAsync(new PublishOptions { OrderKey = "a" });
        await Queue.NackAsync(await TakeAsync(), TimeSpan.FromSeconds(10), Cancel);
        Clock.Advance(TimeSpan.FromMilliseconds(9_999));
        PublishResult later = await PublishAsync();
        Delivery between = await TakeAsync();

        Clock.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(later.Id, between.Envelope.Id);
        Assert.Equal(head.Id, (await TakeAsync()).Envelope.Id);
    }

    /// <summary>A negative delay is an error and changes nothing.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_nack_with_a_negative_delay_is_refused()
    {
        await PublishAsync();
        Delivery delivery = await TakeAsync();

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await Queue.NackAsync(delivery, TimeSpan.FromSeconds(-1), Cancel));

        Assert.True(await Queue.AckAsync(delivery, null, Cancel));
    }

    /// <summary>On the last attempt a nack fails the message as exhausted, whatever delay it names.</summary>
    /// <param name="seconds">The delay; negative for none.</param>
    [Theory(Timeout = Limit)]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(10)]
    public async Task On_the_last_attempt_a_nack_fails_the_message_as_exhausted(int seconds)
    {
        PublishResult published = await PublishAsync(new PublishOptions { MaxAttempts = 2 });
        await Queue.NackAsync(await TakeAsync(), TimeSpan.Zero, Cancel);

        Assert.True(await Queue.NackAsync(await TakeAsync(), seconds < 0 ? null : TimeSpan.FromSeconds(seconds), Cancel));

        JournalEntry entry = await StateAsync(published);
        Assert.Equal((MessageState.Failed, FailureKind.Exhausted, 2), (entry.State, entry.FailureKind, entry.Attempt));
    }

    /// <summary>Ending the loop gives back what was not settled, and its attempt with it.</summary>
    [Fact(Timeout = Limit)]
    public async Task Ending_the_loop_releases_what_was_not_settled_and_gives_the_attempt_back()
    {
        PublishResult first = await PublishAsync();
        PublishResult second = await PublishAsync();
        Delivery? settled = null;
        Delivery? open = null;
        await foreach (Delivery delivery in Queue.ConsumeAsync(2, Cancel))
        {
            if (settled is null)
            {
                settled = delivery;
                await Queue.AckAsync(delivery, null, Cancel);
                continue;
            }

            open = delivery;
            break;
        }

        JournalEntry released = await StateAsync(second);
        Delivery again = await TakeAsync();

        Assert.Equal(MessageState.Acked, (await StateAsync(first)).State);
        Assert.Equal((MessageState.Pending, 0, 0), (released.State, released.Attempt, released.Failures));
        Assert.Equal((second.Id, 1), (again.Envelope.Id, again.Attempt));
        Assert.False(await Queue.AckAsync(open!, null, Cancel));
        Assert.True(await Queue.AckAsync(again, null, Cancel));
    }

    /// <summary>Cancellation ends the loop without an exception of its own making and releases what is held.</summary>
    [Fact(Timeout = Limit)]
    public async Task Cancelling_the_loop_ends_it_and_releases_what_is_held()
    {
        using CancellationTokenSource stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        PublishResult published = await PublishAsync();
        int seen = 0;
        async Task ConsumeAsync()
        {
            await foreach (Delivery delivery in Queue.ConsumeAsync(2, stopping.Token))
            {
                seen++;
                await stopping.CancelAsync();
            }
        }

        await ConsumeAsync();

        Assert.Equal(1, seen);
        Assert.Equal(MessageState.Pending, (await StateAsync(published)).State);
    }

    /// <summary>Competing consumers share the messages; none is delivered to two.</summary>
    [Fact(Timeout = Limit)]
    public async Task Competing_consumers_share_the_messages()
    {
        HashSet<MessageId> published = [];
        for (int i = 0; i < 200; i++)
        {
            published.Add((await PublishAsync()).Id);
        }

        List<MessageId> taken = [];
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        int left = published.Count;
        await Task.WhenAll(Enumerable.Range(1, 4).Select(prefetch => Task.Run(async () =>
        {
            await foreach (Delivery delivery in Queue.ConsumeAsync(prefetch, done.Token))
            {
                Assert.True(await Queue.AckAsync(delivery, null, Cancel));
                lock (taken)
                {
                    taken.Add(delivery.Envelope.Id);
                }

                if (Interlocked.Decrement(ref left) == 0)
                {
                    await done.CancelAsync();
                }
            }
        })));

        Assert.Equal(published.Order(), taken.Order());
    }

    /// <summary>A consumer holds no more than its prefetch: what is beyond is another one's.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_consumer_holds_no_more_than_its_prefetch()
    {
        PublishResult first = await PublishAsync();
        PublishResult second = await PublishAsync();
        using CancellationTokenSource stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using IAsyncEnumerator<Delivery> one = Queue.ConsumeAsync(1, stopping.Token).GetAsyncEnumerator(Cancel);
        Assert.True(await one.MoveNextAsync());
        Delivery held = one.Current;
        Task<bool> next = one.MoveNextAsync().AsTask();

        await using IAsyncEnumerator<Delivery> two = Queue.ConsumeAsync(1, stopping.Token).GetAsyncEnumerator(Cancel);
        Task<bool> other = two.MoveNextAsync().AsTask();
        if (await Task.WhenAny(next, other) == next)
        {
            await stopping.CancelAsync();
            await other;
            Assert.Fail("The first consumer took a second delivery while it held one, with a prefetch of one.");
        }

        Assert.True(await other);

        Assert.Equal((first.Id, second.Id), (held.Envelope.Id, two.Current.Envelope.Id));
        Assert.True(await Queue.AckAsync(held, null, Cancel));
        PublishResult third = await PublishAsync();
        Assert.True(await next);
        Assert.Equal(third.Id, one.Current.Envelope.Id);
    }

    /// <summary>A prefetch below one is an error.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_prefetch_below_one_is_refused()
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () =>
        {
            await foreach (Delivery delivery in Queue.ConsumeAsync(0, Cancel))
            {
                Assert.Fail($"{delivery.Envelope.Id} was delivered.");
            }
        });
    }

    /// <summary>A lease that an operator ended cannot be acknowledged or given back, and nothing is stored.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_ack_or_nack_of_a_lost_lease_is_false_and_stores_nothing()
    {
        PublishResult published = await PublishAsync();
        Delivery delivery = await TakeAsync();
        Envelope staged = new(MessageId.New(), "out.mail", "notify", default);
        await ((IJournal)Store).DiscardAsync(published.Id, "stop", force: true, Cancel);

        Assert.False(await Queue.AckAsync(delivery, [staged], Cancel));
        Assert.False(await Queue.NackAsync(delivery, TimeSpan.Zero, Cancel));
        Assert.False(await Queue.NackAsync(delivery, null, Cancel));

        Assert.Null(await ((IJournal)Store).GetAsync(staged.Id, withBody: false, Cancel));
    }

    /// <summary>Counts are those of this queue; an age is measured on the clock.</summary>
    [Fact(Timeout = Limit)]
    public async Task Stats_count_the_queue()
    {
        await PublishAsync();
        await PublishAsync();
        await PublishAsync(new PublishOptions { Delay = TimeSpan.FromHours(1) });
        await Queue.AckAsync(await TakeAsync(), null, Cancel); // The first consumer; its loop stays open.
        Clock.Advance(TimeSpan.FromSeconds(30));
        await using IAsyncEnumerator<Delivery> consumer = Queue.ConsumeAsync(1, Cancel).GetAsyncEnumerator(Cancel);
        Assert.True(await consumer.MoveNextAsync());

        QueueStats stats = await Queue.GetStatsAsync(Cancel);

        Assert.Equal("orders", Queue.Name);
        Assert.Equal((1, 1, 1, 1, 0), (stats.Pending, stats.Delayed, stats.Dispatched, stats.Acked, stats.Failed));
        Assert.Equal(TimeSpan.FromSeconds(30), stats.OldestPendingAge);
        Assert.Equal(2, stats.Consumers);
        Assert.Equal((3 / 60.0, 1 / 60.0), (stats.AcceptedPerSecond, stats.FinishedPerSecond));
        Assert.False(stats.Paused);
        Assert.False(stats.AboveHighWater);
    }

    private ValueTask<PublishResult> PublishAsync(PublishOptions? options = null)
    {
        return Queue.PublishAsync(new QueueMessage(OrderReceived, "{}"u8.ToArray()), options, Cancel);
    }

    private async Task<JournalEntry> StateAsync(PublishResult published)
    {
        JournalRecord? record = await ((IJournal)Store).GetAsync(published.Id, withBody: false, Cancel);
        Assert.NotNull(record);
        return record.Entry;
    }

    /// <summary>Takes one delivery and holds it: its loop stays open until the test ends.</summary>
    private async Task<Delivery> TakeAsync()
    {
        IAsyncEnumerator<Delivery> consumer = Queue.ConsumeAsync(1, Cancel).GetAsyncEnumerator(Cancel);
        Assert.True(await consumer.MoveNextAsync());
        _held.Add(consumer);
        return consumer.Current;
    }
}
