using System.Collections.Concurrent;
using System.Text.Json;
using Postroom.Explaining;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>What lanes do for a channel: parts, limits, pauses, questions, later receipts.</summary>
public sealed class ChannelTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ac52_a_long_text_goes_in_parts_and_a_retry_goes_on_at_the_one_that_failed(bool durable)
    {
        using TempFolder folder = new();
        Channel channel = new() { Shows = new CommunicatorCapabilities { TextLimit = 10 } };
        int fails = 1;
        channel.Answer = sent => sent.Text.StartsWith("three", StringComparison.Ordinal) && Interlocked.Decrement(ref fails) >= 0
            ? throw new DeliveryException(new DeliveryFailure.Transient(), "not now")
            : new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = $"out-{sent.Text}" };
        await using MessageRuntime runtime = await StartAsync(channel, durable ? folder : null, new RetryConfig { Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(10) } });

        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("one\ntwo more\nthree four\nfive") { ReplyTo = "m-1" }, Cancel);
        EmitOutcome outcome = (await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0];

        Assert.Equal(["one", "two more", "three four", "three four", "five"], channel.Sent.Select(sent => sent.Text));
        Assert.Equal(["m-1", null, null, null, null], channel.Sent.Select(sent => sent.ReplyTo));
        Assert.Equal([$"{result.Ids[0]}/1", $"{result.Ids[0]}/2", $"{result.Ids[0]}/3", $"{result.Ids[0]}/3", $"{result.Ids[0]}/4"], channel.Sent.Select(sent => sent.Key));
        Assert.Equal(MessageState.Acked, outcome.State);
        Assert.Equal(["out-one", "out-two more", "out-three four", "out-five"], outcome.Receipt!.Parts);
        Assert.Contains("the text went in 4 parts", outcome.Receipt.Degraded);
    }

    [Fact]
    public async Task A_service_that_allows_few_sends_is_used_at_its_rate_and_never_beyond_it()
    {
        LimitedChannel channel = new(new Rate(50, TimeSpan.FromSeconds(1)));
        await using MessageRuntime runtime = await StartAsync(channel, null, new RetryConfig());
        List<EmitResult> sent = [];
        for (int i = 0; i < 150; i++)
        {
            sent.Add(await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}"), Cancel));
        }

        foreach (EmitResult one in sent)
        {
            EmitOutcome outcome = (await one.WaitAsync(TimeSpan.FromSeconds(30), Cancel))[0];
            Assert.Equal(MessageState.Acked, outcome.State);
        }

        TimeSpan[] times = [.. channel.Times.Order()];
        for (int i = 0; i + 51 < times.Length; i++)
        {
            Assert.True(times[i + 51] - times[i] >= TimeSpan.FromMilliseconds(900), "more than 51 in one second"); // a burst of one
        }
    }

    [Fact]
    public async Task After_a_pause_one_send_goes_first_and_each_success_doubles_how_many_go()
    {
        int down = 1;
        Channel channel = new() { Takes = TimeSpan.FromMilliseconds(20) };
        channel.Answer = _ => Volatile.Read(ref down) == 1
            ? throw new DeliveryException(new DeliveryFailure.Transient(ServiceWide: true), "nobody there")
            : new DeliveryReceipt { Status = DeliveryStatus.Sent };
        await using MessageRuntime runtime = await StartAsync(channel, null, new RetryConfig());
        List<EmitResult> sent = [];
        for (int i = 0; i < 60; i++)
        {
            sent.Add(await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}"), Cancel));
        }

        await UntilAsync(() => !channel.Sent.IsEmpty);
        await UntilAsync(() => channel.Running == 0);
        channel.Sent.Clear();
        channel.Waves.Clear();
        Volatile.Write(ref down, 0);
        foreach (EmitResult one in sent)
        {
            EmitOutcome outcome = (await one.WaitAsync(TimeSpan.FromSeconds(30), Cancel))[0];
            Assert.Equal(MessageState.Acked, outcome.State);
            JournalRecord record = (await runtime.Journal.GetAsync(one.Ids[0], false, Cancel))!;
            Assert.Equal(0, record.Entry.Failures);
        }

        Assert.Equal(60, channel.Sent.Count);
        int[] waves = [.. channel.Waves]; // how many ran when each began
        Assert.Equal(1, waves[0]);
        Assert.All(waves.Take(3), running => Assert.InRange(running, 1, 2));
        Assert.True(waves.Max() > 4);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ac58_a_send_whose_answer_was_lost_is_asked_for_and_not_repeated(bool durable)
    {
        using TempFolder folder = new();
        AskedChannel channel = new() { Knows = new ProbeAnswer.Found(new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "out-1" }) };
        channel.Answer = _ => throw new DeliveryException(new DeliveryFailure.Uncertain(), "no answer");
        await using MessageRuntime runtime = await StartAsync(channel, durable ? folder : null, new RetryConfig());

        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        EmitOutcome outcome = (await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0];

        Assert.Equal((MessageState.Acked, "out-1", 1), (outcome.State, outcome.Receipt!.OutsideId, channel.Sent.Count));
    }

    [Fact]
    public async Task A_send_that_certainly_did_not_arrive_is_sent_again_and_one_nobody_knows_of_is_left_to_a_person()
    {
        AskedChannel channel = new() { Knows = new ProbeAnswer.NotSent() };
        int fails = 1;
        channel.Answer = _ => Interlocked.Decrement(ref fails) >= 0 ? throw new DeliveryException(new DeliveryFailure.Uncertain(), "no answer") : new DeliveryReceipt { Status = DeliveryStatus.Sent };
        await using MessageRuntime runtime = await StartAsync(channel, null, new RetryConfig(), askTimeout: TimeSpan.FromMilliseconds(300));
        EmitResult again = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        Assert.Equal(MessageState.Acked, (await again.WaitAsync(TimeSpan.FromSeconds(20), Cancel))[0].State);
        Assert.Equal(2, channel.Sent.Count);

        channel.Knows = new ProbeAnswer.Unknown();
        fails = int.MaxValue;
        EmitResult unknown = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("y"), Cancel);
        JournalRecord ended = await runtime.EndedAsync(unknown.Ids[0], MessageState.Failed);
        Assert.Equal((FailureKind.Uncertain, 3), (ended.Entry.FailureKind!.Value, channel.Sent.Count));

        // One that is about a part proves nothing of the whole, and is kept.
        await channel.TellAsync([], [new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = "out-y1", Part = 1 }) { MessageId = unknown.Ids[0] }]);
        JournalRecord partly = (await runtime.Journal.GetAsync(unknown.Ids[0], withBody: false, Cancel))!;
        Assert.Equal((MessageState.Failed, 1), (partly.Entry.State, Assert.Single(partly.Receipts).Part!.Value));

        // A callback that proves it confirms it, without another send.
        await channel.TellAsync([], [new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = "out-y" }) { MessageId = unknown.Ids[0] }]);
        await runtime.EndedAsync(unknown.Ids[0], MessageState.Acked);
        Assert.Equal(3, channel.Sent.Count);
    }

    [Fact]
    public async Task A_send_that_certainly_did_not_arrive_is_no_question_any_more_when_the_next_fails_with_an_answer()
    {
        AskedChannel channel = new() { Knows = new ProbeAnswer.NotSent() };
        int sends = 0;
        channel.Answer = _ => throw new DeliveryException(Interlocked.Increment(ref sends) == 1 ? new DeliveryFailure.Uncertain() : new DeliveryFailure.Transient(), "no");
        await using MessageRuntime runtime = await StartAsync(channel, null, new RetryConfig { Backoff = new BackoffOptions { Base = TimeSpan.FromHours(1), Max = TimeSpan.FromHours(1) } });

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        JournalEntry? entry = null;
        await UntilAsync(async () => (entry = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!.Entry) is { State: MessageState.Pending, DueAt: not null } && Volatile.Read(ref sends) == 2);

        Assert.Null(entry!.SendStartedAt);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Later_receipts_are_kept_once_per_status_and_told_to_a_handler_of_theirs(bool durable)
    {
        using TempFolder folder = new();
        ConcurrentQueue<(DeliveryStatus Status, string? Conversation)> told = new();
        Channel channel = new() { Answer = _ => new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "out-1" } };
        Action<IApplicationBuilder> configure = app => app.AddHandler(
            PayloadTypes.ReceiptChanged,
            ChannelTestJson.Default.DeliveryReceipt,
            (receipt, context, _) =>
            {
                told.Enqueue((receipt.Status, context.Envelope.Conversation));
                return new(HandlerResult.Completed);
            },
            "in");
        await using MessageRuntime runtime = await StartAsync(channel, durable ? folder : null, new RetryConfig(), configure: configure);
        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.Parse("channel:ann") }, Cancel);
        await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        await channel.TellAsync([], [Late(DeliveryStatus.Read), Late(DeliveryStatus.Delivered)]); // out of order
        await channel.TellAsync([], [Late(DeliveryStatus.Delivered), Late(DeliveryStatus.Delivered, "nobody's")]);
        await UntilAsync(() => told.Count == 2);

        JournalRecord record = (await runtime.Journal.GetAsync(result.Ids[0], false, Cancel))!;
        Assert.Equal(MessageState.Acked, record.Entry.State);
        Assert.Equal([DeliveryStatus.Sent, DeliveryStatus.Delivered, DeliveryStatus.Read], record.Receipts.Select(receipt => receipt.Status).Order());
        Assert.Equal([(DeliveryStatus.Delivered, "channel/ann"), (DeliveryStatus.Read, "channel/ann")], told.OrderBy(one => one.Status));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ln12_a_message_that_its_service_gives_up_later_is_told_counted_and_explained_and_its_state_stays(bool durable)
    {
        using TempFolder folder = new();
        ConcurrentQueue<FailedDelivery> told = new();
        Channel channel = new() { Answer = _ => new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "out-1" } };
        await using MessageRuntime runtime = await StartAsync(channel, durable ? folder : null, new RetryConfig());
        using IDisposable observing = runtime.Dispatcher.ObserveFailures(told.Enqueue);
        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.Parse("channel:ann") }, Cancel);
        await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        LateReceipt givenUp = new(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "out-1", Detail = "131047 Re-engagement message" });

        await channel.TellAsync([], [givenUp]);
        await channel.TellAsync([], [givenUp]);
        await UntilAsync(() => !told.IsEmpty);

        FailedDelivery failed = Assert.Single(told);
        Assert.Equal((result.Ids[0], "channel", FailureKind.Refused), (failed.MessageId, failed.Communicator, failed.Kind));
        Assert.Contains("131047", failed.Reason, StringComparison.Ordinal);
        JournalRecord record = (await runtime.Journal.GetAsync(result.Ids[0], false, Cancel))!;
        Assert.Equal(MessageState.Acked, record.Entry.State);
        Assert.Contains($"gave it up: 131047 Re-engagement message. Nothing more happens by itself; once the cause is mended, 'postroom replay --force {result.Ids[0]}'", Why.Explain(record, new WhyFacts { Now = DateTimeOffset.UtcNow }).Reason, StringComparison.Ordinal);
        HealthCheck check = (await runtime.Health.CheckAsync(HealthViews.Status, Cancel)).Checks.Single(one => one.Name == "deliveries");
        Assert.Equal((HealthState.Degraded, "1"), (check.Result.State, check.Result.Data["channel"]));
        Assert.Contains($"{result.Ids[0]}", check.Result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ln12_a_receipt_that_overtakes_the_answer_of_its_send_is_told_too()
    {
        TaskCompletionSource<DeliveryStatus> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Channel channel = new() { Answer = _ => new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "out-1" } };
        Action<IApplicationBuilder> configure = app => app.AddHandler(
            PayloadTypes.ReceiptChanged,
            ChannelTestJson.Default.DeliveryReceipt,
            (receipt, _, _) =>
            {
                told.SetResult(receipt.Status);
                return new(HandlerResult.Completed);
            },
            "in");
        await using MessageRuntime runtime = await StartAsync(channel, null, new RetryConfig(), configure: configure);

        await channel.TellAsync([], [Late(DeliveryStatus.Delivered)]);
        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.Parse("channel:ann") }, Cancel);
        await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal(DeliveryStatus.Delivered, await told.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel));
        Assert.Equal(2, (await runtime.Journal.GetAsync(result.Ids[0], false, Cancel))!.Receipts.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Messages_and_receipts_of_one_request_are_stored_together_and_repeats_are_found(bool durable)
    {
        using TempFolder folder = new();
        ConcurrentQueue<string> handled = new();
        Channel channel = new();
        Action<IApplicationBuilder> configure = app => app.AddHandler(
            PayloadTypes.ChatText,
            ChannelTestJson.Default.IncomingMessage,
            (message, _, _) =>
            {
                handled.Enqueue(message.Text);
                return new(HandlerResult.Completed);
            },
            "in");
        await using MessageRuntime runtime = await StartAsync(channel, durable ? folder : null, new RetryConfig(), configure: configure);
        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x"), Cancel);
        await result.WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        IReadOnlyList<AcceptResult> first = await channel.TellAsync([Came("1", "one"), Came("2", "two"), Came("1", "one")], [Late(DeliveryStatus.Delivered)]);

        Assert.Equal([false, false, true], first.Select(accepted => accepted.Duplicate));
        await UntilAsync(() => handled.Count == 2);
        Assert.Equal(["one", "two"], handled);
        Assert.Equal(2, (await runtime.Journal.GetAsync(result.Ids[0], false, Cancel))!.Receipts.Count);
    }

    [Fact]
    public async Task What_a_channel_keeps_survives_a_restart_and_belongs_to_it_alone()
    {
        using TempFolder folder = new();
        Channel channel = new();
        await using (MessageRuntime runtime = await StartAsync(channel, folder, new RetryConfig()))
        {
            await channel.Kept.WriteAsync("chat/1", "moved to 2", null, Cancel);
            await channel.Kept.WriteAsync("gone", "x", null, Cancel);
            await channel.Kept.WriteAsync("gone", null, null, Cancel);
            await Assert.ThrowsAsync<ArgumentException>(() => channel.Kept.WriteAsync("large", new string('x', 70_000), null, Cancel).AsTask());
        }

        Channel same = new();
        await using MessageRuntime again = await StartAsync(same, folder, new RetryConfig());
        Assert.Equal(("moved to 2", null, null), (await same.Kept.ReadAsync("chat/1", Cancel), await same.Kept.ReadAsync("gone", Cancel), await same.Kept.ReadAsync("other", Cancel)));
    }

    private static LateReceipt Late(DeliveryStatus status, string id = "out-1") => new(new DeliveryReceipt { Status = status, OutsideId = id });

    private static IncomingMessage Came(string id, string text) => new() { Text = text, SenderId = "ann", ChannelMessageId = id };

    private static async Task<MessageRuntime> StartAsync(
        Communicator channel, TempFolder? folder, RetryConfig retry, TimeSpan? askTimeout = null, Action<IApplicationBuilder>? configure = null)
    {
        Action<IApplicationBuilder> with = configure ?? (_ => { });
        MessageRuntime runtime = folder is null ? await RuntimeHarness.StartAsync(with) : await StartDurableAsync(folder.Path, with);
        await runtime.Dispatcher.RegisterAsync(channel, null, new CommunicatorBackendConfig { Type = "channel", Retry = retry, AskTimeout = askTimeout }, Cancel);
        await UntilAsync(() => channel.IsStarted);
        return runtime;
    }

    private sealed record Sent(string Text, string Key, string? ReplyTo);

    private class Channel() : Communicator("channel")
    {
        private int _running;

        public CommunicatorCapabilities Shows { get; init; } = new();

        public Func<Sent, DeliveryReceipt> Answer { get; set; } = static _ => new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "out-1" };

        public TimeSpan Takes { get; init; }

        public ConcurrentQueue<Sent> Sent { get; } = new();

        /// <summary>How many sends ran when each began, itself included.</summary>
        public ConcurrentQueue<int> Waves { get; } = new();

        public int Running => Volatile.Read(ref _running);

        public IChannelFacts Kept => Facts!;

        public override CommunicatorCapabilities Capabilities => Shows;

        public override bool SupportsReceiving => true;

        public ValueTask<IReadOnlyList<AcceptResult>> TellAsync(IReadOnlyList<IncomingMessage> messages, IReadOnlyList<LateReceipt> receipts) => Incoming!.AcceptAsync(messages, receipts, Cancel);

        public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Waves.Enqueue(Interlocked.Increment(ref _running));
            try
            {
                await Task.Delay(Takes, cancellationToken);
                Sent sent = new(message.Message, context.IdempotencyKey, message.ReplyTo);
                Sent.Enqueue(sent);
                return Answer(sent);
            }
            finally
            {
                Interlocked.Decrement(ref _running);
            }
        }
    }

    private sealed class LimitedChannel(Rate rate) : Channel, IRateLimits
    {
        private readonly long _begun = TimeProvider.System.GetTimestamp();

        public ConcurrentQueue<TimeSpan> Times { get; } = new();

        public IReadOnlyList<SendLimit> LimitsOf(OutgoingMessage message, Address? recipient) => [new SendLimit("", rate, 1)];

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
        {
            Times.Enqueue(TimeProvider.System.GetElapsedTime(_begun));
            return base.SendAsync(message, context, cancellationToken);
        }
    }

    private sealed class AskedChannel : Channel, IDeliveryProbe
    {
        public ProbeAnswer Knows { get; set; } = new ProbeAnswer.Unknown();

        public override CommunicatorCapabilities Capabilities { get; } = new() { CanBeAsked = true };

        public async ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken)
        {
            if (Knows is ProbeAnswer.Unknown)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            return Knows;
        }
    }
}

[System.Text.Json.Serialization.JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[System.Text.Json.Serialization.JsonSerializable(typeof(IncomingMessage))]
[System.Text.Json.Serialization.JsonSerializable(typeof(DeliveryReceipt))]
public sealed partial class ChannelTestJson : System.Text.Json.Serialization.JsonSerializerContext;
