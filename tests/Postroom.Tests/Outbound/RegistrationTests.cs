using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Communicators that are replaced, taken away and lost while the dispatcher runs.</summary>
public sealed class RegistrationTests
{
    private readonly ManualClock _clock = new();

    [Fact]
    public async Task The_last_of_two_quick_replacements_delivers_and_the_one_between_is_never_started()
    {
        SteeredCommunicator first = new("service") { StopEnds = new TaskCompletionSource() };
        SteeredCommunicator between = new("service");
        SteeredCommunicator last = new("service");
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        dispatcher.Register(first);
        await dispatcher.StartAllAsync(Cancel);

        dispatcher.Register(between);
        dispatcher.Register(last);
        first.StopEnds.SetResult();
        await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await UntilAsync(() => last.Sends == 1);

        Assert.Equal((0, 0, 0), (first.Sends, between.Starts, between.Sends));
        Assert.False(first.IsStarted);
    }

    [Fact]
    public async Task A_communicator_that_is_replaced_while_it_starts_opens_nothing_and_is_stopped_when_it_has_started()
    {
        SteeredCommunicator first = new("service") { StartEnds = new TaskCompletionSource() };
        SteeredCommunicator last = new("service") { StartEnds = new TaskCompletionSource() };
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        Task starting = dispatcher.StartAllAsync(Cancel);
        dispatcher.Register(first);
        await UntilAsync(() => first.Starts == 1);

        dispatcher.Register(last);
        await UntilAsync(() => first.IsGivenUp);
        await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        first.StartEnds.SetResult();
        await UntilAsync(() => first is { IsStarted: false, Stops: > 0 } && last.Starts == 1);
        last.StartEnds.SetResult();
        await UntilAsync(() => last.Sends == 1);

        await starting;
        Assert.Equal(0, first.Sends);
    }

    [Fact]
    public async Task A_communicator_that_is_registered_right_after_its_name_was_taken_away_stays_and_delivers()
    {
        SteeredCommunicator first = new("service") { StartEnds = new TaskCompletionSource() };
        SteeredCommunicator second = new("service");
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        await dispatcher.StartAllAsync(Cancel);
        dispatcher.Register(first);
        await UntilAsync(() => first.Starts == 1);

        dispatcher.Unregister("service");
        IReadOnlyList<string> meanwhile = dispatcher.Names;
        dispatcher.Register(second);
        await UntilAsync(() => first.IsGivenUp);
        first.StartEnds.SetResult();
        await UntilAsync(() => second.IsStarted);
        EmitResult sent = await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await UntilAsync(() => second.Sends == 1);

        Assert.Empty(meanwhile);
        Assert.Equal(["service"], dispatcher.Names);
        Assert.Equal(1, sent.Routed);
    }

    [Theory]
    [InlineData(UnavailablePolicy.Hold, 1)]
    [InlineData(UnavailablePolicy.Drop, 0)]
    public async Task A_lane_whose_communicator_is_stopped_behind_its_back_waits_at_rest_and_starts_it_again(UnavailablePolicy policy, int delivered)
    {
        SteeredCommunicator service = new("service");
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        await dispatcher.RegisterAsync(service, null, new CommunicatorBackendConfig { Type = "webhook", OnUnavailable = policy }, Cancel);
        await dispatcher.StartAllAsync(Cancel);

        await service.StopAsync(Cancel);
        EmitResult sent = await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await UntilAsync(() => service.Questions > 0 && _clock.ArmedTimers > 0);
        int questions = service.Questions;
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            return service.Starts == 2;
        });

        await sent.WaitAsync(TimeSpan.FromMinutes(10), Cancel);
        Assert.InRange(service.Questions, 0, questions + 20); // a lane that spins asks thousands of times meanwhile
        Assert.Equal(delivered, service.Sends);
    }

    [Fact]
    public async Task A_communicator_whose_start_returns_without_having_started_it_is_asked_again_with_backoff()
    {
        SteeredCommunicator service = new("service") { StaysDown = true };
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        dispatcher.Register(service);
        await dispatcher.StartAllAsync(Cancel);
        await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);

        service.StaysDown = false;
        int before = service.Starts;
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            return service.Sends == 1;
        });

        Assert.Equal((1, 2), (before, service.Starts));
    }

    /// <summary>Starts and stops when the test lets it, and counts what it is asked.</summary>
    private sealed class SteeredCommunicator(string name) : ICommunicator
    {
        private volatile bool _isStarted;
        private volatile bool _isGivenUp;
        private int _questions;
        private int _starts;
        private int _stops;
        private int _sends;

        public TaskCompletionSource? StartEnds { get; init; }

        public TaskCompletionSource? StopEnds { get; init; }

        public bool StaysDown { get; set; }

        /// <summary>Whether a start that does not listen was asked to end.</summary>
        public bool IsGivenUp => _isGivenUp;

        public int Questions => Volatile.Read(ref _questions);

        public int Starts => Volatile.Read(ref _starts);

        public int Stops => Volatile.Read(ref _stops);

        public int Sends => Volatile.Read(ref _sends);

        public string Name { get; } = name;

        public bool IsStarted
        {
            get
            {
                Interlocked.Increment(ref _questions);
                return _isStarted;
            }
        }

        public CommunicatorCapabilities Capabilities { get; } = new();

        public async Task StartAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _starts);
            await using CancellationTokenRegistration _ = cancellationToken.Register(() => _isGivenUp = true);
            await (StartEnds?.Task ?? Task.CompletedTask);
            _isStarted = !StaysDown;
        }

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            await (StopEnds?.Task ?? Task.CompletedTask);
            _isStarted = false;
            Interlocked.Increment(ref _stops);
        }

        public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _sends);
            return new ValueTask<DeliveryReceipt>(new DeliveryReceipt { Status = DeliveryStatus.Sent });
        }
    }
}
