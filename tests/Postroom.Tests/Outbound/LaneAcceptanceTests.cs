using Postroom.Testing;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Acceptance of communications that takes a whole runtime: registration, isolation, attempts, signals.</summary>
public sealed class LaneAcceptanceTests
{
    [Fact]
    public async Task Ac47_labels_may_be_null_empty_or_repeated_and_an_unknown_name_is_taken_away_without_a_word()
    {
        await using MessageRuntime runtime = await StartAsync(_ => { });
        RecordingCommunicator none = new("none");
        RecordingCommunicator empty = new("empty");
        RecordingCommunicator twice = new("twice");
        runtime.Dispatcher.Register(none);
        runtime.Dispatcher.Register(empty, []);
        runtime.Dispatcher.Register(twice, ["news", "news"]);
        runtime.Dispatcher.Unregister("nobody");

        EmitResult byDefault = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("to default"), Cancel);
        EmitResult byLabel = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("news", "to news"), Cancel);
        await byDefault.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await byLabel.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal("to default", Assert.Single(none.Sends).Message.Message);
        Assert.Equal("to default", Assert.Single(empty.Sends).Message.Message);
        Assert.Equal("to news", Assert.Single(twice.Sends).Message.Message);
        runtime.Dispatcher.Unregister("twice");
        Assert.DoesNotContain("twice", runtime.Dispatcher.Names);
        EmitResult unknown = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("news", "to nobody"), Cancel);
        Assert.Equal(FailureKind.Unroutable, (await runtime.EndedAsync(unknown.Ids[0], MessageState.Failed)).Entry.FailureKind);
        Assert.Equal((true, 0), (twice.IsStarted, twice.Stops)); // taken away, not stopped
    }

    [Fact]
    public async Task Ac47_a_communicator_that_is_replaced_under_load_loses_and_repeats_no_message()
    {
        const int Messages = 300;
        List<RecordingCommunicator> all = [new RecordingCommunicator("service")];
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => all[0]));

        List<EmitResult> emitted = [];
        for (int i = 0; i < Messages; i++)
        {
            emitted.Add(await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}") { To = Address.ForRecipient("service", $"r{i % 20}") }, Cancel));
            if (i % 60 == 59)
            {
                all.Add(new RecordingCommunicator("service"));
                runtime.Dispatcher.Register(all[^1]);
            }
        }

        foreach (EmitResult result in emitted)
        {
            Assert.Equal(MessageState.Acked, Assert.Single(await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel)).State);
        }

        int[] sent = [.. all.SelectMany(one => one.Sends).Select(send => int.Parse(send.Message.Message, System.Globalization.CultureInfo.InvariantCulture))];
        Assert.Equal(Enumerable.Range(0, Messages), sent.Order());
        await UntilAsync(() => all.SkipLast(1).All(static one => !one.IsStarted));
        Assert.Equal((true, "service"), (all[^1].IsStarted, Assert.Single(runtime.Dispatcher.Names)));
    }

    [Fact]
    public async Task Ac48_of_three_communicators_one_throws_and_one_is_stopped_and_the_third_delivers_at_once_and_the_stopped_ones_message_waits_for_its_start()
    {
        RecordingCommunicator throws = new("throws");
        throws.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Throws(new InvalidOperationException("broken")), 100));
        RecordingCommunicator stopped = new("stopped");
        RecordingCommunicator third = new("third");
        await using TestRuntime test = await TestRuntime.StartAsync(app => app
            .AddCommunicator(_ => throws, ["operators"])
            .AddCommunicator(_ => stopped, ["operators"])
            .AddCommunicator(_ => third, ["operators"]));
        IRuntimeControl control = test.Runtime.View.Control;
        await control.StopCommunicatorAsync("stopped", Cancel);

        EmitResult emitted = await test.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("operators", "look"), Cancel);
        await third.WaitForSendsAsync(1, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await throws.WaitForSendsAsync(1, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        // What the lane took before it was stopped is given back at once, and has not begun.
        await UntilAsync(async () => (await test.Runtime.Journal.GetAsync(emitted.Ids[1], withBody: false, Cancel))!.Entry is { State: MessageState.Pending, Attempt: 0 });
        Assert.Equal((TimeSpan.Zero, 3, 0), (test.Clock.Elapsed, emitted.Routed, stopped.Sends.Count)); // at once: the clock stands still

        await control.StartCommunicatorAsync("stopped", Cancel);
        await stopped.WaitForSendsAsync(1, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal("look", Assert.Single(stopped.Sends).Message.Message);
        Assert.Single(third.Sends);
    }

    [Fact]
    public async Task Ln3_lanes_that_hang_fail_and_are_refused_take_no_turn_of_a_healthy_one()
    {
        const int Messages = 200;
        RecordingCommunicator healthy = new("healthy");
        RecordingCommunicator hanging = new("hanging");
        RecordingCommunicator failing = new("failing");
        RecordingCommunicator gone = new("gone");
        hanging.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Hangs(), Messages));
        failing.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient()), 10 * Messages));
        gone.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient(ServiceWide: true)), 10 * Messages));
        RecordingCommunicator[] sick = [hanging, failing, gone];
        await using TestRuntime test = await TestRuntime.StartAsync(app => Array.ForEach([.. sick, healthy], one => app.AddCommunicator(_ => one, [one.Name])));
        for (int i = 0; i < Messages; i++)
        {
            foreach (RecordingCommunicator one in sick)
            {
                await test.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient(one.Name, $"r{i % 50}") }, Cancel);
            }
        }

        await hanging.WaitForSendsAsync(32, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel); // maxInFlight
        List<EmitResult> sent = [];
        for (int i = 0; i < Messages; i++)
        {
            sent.Add(await test.Runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}") { To = Address.ForRecipient("healthy", $"r{i % 50}") }, Cancel));
        }

        foreach (EmitResult one in sent)
        {
            await test.Runtime.EndedAsync(one.Ids[0], MessageState.Acked);
        }

        // Counted and not timed: the clock never moved, so nothing of the healthy lane waited for a time-out, a backoff or a suspension of another.
        Assert.Equal((Messages, TimeSpan.Zero, 32), (healthy.Sends.Count, test.Clock.Elapsed, hanging.Sends.Count));
        Assert.All(healthy.Sends.GroupBy(static send => send.Recipient), static key => Assert.True(key.Zip(key.Skip(1), static (a, b) => int.Parse(a.Message.Message, System.Globalization.CultureInfo.InvariantCulture) < int.Parse(b.Message.Message, System.Globalization.CultureInfo.InvariantCulture)).All(static inOrder => inOrder)));
        Assert.InRange(gone.Sends.Count, 1, 32); // suspended: nobody knocks on
        Assert.InRange(failing.Sends.Count, 1, Messages);
    }

    [Fact]
    public async Task Ac48_a_communicator_that_could_not_start_is_started_again_and_its_message_delivered()
    {
        RecordingCommunicator throws = new("throws");
        throws.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Throws(new InvalidOperationException("broken")), 100));
        RecordingCommunicator stopped = new("stopped") { StartFailure = new IOException("no network") };
        RecordingCommunicator third = new("third");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddCommunicator(_ => throws, ["operators"])
            .AddCommunicator(_ => stopped, ["operators"])
            .AddCommunicator(_ => third, ["operators"]));

        EmitResult emitted = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("operators", "look"), Cancel);
        await third.WaitForSendsAsync(1, Cancel).WaitAsync(TimeSpan.FromMilliseconds(800), Cancel); // the stopped one is started again after a second
        Assert.Empty(stopped.Sends);
        await stopped.WaitForSendsAsync(1, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal(3, emitted.Routed);
        Assert.Equal("look", Assert.Single(stopped.Sends).Message.Message);
        Assert.NotEmpty(throws.Sends);
    }

    [Fact]
    public async Task Ac53_three_failures_deliver_on_attempt_4_a_fourth_exhausts_a_wait_uses_none_and_502_for_an_hour_loses_nothing()
    {
        SendOutcome failure = new SendOutcome.Fails(new DeliveryFailure.Transient());
        RecordingCommunicator? bot = null;
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddCommunicator(
            services => bot = new RecordingCommunicator("shop", (TimeProvider)services.GetService(typeof(TimeProvider))!), [], new CommunicatorBackendConfig { Type = "telegram" }));

        bot!.Next(failure, failure, failure);
        JournalEntry fourth = await SendAsync(test, "1");
        bot.Next(failure, failure, failure, failure);
        JournalEntry exhausted = await SendAsync(test, "2");
        bot.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(test.Clock.GetUtcNow() + TimeSpan.FromSeconds(30))));
        TimeSpan asked = test.Clock.Elapsed;
        JournalEntry waited = await SendAsync(test, "3");
        TimeSpan wait = test.Clock.Elapsed - asked;
        bot.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient(ServiceWide: true)), 65));
        asked = test.Clock.Elapsed;
        JournalEntry late = await SendAsync(test, "4", step: 10);

        Assert.Equal((MessageState.Acked, 4), (fourth.State, fourth.Attempt));
        Assert.Equal((MessageState.Failed, FailureKind.Exhausted, 4), (exhausted.State, exhausted.FailureKind, exhausted.Attempt));
        Assert.Equal((MessageState.Acked, 1), (waited.State, waited.Attempt));
        Assert.True(wait >= TimeSpan.FromSeconds(30), $"waited {wait}");
        Assert.Equal((MessageState.Acked, 1), (late.State, late.Attempt));
        Assert.True(test.Clock.Elapsed - asked >= TimeSpan.FromHours(0.9), $"the service was away for {test.Clock.Elapsed - asked}");
    }

    [Fact]
    public async Task Ac64_typing_is_shown_while_a_handler_runs_and_neither_stored_nor_replayed()
    {
        using TempFolder folder = new();
        RecordingCommunicator service = new("service");
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Action<IApplicationBuilder> Application(RecordingCommunicator communicator) => app => app
            .AddCommunicator(_ => communicator)
            .AddWork(async (_, context, _) =>
            {
                context.Signal(new Signal.Typing(Address.ForRecipient("service", "anna")));
                await go.Task;
                return HandlerResult.Completed;
            });
        await using (MessageRuntime runtime = await StartDurableAsync(folder.Path, Application(service)))
        {
            MessageId id = await runtime.PublishAsync("1");
            await UntilAsync(() => service.Signals.Count > 0);
            Assert.IsType<Signal.Typing>(service.Signals[0].Signal);
            Assert.Equal(MessageState.Dispatched, (await runtime.Journal.GetAsync(id, withBody: false, Cancel))!.Entry.State);
            Assert.Equal(1, (await runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);
            go.SetResult();
            await runtime.EndedAsync(id, MessageState.Acked);
        }

        RecordingCommunicator again = new("service");
        await using MessageRuntime next = await StartDurableAsync(folder.Path, Application(again));
        await next.EndedAsync(await next.PublishAsync("2"), MessageState.Acked);
        Assert.Equal(2, (await next.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);
        Assert.All(again.Signals, signal => Assert.True(signal.At > service.Signals[0].At));
        Assert.InRange(again.Signals.Count, 0, 2); // the second message's own
    }

    private static async Task<JournalEntry> SendAsync(TestRuntime test, string recipient, int step = 1)
    {
        EmitResult emitted = await test.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("shop", recipient) }, Cancel);
        JournalEntry? entry = null;
        await UntilAsync(async () =>
        {
            test.Clock.Advance(TimeSpan.FromSeconds(step));
            entry = (await test.Runtime.Journal.GetAsync(emitted.Ids[0], withBody: false, Cancel))!.Entry;
            return entry.State is MessageState.Acked or MessageState.Failed;
        });
        return entry!;
    }
}
