using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Communicators that are added, replaced and taken away while the runtime runs (CF-8).</summary>
public sealed class BackendChangeTests
{
    [Fact]
    public async Task A_communicator_comes_changes_and_goes_with_the_configuration_and_no_message_is_lost()
    {
        ConcurrentQueue<RecordingCommunicator> made = new();
        await using MessageRuntime runtime = await StartAsync(
            app => app.RegisterBackend("recording", (name, _, _) =>
            {
                RecordingCommunicator communicator = new(name);
                made.Enqueue(communicator);
                return communicator;
            }),
            "communications.enabled=true", "communications.backends.first.type=recording");
        Assert.Equal(["first"], runtime.Dispatcher.Names);

        await SetAsync("communications.backends.second", """{ "type": "recording", "labels": ["ops"] }""");
        await UntilAsync(() => runtime.Dispatcher.Names.Count == 2);
        EmitResult ops = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("ops", "hello"), Cancel);
        Assert.Equal(MessageState.Acked, (await ops.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);

        await SetAsync("communications.backends.second.labels", """["night"]""");
        await UntilAsync(() => made.Count == 3);
        EmitResult night = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("night", "hello"), Cancel);
        Assert.Equal(MessageState.Acked, (await night.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);
        Assert.Equal(["first", "second", "second"], made.Select(communicator => communicator.Name));
        Assert.Equal((1, 0), (made.ElementAt(1).Stops, made.ElementAt(0).Stops)); // the first is as it was

        await SetAsync("communications.backends.second.enabled", "false");
        await UntilAsync(() => runtime.Dispatcher.Names.Count == 1);
        await UntilAsync(() => made.ElementAt(2).Stops == 1);
        Assert.Equal(["first"], runtime.Dispatcher.Names);

        await SetAsync("communications.backends.second.enabled", "true");
        await UntilAsync(() => made.Count == 4 && made.ElementAt(3).IsStarted);
        await Control(runtime).StopCommunicatorAsync("second", Cancel);
        await SetAsync("communications.backends.second.labels", """["ops", "night"]"""); // an operator's stop outlives the change
        await UntilAsync(() => made.Count == 5);
        EmitResult held = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("ops", "hello"), Cancel);
        await UntilAsync(() => runtime.Rooms.Outbound.Lanes.Single(lane => lane.Communicator == "second").Gate.Problem == "The communicator was stopped. Start it to have its messages sent.");
        Assert.Equal((false, 0), (made.ElementAt(4).IsStarted, made.ElementAt(4).Sends.Count));
        await runtime.Dispatcher.StartAllAsync(Cancel); // and what starts all the others
        Assert.Equal((false, 0), (made.ElementAt(4).IsStarted, made.ElementAt(4).Sends.Count));
        await Control(runtime).StartCommunicatorAsync("second", Cancel);
        Assert.Equal(MessageState.Acked, (await held.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);

        static IRuntimeControl Control(MessageRuntime runtime) => runtime.View.Control;

        async Task SetAsync(string key, string value) => Assert.Empty((await runtime.Configuration.SetOverrideAsync(key, value, persist: false, Cancel)).Problems);
    }

    [Fact]
    public async Task Cf8_what_all_lanes_go_by_is_in_force_for_those_that_say_nothing_of_their_own()
    {
        await using MessageRuntime runtime = await StartAsync(
            app => app.RegisterBackend("recording", (name, _, _) => new RecordingCommunicator(name)),
            "communications.enabled=true", "communications.backends.first.type=recording", "communications.backends.second.type=recording", "communications.backends.second.outbound.maxInFlight=5");

        ReloadResult changed = await runtime.Configuration.SetOverrideAsync("outbound.maxInFlight", "3", persist: false, Cancel);

        Assert.Empty(changed.NeedsRestart);
        await UntilAsync(() => Parallelism("first") == 3);
        Assert.Equal(5, Parallelism("second"));

        int Parallelism(string name) => runtime.Rooms.Outbound.Lanes.Single(lane => lane.Communicator == name).Pool.Status().Parallelism;
    }

    [Fact]
    public void Cf8_an_unknown_type_is_told_in_the_log_with_the_one_that_was_meant()
    {
        ControlPlane.LogLines log = new();
        CommunicatorFactory factory = new(new ServiceCollection().BuildServiceProvider(), [new("telegram", static (name, _, _) => new RecordingCommunicator(name))], log);

        Assert.IsType<NoOpCommunicator>(factory.CreateCommunicator("chat", new CommunicatorBackendConfig { Type = "telegrm" }));
        factory.CreateCommunicator("chat", new CommunicatorBackendConfig { Type = "telegram" });

        Assert.StartsWith("Communicator 'chat' has the unknown type 'telegrm', so its messages are held until a program that knows it runs. Did you mean 'telegram'?", Assert.Single(log.Texts), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_communicator_that_could_not_be_made_is_tried_again_with_the_next_change()
    {
        int tries = 0;
        await using MessageRuntime runtime = await StartAsync(
            app => app.RegisterBackend("recording", (name, _, _) => ++tries == 1 ? throw new IOException("its file is not there yet") : new RecordingCommunicator(name)),
            "communications.enabled=true", "communications.backends.first.type=recording");

        await runtime.Configuration.SetOverrideAsync("communications.onUnroutable", "drop", persist: false, Cancel);
        await UntilAsync(() => tries == 2);
        await runtime.Configuration.SetOverrideAsync("communications.onUnroutable", "fail", persist: false, Cancel);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);

        Assert.Equal(MessageState.Acked, (await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);
        Assert.Equal(2, tries); // what works is left alone
    }
}
