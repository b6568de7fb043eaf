using System.Globalization;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class CallerRateLimiterTests
{
    private readonly SteppedClock _clock = new();

    [Fact]
    public void A_full_bucket_is_spent_at_once_and_refills_evenly()
    {
        CallerRateLimiter limiter = new(permits: 100, TimeSpan.FromMinutes(1), _clock);
        for (int i = 0; i < 100; i++)
        {
            Assert.Null(limiter.Take("a"));
        }

        Assert.Equal(1, limiter.Take("a"));
        _clock.Advance(TimeSpan.FromSeconds(0.6));
        Assert.Null(limiter.Take("a"));
        Assert.Equal(1, limiter.Take("a"));
    }

    [Fact]
    public void The_wait_is_told_in_whole_seconds()
    {
        CallerRateLimiter limiter = new(permits: 1, TimeSpan.FromMinutes(1), _clock);
        limiter.Take("a");

        Assert.Equal(60, limiter.Take("a"));
        _clock.Advance(TimeSpan.FromSeconds(14.5));
        Assert.Equal(46, limiter.Take("a"));
        Assert.Equal(46, limiter.Check("a"));
    }

    [Fact]
    public void A_permit_given_back_may_be_taken_again_and_a_bucket_never_overflows()
    {
        CallerRateLimiter limiter = new(permits: 1, TimeSpan.FromMinutes(1), _clock);
        limiter.Take("a");

        limiter.GiveBack("a");
        limiter.GiveBack("a");
        limiter.GiveBack("nobody");

        Assert.Null(limiter.Take("a"));
        Assert.NotNull(limiter.Take("a"));
        Assert.Equal(1, limiter.Count);
    }

    [Fact]
    public void Callers_do_not_share_a_bucket_and_asking_does_not_make_one()
    {
        CallerRateLimiter limiter = new(permits: 1, TimeSpan.FromMinutes(1), _clock);

        Assert.Null(limiter.Take("a"));
        Assert.Null(limiter.Take("b"));
        Assert.Null(limiter.Check("c"));
        Assert.Equal(2, limiter.Count);
    }

    [Fact]
    public void A_flood_of_callers_is_bounded_and_forgets_the_least_recent()
    {
        CallerRateLimiter limiter = new(permits: 1, TimeSpan.FromMinutes(1), _clock, maxKeys: 3);
        limiter.Take("kept");
        limiter.Take("forgotten");
        limiter.Take("kept");
        for (int i = 0; i < 2; i++)
        {
            limiter.Take(i.ToString(CultureInfo.InvariantCulture));
        }

        Assert.Equal(3, limiter.Count);
        Assert.NotNull(limiter.Check("kept"));
        Assert.Null(limiter.Check("forgotten"));
    }

    [Fact]
    public async Task Concurrent_callers_get_exactly_the_permits()
    {
        CallerRateLimiter limiter = new(permits: 500, TimeSpan.FromMinutes(1), _clock);
        int taken = 0;

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                if (limiter.Take("a") is null)
                {
                    Interlocked.Increment(ref taken);
                }
            }
        })));

        Assert.Equal(500, taken);
    }
}
