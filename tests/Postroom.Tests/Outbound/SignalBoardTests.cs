using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Outbound;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>CM-17, AC-64: signs that are no messages. The latest for an address wins, late ones are dropped and counted, and a slow service holds up no other.</summary>
public sealed class SignalBoardTests : IAsyncDisposable
{
    private readonly ManualClock _clock = new();
    private readonly RoutingTable _routes = new();
    private readonly HashSet<string> _heldBack = [];
    private readonly SignalBoard _board;

    public SignalBoardTests()
    {
        _board = new SignalBoard(_routes, name => !_heldBack.Contains(name), _ => { }, _clock, NullLogger.Instance);
        _board.Start();
    }

    public ValueTask DisposeAsync() => _board.DisposeAsync();

    [Fact]
    public async Task Ac64_a_sign_that_comes_too_late_is_dropped_and_counted()
    {
        Shown slow = Add("slow", holds: true);
        _board.Show(Typing("slow", "a"));
        await UntilAsync(() => slow.Signals.Count == 1);
        _board.Show(Typing("slow", "b") with { Ttl = TimeSpan.FromSeconds(1) });
        _board.Show(Typing("slow", "c") with { Ttl = TimeSpan.FromSeconds(5) });

        _clock.Advance(TimeSpan.FromSeconds(2));
        slow.Go.SetResult();

        await UntilAsync(() => _board.Loops == 0);
        Assert.Equal(["a", "c"], slow.Signals.Select(static signal => signal.Address.Target));
        Assert.Equal(1, _board.Dropped);
    }

    [Fact]
    public async Task The_latest_for_an_address_wins_and_is_shown_in_the_place_of_the_first()
    {
        Shown slow = Add("slow", holds: true);
        _board.Show(Typing("slow", "a"));
        await UntilAsync(() => slow.Signals.Count == 1);
        _board.Show(Typing("slow", "b"));
        _board.Show(Typing("slow", "c"));
        _board.Show(Typing("slow", "b") with { Ttl = TimeSpan.Zero });
        slow.Go.SetResult();

        await UntilAsync(() => _board.Loops == 0);
        Assert.Equal([("a", 8), ("b", 0), ("c", 8)], slow.Signals.Select(static signal => (signal.Address.Target, (int)((Signal.Typing)signal).Ttl.TotalSeconds)));
        Assert.Equal(0, _board.Dropped);
    }

    [Fact]
    public async Task A_slow_service_holds_up_no_other_and_a_loop_ends_with_what_it_shows()
    {
        Shown slow = Add("slow", holds: true);
        Shown quick = Add("quick");
        _board.Show(Typing("slow", "a"));
        await UntilAsync(() => slow.Signals.Count == 1);

        _board.Show(Typing("quick", "a"));
        await UntilAsync(() => quick.Signals.Count == 1 && _board.Loops == 1);
        slow.Go.SetResult();

        await UntilAsync(() => _board.Loops == 0);
        _board.Show(Typing("quick", "b"));
        await UntilAsync(() => quick.Signals.Count == 2);
    }

    [Fact]
    public async Task A_service_that_does_not_answer_is_given_up_when_the_sign_is_over()
    {
        Shown slow = Add("slow", holds: true);
        _board.Show(Typing("slow", "a"));
        await UntilAsync(() => slow.Signals.Count == 1);

        _clock.Advance(TimeSpan.FromSeconds(8));

        await UntilAsync(() => _board.Loops == 0);
        Assert.Equal(1, _board.Dropped);
    }

    [Fact]
    public async Task What_waits_is_bounded_and_the_oldest_is_dropped_and_counted()
    {
        Shown slow = Add("slow", holds: true);
        _board.Show(Typing("slow", "first"));
        await UntilAsync(() => slow.Signals.Count == 1);
        for (int i = 0; i < SignalBoard.MostWaiting + 10; i++)
        {
            _board.Show(Typing("slow", $"{i}"));
        }

        Assert.Equal(10, _board.Dropped);
        slow.Go.SetResult();
        await UntilAsync(() => _board.Loops == 0);
        Assert.Equal((SignalBoard.MostWaiting + 1, "10"), (slow.Signals.Count, slow.Signals.ElementAt(1).Address.Target));
    }

    [Fact]
    public async Task Nothing_is_shown_while_the_lane_is_held_back_and_a_failure_is_counted()
    {
        Shown service = Add("service");
        _heldBack.Add("service");
        _board.Show(Typing("service", "a"));
        await UntilAsync(() => _board.Dropped == 1 && _board.Loops == 0);

        _heldBack.Clear();
        service.Failure = new DeliveryException(new DeliveryFailure.Transient(), "no");
        _board.Show(Typing("service", "b"));
        await UntilAsync(() => _board.Dropped == 2 && _board.Loops == 0);
        _board.Show(Typing("nobody", "c"));

        Assert.Equal("b", Assert.Single(service.Signals).Address.Target);
        Assert.Equal(2, _board.Dropped);
    }

    [Fact]
    public async Task A_lane_has_room_unless_it_pauses_or_somebody_waits_in_it()
    {
        LaneGate gate = new(_clock);
        bool atFirst = gate.HasRoom;
        gate.Suspend(TimeSpan.FromSeconds(5), "asked to", 0.5);
        bool paused = gate.HasRoom;
        _clock.Advance(TimeSpan.FromSeconds(5));
        bool after = gate.HasRoom;
        Assert.True(await gate.EnterAsync(Cancel));

        Assert.Equal((true, false, true, false), (atFirst, paused, after, gate.HasRoom)); // after a pause one goes first
    }

    private Shown Add(string name, bool holds = false)
    {
        Shown service = new(name);
        if (!holds)
        {
            service.Go.SetResult();
        }

        _routes.Set(new Registration(service, [], new CommunicatorBackendConfig { Type = "shown" }, null));
        return service;
    }

    private static Signal.Typing Typing(string name, string contact) => new(Address.ForRecipient(name, contact));

    /// <summary>Shows when the test lets it.</summary>
    private sealed class Shown(string name) : ICommunicator, ISignals
    {
        public ConcurrentQueue<Signal> Signals { get; } = new();

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Exception? Failure { get; set; }

        public string Name { get; } = name;

        public bool IsStarted => true;

        public CommunicatorCapabilities Capabilities { get; } = new() { Typing = true };

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => throw new NotSupportedException();

        public async ValueTask SignalAsync(Signal signal, DeliveryContext context, CancellationToken cancellationToken)
        {
            Signals.Enqueue(signal);
            await Go.Task.WaitAsync(cancellationToken);
            if (Failure is { } failure)
            {
                throw failure;
            }
        }
    }
}
