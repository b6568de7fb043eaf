using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Testing;
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
