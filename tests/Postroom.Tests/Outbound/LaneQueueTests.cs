using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>What the settings say of the queue of a lane, and what its communicator adds (LN-9, QU-5, CM-13).</summary>
public sealed class LaneQueueTests
{
    [Fact]
    public async Task LN_9_the_time_to_live_of_a_lane_ends_its_messages_while_the_service_is_down()
    {
        RecordingCommunicator service = new("service");
        service.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient(ServiceWide: true)), 1_000));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service), "queues.\"out.service\".timeToLive=1s");

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);

        Assert.Equal(MessageState.Failed, Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
    }

    [Fact]
    public async Task QU_5_the_concurrency_of_a_communicator_holds_also_for_one_that_replaces_another()
    {
        Slow service = new("service");
        CommunicatorBackendConfig config = new() { Type = "webhook", Limits = [new QueueLimit { Key = new LimitKey(LimitKeyKind.Header, HeaderNames.Label), Concurrency = 1 }] };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => new RecordingCommunicator("service"), ["news"]));
        await runtime.Dispatcher.RegisterAsync(service, ["news"], config, Cancel);

        EmitResult[] sent = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => runtime.Dispatcher.EmitAsync(new OutgoingMessage("news", "x"), Cancel).AsTask()));
        foreach (EmitResult one in sent)
        {
            await one.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        }

        Assert.Equal(1, service.Most);
    }

    [Theory]
    [InlineData(401, 200, 200)]
    [InlineData(200, 401, 200)]
    [InlineData(200, 503, 503)]
    [InlineData(401, 403, 401)]
    public async Task A_call_is_offered_to_every_communicator_of_its_path(int first, int second, int answer)
    {
        Receiver one = new(first);
        Receiver two = new(second);

        WebhookReply reply = await global::Postroom.ControlPlane.ReceiverEndpoint.AskAsync([one, two], new WebhookCall { Method = "POST" });

        Assert.Equal((answer, 1, 1), (reply.Status, one.Calls, two.Calls));
    }

    private sealed class Receiver(int status) : IWebhookReceiver
    {
        public int Calls { get; private set; }

        public string? WebhookPath => "/service";

        public long MaxWebhookBody => 1_000;

        public ValueTask<WebhookReply> ReceiveAsync(WebhookCall request, CancellationToken cancellationToken)
        {
            Calls++;
            return new(new WebhookReply(status, ""));
        }
    }

    private sealed class Slow(string name) : Communicator(name)
    {
        private int _running;

        public int Most { get; private set; }

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            int now = Interlocked.Increment(ref _running);
            Most = Math.Max(Most, now);
            await Task.Delay(50, cancellationToken);
            Interlocked.Decrement(ref _running);
            return new DeliveryReceipt { Status = DeliveryStatus.Sent };
        }
    }
}
