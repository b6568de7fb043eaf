using Xunit;

namespace Postroom.Testing;

/// <summary>What a service does to the next send, in the tests of <see cref="CommunicatorConformance"/>.</summary>
public enum ServiceFault
{
    /// <summary>Nobody answers at its address: no connection comes about.</summary>
    Down,

    /// <summary>It says that it cannot do it now, without saying for how long.</summary>
    Failing,

    /// <summary>It asks to wait.</summary>
    Busy,

    /// <summary>It refuses this message for good.</summary>
    Refusing,

    /// <summary>It refuses the credentials.</summary>
    WrongCredentials,

    /// <summary>It takes the message, and its answer is lost.</summary>
    AnswerLost,
}

/// <summary>What every communicator does alike, whatever its service. An adapter is ready when it passes.</summary>
/// <remarks>Derive a public class, say how one is made over a fake of the service or a real one, and how that fails.</remarks>
public abstract class CommunicatorConformance : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>The communicator under test, not started.</summary>
    protected ICommunicator Communicator { get; private set; } = null!;

    /// <summary>What must not appear in any text of a failure: tokens and passwords. Empty unless overridden.</summary>
    protected virtual IReadOnlyList<string> Secrets => [];

    /// <summary>The faults that this service can show; all unless overridden.</summary>
    protected virtual IReadOnlySet<ServiceFault> Faults { get; } = Enum.GetValues<ServiceFault>().ToHashSet();

    /// <summary>Ends a test that hangs.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts the service and makes the communicator.</summary>
    protected abstract ValueTask<ICommunicator> CreateAsync();

    /// <summary>Lets the service show a fault at the next send, or at its next part.</summary>
    protected abstract ValueTask FailNextAsync(ServiceFault fault);

    /// <summary>The texts that the service has taken, in the order it took them.</summary>
    protected abstract IReadOnlyList<string> Taken { get; }

    /// <summary>Ends the service; called once the communicator has stopped.</summary>
    protected virtual ValueTask EndAsync() => default;

    /// <summary>A message that the service takes.</summary>
    /// <param name="text">Its text.</param>
    protected virtual OutgoingMessage Message(string text) => new(text);

    /// <summary>The delivery of a message.</summary>
    /// <param name="message">The message.</param>
    protected virtual TestDelivery Delivery(OutgoingMessage message) => new(message);

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => Communicator = await CreateAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Communicator.StopAsync(CancellationToken.None);
        await EndAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Its name is one that addresses can carry.</summary>
    [Fact]
    public void It_has_a_name_that_addresses_can_carry() => Assert.True(Names.IsCommunicatorName(Communicator.Name), Communicator.Name);

    /// <summary>Starting and stopping twice is starting and stopping once.</summary>
    [Fact]
    public async Task It_is_started_only_between_start_and_stop_and_both_may_be_called_twice()
    {
        Assert.False(Communicator.IsStarted);
        await Communicator.StopAsync(Cancel);
        await Communicator.StartAsync(Cancel);
        await Communicator.StartAsync(Cancel);
        Assert.True(Communicator.IsStarted);
        await Communicator.StopAsync(Cancel);
        await Communicator.StopAsync(Cancel);
        Assert.False(Communicator.IsStarted);
        await Communicator.StartAsync(Cancel);
        Assert.True(Communicator.IsStarted);
    }

    /// <summary>What it says it can do, it has the interface for.</summary>
    [Fact]
    public void What_it_says_it_can_do_it_implements()
    {
        CommunicatorCapabilities can = Communicator.Capabilities;
        Assert.True(can.TextLimit >= 1);
        Assert.Equal(can.Typing || can.Reactions || can.Presence, Communicator is ISignals && (can.Typing || can.Reactions || can.Presence));
        Assert.True(!can.CanBeAsked || Communicator is IDeliveryProbe, "It can be asked and has no IDeliveryProbe.");
        Assert.Equal(can.Receiving, Communicator is Postroom.Communicator { SupportsReceiving: true });
    }

    /// <summary>A message that was taken gives a receipt.</summary>
    [Fact]
    public async Task A_message_arrives_once_and_its_receipt_says_so()
    {
        await Communicator.StartAsync(Cancel);

        DeliveryReceipt receipt = await SendAsync("hello, this is one");

        Assert.True(receipt.Status is DeliveryStatus.Sent or DeliveryStatus.Delivered, receipt.Status.ToString());
        Assert.Equal(["hello, this is one"], Taken);
    }

    /// <summary>Sends at the same time do not mix.</summary>
    [Fact]
    public async Task Twenty_sends_at_the_same_time_arrive_once_each()
    {
        await Communicator.StartAsync(Cancel);
        string[] texts = [.. Enumerable.Range(0, 20).Select(static number => $"message number {number:00}")];

        await Task.WhenAll(texts.Select(text => SendAsync(text).AsTask())).WaitAsync(Patience, Cancel);

        Assert.Equal(texts, Taken.Order(StringComparer.Ordinal));
    }

    /// <summary>Each fault of a service has one meaning, which the lane acts on.</summary>
    /// <param name="fault">What the service does.</param>
    [Theory]
    [InlineData(ServiceFault.Down)]
    [InlineData(ServiceFault.Failing)]
    [InlineData(ServiceFault.Busy)]
    [InlineData(ServiceFault.Refusing)]
    [InlineData(ServiceFault.WrongCredentials)]
    [InlineData(ServiceFault.AnswerLost)]
    public async Task Each_fault_of_the_service_is_classified_as_what_it_is(ServiceFault fault)
    {
        if (!Faults.Contains(fault))
        {
            return; // This service cannot show it.
        }

        await Communicator.StartAsync(Cancel);
        await FailNextAsync(fault);
        OutgoingMessage message = Message("will not be taken, or without an answer");
        TestDelivery delivery = Delivery(message);

        Exception failure = await Assert.ThrowsAnyAsync<Exception>(async () => await Communicator.SendAsync(message, delivery, Cancel).AsTask().WaitAsync(Patience, Cancel));

        DeliveryFailure? said = (failure as DeliveryException)?.Failure;
        Assert.True(Fits(fault, said, delivery.BytesLeft), $"{fault} became {said?.ToString() ?? failure.GetType().Name}: {failure.Message}");
        Assert.False(string.IsNullOrWhiteSpace(failure.Message));
        Assert.All(Secrets, secret => Assert.DoesNotContain(secret, failure.ToString(), StringComparison.Ordinal));
    }

    /// <summary>After a fault it works again without a new start.</summary>
    [Fact]
    public async Task After_a_fault_the_next_send_arrives()
    {
        await Communicator.StartAsync(Cancel);
        await FailNextAsync(Faults.Contains(ServiceFault.Failing) ? ServiceFault.Failing : ServiceFault.Refusing);
        await Assert.ThrowsAnyAsync<Exception>(async () => await SendAsync("the first"));

        await SendAsync("the second");

        Assert.Contains("the second", Taken);
    }

    /// <summary>A send that is cancelled ends soon.</summary>
    [Fact]
    public async Task A_send_that_was_cancelled_before_it_began_ends_and_sends_nothing()
    {
        await Communicator.StartAsync(Cancel);

        await Assert.ThrowsAnyAsync<Exception>(async () =>
            await Communicator.SendAsync(Message("never"), Delivery(Message("never")), new CancellationToken(canceled: true)).AsTask().WaitAsync(Patience, Cancel));

        Assert.DoesNotContain("never", Taken);
    }

    private async ValueTask<DeliveryReceipt> SendAsync(string text)
    {
        OutgoingMessage message = Message(text);
        return await Communicator.SendAsync(message, Delivery(message), Cancel).AsTask().WaitAsync(Patience, Cancel);
    }

    private static bool Fits(ServiceFault fault, DeliveryFailure? said, bool bytesLeft) => fault switch
    {
        ServiceFault.Down => said is DeliveryFailure.Transient { ServiceWide: true },
        ServiceFault.Failing => said is DeliveryFailure.Transient || (said is null && !bytesLeft),
        ServiceFault.Busy => said is DeliveryFailure.RateLimited or DeliveryFailure.Transient,
        ServiceFault.Refusing => said is DeliveryFailure.Refused,
        ServiceFault.WrongCredentials => said is DeliveryFailure.Unauthorized,
        _ => said is DeliveryFailure.Uncertain || (said is null && bytesLeft),
    };
}

