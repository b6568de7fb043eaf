using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Testing;
using Postroom.Tests.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

public sealed class LostCommunicatorTests
{
    [Fact]
    public async Task A_communicator_that_is_lost_just_as_its_lane_opens_is_started_again_each_time()
    {
        ManualClock clock = new();
        Flapping service = new();
        await using CommunicationDispatcher dispatcher = new(clock, NullLoggerFactory.Instance);
        await dispatcher.RegisterAsync(service, null, new CommunicatorBackendConfig { Type = "webhook", OnUnavailable = UnavailablePolicy.Drop }, Cancel);
        await dispatcher.StartAllAsync(Cancel);
        using CancellationTokenSource stop = new();
        Task flow = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await dispatcher.EmitAsync(new OutgoingMessage("hello"), CancellationToken.None);
            }
        }, Cancel);

        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(500));
            return service.Starts >= 60;
        });

        await stop.CancelAsync();
        await flow;
    }

    [Fact]
    public async Task The_log_tells_when_a_communicator_is_back_and_how_long_a_send_waits_for_its_lane()
    {
        ManualClock clock = new();
        Reluctant service = new();
        using LogLines lines = new();
        using ILoggerFactory loggers = LoggerFactory.Create(logging => logging.AddProvider(lines));
        await using CommunicationDispatcher dispatcher = new(clock, loggers);
        await dispatcher.RegisterAsync(service, null, new CommunicatorBackendConfig { Type = "webhook" }, Cancel);
        await dispatcher.StartAllAsync(Cancel);
        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(500));
            return service.IsStarted;
        });
        await UntilAsync(() => lines.Texts.Any(text => text.StartsWith("Communicator 'service' is connected after ", StringComparison.Ordinal)));

        await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await UntilAsync(() => lines.Texts.Any(text => text.Contains(" is tried again ", StringComparison.Ordinal)));

        string away = lines.Texts.Single(text => text.StartsWith("Communicator 'service' is connected after ", StringComparison.Ordinal));
        Assert.Matches(@"is connected after [1-9]\d*s without a connection\.$", away);
        Assert.Matches(@"is tried again when its lane goes on, in [01](\.\d)? s: gone", lines.Texts.First(text => text.Contains("attempt 1, is tried again ", StringComparison.Ordinal)));
    }

    /// <summary>Starts with the third try, and reaches nobody then.</summary>
    private sealed class Reluctant : ICommunicator
    {
        private int _starts;

        public string Name => "service";

        public bool IsStarted => Volatile.Read(ref _starts) >= 3;

        public CommunicatorCapabilities Capabilities { get; } = new();

        public Task StartAsync(CancellationToken cancellationToken) => Interlocked.Increment(ref _starts) < 3 ? throw new IOException("nobody there") : Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) =>
            throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), "gone");
    }

    /// <summary>Says that it is started once, to whoever has just started it, and to nobody else.</summary>
    private sealed class Flapping : ICommunicator
    {
        [ThreadStatic]
        private static bool _justStarted;

        private int _starts;
        private int _asked;

        public int Starts => Volatile.Read(ref _starts);

        public int Asked => Volatile.Read(ref _asked);

        public string Name => "service";

        public bool IsStarted
        {
            get
            {
                bool first = _justStarted;
                _justStarted = false;
                Interlocked.Increment(ref _asked);
                return first;
            }
        }

        public CommunicatorCapabilities Capabilities { get; } = new();

        public Task StartAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _starts);
            _justStarted = true;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) =>
            new(new DeliveryReceipt { Status = DeliveryStatus.Sent });
    }
}
