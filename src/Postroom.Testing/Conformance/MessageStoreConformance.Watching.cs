using System.Collections.Concurrent;
using Xunit;

namespace Postroom.Testing;

/// <content>Transitions: each move once, in order, and a reader can resume.</content>
public abstract partial class MessageStoreConformance
{
    /// <summary>A reader sees each move of a message once and in order, and no state is skipped.</summary>
    [Fact(Timeout = Limit)]
    public async Task Each_move_is_seen_once_and_in_order()
    {
        Envelope message = await AppendAsync(Message("a") with { Conversation = "telegram/42" });
        await SettleAsync(await LeaseAsync(message), Settlement.Release);
        MessageLease retried = await BeginAsync(message, "pool/7");
        Clock.Advance(TimeSpan.FromSeconds(2));
        await SettleAsync(retried, Settlement.RetryAt(Clock.GetUtcNow(), "busy"));
        await FailAsync(message);
        await Journal.ReplayAsync(message.Id, new ReplayOptions(), Cancel);
        await HandleAsync(message);
        await ComesToAsync(message, MessageState.Acked);

        IReadOnlyList<Transition> moves = Moves.Of(message.Id);

        Assert.Equal(
            [
                (null, MessageState.Pending), (MessageState.Pending, MessageState.Dispatched),
                (MessageState.Dispatched, MessageState.Pending), (MessageState.Pending, MessageState.Dispatched),
                (MessageState.Dispatched, MessageState.Failed), (MessageState.Failed, MessageState.Pending),
                (MessageState.Pending, MessageState.Dispatched), (MessageState.Dispatched, MessageState.Acked),
            ],
            moves.Select(move => (move.From, move.To)));
        Assert.All(moves, move => Assert.Equal((Orders, OrderReceived, "telegram/42"), (move.Queue, move.Type, move.Conversation)));
        Assert.EndsWith("pool/7", moves[1].Owner, StringComparison.Ordinal);
        Assert.EndsWith("pool/7", moves[2].Owner, StringComparison.Ordinal);
        Assert.Equal(("busy", TimeSpan.FromSeconds(2)), (moves[2].Reason, moves[2].Duration));
        Assert.Equal((FailureKind.Rejected, "no such article"), (moves[4].Kind, moves[4].Reason));
        Assert.Equal((null, null), (moves[^1].Kind, moves[^1].Reason));
        Assert.Equal([0, 1, 1, 2, 2, 0, 1, 1], moves.Select(move => move.Attempt));
    }

    /// <summary>Numbers rise by one, so that a gap tells a reader what it missed.</summary>
    [Fact(Timeout = Limit)]
    public async Task Numbers_rise_by_one()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 20).Select(_ => Message())];
        await Store.AppendAsync(batch, null, Cancel);
        foreach (Envelope message in batch)
        {
            await HandleAsync(message);
        }

        await ComesToAsync(batch[^1], MessageState.Acked);
        long[] numbers = [.. Moves.All().Select(move => move.Number)];

        Assert.Equal(60, numbers.Length);
        Assert.Equal(Enumerable.Range(0, 60).Select(i => numbers[0] + i), numbers);
    }

    /// <summary>A reader resumes behind the number it saw last; one without a number hears only what comes.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_reader_resumes_behind_a_number()
    {
        Envelope[] batch = [.. Enumerable.Range(0, 5).Select(_ => Message())];
        await Store.AppendAsync(batch, null, Cancel);
        await ComesToAsync(batch[^1], MessageState.Pending);
        long seen = Moves.Of(batch[2].Id)[0].Number;
        IAsyncEnumerable<Transition> resumed = Journal.WatchAsync(null, seen, Cancel);
        IAsyncEnumerable<Transition> live = Journal.WatchAsync(null, null, Cancel);
        Envelope late = await AppendAsync();

        List<MessageId> heard = [];
        await foreach (Transition move in resumed)
        {
            heard.Add(move.MessageId);
            if (move.MessageId == late.Id)
            {
                break;
            }
        }

        Assert.Equal([batch[3].Id, batch[4].Id, late.Id], heard);
        await foreach (Transition move in live)
        {
            Assert.Equal(late.Id, move.MessageId);
            break;
        }
    }

    /// <summary>A filter lets through what it wants; cancellation ends the stream.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_filter_chooses_and_cancellation_ends()
    {
        using CancellationTokenSource stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        IAsyncEnumerable<Transition> stream = Journal.WatchAsync(static move => move.To == MessageState.Acked, null, stopping.Token);
        Envelope[] batch = [Message(), Message(), Message()];
        await Store.AppendAsync(batch, null, Cancel);
        await HandleAsync(batch[0]);
        await FailAsync(batch[1]);
        await HandleAsync(batch[2]);

        List<MessageId> heard = [];
        async Task ReadAsync()
        {
            await foreach (Transition move in stream)
            {
                heard.Add(move.MessageId);
                if (heard.Count == 2)
                {
                    await stopping.CancelAsync();
                }
            }
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(ReadAsync);
        Assert.Equal([batch[0].Id, batch[2].Id], heard);
    }

    /// <summary>An observer is told every move when it can be read back, and nothing once it has gone; readers who come later see what they would see without it.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_observer_is_told_each_move_until_it_is_disposed()
    {
        ConcurrentQueue<(MessageId Id, MessageState To)> told = new();
        IDisposable observing = ((ITransitionFeed)Store).Observe(move => told.Enqueue((move.MessageId, move.To)));
        Envelope handled = await AppendAsync();
        Envelope discarded = await AppendAsync();
        await HandleAsync(handled);
        await ComesToAsync(handled, MessageState.Acked);
        await Journal.DiscardAsync(discarded.Id, "no", force: false, Cancel);
        await ComesToAsync(discarded, MessageState.Failed);
        observing.Dispose();
        observing.Dispose();

        await AppendAsync();

        Assert.Equal([MessageState.Pending, MessageState.Dispatched, MessageState.Acked], told.Where(move => move.Id == handled.Id).Select(move => move.To));
        Assert.Equal([MessageState.Pending, MessageState.Failed], told.Where(move => move.Id == discarded.Id).Select(move => move.To));
        Assert.Equal(5, told.Count);
    }
}
