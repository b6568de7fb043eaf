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
        await using MessageRuntime runtime = await channel.StartRuntimeAsync();

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
        await using MessageRuntime runtime = await channel.StartRuntimeAsync();

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
        await using MessageRuntime runtime = await channel.StartRuntimeAsync();

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
        await using MessageRuntime runtime = await channel.StartRuntimeAsync();
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

    [Fact]
    public async Task Ln8_a_replay_of_what_the_service_gave_up_is_sent_and_not_refused_by_the_old_callback()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        JournalRecord failed = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        DeliveryReceipt gaveUp = new() { Status = DeliveryStatus.Failed, OutsideId = "first", Detail = "131026", At = failed.Entry.FinishedAt!.Value };
        channel.Knows[""] = gaveUp;
        await channel.TellAsync(new LateReceipt(gaveUp) { MessageId = sent.Ids[0] });
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal((FailureKind.Uncertain, 2), (failed.Entry.FailureKind!.Value, channel.Sends.Count));
        Assert.Equal("out", ended.Receipts[^1].OutsideId);
    }

    [Fact]
    public async Task Ln8_a_replay_whose_service_is_away_for_the_question_and_the_send_is_asked_for_again_when_it_is_back()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        // The service is away when it is replayed, also for the question; then it is back, and knows the first send.
        channel.Away = () =>
        {
            channel.Away = null;
            channel.Knows[""] = new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "first" };
        };
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal("first", ended.Entry.OutsideId);
        Assert.Equal(2, channel.Sends.Count); // the lost one, and the one that found the service away
    }

    [Fact]
    public async Task Ln8_a_second_send_without_an_answer_is_given_up_by_its_own_callback_and_not_by_the_one_before_its_replay()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        JournalRecord first = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "first", At = first.Entry.FinishedAt!.Value - TimeSpan.FromMinutes(1) }) { MessageId = sent.Ids[0] });

        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord second = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "second", Detail = "131026" }) { MessageId = sent.Ids[0] });
        JournalRecord told = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!;

        Assert.Equal((FailureKind.Uncertain, 2), (second.Entry.FailureKind!.Value, channel.Sends.Count));
        Assert.Equal(["first", "second"], told.Receipts.Select(static receipt => receipt.OutsideId));
    }

    [Fact]
    public async Task Ln12_what_is_given_up_of_a_send_before_a_replay_is_no_failure_of_the_one_that_arrived()
    {
        ConcurrentQueue<FailedDelivery> told = new();
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        using IDisposable watch = runtime.Rooms.Failures.Observe(told.Enqueue);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
        await UntilAsync(() => !told.IsEmpty);
        told.Clear(); // the lost send itself, which is told a moment after it has failed
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        foreach (string id in (string[])["first", "out"])
        {
            await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = id, Detail = id }) { MessageId = sent.Ids[0] });
        }

        await UntilAsync(() => !told.IsEmpty);
        Assert.EndsWith("out", Assert.Single(told).Reason, StringComparison.Ordinal);
        JournalRecord record = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!;
        Assert.Equal(["out", "first", "out"], record.Receipts.Select(static receipt => receipt.OutsideId));
    }

    [Fact]
    public async Task Ln12_what_is_given_up_of_an_earlier_send_while_a_replay_is_on_its_way_is_not_told_once_that_arrived()
    {
        ConcurrentQueue<FailedDelivery> told = new();
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        using IDisposable watch = runtime.Rooms.Failures.Observe(told.Enqueue);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
        await UntilAsync(() => !told.IsEmpty);
        told.Clear(); // the lost send itself, which is told a moment after it has failed
        channel.Answers = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        await UntilAsync(() => channel.Sends.Count == 2);
        foreach (string id in (string[])["first", "out"])
        {
            await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = id, Detail = id }) { MessageId = sent.Ids[0] });
        }

        channel.Answers.SetResult();
        await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);
        await UntilAsync(() => !told.IsEmpty);

        Assert.EndsWith("out", Assert.Single(told).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ln12_a_handler_is_told_what_came_of_each_send_of_a_replayed_message()
    {
        ConcurrentQueue<string?> told = new();
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly, app => app.AddHandler(
            PayloadTypes.ReceiptChanged,
            PostroomJson.Default.DeliveryReceipt,
            (receipt, _, _) =>
            {
                told.Enqueue(receipt.OutsideId);
                return new ValueTask<HandlerResult>(HandlerResult.Completed);
            },
            "in"));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        string longId = new('x', 600);
        foreach (string id in (string[])["first", "out", "first"])
        {
            await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Delivered, OutsideId = id }) { MessageId = sent.Ids[0] });
        }

        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Read, OutsideId = longId }) { MessageId = sent.Ids[0] });
        await UntilAsync(() => told.Count >= 3);

        Assert.Equal(["first", "out", longId], told);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ln8_an_answer_that_an_earlier_send_was_given_up_does_not_end_the_one_that_was_claimed_since(bool isEarlier)
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        JournalRecord first = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        channel.Claimed = () => channel.Knows[""] = new DeliveryReceipt
        {
            Status = DeliveryStatus.Failed,
            OutsideId = isEarlier ? "first" : "second",
            At = isEarlier ? first.Entry.FinishedAt!.Value - TimeSpan.FromMinutes(1) : DateTimeOffset.UtcNow,
        };
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord second = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        Assert.Equal((isEarlier ? FailureKind.Uncertain : FailureKind.Refused, 2), (second.Entry.FailureKind!.Value, channel.Sends.Count));
    }

    [Fact]
    public async Task Ln11_an_older_word_of_a_send_that_was_given_up_does_not_prove_it()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        foreach (DeliveryStatus status in (DeliveryStatus[])[DeliveryStatus.Failed, DeliveryStatus.Sent])
        {
            await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = status, OutsideId = "first" }) { MessageId = sent.Ids[0] });
        }

        JournalRecord record = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!;
        Assert.Equal((MessageState.Failed, FailureKind.Uncertain, 2), (record.Entry.State, record.Entry.FailureKind!.Value, record.Receipts.Count));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public async Task Ac58_a_replay_goes_on_behind_the_part_that_is_proved(bool keepAttempts, bool isStored)
    {
        Asked channel = new() { TextLimit = 30 };
        channel.Loses.Enqueue("/1");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{new string('a', 28)}\n{new string('b', 28)}"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        DeliveryReceipt proof = new() { Status = DeliveryStatus.Sent, OutsideId = "proved", Part = 1 };
        if (isStored)
        {
            await channel.TellAsync(new LateReceipt(proof) { MessageId = sent.Ids[0] });
        }
        else
        {
            channel.Knows["/1"] = proof;
        }

        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions { KeepAttempts = keepAttempts }, Cancel);
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal(["/1", "/2"], channel.Sends);
        Assert.Equal(["proved", "out/2"], ended.Receipts[^1].Parts);
    }

    [Theory]
    [InlineData(DeliveryStatus.Delivered, MessageState.Acked)]
    [InlineData(DeliveryStatus.Failed, MessageState.Failed)]
    public async Task Ac58_a_stored_receipt_with_the_bare_id_is_about_the_last_part(DeliveryStatus status, MessageState state)
    {
        Asked channel = new() { TextLimit = 30 };
        channel.Loses.Enqueue("/2");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync();

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{new string('a', 28)}\n{new string('b', 28)}"), Cancel);
        await UntilAsync(() => channel.Sends.Count == 2);
        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = status, OutsideId = "last", Detail = "131026" }) { MessageId = sent.Ids[0] });
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], state);

        Assert.Equal(["/1", "/2"], channel.Sends);
        Assert.Equal(state == MessageState.Failed ? FailureKind.Refused : null, ended.Entry.FailureKind);
    }
}
