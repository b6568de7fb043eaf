using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Outbound;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-4: a refusal of too many messages to somebody holds all that is for them, and nothing else.</summary>
public sealed class RecipientPauseTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Ln4_a_refusal_of_too_many_messages_to_one_holds_all_for_them_and_no_other()
    {
        ManualClock clock = new();
        RecordingCommunicator service = new RecordingCommunicator("service", clock).Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(clock.GetUtcNow() + Minute)));
        await using CommunicationDispatcher dispatcher = new(clock, NullLoggerFactory.Instance);
        dispatcher.Register(service, ["anna", "ben"]);
        await dispatcher.StartAllAsync(Cancel);
        await UntilRefusedAsync(dispatcher, await SendAsync(dispatcher, "anna", 0));

        for (int i = 1; i < 20; i++)
        {
            await SendAsync(dispatcher, "anna", i);
        }

        await SendAsync(dispatcher, "ben", 20);
        await service.WaitForSendsAsync(2, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        (int ToAnna, int ToBen) during = (To("anna"), To("ben"));
        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(5));
            return service.Sends.Count == 22; // one was refused
        });

        Assert.Equal((1, 1), during);
        Assert.All(service.Sends.Where(send => send.Message.Label == "anna").Skip(1), send => Assert.True(send.At - service.Sends[0].At >= Minute));

        int To(string label) => service.Sends.Count(send => send.Message.Label == label);
    }

    [Fact]
    public async Task Ln4_one_person_waits_by_whatever_name_a_message_has_for_them()
    {
        ManualClock clock = new();
        Resolving service = new(clock);
        await using CommunicationDispatcher dispatcher = new(clock, NullLoggerFactory.Instance);
        dispatcher.Register(service, ["anna", "ben"]);
        await dispatcher.StartAllAsync(Cancel);
        await UntilRefusedAsync(dispatcher, (await dispatcher.EmitAsync(new OutgoingMessage("0") { To = Address.Parse("service:anna") }, Cancel)).Ids[0]);

        await dispatcher.EmitAsync(new OutgoingMessage("1") { To = Address.Parse("service:ANNA") }, Cancel);
        await SendAsync(dispatcher, "anna", 2);
        await SendAsync(dispatcher, "ben", 3);
        await UntilAsync(() => service.Sends.Contains("3"));
        string[] during = [.. service.Sends];
        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(5));
            return service.Sends.Count == 5; // one was refused
        });

        Assert.Equal(["0", "3"], during);
    }

    [Fact]
    public async Task Tg8_a_pause_of_the_lane_that_is_a_guess_teaches_it_no_rate()
    {
        ManualClock clock = new();
        RecordingCommunicator service = new("service", clock);
        await using CommunicationDispatcher dispatcher = new(clock, NullLoggerFactory.Instance);
        dispatcher.Register(service, ["anna"]);
        await dispatcher.StartAllAsync(Cancel);
        for (int i = 0; i < 6; i++)
        {
            await SendAsync(dispatcher, "anna", i);
            await service.WaitForSendsAsync(i + 1, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        }

        service.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(clock.GetUtcNow() + TimeSpan.FromSeconds(5), Lane: true) { IsGuess = true }));
        for (int i = 6; i < 40; i++)
        {
            await SendAsync(dispatcher, "anna", i);
        }

        await service.WaitForSendsAsync(7, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        DateTimeOffset refused = clock.GetUtcNow();
        clock.Advance(TimeSpan.FromSeconds(5));
        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(10));
            return service.Sends.Count >= 41; // one was refused
        });

        // Six in the six seconds to the end of the wait would be the rate: more than half a minute for the rest.
        Assert.True(clock.GetUtcNow() - refused < TimeSpan.FromSeconds(20), $"It took {clock.GetUtcNow() - refused}.");
    }

    [Fact]
    public void After_a_pause_one_goes_first_and_the_others_when_it_was_taken()
    {
        ManualClock clock = new();
        RecipientPauses pauses = new(clock);
        pauses.Pause("a", Minute);
        pauses.Pause("a", TimeSpan.FromSeconds(1)); // a later refusal does not make it shorter
        pauses.Taken("a"); // it had left before the refusal
        TimeSpan whole = pauses.Look("a");
        clock.Advance(Minute);

        TimeSpan[] passed = [pauses.Pass("a"), pauses.Pass("a"), pauses.Look("b"), pauses.Pass("b")];
        clock.Advance(RecipientPauses.OneByOne);
        TimeSpan[] later = [pauses.Pass("a"), pauses.Pass("a")];
        pauses.Taken("a");

        Assert.Equal(Minute, whole);
        Assert.Equal([TimeSpan.Zero, RecipientPauses.OneByOne, TimeSpan.Zero, TimeSpan.Zero], passed);
        Assert.Equal([TimeSpan.Zero, RecipientPauses.OneByOne], later);
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero), (pauses.Pass("a"), pauses.Pass("a")));
    }

    [Fact]
    public void So_many_pauses_are_kept_and_those_that_end_first_make_room()
    {
        ManualClock clock = new();
        RecipientPauses pauses = new(clock);
        for (int i = 0; i < 10_050; i++)
        {
            pauses.Pause($"{i}", TimeSpan.FromSeconds(i + 1));
        }

        Assert.Equal((10_000, TimeSpan.Zero, TimeSpan.FromSeconds(10_050)), (pauses.Count, pauses.Look("0"), pauses.Look("10049")));
    }

    // A label without an address: each is a conversation of its own, as when twenty customers' orders are told to one group.
    private static async Task<MessageId> SendAsync(CommunicationDispatcher dispatcher, string label, int number) => (await dispatcher.EmitAsync(new OutgoingMessage(label, $"{number}"), Cancel)).Ids[0];

    private static Task UntilRefusedAsync(CommunicationDispatcher dispatcher, MessageId id) =>
        UntilAsync(async () => (await ((IJournal)dispatcher.Store).GetAsync(id, withBody: false, Cancel))!.Attempts.Any(static attempt => attempt.Outcome == "retry"));

    /// <summary>Knows people by their names in small letters, and refuses the first send.</summary>
    private sealed class Resolving(TimeProvider clock) : Communicator("service"), IRateLimits
    {
        public ConcurrentQueue<string> Sends { get; } = new();

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient) => [];

        public string? RecipientOf(Address? recipient, string label) => (recipient?.Target ?? label).ToUpperInvariant();

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Sends.Enqueue(message.Message);
            return Sends.Count == 1
                ? throw new DeliveryException(new DeliveryFailure.RateLimited(clock.GetUtcNow() + Minute), "too many")
                : new ValueTask<DeliveryReceipt>(new DeliveryReceipt { Status = DeliveryStatus.Sent });
        }
    }
}