/// <summary>A delivery for tests of communicators: the first attempt of a message unless said otherwise.</summary>
/// <param name="message">What is sent; its recipient is the delivery's.</param>
public sealed class TestDelivery(OutgoingMessage message) : DeliveryContext
{
    private readonly List<string> _progress = [];

    /// <inheritdoc/>
    public override MessageId MessageId { get; } = MessageId.New();

    /// <inheritdoc/>
    public override int Attempt => Attempts;

    /// <summary>Which attempt it is; 1 unless set.</summary>
    public int Attempts { get; init; } = 1;

    /// <inheritdoc/>
    public override bool Redelivered => IsRepeat;

    /// <summary>Whether an earlier send left without an answer; false unless set.</summary>
    public bool IsRepeat { get; init; }

    /// <inheritdoc/>
    public override Address? Recipient => message.To is { Kind: AddressKind.Recipient } to ? to : null;

    /// <inheritdoc/>
    public override string? Conversation => Recipient is { } to ? $"{to.Scheme}/{to.Target}" : null;

    /// <inheritdoc/>
    public override string IdempotencyKey => MessageId.ToString();

    /// <inheritdoc/>
    public override Envelope Envelope => new(MessageId, "out.test", PayloadTypes.Notify, default) { Conversation = Conversation };

    /// <inheritdoc/>
    public override IReadOnlyList<string> Progress => _progress;

    /// <inheritdoc/>
    public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
    {
        _progress.Add(outsideId);
        return default;
    }
}
