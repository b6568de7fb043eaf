using Postroom.Outbound;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Lanes that are stopped, started again, replaced or taken away while they send.</summary>
public sealed class LaneChangeTests
{
    [Fact]
    public async Task A_stand_alone_dispatcher_delivers_again_after_stop_and_start()
    {
        Service service = new();
        await using CommunicationDispatcher dispatcher = new();
        dispatcher.Register(service);
        for (int round = 1; round <= 3; round++)
        {
            await dispatcher.StartAllAsync(Cancel);
            EmitResult sent = await dispatcher.EmitAsync(new OutgoingMessage($"{round}"), Cancel);
            await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
            await dispatcher.StopAllAsync(Cancel);
            Assert.Equal(round, service.Sends);
        }

        EmitResult between = await dispatcher.EmitAsync(new OutgoingMessage("while stopped"), Cancel);
        await dispatcher.StartAllAsync(Cancel);
        Assert.Equal(MessageState.Acked, (await between.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);
    }

    [Fact]
    public async Task A_drain_limit_without_end_waits_for_the_send_of_a_communicator_that_is_taken_away()
    {
        Service service = new() { Go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using MessageRuntime runtime = await StartAsync(_ => { }, "outbound.drainTimeout=infinite");
        runtime.Dispatcher.Register(service);
        await UntilAsync(() => service.IsStarted);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        await UntilAsync(() => service.Sends == 1);

        OutboundLane lane = runtime.Rooms.Outbound.Lanes.Single();
        runtime.Dispatcher.Unregister("service");
        await UntilAsync(() => lane.Pool.IsStopping); // a limit of none would cancel it with that
        service.Go.SetResult();

        await UntilAsync(async () => (await runtime.Journal.GetAsync(sent.Ids[0], false, Cancel))!.Entry.State == MessageState.Acked);
        Assert.False(service.WasCancelled);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replay_of_a_send_that_was_discarded_by_force_is_known_to_be_a_repeat(bool durable)
    {
        using TempFolder folder = new();
        Service service = new() { Go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using MessageRuntime runtime = durable ? await StartDurableAsync(folder.Path, _ => { }) : await StartAsync(_ => { });
        await runtime.Dispatcher.RegisterAsync(service, null, new CommunicatorBackendConfig { Type = "webhook" }, Cancel);
        await UntilAsync(() => service.IsStarted);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        await UntilAsync(() => service.Sends == 1);
        await runtime.DiscardAsync(sent.Ids[0], "no", force: true, Cancel);
        JournalRecord discarded = (await runtime.Journal.GetAsync(sent.Ids[0], false, Cancel))!;
        service.Go.TrySetResult();

        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        await UntilAsync(() => service.Sends == 2);

        Assert.Equal((true, true), (discarded.Entry.SendStartedAt is not null, service.LastRedelivered));
    }

    [Theory]
    [InlineData(false, "custom")]
    [InlineData(true, "custom")]
    [InlineData(false, "webhook")]
    [InlineData(true, "webhook")]
    public async Task A_replay_of_an_uncertain_message_is_sent_once(bool durable, string type)
    {
        using TempFolder folder = new();
        Service service = new() { Loses = true };
        await using MessageRuntime runtime = durable ? await StartDurableAsync(folder.Path, _ => { }) : await StartAsync(_ => { });
        await runtime.Dispatcher.RegisterAsync(service, null, new CommunicatorBackendConfig { Type = type }, Cancel);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        JournalRecord failed = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
        Assert.Equal(FailureKind.Uncertain, failed.Entry.FailureKind);
        int before = service.Sends;
        service.Loses = false;

        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        await UntilAsync(async () => (await runtime.Journal.GetAsync(sent.Ids[0], false, Cancel))!.Entry.State == MessageState.Acked);

        Assert.Equal((before + 1, true), (service.Sends, service.LastRedelivered));
    }

    [Fact]
    public async Task A_wait_for_a_copy_that_is_no_longer_kept_says_so()
    {
        Service service = new();
        await using MessageRuntime runtime = await StartAsync(_ => { }, "store.memory.finished=10");
        runtime.Dispatcher.Register(service);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        for (int i = 0; i < 20; i++)
        {
            await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        }

        await UntilAsync(async () => await runtime.Journal.GetAsync(sent.Ids[0], false, Cancel) is null);

        InvalidOperationException gone = await Assert.ThrowsAsync<InvalidOperationException>(() => sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel));
        Assert.Contains("no longer kept", gone.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replacement_sends_as_many_at_a_time_as_its_own_settings_say()
    {
        Service first = new();
        Service second = new() { Takes = TimeSpan.FromMilliseconds(20) };
        await using CommunicationDispatcher dispatcher = new();
        await dispatcher.RegisterAsync(first, null, new CommunicatorBackendConfig { Type = "webhook" }, Cancel);
        await dispatcher.StartAllAsync(Cancel);
        await (await dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel)).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await dispatcher.RegisterAsync(second, null, new CommunicatorBackendConfig { Type = "webhook", MaxInFlight = 1 }, Cancel);
        List<EmitResult> sent = [];
        for (int i = 0; i < 8; i++)
        {
            sent.Add(await dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel));
        }

        foreach (EmitResult one in sent)
        {
            Assert.Equal(MessageState.Acked, (await one.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);
        }

        Assert.Equal((1, 8, 1), (first.Sends, second.Sends, second.Most));
    }

    [Fact]
    public async Task Cm7_What_waits_for_its_turn_when_its_communicator_is_taken_away_stays_with_the_name_and_goes_out_by_the_next_of_it()
    {
        Service taken = new() { FirstFails = new DeliveryFailure.Transient(ServiceWide: true), Go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using MessageRuntime runtime = await StartAsync(_ => { });
        runtime.Dispatcher.Register(taken);
        EmitResult[] sent = [.. await Task.WhenAll(new[] { "ann", "bob" }.Select(contact => runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", contact) }, Cancel).AsTask()))];
        await UntilAsync(() => taken.Sends == 2); // one after the pause; the other waits until that one has shown that the service works
        await UntilAsync(async () => (await StatesAsync()).All(static state => state == MessageState.Dispatched));

        runtime.Dispatcher.Unregister("service");
        taken.Go.SetResult();
        await UntilAsync(async () => (await StatesAsync()).Order().SequenceEqual([MessageState.Pending, MessageState.Acked]));

        Assert.Equal(2, taken.Sends);
        Service next = new();
        runtime.Dispatcher.Register(next);
        await UntilAsync(async () => (await StatesAsync()).All(static state => state == MessageState.Acked));
        Assert.Equal((2, 1), (taken.Sends, next.Sends));

        async Task<MessageState[]> StatesAsync() =>
            [.. (await Task.WhenAll(sent.Select(one => runtime.Journal.GetAsync(one.Ids[0], false, Cancel).AsTask()))).Select(static record => record!.Entry.State)];
    }

    private sealed class Service : ICommunicator
    {
        private readonly Lock _gate = new();
        private volatile bool _started;
        private volatile bool _cancelled;
        private volatile bool _redelivered;
        private volatile bool _loses;
        private int _sends;
        private int _running;

        public TimeSpan Takes { get; init; }

        public TaskCompletionSource? Go { get; init; }

        public DeliveryFailure? FirstFails { get; init; }

        /// <summary>Whether no answer comes to what is sent.</summary>
        public bool Loses
        {
            get => _loses;
            set => _loses = value;
        }

        public int Sends => Volatile.Read(ref _sends);

        public int Most { get; private set; }

        public bool WasCancelled => _cancelled;

        public bool LastRedelivered => _redelivered;

        public string Name => "service";

        public bool IsStarted => _started;

        public CommunicatorCapabilities Capabilities { get; } = new();

        public Task StartAsync(CancellationToken cancellationToken)
        {
            _started = true;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            _started = false;
            return Task.CompletedTask;
        }

        public async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            _redelivered = context.Redelivered;
            lock (_gate)
            {
                Most = Math.Max(Most, ++_running);
            }

            if (Interlocked.Increment(ref _sends) == 1 && FirstFails is { } failure)
            {
                throw new DeliveryException(failure, "not now");
            }

            try
            {
                await Task.Delay(Takes, cancellationToken);
                await (Go?.Task ?? Task.CompletedTask).WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                _cancelled = true;
                throw;
            }
            finally
            {
                lock (_gate)
                {
                    _running--;
                }
            }

            return _loses ? throw new DeliveryException(new DeliveryFailure.Uncertain(), "no answer") : new DeliveryReceipt { Status = DeliveryStatus.Sent };
        }
    }
}
