using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Label routing over registered communicators.</summary>
public sealed class RoutingTests
{
    [Fact]
    public async Task Every_communicator_of_a_label_gets_its_own_copy_and_one_that_fails_does_not_touch_the_others()
    {
        RecordingCommunicator good = new("good");
        RecordingCommunicator bad = new("bad");
        RecordingCommunicator other = new("other");
        bad.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("550"), "no such user"));
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddCommunicator(_ => good, ["operators", "operators"])
            .AddCommunicator(_ => bad, ["operators"])
            .AddCommunicator(_ => other, ["customers"]));

        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("operators", "look"), Cancel);
        IReadOnlyList<EmitOutcome> outcomes = await emitted.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal(2, emitted.Routed);
        Assert.Equal([MessageState.Acked, MessageState.Failed], outcomes.Select(outcome => outcome.State));
        Assert.Equal("look", Assert.Single(good.Sends).Message.Message);
        Assert.Equal(DeliveryStatus.Sent, outcomes[0].Receipt!.Status);
        Assert.Contains("550", outcomes[1].Error, StringComparison.Ordinal);
        Assert.Empty(other.Sends);
    }

    [Fact]
    public async Task Ac48_a_message_for_a_communicator_that_has_not_started_waits_and_is_delivered_after_its_start()
    {
        RecordingCommunicator late = new("late") { StartFailure = new InvalidOperationException("no network") };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => late, ["operators"]));

        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("operators", "look"), Cancel);
        await Assert.ThrowsAsync<TimeoutException>(() => emitted.WaitAsync(TimeSpan.FromMilliseconds(200), Cancel));
        late.StartFailure = null;

        IReadOnlyList<EmitOutcome> outcomes = await emitted.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal(MessageState.Acked, Assert.Single(outcomes).State);
    }

    [Fact]
    public async Task Ac49_an_unknown_label_fails_one_message_drops_it_or_throws_as_the_policy_says()
    {
        await using MessageRuntime fail = await StartAsync(_ => { });
        EmitResult emitted = await fail.Dispatcher.EmitAsync(new OutgoingMessage("operatros", "look"), Cancel);
        JournalRecord record = await fail.EndedAsync(Assert.Single(emitted.Ids), MessageState.Failed);
        Assert.Equal(FailureKind.Unroutable, record.Entry.FailureKind);
        Assert.Equal(1, (await fail.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);

        await using MessageRuntime drop = await StartAsync(_ => { }, "communications.onUnroutable=drop");
        Assert.Empty((await drop.Dispatcher.EmitAsync(new OutgoingMessage("operatros", "look"), Cancel)).Ids);

        RecordingCommunicator known = new("known");
        await using MessageRuntime reject = await StartAsync(app => app.AddCommunicator(_ => known, ["operators"]), "communications.onUnroutable=reject");
        AddressException e = await Assert.ThrowsAsync<AddressException>(() => reject.Dispatcher.EmitAsync(new OutgoingMessage("operatros", "look"), Cancel).AsTask());
        Assert.Contains("operators", e.Message, StringComparison.Ordinal);
        Assert.All(await Task.WhenAll(drop.Journal.QueryAsync(new JournalQuery(), Cancel).AsTask(), reject.Journal.QueryAsync(new JournalQuery(), Cancel).AsTask()), static page => Assert.Equal(0, page.Total));
    }

    [Fact]
    public async Task An_address_that_is_given_as_a_label_is_told_as_that()
    {
        RecordingCommunicator telegram = new("telegram");
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => telegram));

        EmitResult label = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("telegram:999", "hi"), Cancel);
        EmitResult foreign = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("fax:999", "hi"), Cancel);

        string error = (await runtime.EndedAsync(label.Ids[0], MessageState.Failed)).Entry.Error!;
        Assert.Contains("'telegram:999' is an address of communicator 'telegram' and was given as a label. Write to an address with To:", error, StringComparison.Ordinal);
        Assert.Contains("No communicator has the label 'fax:999'", (await runtime.EndedAsync(foreign.Ids[0], MessageState.Failed)).Entry.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_writes_to_an_address()
    {
        RecordingCommunicator telegram = new("telegram");
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => telegram).AddWork((order, context, _) =>
        {
            context.Send(new OutgoingMessage("The tea is there.") { To = Address.Parse("telegram:7") });
            return new(HandlerResult.Completed);
        }));

        await runtime.PublishAsync("order");

        await telegram.WaitForSendsAsync(1, Cancel);
        Assert.Equal(("7", "The tea is there."), (telegram.Sends[0].Recipient!.Target, telegram.Sends[0].Message.Message));
    }

    [Fact]
    public async Task An_unroutable_message_is_routed_when_it_is_replayed_after_its_communicator_was_registered()
    {
        await using MessageRuntime runtime = await StartAsync(_ => { });
        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("operators", "look"), Cancel);
        MessageId id = Assert.Single(emitted.Ids);
        await runtime.EndedAsync(id, MessageState.Failed);
        RecordingCommunicator late = new("late");
        runtime.Dispatcher.Register(late, ["operators"]);

        await runtime.Journal.ReplayAsync(id, new ReplayOptions(), Cancel);

        await runtime.EndedAsync(id, MessageState.Acked);
        await late.WaitForSendsAsync(1, Cancel);
        Assert.Equal("look", late.Sends[0].Message.Message);
    }

    [Fact]
    public async Task Ac50_an_unknown_type_is_a_stand_in_under_its_own_name_whose_messages_are_held()
    {
        await using MessageRuntime runtime = await StartAsync(
            _ => { }, "communications.enabled=true", "communications.backends.pager.type=pagers", "communications.backends.fax.type=faxes");

        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("look"), Cancel);

        Assert.Equal(2, emitted.Routed);
        await Assert.ThrowsAsync<TimeoutException>(() => emitted.WaitAsync(TimeSpan.FromMilliseconds(200), Cancel));
        RuntimeStatus status = await runtime.View.GetStatusAsync(Cancel);
        Assert.Equal(["fax", "pager"], status.Communicators.Select(communicator => communicator.Name).Order());
        Assert.Equal(["fax", "pager"], runtime.Rooms.Outbound.Routes.All.Select(static one => Assert.IsType<NoOpCommunicator>(one.Communicator).Name).Order());
        Assert.All((await runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Items, static entry => Assert.Equal((MessageState.Pending, 0), (entry.State, entry.Attempt)));
        Assert.All(status.Communicators, communicator => Assert.Contains("not registered", communicator.Problem, StringComparison.Ordinal));
        Assert.Equal(HealthState.Degraded, (await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel)).State);

        RecordingCommunicator pager = new("pager");
        runtime.Dispatcher.Register(pager);
        await pager.WaitForSendsAsync(1, Cancel);
        Assert.Equal("look", pager.Sends[0].Message.Message);
    }

    [Fact]
    public async Task Ac50_what_is_held_is_delivered_once_its_type_is_registered()
    {
        await using MessageRuntime runtime = await StartAsync(_ => { }, "communications.enabled=true", "communications.backends.pager.type=pagers", "communications.backends.fax.type=faxes");
        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("look"), Cancel);

        RecordingCommunicator pager = new("pager");
        RecordingCommunicator fax = new("fax");
        runtime.Rooms.Communicators.RegisterBackend("pagers", (_, _, _) => pager);
        runtime.Rooms.Communicators.RegisterBackend("faxes", (_, _, _) => fax);
        IReadOnlyList<EmitOutcome> ended = await emitted.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.All(ended, copy => Assert.Equal(MessageState.Acked, copy.State));
        Assert.Equal((1, 1), (pager.Sends.Count, fax.Sends.Count));
        Assert.Equal(HealthState.Healthy, (await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel)).State);
    }

    [Fact]
    public async Task Ac50_a_type_that_is_registered_for_the_process_while_a_runtime_starts_reaches_it()
    {
        RecordingCommunicator pager = new("pager");
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddCommunicator(_ =>
            {
                Communications.RegisterBackend("pagers-of-the-start", (_, _, _) => pager);
                return new RecordingCommunicator("other");
            }),
            "communications.enabled=true", "communications.backends.pager.type=pagers-of-the-start");

        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("look") { To = Address.Parse("pager:7") }, Cancel);

        Assert.Equal(MessageState.Acked, Assert.Single(await emitted.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
        Assert.Equal("look", Assert.Single(pager.Sends).Message.Message);
    }

    [Fact]
    public async Task A_stand_alone_dispatcher_delivers_without_a_runtime()
    {
        RecordingCommunicator good = new("good");
        await using CommunicationDispatcher dispatcher = new();
        dispatcher.Register(good);
        await dispatcher.StartAllAsync(Cancel);

        EmitResult emitted = await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);

        Assert.Equal(MessageState.Acked, Assert.Single(await emitted.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
        Assert.Equal("hello", Assert.Single(good.Sends).Message.Message);
        dispatcher.Unregister("good");
        dispatcher.Unregister("nobody");
        Assert.Empty(dispatcher.Names);
    }

    [Fact]
    public async Task A_repeat_with_the_same_idempotency_key_is_dropped()
    {
        RecordingCommunicator good = new("good");
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => good));
        OutgoingMessage message = new("once") { IdempotencyKey = "k1" };

        EmitResult first = await runtime.Dispatcher.EmitAsync(message, Cancel);
        EmitResult second = await runtime.Dispatcher.EmitAsync(message, Cancel);

        await first.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal(first.Ids, second.Ids);
        Assert.Single(good.Sends);
    }
}
