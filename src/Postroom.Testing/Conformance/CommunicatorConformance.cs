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

    private static readonly TimeSpan StopsWithin = TimeSpan.FromMilliseconds(200);

    /// <summary>The communicator under test, not started.</summary>
    protected ICommunicator Communicator { get; private set; } = null!;

    /// <summary>What must not appear in any text of a failure: tokens and passwords. Empty unless overridden.</summary>
    protected virtual IReadOnlyList<string> Secrets => [];

    /// <summary>The faults that this service cannot show, each with the reason; none unless overridden. <see cref="FailNextAsync"/> refuses exactly these.</summary>
    protected virtual IReadOnlyDictionary<ServiceFault, string> Lacks { get; } = new Dictionary<ServiceFault, string>();

    /// <summary>Why this service has answered a send by the time it is asked, so that no stop can come between; null, the default, for one that may take its time.</summary>
    protected virtual string? AnswersAtOnce => null;

    /// <summary>Ends a test that hangs.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts the service and makes the communicator.</summary>
    protected abstract ValueTask<ICommunicator> CreateAsync();

    /// <summary>Lets the service show a fault at the next send, or at its next part.</summary>
    /// <exception cref="NotSupportedException">It is one of <see cref="Lacks"/>.</exception>
    protected abstract ValueTask FailNextAsync(ServiceFault fault);

    /// <summary>Lets the service take its time for the next send, which it takes all the same.</summary>
    /// <param name="by">How long, in real time.</param>
    /// <exception cref="NotSupportedException">It answers at once.</exception>
    protected abstract ValueTask SlowNextAsync(TimeSpan by);

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
        await Communicator.StartAsync(Cancel);
        if (Lacks.TryGetValue(fault, out string? why))
        {
            Assert.False(string.IsNullOrWhiteSpace(why), $"Say in Lacks why the service cannot show {fault}.");
            await Assert.ThrowsAsync<NotSupportedException>(() => FailNextAsync(fault).AsTask());
            return;
        }

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
        await FailNextAsync(Lacks.ContainsKey(ServiceFault.Failing) ? ServiceFault.Refusing : ServiceFault.Failing);
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

    /// <summary>A stop waits for the send in progress (CM-5).</summary>
    [Fact]
    public async Task Cm5_a_stop_waits_for_the_send_in_progress()
    {
        await Communicator.StartAsync(Cancel);
        if (AnswersAtOnce is { } why)
        {
            Assert.False(string.IsNullOrWhiteSpace(why), "Say in AnswersAtOnce why.");
            await Assert.ThrowsAsync<NotSupportedException>(() => SlowNextAsync(StopsWithin).AsTask());
            return;
        }

        await SlowNextAsync(StopsWithin);
        Task<DeliveryReceipt> sending = SendAsync("in progress").AsTask();
        await Communicator.StopAsync(Cancel).WaitAsync(Patience, Cancel);
        IReadOnlyList<string> taken = Taken;

        Assert.True((await sending).Status is DeliveryStatus.Sent or DeliveryStatus.Delivered);
        Assert.Equal(["in progress"], taken);
        Assert.False(Communicator.IsStarted);
    }

    /// <summary>Where it splits texts itself, each part is stored when the service has it, whatever becomes of the attempt, and a retry goes on behind it (LN-6).</summary>
    [Fact]
    public async Task Ln6_progress_is_stored_for_each_part_and_a_retry_goes_on_behind_it()
    {
        await Communicator.StartAsync(Cancel);
        CommunicatorCapabilities can = Communicator.Capabilities;
        string text = can.SplitsText ? string.Join(' ', Enumerable.Range(0, can.TextLimit / 4).Select(static number => $"word{number:00000}")) : "one part";
        OutgoingMessage message = Message(text);
        TestDelivery delivery = Delivery(message);
        if (!can.SplitsText)
        {
            await Communicator.SendAsync(message, delivery, Cancel).AsTask().WaitAsync(Patience, Cancel);
            Assert.Empty(delivery.Progress); // The lane splits, and stores what was sent.
            return;
        }

        using CancellationTokenSource ended = new();
        delivery.Saving = ended.Cancel;
        await Assert.ThrowsAnyAsync<Exception>(async () => await Communicator.SendAsync(message, delivery, ended.Token).AsTask().WaitAsync(Patience, Cancel));
        (int saved, int taken) = (delivery.Progress.Count, Taken.Count);
        delivery.Saving = null;
        await Communicator.SendAsync(message, delivery, Cancel).AsTask().WaitAsync(Patience, Cancel);

        Assert.Equal((1, 1), (saved, taken));
        Assert.True(Taken.Count >= 3, $"{Taken.Count} parts");
        Assert.Equal(text.Replace(" ", "", StringComparison.Ordinal), string.Concat(Taken).Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
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
