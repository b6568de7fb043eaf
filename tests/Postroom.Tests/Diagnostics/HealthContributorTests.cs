using Postroom.Configuration;
using Postroom.Outbound;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Diagnostics;

/// <summary>What health tells of by itself (HL-5).</summary>
public sealed class HealthContributorTests
{
    private static readonly TimeSpan BeyondReuse = TimeSpan.FromSeconds(3);

    private readonly ManualClock _clock = new();

    [Theory]
    [InlineData(120, "forward by 2m")]
    [InlineData(-7_200, "back by 2h")]
    public async Task A_wall_clock_that_was_set_by_more_than_a_minute_is_told_for_an_hour(int seconds, string told)
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));
        Assert.Equal(HealthState.Healthy, (await CheckAsync(runtime, "clock")).State);

        _clock.JumpWallClock(TimeSpan.FromSeconds(seconds));
        HealthResult set = await CheckAsync(runtime, "clock");
        _clock.Advance(TimeSpan.FromMinutes(61));
        HealthResult later = await CheckAsync(runtime, "clock");

        Assert.Equal((HealthState.Degraded, HealthState.Healthy), (set.State, later.State));
        Assert.Contains(told, set.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_clock_that_is_slewed_by_half_a_minute_is_no_jump()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));

        _clock.JumpWallClock(TimeSpan.FromSeconds(30));

        Assert.Equal(HealthState.Healthy, (await CheckAsync(runtime, "clock")).State);
    }

    [Fact]
    public async Task Failed_and_uncertain_messages_of_the_last_hour_are_counted_and_those_a_person_gave_up_are_not()
    {
        RecordingCommunicator people = new RecordingCommunicator("people").Next(new SendOutcome.Fails(new DeliveryFailure.Uncertain()));
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddWork((order, _, _) => new(order.Number == "bad" ? HandlerResult.Fail("no") : HandlerResult.Completed))
            .AddCommunicator(_ => people, ["people"], new CommunicatorBackendConfig { Type = "recording", Uncertain = UncertainPolicy.Hold }));
        await runtime.EndedAsync(await runtime.PublishAsync("bad"), MessageState.Failed);
        await runtime.Sender.SendAsync(new OutgoingMessage("people", "text"), Cancel);
        await runtime.FailedAsync("out.people");
        MessageId later = await runtime.PublishAsync("later", new PublishOptions { Delay = TimeSpan.FromHours(5) });
        await runtime.Journal.DiscardAsync(later, "not wanted", force: false, Cancel);

        HealthResult now = await CheckAsync(runtime, "failures");
        _clock.Advance(TimeSpan.FromMinutes(61));
        HealthResult over = await CheckAsync(runtime, "failures");

        Assert.Equal((HealthState.Degraded, "1", "1"), (now.State, now.Data["failed"], now.Data["uncertain"]));
        Assert.Contains("2 messages failed in the last hour, 1 of them uncertain", now.Text, StringComparison.Ordinal);
        Assert.Equal((HealthState.Healthy, "0"), (over.State, over.Data["failed"]));
    }

    [Fact]
    public async Task Hl5_what_a_person_has_decided_about_is_no_failure_any_more()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Fail("no"))));
        MessageId[] failed = [await runtime.PublishAsync("one"), await runtime.PublishAsync("two")];
        foreach (MessageId id in failed)
        {
            await runtime.EndedAsync(id, MessageState.Failed);
        }

        await runtime.Journal.DiscardAsync(failed[0], "not wanted", force: false, Cancel);
        HealthResult one = await CheckAsync(runtime, "failures");
        await runtime.Journal.DiscardAsync(failed[1], "not wanted", force: false, Cancel);
        HealthResult none = await CheckAsync(runtime, "failures");

        Assert.Equal((HealthState.Degraded, HealthState.Healthy), (one.State, none.State));
    }

    [Fact]
    public async Task A_lane_is_degraded_once_its_service_has_taken_nothing_for_five_minutes()
    {
        RecordingCommunicator people = new("people");
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)).AddCommunicator(_ => people, ["people"]));
        LaneGate gate = runtime.Rooms.Outbound.Lanes.Single(lane => lane.Communicator == "people").Gate;

        gate.Suspend(TimeSpan.FromMinutes(4), "The service asked to wait.", 0.5);
        HealthResult soon = await CheckAsync(runtime, "communicators.people");
        _clock.Advance(TimeSpan.FromMinutes(5));
        gate.Suspend(TimeSpan.FromMinutes(4), "The service asked to wait.", 0.5);
        HealthResult later = await CheckAsync(runtime, "communicators.people");
        gate.Answered();
        HealthResult well = await CheckAsync(runtime, "communicators.people");

        Assert.Equal((HealthState.Healthy, HealthState.Degraded, HealthState.Healthy), (soon.State, later.State, well.State));
        Assert.Contains("asked to wait", soon.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_login_is_unhealthy_and_the_runtime_stays_ready()
    {
        RecordingCommunicator people = new RecordingCommunicator("people").Next(new SendOutcome.Fails(new DeliveryFailure.Unauthorized(), "the token is not valid"));
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)).AddCommunicator(_ => people, ["people"]));
        await runtime.Sender.SendAsync(new OutgoingMessage("people", "text"), Cancel);
        await UntilAsync(() => people.Sends.Count == 1 && runtime.Rooms.Outbound.Lanes.Single(lane => lane.Communicator == "people").Gate.IsRefused);

        HealthResult refused = await CheckAsync(runtime, "communicators.people");

        Assert.Equal(HealthState.Unhealthy, refused.State);
        Assert.Contains("the token is not valid", refused.Text, StringComparison.Ordinal);
        Assert.NotEqual(HealthState.Unhealthy, (await runtime.View.CheckHealthAsync(HealthViews.Ready, Cancel)).State);
    }

    [Fact]
    public async Task The_store_tells_its_kind_and_its_size()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)));

        HealthResult store = await CheckAsync(runtime, "store");

        Assert.Equal((HealthState.Healthy, "memory"), (store.State, store.Data["kind"]));
    }

    private async Task<HealthResult> CheckAsync(MessageRuntime runtime, string name)
    {
        _clock.Advance(BeyondReuse);
        return (await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel)).Checks.Single(check => check.Name == name).Result;
    }

    private async Task<MessageRuntime> StartAsync(Action<IApplicationBuilder> configure)
    {
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory"]) } },
            Clock = _clock,
        });
        runtime.RegisterModule(new TestModule(configure));
        await runtime.StartAsync(Cancel);
        return runtime;
    }
}
