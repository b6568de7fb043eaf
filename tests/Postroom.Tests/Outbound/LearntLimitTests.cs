using Postroom.Outbound;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Outbound;

/// <summary>A limit that only the refusals of a service tell: used to nine tenths and more, without meeting it again and again.</summary>
public sealed class LearntLimitTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);

    [Theory]
    [InlineData(20, 2)]
    [InlineData(100, 10)]
    [InlineData(80, 1)]
    [InlineData(600, 60)]
    public void A_service_that_counts_in_windows_is_used_to_nine_tenths_and_soon_refuses_nothing_more(int allowed, int seconds)
    {
        Simulation simulation = new(allowed, TimeSpan.FromSeconds(seconds));
        simulation.Run(TimeSpan.FromSeconds(Math.Max(60, 4 * seconds)));
        int refusedWhileLearning = simulation.Refused;
        simulation.Forget();

        simulation.Run(TimeSpan.FromSeconds(Math.Max(120, 5 * seconds)));

        Assert.InRange(refusedWhileLearning, 1, 5);
        Assert.InRange(simulation.Used, 0.9, 1.05);
        Assert.InRange(simulation.Refused, 0, 3);
    }

    [Fact]
    public void A_refusal_after_few_sends_says_nothing_and_a_limit_that_is_not_met_is_forgotten()
    {
        ManualClock clock = new();
        LearntLimit learnt = new(clock);
        learnt.Taken();
        learnt.Refused(TimeSpan.FromSeconds(30));
        int none = learnt.Current.Count;
        clock.Advance(TimeSpan.FromSeconds(31));
        for (int i = 0; i < 10; i++)
        {
            learnt.Taken();
        }

        learnt.Refused(TimeSpan.FromSeconds(10));
        learnt.Refused(TimeSpan.FromSeconds(10));
        SendLimit limit = Assert.Single(learnt.Current);
        clock.Advance(LearntLimit.Memory + TimeSpan.FromSeconds(11));

        Assert.Equal(0, none);
        Assert.Equal((10, TimeSpan.FromSeconds(10)), (limit.Rate.Count, limit.Rate.Period));
        Assert.Empty(learnt.Current);
    }

    [Fact]
    public void Quiet_times_before_a_burst_make_a_limit_no_lower()
    {
        ManualClock clock = new();
        LearntLimit learnt = new(clock);
        for (int hour = 0; hour < 30; hour++)
        {
            learnt.Taken();
            clock.Advance(TimeSpan.FromHours(1));
        }

        for (int i = 0; i < 20; i++)
        {
            learnt.Taken();
            clock.Advance(TimeSpan.FromMilliseconds(50));
        }

        learnt.Refused(TimeSpan.FromSeconds(1));
        SendLimit limit = Assert.Single(learnt.Current);

        Assert.Equal((20, TimeSpan.FromSeconds(2)), (limit.Rate.Count, limit.Rate.Period));
    }

    [Fact]
    public void A_wait_that_the_service_did_not_name_says_nothing_of_its_window()
    {
        ManualClock clock = new();
        LearntLimit learnt = new(clock);
        for (int i = 0; i < 400; i++)
        {
            learnt.Taken();
            clock.Advance(TimeSpan.FromMilliseconds(12.5));
        }

        learnt.Refused(TimeSpan.FromMinutes(1), isTold: false);
        SendLimit limit = Assert.Single(learnt.Current);

        Assert.Equal(80, limit.Rate.Count / limit.Rate.Period.TotalSeconds, 0.5);
    }

    [Fact]
    public void Answers_that_come_after_the_refusal_of_another_are_counted_too()
    {
        ManualClock clock = new();
        LearntLimit learnt = new(clock);
        for (int i = 0; i < 6; i++)
        {
            learnt.Taken();
        }

        learnt.Refused(TimeSpan.FromSeconds(2));
        for (int i = 0; i < 14; i++)
        {
            learnt.Taken();
        }

        SendLimit limit = Assert.Single(learnt.Current);

        Assert.Equal((20, TimeSpan.FromSeconds(2)), (limit.Rate.Count, limit.Rate.Period));
    }

    [Fact]
    public void A_service_that_allows_more_than_before_is_followed_after_a_while()
    {
        Simulation simulation = new(20, TimeSpan.FromSeconds(2));
        simulation.Run(LearntLimit.Memory);
        simulation.Allow(40);
        simulation.Run(LearntLimit.Memory);
        simulation.Forget();

        simulation.Run(TimeSpan.FromMinutes(2));

        Assert.InRange(simulation.Used, 0.9, 1.05);
        Assert.InRange(simulation.Refused, 0, 3);
    }

    [Fact]
    public void A_limit_that_is_kept_to_is_tried_anew_only_after_a_while()
    {
        Simulation simulation = new(20, TimeSpan.FromSeconds(2));
        simulation.Run(TimeSpan.FromMinutes(1));
        simulation.Forget();

        simulation.Run(LearntLimit.Memory * 6);

        Assert.InRange(simulation.Used, 0.9, 1.05);
        Assert.InRange(simulation.Refused, 0, 20);
    }

    [Fact]
    public void A_service_that_allows_less_than_before_is_followed_at_once()
    {
        Simulation simulation = new(100, TimeSpan.FromSeconds(1));
        simulation.Run(TimeSpan.FromSeconds(30));
        simulation.Allow(10);
        simulation.Forget();

        simulation.Run(TimeSpan.FromSeconds(60));

        Assert.InRange(simulation.Refused, 1, 15);
    }

    /// <summary>A lane that always has something to send, against a service that counts strictly and tells its waits in whole seconds.</summary>
    private sealed class Simulation(int allowed, TimeSpan window)
    {
        private readonly ManualClock _clock = new();
        private readonly MessageId _message = MessageId.New();
        private LearntLimit? _learnt;
        private LaneRates? _rates;
        private long _windowBegun = -1;
        private int _inWindow;
        private int _taken;
        private TimeSpan _ran;
        private TimeSpan _pause;

        public int Refused { get; private set; }

        public double Used => _taken / (allowed * (_ran / window));

        public void Allow(int fewer) => allowed = fewer;

        public void Forget() => (_taken, _ran, Refused) = (0, TimeSpan.Zero, 0);

        public void Run(TimeSpan time)
        {
            _learnt ??= new LearntLimit(_clock);
            _rates ??= new LaneRates(_clock);
            for (TimeSpan at = TimeSpan.Zero; at < time; at += Tick)
            {
                while (_pause <= TimeSpan.Zero && _rates.Take(_message, [], _learnt.Current) == TimeSpan.Zero)
                {
                    Send();
                }

                _clock.Advance(Tick);
                _pause -= Tick;
            }

            _ran += time;
        }

        private void Send()
        {
            TimeSpan since = _windowBegun < 0 ? window : _clock.GetElapsedTime(_windowBegun);
            if (since >= window || _windowBegun < 0)
            {
                (_windowBegun, _inWindow, since) = (_clock.GetTimestamp(), 0, TimeSpan.Zero);
            }

            if (_inWindow < allowed)
            {
                _inWindow++;
                _taken++;
                _learnt!.Taken();
                return;
            }

            Refused++;
            _pause = TimeSpan.FromSeconds(Math.Ceiling((window - since).TotalSeconds));
            _learnt!.Refused(_pause);
        }
    }
}
