using Xunit;

namespace Postroom.Testing;

/// <content>Delays and expiry on the wall clock, retries on the monotonic one.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>No lease before the instant, and none late.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delayed_message_is_leased_at_its_instant_and_not_before()
    {
        Envelope message = await AppendAsync(Message() with { NotBefore = Clock.GetUtcNow().AddSeconds(30) });
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMilliseconds(29_999));
        await NothingIsDueAsync();
        Task<IReadOnlyList<MessageLease>> waiting = LeaseUpToAsync(10).AsTask();

        Clock.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(message.Id, Assert.Single(await waiting).Envelope.Id);
    }

    /// <summary>An instant that has passed delays nothing.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_message_whose_instant_has_passed_is_due_at_once()
    {
        Envelope message = await AppendAsync(Message() with { NotBefore = Clock.GetUtcNow() });

        await HandleAsync(message);
    }

    /// <summary>Many instants are kept apart, also when they come in any order.</summary>
    [Fact(Timeout = Limit)]
    public async Task Delayed_messages_become_due_each_at_its_own_instant()
    {
        int[] seconds = [50, 10, 40, 20, 30];
        DateTimeOffset start = Clock.GetUtcNow();
        Dictionary<int, Envelope> messages = [];
        foreach (int second in seconds)
        {
            messages[second] = await AppendAsync(Message() with { NotBefore = start.AddSeconds(second) });
        }

        foreach (int second in seconds.Order())
        {
            await NothingIsDueAsync();
            Clock.Advance(start.AddSeconds(second) - Clock.GetUtcNow());
            await HandleAsync(messages[second]);
        }
    }

    /// <summary>Retry delays run on the monotonic clock: a jump of the wall clock fires none early and holds none back.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(2)]
    [InlineData(-2)]
    public async Task A_wall_clock_jump_does_not_move_a_retry(int hours)
    {
        Envelope message = await AppendAsync();
        await SettleAsync(await BeginAsync(message), RetryIn(TimeSpan.FromMinutes(10)));

        Clock.JumpWallClock(TimeSpan.FromHours(hours));
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMinutes(10) - TimeSpan.FromMilliseconds(1));
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMilliseconds(1));

        await HandleAsync(message);
        Clock.JumpWallClock(TimeSpan.FromHours(-hours));
        Clock.Advance(TimeSpan.FromHours(3));
        await NothingIsDueAsync();
    }

    /// <summary>A wall-clock jump ends no lease.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_wall_clock_jump_ends_no_lease()
    {
        Envelope message = await AppendAsync();
        MessageLease lease = await BeginAsync(message);

        Clock.JumpWallClock(TimeSpan.FromDays(1));
        await NothingIsDueAsync();

        await SettleAsync(lease, Settlement.Acknowledge);
    }

    /// <summary>The instant of a delayed message is one of the wall clock: set back, it waits longer.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delayed_message_follows_the_wall_clock()
    {
        Envelope message = await AppendAsync(Message() with { NotBefore = Clock.GetUtcNow().AddMinutes(10) });

        Clock.JumpWallClock(TimeSpan.FromMinutes(-5));
        Clock.Advance(TimeSpan.FromMinutes(10));
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMinutes(5));

        await HandleAsync(message);
    }

    /// <summary>A message that still waits at its end fails as expired, and its key goes on.</summary>
    [Theory(Timeout = Limit)]
    [InlineData("ready")]
    [InlineData("delayed")]
    [InlineData("retry")]
    [InlineData("following")]
    [InlineData("parked")]
    public async Task A_message_that_still_waits_when_its_time_ends_fails_as_expired(string place)
    {
        Envelope? before = place == "following" ? await AppendAsync("a") : null;
        MessageLease? running = before is null ? null : await BeginAsync(before);
        Control.SetRules(Orders, place == "parked" ? new QueueRules { ParkedTypes = new HashSet<string> { OrderReceived } } : new QueueRules());
        Envelope message = await AppendAsync(Message("a") with
        {
            ExpiresAt = Clock.GetUtcNow().AddMinutes(1),
            NotBefore = place == "delayed" ? Clock.GetUtcNow().AddMinutes(2) : null,
        });
        if (place == "retry")
        {
            await SettleAsync(await BeginAsync(message), RetryIn(TimeSpan.FromMinutes(2)));
        }

        Clock.Advance(TimeSpan.FromMinutes(1));
        Transition failed = await ComesToAsync(message, MessageState.Failed);

        Assert.Equal(FailureKind.Expired, failed.Kind);
        JournalEntry entry = await EntryAsync(message);
        Assert.Equal((MessageState.Failed, FailureKind.Expired), (entry.State, entry.FailureKind));
        Assert.NotNull(entry.FinishedAt);
        if (running is not null)
        {
            await SettleAsync(running, Settlement.Acknowledge);
        }

        Control.SetRules(Orders, new QueueRules());
        await HandleAsync(await AppendAsync("a"));
        await NothingIsDueAsync();
        StoreQueueStats stats = await StatsAsync();
        Assert.Equal((0, 0, 0, 0, 1), (stats.Pending, stats.Delayed, stats.Parked, stats.Blocked, stats.Failed));
    }

    /// <summary>A message that is too late when it is appended is stored and fails.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_message_appended_after_its_end_fails_as_expired()
    {
        Envelope message = await AppendAsync(Message() with { ExpiresAt = Clock.GetUtcNow().AddSeconds(-1) });

        Assert.Equal(FailureKind.Expired, (await ComesToAsync(message, MessageState.Failed)).Kind);
        await NothingIsDueAsync();
    }

    /// <summary>A message with a worker is the worker's, also past its end.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_message_with_a_worker_does_not_expire()
    {
        Envelope message = await AppendAsync(Message() with { ExpiresAt = Clock.GetUtcNow().AddMinutes(1) });
        MessageLease lease = await BeginAsync(message);

        Clock.Advance(TimeSpan.FromMinutes(2));
        await SettleAsync(lease, Settlement.Acknowledge);

        Assert.Equal(MessageState.Acked, (await EntryAsync(message)).State);
    }

    /// <summary>Given back past its end, it is too late for another attempt.</summary>
    [Theory(Timeout = Limit)]
    [InlineData("retry")]
    [InlineData("release")]
    public async Task A_message_whose_time_ended_with_a_worker_fails_when_it_is_given_back(string outcome)
    {
        Envelope message = await AppendAsync(Message("a") with { ExpiresAt = Clock.GetUtcNow().AddMinutes(1) });
        Envelope follower = await AppendAsync("a");
        MessageLease lease = await BeginAsync(message);
        Clock.Advance(TimeSpan.FromMinutes(2));

        await SettleAsync(lease, Outcome(outcome));

        Assert.Equal(FailureKind.Expired, (await ComesToAsync(message, MessageState.Failed)).Kind);
        await HandleAsync(follower);
    }

    /// <summary>A retry that was given up and replayed waits for its new delay, not for the old one.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_retry_of_an_earlier_life_does_not_wake_the_message()
    {
        Envelope message = await AppendAsync();
        await SettleAsync(await BeginAsync(message), RetryIn(TimeSpan.FromMinutes(10)));
        await Journal.DiscardAsync(message.Id, "stop", force: false, Cancel);
        await Journal.ReplayAsync(message.Id, new ReplayOptions(), Cancel);
        await SettleAsync(await BeginAsync(message), RetryIn(TimeSpan.FromHours(1)));

        Clock.Advance(TimeSpan.FromMinutes(30));
        await NothingIsDueAsync();
        Clock.Advance(TimeSpan.FromMinutes(30));

        await HandleAsync(message);
    }
}
