using Postroom.Outbound;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Outbound;

public sealed class LaneRatesTests
{
    private readonly ManualClock _clock = new();

    [Theory]
    [InlineData(30, 1, 30)] // a bot of Telegram
    [InlineData(1, 1, 3)] // a chat
    [InlineData(20, 60, 20)] // a group
    [InlineData(80, 1, 80)] // a number of WhatsApp
    [InlineData(1_000, 60, 1_000)]
    public void A_limit_is_used_to_more_than_nine_tenths_and_never_passed_as_a_strict_service_counts(int count, int seconds, int burst)
    {
        Random chance = new(7);
        LaneRates rates = new(_clock);
        SendLimit limit = new("", new Rate(count, TimeSpan.FromSeconds(seconds)), burst);
        TimeSpan window = TimeSpan.FromSeconds((double)seconds / count * burst);
        List<TimeSpan> arrivals = [];
        TimeSpan idle = TimeSpan.Zero;
        MessageId next = MessageId.New();
        while (arrivals.Count < (20 * burst) + 10)
        {
            TimeSpan wait = rates.Take(next, [limit], []);
            if (wait == TimeSpan.Zero)
            {
                next = MessageId.New();
                arrivals.Add(_clock.Elapsed + TimeSpan.FromMilliseconds(chance.Next(40))); // some ways take longer than others
                if (chance.Next(3 * burst) == 0)
                {
                    wait = window * (2 * chance.NextDouble()); // nothing to send for a while
                    idle += wait;
                }
            }

            _clock.Advance(wait);
        }

        arrivals.Sort();
        Assert.All(Enumerable.Range(burst, arrivals.Count - burst), i => Assert.True(arrivals[i] - arrivals[i - burst] >= window, $"{i}: {arrivals[i] - arrivals[i - burst]}"));
        double busy = (arrivals[^1] - idle).TotalSeconds;
        Assert.True((arrivals.Count - 1) / busy >= 0.9 * count / seconds, $"{arrivals.Count} in {busy} s");
    }

    [Fact]
    public void A_new_limit_lets_one_through_for_an_earlier_run_may_have_used_up_the_rest_and_its_burst_after_a_pause()
    {
        LaneRates rates = new(_clock);
        SendLimit chat = new("chat/1", new Rate(1, TimeSpan.FromSeconds(1)), 3);
        Assert.Equal(1, TakeAll(rates, chat));

        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(3, TakeAll(rates, chat));
        _clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal(0, TakeAll(rates, chat));
        _clock.Advance(TimeSpan.FromSeconds(0.3));
        Assert.Equal(3, TakeAll(rates, chat));
    }

    [Fact]
    public void What_one_limit_refuses_uses_up_none_of_the_others()
    {
        LaneRates rates = new(_clock);
        SendLimit lane = new("", new Rate(30, TimeSpan.FromSeconds(1)), 30);
        SendLimit one = new("chat/1", new Rate(1, TimeSpan.FromMinutes(1)), 1);
        SendLimit two = new("chat/2", new Rate(1, TimeSpan.FromMinutes(1)), 1);
        MessageId waiting = MessageId.New();
        Assert.Equal(TimeSpan.Zero, rates.Take(MessageId.New(), [lane, one], []));
        _clock.Advance(TimeSpan.FromSeconds(2));

        for (int i = 0; i < 100; i++)
        {
            Assert.InRange(rates.Take(waiting, [lane, one], []), TimeSpan.FromSeconds(57), TimeSpan.FromSeconds(59));
        }

        Assert.Equal(TimeSpan.Zero, rates.Take(MessageId.New(), [lane, two], []));
    }

    [Fact]
    public void A_limit_of_the_settings_begins_empty()
    {
        LaneRates rates = new(_clock);
        SendLimit limit = new("to=chat:1", new Rate(20, TimeSpan.FromMinutes(1)), 20);
        MessageId message = MessageId.New();

        Assert.InRange(rates.Take(message, [], [limit]), TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(3.1));
        _clock.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal(TimeSpan.Zero, rates.Take(message, [], [limit]));
    }

    [Fact]
    public void Messages_behind_one_limit_are_told_turns_of_their_own_and_ask_about_once_each()
    {
        LaneRates rates = new(_clock);
        SendLimit limit = new("header", new Rate(60, TimeSpan.FromMinutes(1)), 1);
        PriorityQueue<MessageId, TimeSpan> due = new();
        for (int i = 0; i < 50; i++)
        {
            due.Enqueue(MessageId.New(), TimeSpan.Zero);
        }

        int asked = 0;
        int sent = 0;
        while (due.TryDequeue(out MessageId message, out TimeSpan at))
        {
            _clock.Advance(at > _clock.Elapsed ? at - _clock.Elapsed : TimeSpan.Zero);
            asked++;
            TimeSpan wait = rates.Take(message, [limit], []);
            sent += wait == TimeSpan.Zero ? 1 : 0;
            if (wait > TimeSpan.Zero)
            {
                due.Enqueue(message, _clock.Elapsed + wait + TimeSpan.FromMilliseconds(1)); // a timer is late rather than early
            }
        }

        Assert.Equal(50, sent);
        Assert.InRange(asked, 50, 160);
        Assert.InRange(_clock.Elapsed.TotalSeconds, 49, 57);
    }

    [Fact]
    public void Keys_that_were_not_used_for_long_are_forgotten()
    {
        LaneRates rates = new(_clock);
        for (int i = 0; i < 50_000; i++)
        {
            Assert.Equal(TimeSpan.Zero, rates.Take(MessageId.New(), [new SendLimit($"chat/{i}", new Rate(1, TimeSpan.FromSeconds(1)), 1)], []));
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(rates.Count, 1_000, 11_001);
    }

    [Fact]
    public void A_key_whose_last_message_was_told_a_turn_is_forgotten_too()
    {
        LaneRates rates = new(_clock);
        for (int i = 0; i < 12_000; i++)
        {
            SendLimit chat = new($"chat/{i}", new Rate(1, TimeSpan.FromSeconds(2)), 1);
            MessageId later = MessageId.New();
            rates.Take(MessageId.New(), [chat], []);
            _clock.Advance(rates.Take(later, [chat], []));
            Assert.Equal(TimeSpan.Zero, rates.Take(later, [chat], []));
        }

        Assert.InRange(rates.Count, 1, 10_000);
    }

    private static int TakeAll(LaneRates rates, SendLimit limit)
    {
        int taken = 0;
        MessageId same = default;
        while (rates.Take(same, [limit], []) == TimeSpan.Zero)
        {
            taken++;
        }

        return taken;
    }
}
