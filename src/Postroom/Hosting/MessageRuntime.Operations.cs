using Postroom.Handling;
using Postroom.Hosting;
using Postroom.Workers;

namespace Postroom;

/// <content>What operators may do to queues, messages and conversations while messages flow.</content>
public sealed partial class MessageRuntime
{
    private const int MostTries = 200;
    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(25);

    /// <summary>Leases nothing more from a queue and goes on accepting. It stays paused through a restart.</summary>
    /// <exception cref="AddressException">The queue is not declared.</exception>
    public Task PauseQueueAsync(string queue, CancellationToken cancellationToken = default) => SetPausedAsync(queue, paused: true, cancellationToken);

    /// <summary>Lets a paused queue lease again.</summary>
    /// <exception cref="AddressException">The queue is not declared.</exception>
    public Task ResumeQueueAsync(string queue, CancellationToken cancellationToken = default) => SetPausedAsync(queue, paused: false, cancellationToken);

    /// <summary>Fires a schedule once, now, whatever its times are, also one that is not enabled; it is recorded as manual.</summary>
    /// <returns>The message.</returns>
    /// <exception cref="KeyNotFoundException">There is no such schedule; the text names those there are.</exception>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was stored.</exception>
    public Task<MessageId> RunScheduleAsync(string schedule, CancellationToken cancellationToken = default) => Rooms.Schedules.FireNowAsync(schedule, cancellationToken);

    /// <summary>Gives up every waiting message of a queue: it moves them to failed (discarded) and deletes nothing.</summary>
    /// <returns>How many were given up.</returns>
    /// <exception cref="AddressException">The queue is not declared.</exception>
    public async Task<long> PurgeQueueAsync(string queue, string reason, CancellationToken cancellationToken = default)
    {
        Rooms.Queues.Require(queue);
        return await DiscardAllAsync(new JournalQuery { Queue = queue, States = [MessageState.Pending], Ascending = true, Limit = 100 }, reason, force: false, cancellationToken);
    }

    /// <summary>Gives up one message; one that is with a worker only with force, which takes it from its worker and cancels its handler or its send.</summary>
    /// <exception cref="JournalConflictException">The message has ended, or is with a worker and not forced.</exception>
    public async Task DiscardAsync(MessageId id, string reason, bool force = false, CancellationToken cancellationToken = default)
    {
        // First from its worker, whose outcome is refused from then on, then the handler is told: told first, it would give the message back for others to take.
        for (int tries = 1; ; tries++)
        {
            try
            {
                await Journal.DiscardAsync(id, reason, force, cancellationToken);
                break;
            }
            catch (JournalConflictException conflict) when (force && tries < MostTries && conflict.State is MessageState.Pending or MessageState.Dispatched)
            {
                // An outcome is on its way to the store: it ends the message, or leaves it to be taken.
                await Task.Delay(BetweenTries, _setup.Clock, cancellationToken);
            }
        }

        if (force)
        {
            Cancel(id);
        }
    }

    /// <summary>Gives up all open messages of a conversation, those with a worker included, and reports it as complete.</summary>
    /// <returns>How many were given up.</returns>
    public async Task<long> KillConversationAsync(string conversation, string reason, CancellationToken cancellationToken = default)
    {
        JournalQuery open = new() { Conversation = conversation, States = [MessageState.Pending, MessageState.Dispatched], Ascending = true, Limit = 100 };
        long discarded = await DiscardAllAsync(open, reason, force: true, cancellationToken);
        FactChange killed = new(FactScopes.Conversation, conversation, System.Text.Encoding.UTF8.GetBytes("killed"));
        await Store.WriteAsync(new StoreWrite { Facts = [killed] }, cancellationToken);
        if (discarded == 0)
        {
            await Rooms.Hooks.CompleteAsync(conversation); // Otherwise the end of its last message reports it.
        }

        return discarded;
    }

    /// <summary>Starts the pool <c>router</c> on queue <c>in</c> with one function as its handler.</summary>
    internal void StartRouter(MessageHandler handler)
    {
        WorkerOptions options = _composition!.Pools.TryGetValue("router", out WorkerOptions? configured) ? configured : new WorkerOptions { Queue = "in" };
        FunctionRunner runner = new(handler, Rooms.Queues, options, _setup.Clock, _setup.Random ?? Chance.Next);
        WorkerDefinition definition = new("router", options, runner, Rooms.Queues.Get("in").Lease);
        WorkerPool pool = Rooms.Pools.Create(definition);
        Rooms.Workers.Register(pool);
        pool.Start();
    }

    /// <summary>Asks the handler or the send of a message to end, if there is one.</summary>
    private void Cancel(MessageId id) => _ = Rooms.Workers.Cancel(id) || Rooms.Outbound.Cancel(id);

    private async Task SetPausedAsync(string queue, bool paused, CancellationToken cancellationToken)
    {
        Rooms.Queues.Require(queue);
        FactChange change = new(FactScopes.Pause, queue, paused ? "paused"u8.ToArray() : (ReadOnlyMemory<byte>?)null);

        // One at a time: what is set in memory is what was stored last.
        await _pausing.WaitAsync(cancellationToken);
        try
        {
            await Store.WriteAsync(new StoreWrite { Facts = [change] }, cancellationToken);
            await new QueueRulesBook(Rooms, _composition!).SetAfterRecoveryAsync(CancellationToken.None);
        }
        finally
        {
            _pausing.Release();
        }
    }

    /// <summary>Discards page by page. Bounded by what matched when it began, so that messages that keep coming do not keep it going.</summary>
    private async Task<long> DiscardAllAsync(JournalQuery query, string reason, bool force, CancellationToken cancellationToken)
    {
        long discarded = 0;
        long? cursor = null;
        long newest = (await Journal.QueryAsync(query with { Ascending = false, Limit = 1 }, cancellationToken)).Items is [var last, ..] ? last.Envelope.Seq : 0;
        while (true)
        {
            JournalPage page = await Journal.QueryAsync(query with { Cursor = cursor }, cancellationToken);
            JournalEntry[] wanted = [.. page.Items.TakeWhile(entry => entry.Envelope.Seq <= newest)];

            // Together, so that the store's writer takes them in one commit.
            discarded += (await Task.WhenAll(wanted.Select(entry => TryDiscardAsync(entry.Envelope.Id, reason, force, cancellationToken)))).Count(static done => done);
            if (wanted.Length < page.Items.Count)
            {
                return discarded;
            }

            cursor = page.Items.Count > 0 ? page.Items[^1].Envelope.Seq : cursor;
            if (page.Items.Count == 0)
            {
                return discarded;
            }
        }
    }

    /// <summary>Gives up one message; false when it ended or was taken by a worker since it was found, so that it is no longer what was asked for.</summary>
    private async Task<bool> TryDiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken)
    {
        try
        {
            await DiscardAsync(id, reason, force, cancellationToken);
            return true;
        }
        catch (JournalConflictException)
        {
            return false;
        }
    }
}
