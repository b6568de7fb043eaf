using System.Collections.Concurrent;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-8, LN-12: what the answers of a service that is asked for a lost send come to.</summary>
public sealed class AskedSendTests
{
    [Fact]
    public async Task Ln12_a_send_that_the_service_gave_up_while_it_was_asked_for_has_failed_and_is_told()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        channel.Knows[""] = new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "out-1", Detail = "131026: not on WhatsApp" };
        await using MessageRuntime runtime = await StartAsync(channel);

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        JournalRecord failed = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        Assert.Equal((FailureKind.Refused, 1), (failed.Entry.FailureKind!.Value, channel.Sends.Count));
        Assert.Contains("131026", failed.Entry.Error, StringComparison.Ordinal);
        Assert.Equal(DeliveryStatus.Failed, Assert.Single(failed.Receipts).Status);
    }

    [Fact]
    public async Task Ac58_a_part_whose_answer_was_lost_is_proved_by_its_callback_and_the_send_goes_on_behind_it()
    {
        Asked channel = new() { TextLimit = 30 };
        channel.Loses.Enqueue("/2");
        channel.Knows["/2"] = new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "proved" };
        await using MessageRuntime runtime = await StartAsync(channel);

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage(string.Join('\n', Enumerable.Range(0, 3).Select(n => new string((char)('a' + n), 28)))), Cancel);
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal(["/1", "/2", "/3"], channel.Sends);
        Assert.Equal(["out/1", "proved", "out/3"], ended.Receipts[^1].Parts);
    }

    [Fact]
    public async Task Ac58_a_receipt_of_a_part_that_came_while_nobody_asked_proves_it_too()
    {
        Asked channel = new() { TextLimit = 30 };
        channel.Loses.Enqueue("/1");
        await using MessageRuntime runtime = await StartAsync(channel);

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{new string('a', 28)}\n{new string('b', 28)}"), Cancel);
        await UntilAsync(() => channel.Sends.Count == 1);
        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = "late", Part = 1 }) { MessageId = sent.Ids[0] });
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal(["/1", "/2"], channel.Sends);
        Assert.Equal(["late", "out/2"], ended.Receipts.Last(receipt => receipt.Parts.Count > 0).Parts);
    }

    [Fact]
    public async Task Ln12_what_is_given_up_before_its_answer_is_stored_is_told_once_it_is()
    {
        ConcurrentQueue<FailedDelivery> told = new();
        Asked channel = new() { Answers = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using MessageRuntime runtime = await StartAsync(channel);
        using IDisposable watch = runtime.Rooms.Failures.Observe(told.Enqueue);

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await UntilAsync(() => channel.Sends.Count == 1);
        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "out", Detail = "131026" }) { MessageId = sent.Ids[0] });
        int before = told.Count;
        channel.Answers.SetResult();
        await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);
        await UntilAsync(() => !told.IsEmpty);

        Assert.Equal((0, sent.Ids[0]), (before, Assert.Single(told).MessageId));
    }

    private static async Task<MessageRuntime> StartAsync(Asked channel)
    {
        MessageRuntime runtime = await RuntimeHarness.StartAsync(static _ => { });
        await runtime.Dispatcher.RegisterAsync(channel, null, new CommunicatorBackendConfig { Type = "channel" }, Cancel);
        await UntilAsync(() => channel.IsStarted);
        return runtime;
    }

    /// <summary>A service that loses answers, and may be asked. Keys are shown without the message's id.</summary>
    private sealed class Asked() : Communicator("channel"), IDeliveryProbe
    {
        public int TextLimit { get; init; } = int.MaxValue;

        public TaskCompletionSource? Answers { get; init; }

        public ConcurrentQueue<string> Loses { get; } = new();

        public ConcurrentDictionary<string, DeliveryReceipt> Knows { get; } = new();

        public ConcurrentQueue<string> Sends { get; } = new();

        public override CommunicatorCapabilities Capabilities => new() { CanBeAsked = true, TextLimit = TextLimit };

        public override bool SupportsReceiving => true;

        public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            string key = context.IdempotencyKey[context.MessageId.ToString().Length..];
            Sends.Enqueue(key);
            if (Answers is { } answers)
            {
                await answers.Task.WaitAsync(cancellationToken);
            }

            return Loses.TryPeek(out string? lost) && lost == key && Loses.TryDequeue(out _)
                ? throw new DeliveryException(new DeliveryFailure.Uncertain(), "no answer")
                : new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = $"out{key}" };
        }

        public async ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken)
        {
            string key = idempotencyKey.Contains('/', StringComparison.Ordinal) ? idempotencyKey[idempotencyKey.IndexOf('/', StringComparison.Ordinal)..] : "";
            for (int i = 0; i < 20 && !cancellationToken.IsCancellationRequested; i++)
            {
                if (Knows.TryGetValue(key, out DeliveryReceipt? known))
                {
                    return new ProbeAnswer.Found(known);
                }

                await Task.Delay(10, CancellationToken.None);
            }

            return new ProbeAnswer.Unknown();
        }

        public async Task TellAsync(LateReceipt receipt) => await Incoming!.AcceptAsync([], [receipt], Cancel);
    }
}
