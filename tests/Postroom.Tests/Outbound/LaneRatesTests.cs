using Postroom.Outbound;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Outbound;

public sealed class LaneRatesTests
{
    private readonly ManualClock _clock = new();

    [Fact]
    public void A_bucket_lets_its_burst_through_after_a_pause_and_then_its_rate()
    {
        LaneRates rates = new(_clock);
        SendLimit chat = new("chat/1", new Rate(1, TimeSpan.FromSeconds(1)), 3);
        Assert.Equal(TimeSpan.Zero, rates.Take([chat], [])); // an earlier run may have used up the rest
        Assert.Equal(TimeSpan.FromSeconds(1), rates.Take([chat], []));

        _clock.Advance(TimeSpan.FromMinutes(1));
        int taken = 0;
        while (rates.Take([chat], []) == TimeSpan.Zero)
        {
            taken++;
        }

        Assert.Equal(3, taken);
        for (int second = 0; second < 10; second++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(TimeSpan.Zero, rates.Take([chat], []));
            Assert.NotEqual(TimeSpan.Zero, rates.Take([chat], []));
        }
    }

    [Fact]
    public void What_one_limit_refuses_uses_up_none_of_the_others()
    {
        LaneRates rates = new(_clock);
        SendLimit lane = new("", new Rate(30, TimeSpan.FromSeconds(1)), 30);
        SendLimit one = new("chat/1", new Rate(1, TimeSpan.FromMinutes(1)), 1);
        SendLimit two = new("chat/2", new Rate(1, TimeSpan.FromMinutes(1)), 1);
        Assert.Equal(TimeSpan.Zero, rates.Take([lane, one], []));
        _clock.Advance(TimeSpan.FromSeconds(1));

        for (int i = 0; i < 100; i++)
        {
            Assert.InRange(rates.Take([lane, one], []), TimeSpan.FromSeconds(58), TimeSpan.FromSeconds(59));
        }

        Assert.Equal(TimeSpan.Zero, rates.Take([lane, two], []));
    }

    [Fact]
    public void A_limit_of_the_settings_begins_empty()
    {
        LaneRates rates = new(_clock);
        SendLimit limit = new("to=chat:1", new Rate(20, TimeSpan.FromMinutes(1)), 20);

        Assert.Equal(TimeSpan.FromSeconds(3), rates.Take([], [limit]));
        _clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.Zero, rates.Take([], [limit]));
    }

    [Fact]
    public void Keys_that_were_not_used_for_long_are_forgotten()
    {
        LaneRates rates = new(_clock);
        for (int i = 0; i < 50_000; i++)
        {
            Assert.Equal(TimeSpan.Zero, rates.Take([new SendLimit($"chat/{i}", new Rate(1, TimeSpan.FromSeconds(1)), 1)], []));
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(rates.Count, 1_000, 11_001);
    }
}
