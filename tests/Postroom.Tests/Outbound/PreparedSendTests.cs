using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-8: what a send needs is got before it counts as begun, so what ends meanwhile leaves no doubt.</summary>
public sealed class PreparedSendTests
{
    private static readonly CommunicatorBackendConfig Quick = new()
    {
        Type = "webhook",
        Retry = new RetryConfig { MaxAttempts = 3, Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(2), Max = TimeSpan.FromMilliseconds(5) } },
    };

    [Fact]
    public async Task Ln8_a_message_that_waits_for_what_its_send_needs_has_not_begun_to_be_sent()
    {
        Few service = new();
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => service, config: Quick));
        MessageId[] ids = [.. await Task.WhenAll(Enumerable.Range(0, 6).Select(n => SendAsync(runtime, $"{n}")))];
        await UntilAsync(() => service.Waiting == 5 && service.Sending == 1);

        JournalEntry[] during = [.. await Task.WhenAll(ids.Select(async id => (await runtime.Journal.GetAsync(id, withBody: false, Cancel))!.Entry))];
        service.Go.SetResult();
        await Task.WhenAll(ids.Select(id => runtime.EndedAsync(id, MessageState.Acked)));

        Assert.Equal(1, during.Count(static entry => entry.SendStartedAt is not null));
        await UntilAsync(() => service.Taken == 0);
    }

    [Fact]
    public async Task What_cannot_be_got_is_a_failure_as_the_communicator_classified_it_and_nothing_was_sent()
    {
        Few service = new() { Failures = 2 };
        service.Go.SetResult();
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        MessageId id = await SendAsync(runtime, "a");
        JournalRecord ended = await runtime.EndedAsync(id, MessageState.Acked);

        Assert.Equal((3, 1), (ended.Entry.Attempt, service.Sends));
        await UntilAsync(() => service.Taken == 0); // given back once the outcome is handed over
    }

    [Fact]
    public async Task Ln4_a_send_that_was_taken_is_not_repeated_because_giving_back_what_it_had_fails()
    {
        Few service = new() { BreaksOnReturn = true };
        service.Go.SetResult();
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        MessageId id = await SendAsync(runtime, "a");
        await runtime.EndedAsync(id, MessageState.Acked);
        await SendAsync(runtime, "b");
        await UntilAsync(() => service.Sends == 2 && service.Taken == 0);

        Assert.Equal(2, service.Sends);
    }

    [Fact]
    public async Task Ln8_the_outcome_is_stored_before_what_a_send_had_is_given_back()
    {
        Few service = new() { Returns = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        service.Go.SetResult();
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        MessageId id = await SendAsync(runtime, "a");
        await runtime.EndedAsync(id, MessageState.Acked);
        int held = service.Taken;
        service.Returns.SetResult();

        Assert.Equal(1, held);
        await UntilAsync(() => service.Taken == 0);
    }

    [Fact]
    public async Task Cm17_an_attempt_that_brought_the_message_further_does_not_count()
    {
        Stepping service = new();
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        MessageId id = await SendAsync(runtime, "a");
        JournalRecord ended = await runtime.EndedAsync(id, MessageState.Acked);

        Assert.Equal((10, 0), (ended.Receipts[^1].Parts.Count, ended.Entry.Failures)); // of at most three attempts
    }

    // By label, so that each is a conversation of its own.
    private static async Task<MessageId> SendAsync(MessageRuntime runtime, string text) => (await runtime.Dispatcher.EmitAsync(new OutgoingMessage(text), Cancel)).Ids[0];

    /// <summary>One place, which a send holds until it may go.</summary>
    private sealed class Few() : Communicator("few"), IPreparesSends
    {
        private readonly SemaphoreSlim _place = new(1, 1);
        private int _waiting;
        private int _sending;
        private int _sends;
        private int _taken;

        public int Failures { get; set; }

        public bool BreaksOnReturn { get; init; }

        public TaskCompletionSource? Returns { get; init; }

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Waiting => Volatile.Read(ref _waiting);

        public int Sending => Volatile.Read(ref _sending);

        public int Sends => Volatile.Read(ref _sends);

        public int Taken => Volatile.Read(ref _taken);

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public async ValueTask<IAsyncDisposable?> PrepareAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            if (Failures-- > 0)
            {
                throw new DeliveryException(new DeliveryFailure.Transient(), "no place");
            }

            Interlocked.Increment(ref _waiting);
            await _place.WaitAsync(cancellationToken);
            Interlocked.Decrement(ref _waiting);
            Interlocked.Increment(ref _taken);
            return new Place(this);
        }

        public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Assert.IsType<Place>(context.Prepared);
            Interlocked.Increment(ref _sends);
            Interlocked.Increment(ref _sending);
            await Go.Task.WaitAsync(cancellationToken);
            Interlocked.Decrement(ref _sending);
            return new DeliveryReceipt { Status = DeliveryStatus.Sent };
        }

        private sealed class Place(Few owner) : IAsyncDisposable
        {
            public async ValueTask DisposeAsync()
            {
                await (owner.Returns?.Task ?? Task.CompletedTask);
                Interlocked.Decrement(ref owner._taken);
                owner._place.Release();
                if (owner.BreaksOnReturn)
                {
                    throw new IOException("QUIT was cut off");
                }
            }
        }
    }

    /// <summary>Takes one recipient of ten at a time.</summary>
    private sealed class Stepping() : Communicator("stepping")
    {
        public override CommunicatorCapabilities Capabilities { get; } = new();

        public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            await context.SaveProgressAsync($"{context.Progress.Count}", cancellationToken);
            return context.Progress.Count < 10
                ? throw new DeliveryException(new DeliveryFailure.Transient(), "452 too many recipients")
                : new DeliveryReceipt { Status = DeliveryStatus.Sent, Parts = context.Progress };
        }
    }
}
