using System.Threading.Channels;
using Postroom.Diagnostics;

namespace Postroom.Outbound;

/// <summary>Waits for the end of the copies of emitted messages. Observes the store only while somebody waits.</summary>
internal sealed class EmitWaits(IJournal journal, ITransitionFeed feed, TimeProvider clock)
{
    private readonly PatientReads _reads = new(clock);
    private readonly Lock _gate = new();
    private readonly Dictionary<MessageId, List<ChannelWriter<MessageId>>> _waiting = [];
    private IDisposable? _observing;

    public EmitResult Result(MessageId group, IReadOnlyList<MessageId> ids, int routed)
    {
        return new EmitResult(group, ids, routed, (timeout, token) => WaitAsync(ids, timeout, token));
    }

    private async Task<IReadOnlyList<EmitOutcome>> WaitAsync(IReadOnlyList<MessageId> ids, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using CancellationTokenSource time = new(timeout, clock);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
        Channel<MessageId> ends = Channel.CreateUnbounded<MessageId>();
        Dictionary<MessageId, EmitOutcome> outcomes = [];

        // Observed before looking, so that an end between the two is not missed.
        Join(ids, ends.Writer);
        try
        {
            foreach (MessageId id in ids)
            {
                await LookAsync(id, outcomes, limit.Token);
            }

            while (outcomes.Count < ids.Count)
            {
                await LookAsync(await ends.Reader.ReadAsync(limit.Token), outcomes, limit.Token);
            }

            return [.. ids.Select(id => outcomes[id])];
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"Not every copy had ended after {timeout}. Delivery goes on; look at the group in the journal.");
        }
        finally
        {
            Leave(ids, ends.Writer);
        }
    }

    private async ValueTask LookAsync(MessageId id, Dictionary<MessageId, EmitOutcome> outcomes, CancellationToken cancellationToken)
    {
        JournalRecord? record = await _reads.ReadAsync(token => journal.GetAsync(id, withBody: false, token), cancellationToken);
        if (record is null)
        {
            throw new InvalidOperationException(
                $"Copy {id} ended earlier, and how is no longer kept. Wait sooner, or keep finished messages longer (retention.acked and retention.failed; store.memory.finished on the memory store).");
        }

        if (record is { Entry.State: MessageState.Acked or MessageState.Failed })
        {
            outcomes[id] = new EmitOutcome(id, record.Entry.State, record.Receipts.Count > 0 ? record.Receipts[^1] : null, record.Entry.Error);
        }
    }

    private void Join(IReadOnlyList<MessageId> ids, ChannelWriter<MessageId> writer)
    {
        lock (_gate)
        {
            foreach (MessageId id in ids)
            {
                if (!_waiting.TryGetValue(id, out List<ChannelWriter<MessageId>>? waiters))
                {
                    _waiting.Add(id, waiters = []);
                }

                waiters.Add(writer);
            }

            if (_waiting.Count > 0)
            {
                _observing ??= feed.Observe(OnMove);
            }
        }
    }

    private void Leave(IReadOnlyList<MessageId> ids, ChannelWriter<MessageId> writer)
    {
        lock (_gate)
        {
            foreach (MessageId id in ids)
            {
                if (_waiting.TryGetValue(id, out List<ChannelWriter<MessageId>>? waiters) && waiters.Remove(writer) && waiters.Count == 0)
                {
                    _waiting.Remove(id);
                }
            }

            if (_waiting.Count == 0)
            {
                _observing?.Dispose();
                _observing = null;
            }
        }
    }

    private void OnMove(Transition move)
    {
        if (move.To is not (MessageState.Acked or MessageState.Failed))
        {
            return;
        }

        lock (_gate)
        {
            if (_waiting.TryGetValue(move.MessageId, out List<ChannelWriter<MessageId>>? waiters))
            {
                foreach (ChannelWriter<MessageId> waiter in waiters)
                {
                    waiter.TryWrite(move.MessageId);
                }
            }
        }
    }
}
