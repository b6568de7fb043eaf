using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Memory;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>A dispatcher that stands alone: what it refuses, and communicators that start slowly or not at all.</summary>
public sealed class DispatcherTests
{
    private readonly ManualClock _clock = new();

    [Fact]
    public async Task A_communicator_that_hangs_in_its_start_does_not_hold_up_the_others_and_sends_once_it_has_started()
    {
        SlowCommunicator slow = new("slow");
        RecordingCommunicator quick = new("quick");
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        dispatcher.Register(slow);
        dispatcher.Register(quick);

        Task starting = dispatcher.StartAllAsync(Cancel);
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            return starting.IsCompleted;
        });

        await starting;
        await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await quick.WaitForSendsAsync(1, Cancel);
        Assert.Equal(0, slow.Sends);
        slow.Go.SetResult();
        await UntilAsync(() => slow.Sends == 1);
    }

    [Fact]
    public async Task A_communicator_that_is_taken_away_is_not_started_again()
    {
        RecordingCommunicator service = new("service") { StartFailure = new IOException("no network") };
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        dispatcher.Register(service);
        await dispatcher.StartAllAsync(Cancel);

        await UntilAsync(() => _clock.ArmedTimers > 0);
        dispatcher.Unregister("service");
        await UntilAsync(() => _clock.ArmedTimers == 0); // nothing is left that time could bring about
        _clock.Advance(TimeSpan.FromMinutes(5));

        Assert.Equal(0, service.Starts);
    }

    [Fact]
    public async Task A_queue_that_is_not_declared_and_a_key_that_is_too_long_are_refused()
    {
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);

        await Assert.ThrowsAsync<AddressException>(async () => await dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.Parse("queue:typo") }, Cancel));
        await Assert.ThrowsAsync<ArgumentException>(async () => await dispatcher.EmitAsync(new OutgoingMessage("hello") { IdempotencyKey = new string('k', 513) }, Cancel));
        await dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.Parse("queue:in"), IdempotencyKey = new string('k', 512) }, Cancel);
    }

    [Fact]
    public async Task The_limit_of_a_wait_for_delivery_goes_by_the_given_clock()
    {
        await using CommunicationDispatcher dispatcher = new(_clock, NullLoggerFactory.Instance);
        dispatcher.Register(new RecordingCommunicator("service"));
        EmitResult sent = await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);

        Task waiting = sent.WaitAsync(TimeSpan.FromMinutes(1), Cancel);
        _clock.Advance(TimeSpan.FromMinutes(2));

        await Assert.ThrowsAsync<TimeoutException>(() => waiting);
    }

    [Fact]
    public async Task Finished_messages_make_room_in_a_full_memory_store_and_open_ones_do_not()
    {
        await using MemoryStore store = new(_clock, new MemoryStoreOptions { Size = 1 << 20 });
        Envelope first = Large();
        await store.AppendAsync([first], null, Cancel);
        MessageLease lease = Assert.Single(await store.LeaseAsync("work", 1, TimeSpan.FromSeconds(30), Cancel));
        await store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);

        await store.AppendAsync([Large()], null, Cancel);

        Assert.Null(await store.GetAsync(first.Id, withBody: false, Cancel));
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.AppendAsync([Large()], null, Cancel));

        static Envelope Large() => new(MessageId.New(), "work", "work.todo", new byte[600_000]);
    }

    private sealed class SlowCommunicator(string name) : Communicator(name)
    {
        private int _sends;

        public TaskCompletionSource Go { get; } = new();

        public int Sends => Volatile.Read(ref _sends);

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _sends);
            return new ValueTask<DeliveryReceipt>(new DeliveryReceipt { Status = DeliveryStatus.Sent });
        }

        protected override Task OnStartAsync(CancellationToken cancellationToken) => Go.Task;
    }
}
