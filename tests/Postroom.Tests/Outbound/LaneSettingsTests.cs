using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Settings of a lane: limits side by side, and what a replacement ends.</summary>
public sealed class LaneSettingsTests
{
    [Fact]
    public async Task Two_rates_of_one_key_hold_both()
    {
        RecordingCommunicator service = new("service");
        CommunicatorBackendConfig config = new()
        {
            Type = "webhook",
            Limits =
            [
                new QueueLimit { Key = new LimitKey(LimitKeyKind.To, null), Rate = new Rate(5, TimeSpan.FromSeconds(1)) },
                new QueueLimit { Key = new LimitKey(LimitKeyKind.To, null), Rate = new Rate(100, TimeSpan.FromSeconds(20)) },
            ],
        };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: config));

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", "anna") }, Cancel);

        Assert.Equal(MessageState.Acked, Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
    }

    [Fact]
    public async Task A_refused_token_that_is_corrected_is_tried_at_once()
    {
        RecordingCommunicator wrong = new("service");
        wrong.Next(new SendOutcome.Fails(new DeliveryFailure.Unauthorized()));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => wrong));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await UntilAsync(() => wrong.Sends.Count == 1);

        RecordingCommunicator corrected = new("service");
        runtime.Dispatcher.Register(corrected);

        Assert.Equal(MessageState.Acked, Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
    }

    [Fact]
    public async Task A_token_that_is_refused_only_after_it_was_corrected_does_not_hold_the_corrected_one_up()
    {
        RecordingCommunicator wrong = new("service");
        wrong.Next(new SendOutcome.Takes(TimeSpan.FromMilliseconds(500), new SendOutcome.Fails(new DeliveryFailure.Unauthorized())));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => wrong));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await wrong.WaitForSendsAsync(1, Cancel);

        runtime.Dispatcher.Register(new RecordingCommunicator("service"));

        Assert.Equal(MessageState.Acked, Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
    }

    [Fact]
    public async Task A_wait_that_the_service_asked_for_outlives_a_replacement()
    {
        RecordingCommunicator first = new("service");
        first.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(3), Lane: true)));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => first));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await UntilAsync(() => first.Sends.Count == 1);

        RecordingCommunicator second = new("service");
        runtime.Dispatcher.Register(second);

        Assert.Equal(MessageState.Acked, Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
        Assert.True(second.Sends[0].At - first.Sends[0].At >= TimeSpan.FromSeconds(2.5), $"{second.Sends[0].At - first.Sends[0].At}");
    }
}
