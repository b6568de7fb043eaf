using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-8: how often a send without an answer is repeated, whatever else happens to its message, and what a failure beside a send may not change.</summary>
public sealed class UnansweredSendTests
{
    private static readonly CommunicatorBackendConfig Once = new()
    {
        Type = "webhook", // sends again once
        Retry = new RetryConfig { MaxAttempts = 10, Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(2), Max = TimeSpan.FromMilliseconds(10) } },
    };

    [Fact]
    public async Task Ln8_a_lost_answer_and_then_a_kill_are_two_sends_and_no_third_follows()
    {
        using TempFolder folder = new();
        RecordingCommunicator first = new RecordingCommunicator("service").Next(new SendOutcome.Fails(new DeliveryFailure.Uncertain()), new SendOutcome.Hangs());
        await using MessageRuntime killed = await StartDurableAsync(folder.File("a"), app => app.AddCommunicator(_ => first, config: Once), "runtime.drainTimeout=200ms");
        MessageId id = await SendAsync(killed);
        await first.WaitForSendsAsync(2, Cancel);
        Kill(folder, "a", "b");

        RecordingCommunicator second = new("service");
        await using MessageRuntime next = await StartDurableAsync(folder.File("b"), app => app.AddCommunicator(_ => second, config: Once));

        JournalRecord record = await next.EndedAsync(id, MessageState.Failed);
        Assert.Equal((FailureKind.Uncertain, 0), (record.Entry.FailureKind!.Value, second.Sends.Count));
    }

    [Fact]
    public async Task Ln8_kills_before_anything_was_sent_do_not_use_up_the_repeat()
    {
        using TempFolder folder = new();
        Holding held = new();
        await using MessageRuntime first = await StartDurableAsync(folder.File("a"), Held(held, new RecordingCommunicator("service")), "hooks.timeout=1m");
        MessageId id = await SendAsync(first);
        await held.Reached.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Kill(folder, "a", "b");
        Holding again = new();
        await using MessageRuntime second = await StartDurableAsync(folder.File("b"), Held(again, new RecordingCommunicator("service")), "hooks.timeout=1m");
        await again.Reached.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Kill(folder, "b", "c");

        RecordingCommunicator service = new RecordingCommunicator("service").Next(new SendOutcome.Fails(new DeliveryFailure.Uncertain()));
        await using MessageRuntime third = await StartDurableAsync(folder.File("c"), app => app.AddCommunicator(_ => service, config: Once));

        await third.EndedAsync(id, MessageState.Acked);
        Assert.Equal(2, service.Sends.Count);
        held.Go.SetResult();
        again.Go.SetResult();
    }

    [Fact]
    public async Task What_cannot_be_noted_of_a_send_that_was_taken_does_not_repeat_it()
    {
        FaultyClock clock = new();
        Taking service = new();
        await using CommunicationDispatcher dispatcher = new(clock, NullLoggerFactory.Instance);
        dispatcher.Register(service);
        await dispatcher.StartAllAsync(Cancel);

        EmitResult sent = await dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);

        Assert.Equal(MessageState.Acked, (await sent.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);
        Assert.Equal((1, true), (service.Sends, clock.HasThrown));
    }

    [Fact]
    public async Task A_limit_that_was_learnt_ends_with_the_communicator_whose_service_taught_it()
    {
        ManualClock clock = new();
        RecordingCommunicator first = new("service", clock);
        await using CommunicationDispatcher dispatcher = new(clock, NullLoggerFactory.Instance);
        dispatcher.Register(first);
        await dispatcher.StartAllAsync(Cancel);
        for (int i = 0; i < 6; i++)
        {
            await (await dispatcher.EmitAsync(new OutgoingMessage($"{i}"), Cancel)).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        }

        first.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(clock.GetUtcNow() + TimeSpan.FromMinutes(1), Lane: true)));
        EmitResult refused = await dispatcher.EmitAsync(new OutgoingMessage("refused"), Cancel);
        await first.WaitForSendsAsync(7, Cancel);
        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(10));
            return first.Sends.Count == 8;
        });
        RecordingCommunicator second = new("service", clock);
        await dispatcher.RegisterAsync(second, null, new CommunicatorBackendConfig { Type = "webhook" }, Cancel);

        EmitResult[] sent = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => dispatcher.EmitAsync(new OutgoingMessage($"again {i}"), Cancel).AsTask()));

        await second.WaitForSendsAsync(5, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel); // at once: the clock stands
        Assert.Equal((1, 5), (refused.Routed, sent.Length));
    }

    private static Action<IApplicationBuilder> Held(Holding hook, RecordingCommunicator service) => app => app.AddCommunicator(_ => service, config: Once).AddHook(_ => hook);

    private static async Task<MessageId> SendAsync(MessageRuntime runtime) =>
        (await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("service", "anna") }, Cancel)).Ids[0];

    /// <summary>The store as a kill leaves it: what is in its files now. By another process, since one that closes a file of a store lets go of the locks of its own.</summary>
    private static void Kill(TempFolder folder, string from, string to)
    {
        using Process copy = Process.Start("cp", ["-r", folder.File(from), folder.File(to)]);
        copy.WaitForExit();
        Assert.Equal(0, copy.ExitCode);
    }

    /// <summary>Holds a delivery up in front of its send.</summary>
    private sealed class Holding : IDispatchHook
    {
        public TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
        {
            Reached.TrySetResult();
            await Go.Task.WaitAsync(cancellationToken);
            return "";
        }

        public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => default;

        public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => default;

        public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => default;
    }

    /// <summary>A clock that fails once on the thread of a send that was just taken.</summary>
    private sealed class FaultyClock : TimeProvider
    {
        [ThreadStatic]
        private static bool _fails;

        public bool HasThrown { get; private set; }

        public static void FailNext() => _fails = true;

        public override long GetTimestamp()
        {
            if (_fails)
            {
                _fails = false;
                HasThrown = true;
                throw new InvalidOperationException("The clock fails.");
            }

            return System.GetTimestamp();
        }
    }

    private sealed class Taking() : Communicator("taking")
    {
        private int _sends;

        public int Sends => Volatile.Read(ref _sends);

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _sends);
            FaultyClock.FailNext();
            return new(new DeliveryReceipt { Status = DeliveryStatus.Sent, At = DateTimeOffset.UnixEpoch });
        }
    }
}
