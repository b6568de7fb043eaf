using System.Runtime.InteropServices;

namespace Postroom;

/// <summary>Holds accepted messages until a worker settles them.</summary>
/// <remarks>
/// Delivery is at least once: a message whose lease ended unsettled is leased again. Every move names its expected old state and
/// fence, so a worker that lost its lease cannot settle, and its staged messages vanish with it. Safe for concurrent use.
/// An implementation is ready when it passes <c>MessageStoreConformance</c>.
/// </remarks>
public interface IMessageStore
{
    /// <summary>What this store can do: data, not guesses.</summary>
    StoreFeatures Features { get; }

    /// <summary>What is known beside the messages: checkpoints, pauses, settings, keys.</summary>
    IFacts Facts { get; }

    /// <summary>Stores all or none, with the source's checkpoint, and returns after the commit.</summary>
    /// <param name="batch">The messages, in order; at most 1,000.</param>
    /// <param name="checkpoint">Where the source stands after these; null for none.</param>
    /// <param name="cancellationToken">Ends the wait for a place in the store's queue; a commit under way is not undone.</param>
    /// <returns>One result per message. A repeated dedup key or id gives the first message's id and stores nothing for it.</returns>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was stored.</exception>
    ValueTask<IReadOnlyList<AppendResult>> AppendAsync(IReadOnlyList<Envelope> batch, FactChange? checkpoint, CancellationToken cancellationToken);

    /// <summary>Stores one message and returns after the commit, as <see cref="AppendAsync(IReadOnlyList{Envelope}, FactChange, CancellationToken)"/> does. A store may do it at less cost.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was stored.</exception>
    async ValueTask<AppendResult> AppendAsync(Envelope message, CancellationToken cancellationToken) => (await AppendAsync([message], null, cancellationToken))[0];

    /// <summary>Waits until messages are due, then leases them, oldest first.</summary>
    /// <param name="queue">The queue to lease from.</param>
    /// <param name="max">The caller's free slots; at least 1.</param>
    /// <param name="leaseTime">How long each lease lasts unless renewed, where leases expire; at least one second.</param>
    /// <param name="cancellationToken">Ends the wait; nothing is leased then.</param>
    /// <returns>From 1 to <paramref name="max"/> leases; never none.</returns>
    ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(string queue, int max, TimeSpan leaseTime, CancellationToken cancellationToken);

    /// <summary>Extends a lease where leases expire, and records what the worker says of its progress.</summary>
    /// <param name="lease">The lease held.</param>
    /// <param name="progress">A begin (kept through the end of the process, without a commit), a claim or parts done (committed before this returns); null for none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the lease was lost; nothing is recorded then.</returns>
    ValueTask<bool> RenewAsync(MessageLease lease, LeaseProgress? progress, CancellationToken cancellationToken);

    /// <summary>Ends a lease: acked, due again later, or failed; staged messages are appended in the same transaction.</summary>
    /// <remarks>A repeat of the settle that ended the lease succeeds and changes nothing.</remarks>
    /// <exception cref="LeaseLostException">The lease was lost; another attempt decides the outcome.</exception>
    /// <exception cref="StoreUnavailableException">The store cannot write now; the lease is still held and the settle may be repeated.</exception>
    ValueTask SettleAsync(MessageLease lease, Settlement settlement, IReadOnlyList<Envelope> staged, CancellationToken cancellationToken);

    /// <summary>Appends, settles and changes facts in one transaction.</summary>
    /// <exception cref="LeaseLostException">One of the leases was lost; nothing of the write is stored.</exception>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was stored.</exception>
    ValueTask<StoreWriteResult> WriteAsync(StoreWrite write, CancellationToken cancellationToken);

    /// <summary>Counts, answered from memory where the store can.</summary>
    /// <param name="queue">One queue, or null for all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<StoreStats> GetStatsAsync(string? queue, CancellationToken cancellationToken);
}

/// <summary>What a store answers on the caller's thread when it has the messages that are due in memory. Optional: without it workers wait for <see cref="IMessageStore.LeaseAsync"/>.</summary>
public interface IInstantLeases
{
    /// <summary>Leases what is due at this moment, oldest first, without waiting. Safe for concurrent use.</summary>
    /// <param name="queue">The queue to lease from.</param>
    /// <param name="max">The caller's free slots; at least 1.</param>
    /// <returns>From 1 to <paramref name="max"/> leases; null when nothing is due, or when others wait for it already.</returns>
    IReadOnlyList<MessageLease>? TryLease(string queue, int max);
}

/// <summary>Opens and closes a store.</summary>
public interface IStoreLifecycle : IAsyncDisposable
{
    /// <summary>Completes when the store cannot go on, as when its file cannot be opened again after a failed commit: it refuses everything, and the process should end with exit code 4.</summary>
    Task<StoreUnavailableException> Fatal { get; }

    /// <summary>Opens the store and recovers what an earlier run left unsettled, before anything is appended or leased.</summary>
    /// <exception cref="StoreOpenException">The store is in use, damaged, of a newer version, or lost acknowledged messages.</exception>
    ValueTask<RecoveryReport> OpenAsync(StoreOpening opening, CancellationToken cancellationToken);

    /// <summary>Keeps what is finished by other rules from now on. A store that has no such rules of its own does nothing.</summary>
    /// <param name="retention">How long what is finished stays.</param>
    void Change(RetentionOptions retention)
    {
    }

