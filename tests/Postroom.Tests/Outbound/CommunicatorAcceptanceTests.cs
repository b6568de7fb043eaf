using Postroom.Host;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Acceptance of communications: what becomes of messages whose communicator goes, is of an own type, or cannot show them.</summary>
public sealed class CommunicatorAcceptanceTests
{
    [Fact]
    public async Task AC_47_messages_of_a_communicator_that_was_taken_away_stay_pending_are_reported_as_parked_and_go_on_with_the_next_of_its_name()
    {
        RecordingCommunicator first = new("service");
        first.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient(ServiceWide: true)), 100));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => first));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await UntilAsync(() => first.Sends.Count > 0);

        runtime.Dispatcher.Unregister("service");
        IReadOnlyList<string> notices = [];
        await UntilAsync(async () => (notices = await new Postroom.Hosting.WaitingNotices(runtime.Rooms).ReadAsync(await runtime.Store.GetStatsAsync(null, Cancel), Cancel)).Count > 0);
        StoreQueueStats counted = (await runtime.View.GetStatusAsync(Cancel)).Counts!.Queues["out.service"];
        RecordingCommunicator next = new("service");
        runtime.Dispatcher.Register(next);
        EmitOutcome outcome = Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel));

        Assert.Contains(notices, notice => notice.Contains("parked", StringComparison.Ordinal) && notice.Contains("'service' is not registered", StringComparison.Ordinal));
        Assert.Equal((1, 1), (counted.Pending, counted.Parked));
        Assert.Equal((MessageState.Acked, 1), (outcome.State, next.Sends.Count));
    }

    [Fact]
    public async Task AC_50_a_registered_telegram_replaces_the_built_in_one()
    {
        RecordingCommunicator own = new("ops");
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddChannels().RegisterBackend("telegram", (_, _, _) => own, static (common, _) => common),
            "communications.enabled=true", "communications.backends.ops.type=telegram");

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal("x", Assert.Single(own.Sends).Message.Message);
    }

    [Fact]
    public async Task AC_57_buttons_on_a_channel_without_them_arrive_as_a_numbered_list_and_the_receipt_says_so()
    {
        RecordingCommunicator plain = new RecordingCommunicator("plain").With(new CommunicatorCapabilities());
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => plain));

        EmitResult sent = await runtime.Dispatcher.EmitAsync(
            new OutgoingMessage("Tea or coffee?") { Interactive = new Interactive.Buttons([new("t", "Tea"), new("c", "Coffee")]) }, Cancel);
        EmitOutcome outcome = Assert.Single(await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel));

        Assert.Equal("Tea or coffee?\n\n1. Tea\n2. Coffee", Assert.Single(plain.Sends).Message.Message);
        Assert.NotEmpty(outcome.Receipt!.Degraded);
    }
}
