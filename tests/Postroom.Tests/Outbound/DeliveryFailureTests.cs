using System.Collections.Concurrent;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Deliveries that fail are told and counted (LN-12), and communicators that do not work are seen (HL-5, CM-10).</summary>
public sealed class DeliveryFailureTests
{
    [Theory]
    [InlineData("memory")]
    [InlineData("sqlite")]
    public async Task Ln12_every_message_that_ends_failed_on_its_way_out_is_told_and_counts_in_health(string store)
    {
        using Sqlite.TempFolder folder = new();
        RecordingCommunicator communicator = new("chat");
        RecordingCommunicator late = new("late");
        late.StartFailure = new InvalidOperationException("not yet");
        Action<IApplicationBuilder> configure = app => app
            .AddCommunicator(_ => communicator).AddCommunicator(_ => late, ["later"])
            .AddWork((order, _, _) => new ValueTask<HandlerResult>(HandlerResult.Fail("no")));
        await using MessageRuntime runtime = store == "memory" ? await StartAsync(configure) : await StartDurableAsync(folder.Path, configure);
        ConcurrentQueue<FailedDelivery> told = new();
        using IDisposable _ = runtime.Dispatcher.ObserveFailures(_ => throw new InvalidOperationException("an observer that throws"));
        using IDisposable observing = runtime.Dispatcher.ObserveFailures(told.Enqueue);

        communicator.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("403"), "blocked by the user"));
        MessageId refused = (await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel)).Ids[0];
        await runtime.EndedAsync(refused, MessageState.Failed); // before the next send could take the refusal
        MessageId unrouted = (await runtime.Dispatcher.EmitAsync(new OutgoingMessage("nobody", "hello"), Cancel)).Ids[0];
        MessageId expired = (await runtime.Dispatcher.EmitAsync(new OutgoingMessage("later", "hello") { ExpiresAfter = TimeSpan.FromMilliseconds(50) }, Cancel)).Ids[0];
        MessageId discarded = (await runtime.Dispatcher.EmitAsync(new OutgoingMessage("later", "hello"), Cancel)).Ids[0];
        await runtime.Journal.DiscardAsync(discarded, "not wanted", force: false, Cancel);
        MessageId sent = (await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel)).Ids[0];
        MessageId work = await runtime.PublishAsync("work fails elsewhere");
        await runtime.EndedAsync(sent, MessageState.Acked);
        await runtime.EndedAsync(work, MessageState.Failed);
        await UntilAsync(() => told.Count == 4);

        Assert.Equal(
            new[] { (refused, "chat", FailureKind.Refused), (unrouted, null, FailureKind.Unroutable), (expired, "late", FailureKind.Expired), (discarded, "late", FailureKind.Discarded) }.OrderBy(one => one.Item1),
            told.Select(one => (one.MessageId, one.Communicator, one.Kind)).OrderBy(one => one.MessageId)!);
        Assert.Contains("blocked by the user", told.Single(one => one.MessageId == refused).Reason, StringComparison.Ordinal);
        HealthCheck check = (await runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks.Single(one => one.Name == "deliveries");
        Assert.Equal(HealthState.Degraded, check.Result.State);
        Assert.Equal([("chat", "1"), ("late", "2"), ("unrouted", "1")], check.Result.Data.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.Contains("blocked by the user", check.Result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ln12_a_dispatcher_that_stands_alone_tells_too()
    {
        await using CommunicationDispatcher dispatcher = new();
        RecordingCommunicator communicator = new("chat");
        communicator.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("403"), "blocked by the user"));
        dispatcher.Register(communicator);
        TaskCompletionSource<FailedDelivery> told = new();
        using IDisposable observing = dispatcher.ObserveFailures(told.SetResult);
        await dispatcher.StartAllAsync(Cancel);

        EmitResult emitted = await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);

        FailedDelivery failed = await told.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal((emitted.Ids[0], "chat", 1), (failed.MessageId, failed.Communicator, failed.Attempt));
    }

    [Fact]
    public async Task Cm10_a_stand_in_is_degraded_with_its_reason_and_what_a_communicator_says_of_itself_is_heard()
    {
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddCommunicator(_ => new Ailing("ill")),
            "communications.enabled=true", "communications.backends.pager.type=carrier-pigeon");

        IReadOnlyList<HealthCheck> checks = (await runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks;

        HealthResult pager = checks.Single(one => one.Name == "communicators.pager").Result;
        HealthResult ill = checks.Single(one => one.Name == "communicators.ill").Result;
        Assert.Equal((HealthState.Degraded, HealthState.Degraded), (pager.State, ill.State));
        Assert.Contains("carrier-pigeon", pager.Text, StringComparison.Ordinal);
        Assert.Equal("scan the code again", ill.Text);
    }

    private sealed class Ailing(string name) : Communicator(name), IHealthContributor
    {
        public HealthViews Views => HealthViews.Status;

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => new(new DeliveryReceipt { Status = DeliveryStatus.Sent });

        public ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken) => new(new HealthResult(HealthState.Degraded, "scan the code again"));
    }
}
