using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Testing;

public sealed class RecordingCommunicatorTests
{
    private readonly ManualClock _clock = new();
    private readonly RecordingCommunicator _communicator;

    public RecordingCommunicatorTests() => _communicator = new RecordingCommunicator("telegram", _clock);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_records_sends_with_their_context_and_succeeds()
    {
        FixedContext context = new();

        DeliveryReceipt receipt = await _communicator.SendAsync(new OutgoingMessage("hello"), context, Cancel);

        Assert.Equal((DeliveryStatus.Sent, "telegram-1", _clock.GetUtcNow()), (receipt.Status, receipt.OutsideId, receipt.At));
        RecordedSend send = Assert.Single(_communicator.Sends);
        Assert.Equal(("hello", context.MessageId, 2, "c-1"), (send.Message.Message, send.MessageId, send.Attempt, send.Conversation));
        Assert.Equal((context.Recipient, context.IdempotencyKey, true), (send.Recipient, send.IdempotencyKey, send.Redelivered));
    }

    [Fact]
    public async Task Queued_outcomes_are_used_up_in_order()
    {
        _communicator.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("400")), new SendOutcome.Throws(new InvalidOperationException("broken")), new SendOutcome.Succeeds("x-9"));

        DeliveryException refused = await Assert.ThrowsAsync<DeliveryException>(SendAsync);
        await Assert.ThrowsAsync<InvalidOperationException>(SendAsync);

        Assert.Equal(new DeliveryFailure.Refused("400"), refused.Failure);
        Assert.Equal("x-9", (await SendAsync()).OutsideId);
        Assert.Equal("telegram-4", (await SendAsync()).OutsideId);
    }

    [Fact]
    public async Task A_slow_send_ends_when_the_clock_says_so()
    {
        _communicator.Next(new SendOutcome.Takes(TimeSpan.FromSeconds(5), new SendOutcome.Fails(new DeliveryFailure.Transient())));
        Task<DeliveryReceipt> sending = SendAsync();
        await _communicator.WaitForSendsAsync(1, Cancel);
        bool early = sending.IsCompleted;

        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.False(early);
        Assert.IsType<DeliveryFailure.Transient>((await Assert.ThrowsAsync<DeliveryException>(() => sending)).Failure);
    }

    [Fact]
    public async Task A_hanging_send_ends_with_its_cancellation_only()
    {
        using CancellationTokenSource stopping = new();
        FixedContext context = new();
        _communicator.Next(new SendOutcome.Hangs());
        Task<DeliveryReceipt> sending = _communicator.SendAsync(new OutgoingMessage("hello"), context, stopping.Token).AsTask();
        _clock.Advance(TimeSpan.FromDays(1));
        bool early = sending.IsCompleted;

        await stopping.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        Assert.False(early);
        Assert.True(context.BytesLeft);
    }

    [Fact]
    public async Task It_hands_over_what_comes_in_under_its_name()
    {
        IncomingMessage? taken = null;
        MessageId id = MessageId.New();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await _communicator.ReceiveAsync(new IncomingMessage { Text = "hello" }, Cancel));
        _communicator.SetIncomingHandler((message, _) =>
        {
            taken = message;
            return new ValueTask<AcceptResult>(new AcceptResult(id, Duplicate: false));
        });

        AcceptResult result = await _communicator.ReceiveAsync(new IncomingMessage { Text = "hello" }, Cancel);

        Assert.Equal(id, result.Id);
        Assert.Equal(("hello", "telegram"), (taken!.Text, taken.BackendName));
    }

    [Fact]
    public async Task It_counts_starts_and_fails_one_on_request()
    {
        _communicator.StartFailure = new InvalidOperationException("no network");

        await Assert.ThrowsAsync<InvalidOperationException>(() => _communicator.StartAsync(Cancel));
        bool started = _communicator.IsStarted;
        await _communicator.StartAsync(Cancel);
        await _communicator.StartAsync(Cancel);
        await _communicator.StopAsync(Cancel);

        Assert.False(started);
        Assert.Equal((1, 1, false), (_communicator.Starts, _communicator.Stops, _communicator.IsStarted));
    }

    [Fact]
    public async Task It_records_signals_and_says_what_it_can()
    {
        await _communicator.SignalAsync(new Signal.Presence(Address.Parse("telegram:42"), "online"), new FixedContext(), Cancel);
        _communicator.With(new CommunicatorCapabilities { TextLimit = 4096 });

        Assert.IsType<Signal.Presence>(Assert.Single(_communicator.Signals).Signal);
        Assert.Equal((4096, false), (_communicator.Capabilities.TextLimit, _communicator.SupportsReceiving));
    }

    private Task<DeliveryReceipt> SendAsync() => _communicator.SendAsync(new OutgoingMessage("hello"), new FixedContext(), Cancel).AsTask();

    private sealed class FixedContext : DeliveryContext
    {
        public override MessageId MessageId { get; } = MessageId.New();

        public override int Attempt => 2;

        public override bool Redelivered => true;

        public override Address? Recipient => Address.Parse("telegram:42");

        public override string? Conversation => "c-1";

        public override string IdempotencyKey => MessageId.ToString();

        public override Envelope Envelope => new(MessageId, "out.telegram", "notify", default);

        public override IReadOnlyList<string> Progress => [];

        public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken) => default;
    }
}
