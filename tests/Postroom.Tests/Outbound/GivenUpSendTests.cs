using System.Collections.Concurrent;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-8, LN-12: an answer that speaks of a send as taken is none once that send was given up, and a question that fails sends nothing.</summary>
public sealed class GivenUpSendTests
{
    [Fact]
    public async Task Ln8_a_replay_is_sent_although_the_service_still_knows_an_older_word_of_the_send_that_was_given_up()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        await channel.TellAsync(Late(sent, DeliveryStatus.Failed, "first"));
        await channel.TellAsync(Late(sent, DeliveryStatus.Sent, "first")); // out of order
        channel.Knows[""] = new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "first" };
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal((2, "out"), (channel.Sends.Count, ended.Entry.OutsideId));
    }

    [Fact]
    public async Task Ln8_an_older_word_of_a_send_that_was_given_up_does_not_prove_the_one_that_was_claimed_since()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        await channel.TellAsync(Late(sent, DeliveryStatus.Failed, "first"));
        channel.Claimed = () => channel.Knows[""] = new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "first" };
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord second = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        Assert.Equal((FailureKind.Uncertain, 2), (second.Entry.FailureKind!.Value, channel.Sends.Count));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ln12_a_part_that_is_given_up_is_told_though_only_the_last_one_was_proved(bool isStored)
    {
        ConcurrentQueue<FailedDelivery> told = new();
        Asked channel = new() { TextLimit = 30 };
        channel.Loses.Enqueue("/3");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(isStored ? Asked.Briefly : null);
        using IDisposable watch = runtime.Rooms.Failures.Observe(told.Enqueue);
        DeliveryReceipt proof = new() { Status = DeliveryStatus.Sent, OutsideId = "proved" };
        if (!isStored)
        {
            channel.Knows[""] = proof;
        }

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage(string.Join('\n', Enumerable.Range(0, 3).Select(n => new string((char)('a' + n), 28)))), Cancel);
        if (isStored)
        {
            await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);
            await UntilAsync(() => !told.IsEmpty); // as uncertain
            told.Clear();
            await channel.TellAsync(new LateReceipt(proof) { MessageId = sent.Ids[0] });
        }

        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);
        await channel.TellAsync(new LateReceipt(new DeliveryReceipt { Status = DeliveryStatus.Failed, OutsideId = "out/1", Part = 1, Detail = "131026" }) { MessageId = sent.Ids[0] });
        await UntilAsync(() => !told.IsEmpty);

        Assert.Equal(sent.Ids[0], Assert.Single(told).MessageId);
        Assert.Equal(isStored ? [] : ["out/1", "out/2", "proved"], ended.Receipts.First(static receipt => receipt.OutsideId == "proved").Parts);
    }

    [Fact]
    public async Task Ln8_a_replay_whose_question_fails_is_asked_for_again_and_not_sent_meanwhile()
    {
        Asked channel = new();
        channel.Loses.Enqueue("");
        await using MessageRuntime runtime = await channel.StartRuntimeAsync(Asked.Briefly);
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("once"), Cancel);
        await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        channel.Breaks.Enqueue(new InvalidOperationException("the answer has no id")); // as of a probe that does not translate its failures
        channel.Knows[""] = new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = "first" };
        await runtime.Journal.ReplayAsync(sent.Ids[0], new ReplayOptions(), Cancel);
        JournalRecord ended = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal((1, "first"), (channel.Sends.Count, ended.Entry.OutsideId));
        Assert.Contains(ended.Attempts, static attempt => attempt.Error?.Contains("the answer has no id", StringComparison.Ordinal) == true);
    }

    private static LateReceipt Late(EmitResult sent, DeliveryStatus status, string outsideId) =>
        new(new DeliveryReceipt { Status = status, OutsideId = outsideId, At = DateTimeOffset.UtcNow - TimeSpan.FromMinutes(1), Detail = status == DeliveryStatus.Failed ? "131026" : null }) { MessageId = sent.Ids[0] };
}