    /// <summary>Finishes what was handed over, marks the end as clean and closes.</summary>
    ValueTask CloseAsync(CancellationToken cancellationToken);

    /// <summary>Closes as <see cref="CloseAsync"/> does and keeps what makes this process the owner, for the program that takes its place.</summary>
    /// <returns>The open file that holds the ownership; null where there is none to keep.</returns>
    async ValueTask<SafeHandle?> CloseKeepingOwnershipAsync(CancellationToken cancellationToken)
    {
        await CloseAsync(cancellationToken);
        return null;
    }
}

/// <summary>A store that can be copied while messages flow. Safe for concurrent use.</summary>
public interface IStoreBackup
{
    /// <summary>Makes an online, consistent copy: one snapshot, in which every message is that was acknowledged before it began (ST-23).</summary>
    /// <param name="target">A file that does not exist, in a folder that does.</param>
    /// <param name="cancellationToken">Ends it; the incomplete copy is deleted.</param>
    /// <exception cref="IOException">The file is there already, or cannot be written.</exception>
    /// <exception cref="StoreUnavailableException">It could not be completed; the store is as it was.</exception>
    ValueTask BackupAsync(string target, CancellationToken cancellationToken);
}

/// <summary>Takes the rules of queues that change what may be leased, and answers what admission asks. Safe for concurrent use.</summary>
public interface IQueueControl
{
    /// <summary>Sets the rules of one queue, live; waiting leases see the change at once.</summary>
    void SetRules(string queue, QueueRules rules);

    /// <summary>How many messages of a queue could be leased now: neither delayed nor parked nor behind a waiting head. From memory, cheap.</summary>
    long CountDue(string queue);

    /// <summary>How many open messages a queue has, by payload type.</summary>
    ValueTask<IReadOnlyDictionary<string, long>> CountOpenByTypeAsync(string queue, CancellationToken cancellationToken);

    /// <summary>How many open messages stand behind one order key.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="orderKey">The key.</param>
    /// <param name="atMost">Counting may stop here.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The number. Below <paramref name="atMost"/> it may be too high, never too low, while a queue has more messages than a store keeps in memory.</returns>
    ValueTask<int> CountKeyAsync(string queue, string orderKey, int atMost, CancellationToken cancellationToken);

    /// <summary>Which limit of its queue keeps a message; null when none does now, or the store cannot tell. From memory; it may look at all that wait for the same key.</summary>
    /// <param name="id">The message.</param>
    LimitWait? FindLimit(MessageId id) => null;
}

/// <summary>What of a queue the store has to know.</summary>
public sealed record QueueRules
{
    /// <summary>A failed message holds its key until it is replayed or discarded; false unless set.</summary>
    public bool HaltOnFailure { get; init; }

    /// <summary>Nothing is leased; everything is accepted. False unless set.</summary>
    public bool Paused { get; init; }

    /// <summary>Types that are not leased: an earlier run had a handler for them and this one has none. Empty unless set.</summary>
    public IReadOnlySet<string> ParkedTypes { get; init; } = System.Collections.Frozen.FrozenSet<string>.Empty;

    /// <summary>How many messages of a key are leased at a time, and how many begin per period (QU-5). Empty unless set.</summary>
    public IReadOnlyList<QueueLimit> Limits { get; init; } = [];

    /// <summary>How many process deaths make a message poison; 3 unless set.</summary>
    public int PoisonDeaths { get; init; } = 3;
}

/// <summary>How a store is opened.</summary>
public sealed record StoreOpening
{
    /// <summary>The node's id; part of every lease's owner.</summary>
    public required string Node { get; init; }

    /// <summary>Tells nodes of one name apart: what was drawn by lot for the folder of the node's files. Null, the default, for one that has none; used by stores that nodes share.</summary>
    public string? Home { get; init; }

    /// <summary>The program's version, recorded with the run.</summary>
    public string Version { get; init; } = "";

    /// <summary>The generation of hot restarts; 1 at first.</summary>
    public int Generation { get; init; } = 1;

    /// <summary>The open file that holds the ownership, from the program whose place this one took; null for none.</summary>
    public SafeHandle? Ownership { get; init; }
}

/// <summary>What a store can do.</summary>
public sealed record StoreFeatures
{
    /// <summary>The kind, for people: <c>memory</c>, <c>sqlite</c>, <c>redis</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>An accepted message outlives the process.</summary>
    public required bool Durable { get; init; }

    /// <summary>Several processes may use it at once.</summary>
    public required bool MultiNode { get; init; }

    /// <summary>A lease ends by time unless renewed.</summary>
    public required bool LeasesExpire { get; init; }

    /// <summary>Waiting leases are woken by arrivals; nothing polls.</summary>
    public required bool SignalsArrivals { get; init; }

    /// <summary>An accepted message outlives a power cut.</summary>
    public required bool SurvivesPowerLoss { get; init; }

    /// <summary>The promise in one sentence, for status and start lines.</summary>
    public required string Promise { get; init; }
}

/// <summary>What became of one appended message.</summary>
/// <param name="Id">Its id, or the id of the message it repeats.</param>
/// <param name="Duplicate">Whether it repeats one that is already stored.</param>
/// <param name="SameBody">For a duplicate, whether the bodies are equal, and the files by name and content; true otherwise.</param>
public readonly record struct AppendResult(MessageId Id, bool Duplicate, bool SameBody = true);
