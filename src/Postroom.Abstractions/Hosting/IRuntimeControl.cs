using System.Text.Json;
using Postroom.Configuration;

namespace Postroom;

/// <summary>
/// What operators may do to a runtime while messages flow; the control plane and the command line have no other way in. Reading is
/// <see cref="IRuntimeView"/>'s. Safe for concurrent use.
/// </summary>
/// <remarks>
/// A name that does not exist is a <see cref="KeyNotFoundException"/> whose text names those there are; what is not possible now is a <see cref="RuntimeConflictException"/>;
/// a store that cannot write is a <see cref="StoreUnavailableException"/>, and then nothing has changed.
/// </remarks>
public interface IRuntimeControl
{
    /// <summary>Whether <see cref="PauseAsync"/> holds.</summary>
    bool IsPaused { get; }

    /// <summary>
    /// Sources bring nothing and workers and lanes begin nothing until <see cref="ResumeAsync"/>; what runs goes on, and HTTP intake goes on accepting. It ends with the
    /// process.
    /// </summary>
    /// <exception cref="RuntimeConflictException">It is paused already, or does not run.</exception>
    Task PauseAsync(CancellationToken cancellationToken);

    /// <summary>Ends a pause or a drain. What was paused on its own stays paused.</summary>
    /// <exception cref="RuntimeConflictException">It is not paused, or does not run.</exception>
    Task ResumeAsync(CancellationToken cancellationToken);

    /// <summary>Pauses as <see cref="PauseAsync"/> does, unless it is paused, and waits until nothing is in work.</summary>
    /// <param name="limit">How long to wait at most; it stays paused when that is over.</param>
    /// <param name="cancellationToken">Ends the wait; it stays paused.</param>
    /// <returns>How many messages are still in work; zero for a complete drain.</returns>
    /// <exception cref="RuntimeConflictException">It does not run.</exception>
    Task<int> DrainAsync(TimeSpan limit, CancellationToken cancellationToken);

    /// <summary>What runs and how it stands, at this moment.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<RuntimeStatus> GetStatusAsync(CancellationToken cancellationToken);

    /// <summary>Reads all layers of the configuration and puts what they say in force, or steps back to what was in force before the last reload (CF-7, CF-9).</summary>
    /// <param name="previous">Whether to step back; the layers are not read then.</param>
    /// <param name="cancellationToken">Ends the wait; a reload that has begun goes on.</param>
    /// <returns>The diff, or every problem; with problems nothing has changed.</returns>
    /// <exception cref="RuntimeConflictException">It is to step back, and there is nothing to go back to.</exception>
    Task<ReloadResult> ReloadAsync(bool previous, CancellationToken cancellationToken);

    /// <summary>Asks the program to stop in order and to end; returns at once.</summary>
    /// <exception cref="RuntimeConflictException">It does not run, or the program that hosts it offers no stop.</exception>
    void RequestStop();

    /// <summary>The restart that is under way, or the last one since the start; its state is idle when there was none.</summary>
    RestartStatus Restart => RestartStatus.None;

    /// <summary>Replaces the program by itself while messages flow: drains, stops in order, and starts again in the same process where the platform can (SPEC RS). Returns once draining has begun.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellationToken">Ends the look whether it can succeed; a restart that has begun goes on.</param>
    /// <returns>The restart; with <see cref="RestartRequest.DryRun"/> what it would be, and nothing has changed.</returns>
    /// <exception cref="RestartRefusedException">It cannot be done now; nothing has changed.</exception>
    Task<RestartStatus> RestartAsync(RestartRequest request, CancellationToken cancellationToken) =>
        throw new RestartRefusedException(RestartRefusal.Unavailable, "This runtime cannot replace its process.");

    /// <summary>Gives a restart up while it drains: everything goes on as before.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="RuntimeConflictException">None is under way, or it has gone too far.</exception>
    Task<RestartStatus> CancelRestartAsync(CancellationToken cancellationToken) => throw new RuntimeConflictException("No restart is under way.");

    /// <summary>Reads the last runs of the program on its store, the newest first.</summary>
    /// <param name="limit">The most; 1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<IReadOnlyList<RuntimeRun>> GetRunsAsync(int limit, CancellationToken cancellationToken) => new([]);

    /// <summary>Leases nothing more from a queue and goes on accepting. It stays paused through a restart.</summary>
    /// <param name="queue">A declared queue.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task PauseQueueAsync(string queue, CancellationToken cancellationToken);

    /// <summary>Lets a paused queue lease again.</summary>
    /// <param name="queue">A declared queue.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task ResumeQueueAsync(string queue, CancellationToken cancellationToken);

    /// <summary>Gives up every waiting message of a queue: it moves them to failed (discarded) and deletes nothing.</summary>
    /// <param name="queue">A declared queue.</param>
    /// <param name="reason">Why, for the record.</param>
    /// <param name="cancellationToken">Ends the work; what was given up stays so.</param>
    /// <returns>How many were given up.</returns>
    Task<long> PurgeQueueAsync(string queue, string reason, CancellationToken cancellationToken);

    /// <summary>Gives up one message; one that is with a worker only with force, which takes it from its worker and cancels its handler or its send.</summary>
    /// <param name="id">The message.</param>
    /// <param name="reason">Why, for the record.</param>
    /// <param name="force">Also when a worker has it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JournalConflictException">The message has ended, or is with a worker and not forced.</exception>
    Task DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken);

    /// <summary>Makes a message due again (JN-3): a failed one keeps its id and begins to count anew, an acknowledged one needs force and becomes a new message.</summary>
    /// <param name="id">The message.</param>
    /// <param name="options">How, and who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The message that is due: the same one, or the new one.</returns>
    /// <exception cref="JournalConflictException">The message is open, not kept, erased, or acknowledged and not forced.</exception>
    ValueTask<MessageId> ReplayAsync(MessageId id, ReplayOptions options, CancellationToken cancellationToken);

    /// <summary>Replays failed messages by filter, oldest first, no faster than said, and not further when they fail again (JN-4). Returns when that is done; one at a time.</summary>
    /// <param name="filter">Which; its states, order and cursor do not matter: failed ones, oldest first.</param>
    /// <param name="options">How many, how fast, and when to stop.</param>
    /// <param name="cancellationToken">Ends it; what was replayed stays so.</param>
    /// <exception cref="RuntimeConflictException">Another one is under way.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside of its range.</exception>
    Task<ReplayManyResult> ReplayAsync(JournalQuery filter, ReplayManyOptions options, CancellationToken cancellationToken);

    /// <summary>Replays messages one after the other as a filter does that has found them: what somebody has seen and confirmed is what is replayed.</summary>
    /// <param name="ids">Which, in their order; one that is no longer failed is passed over and counted.</param>
    /// <param name="options">How fast, and when to stop; its most does not matter.</param>
    /// <param name="cancellationToken">Ends it; what was replayed stays so.</param>
    /// <exception cref="RuntimeConflictException">Another one is under way.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside of its range.</exception>
    Task<ReplayManyResult> ReplayAsync(IReadOnlyList<MessageId> ids, ReplayManyOptions options, CancellationToken cancellationToken);

    /// <summary>Resolves an uncertain send as delivered (JN-6).</summary>
    /// <param name="id">The message.</param>
    /// <param name="user">Who says so, for the record.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JournalConflictException">The message is not kept, or did not end uncertain.</exception>
    ValueTask ConfirmAsync(MessageId id, string user, CancellationToken cancellationToken);

    /// <summary>Removes finished messages whose time is past, as retention does every ten minutes.</summary>
    /// <param name="retention">How long each kind is kept for this once; null for the settings in force.</param>
    /// <param name="cancellationToken">Ends the work; what was removed stays so.</param>
    /// <returns>How many messages were removed.</returns>
    ValueTask<long> CompactAsync(JournalRetention? retention, CancellationToken cancellationToken);

    /// <summary>Fires a schedule once, now, whatever its times are, also one that is not enabled; it is recorded as manual.</summary>
    /// <param name="schedule">Its name.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The message.</returns>
    Task<MessageId> RunScheduleAsync(string schedule, CancellationToken cancellationToken);

    /// <summary>Gives up all open messages of a conversation, those with a worker included, and reports it as complete.</summary>
    /// <param name="conversation">The conversation.</param>
    /// <param name="reason">Why, for the record.</param>
    /// <param name="cancellationToken">Ends the work; what was given up stays so.</param>
    /// <returns>How many were given up.</returns>
    Task<long> KillConversationAsync(string conversation, string reason, CancellationToken cancellationToken);

    /// <summary>How many messages are kept of a contact: those from it, those to it, and those of its own conversation.</summary>
    /// <param name="contact">The contact, such as <c>telegram:4711</c>; without a topic, what came from and went to any topic of it counts.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<ContactMessages> CountContactAsync(Address contact, CancellationToken cancellationToken);

    /// <summary>Removes bodies, files and personal headers of a contact's finished messages and leaves their records (JN-12). They cannot be replayed any more.</summary>
    /// <param name="contact">The contact, such as <c>telegram:4711</c>.</param>
    /// <param name="cancellationToken">Ends the work; what was erased stays so.</param>
    /// <returns>How many messages had something to be removed.</returns>
    /// <exception cref="RuntimeConflictException">A message of the contact is open; nothing was erased.</exception>
    Task<long> EraseAsync(Address contact, CancellationToken cancellationToken);

    /// <summary>Makes an online, consistent copy of the store (ST-23).</summary>
    /// <param name="file">A file that does not exist, inside the data directory: a path relative to it, or a full one.</param>
    /// <param name="cancellationToken">Ends it; the incomplete copy is deleted.</param>
    /// <returns>The file that was written.</returns>
    /// <exception cref="ArgumentException">The file is outside of the data directory.</exception>
    /// <exception cref="RuntimeConflictException">The store is one of memory, the file is there already, or it cannot be written.</exception>
    Task<FileInfo> BackupAsync(string file, CancellationToken cancellationToken);

    /// <summary>Runs the handler of a message without effect: nothing is stored, sent or counted (JN-4).</summary>
    /// <param name="id">The message, in any state.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JournalConflictException">The message is not kept, or its content is erased.</exception>
    /// <exception cref="DryRunUnsupportedException">No handler takes it, or the one that does was not registered with <see cref="IApplicationBuilder.SupportsDryRun"/>.</exception>
    /// <exception cref="TimeoutException">The handler went on after its time.</exception>
    Task<DryRunResult> DryRunAsync(MessageId id, CancellationToken cancellationToken);

    /// <summary>Leases nothing new for a pool, a lane included; what runs goes on. It ends with the process.</summary>
    /// <param name="pool">A worker pool, or <c>out.{communicator}</c>.</param>
    void PausePool(string pool);

    /// <summary>Lets a paused pool lease again.</summary>
    /// <param name="pool">A worker pool, or <c>out.{communicator}</c>.</param>
    void ResumePool(string pool);

    /// <summary>Clears the failure of a pool whose workers died too often; one that has not failed is left as it is.</summary>
    /// <param name="pool">A worker pool, or <c>out.{communicator}</c>.</param>
    void RestartPool(string pool);

    /// <summary>Changes how many messages a pool handles at a time; scaling down finishes what runs. It ends with the process or with a change of the setting.</summary>
    /// <param name="pool">A worker pool, or <c>out.{communicator}</c>.</param>
    /// <param name="parallelism">From 1 to 1,024.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside of that.</exception>
    void ScalePool(string pool, int parallelism);

    /// <summary>Starts a source that was stopped; one that runs is left as it is.</summary>
    /// <param name="source">The source.</param>
    void StartSource(string source);

    /// <summary>Ends a source until it is started again, or the process is; returns once it has ended.</summary>
    /// <param name="source">The source.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task StopSourceAsync(string source, CancellationToken cancellationToken);

    /// <summary>Holds a source back: it acknowledges nothing until it is resumed.</summary>
    /// <param name="source">The source.</param>
    void PauseSource(string source);

    /// <summary>Lets a paused source go on.</summary>
    /// <param name="source">The source.</param>
    void ResumeSource(string source);

    /// <summary>Looks for news of a source at once.</summary>
    /// <param name="source">The source.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many messages it brought.</returns>
    /// <exception cref="RuntimeConflictException">The source is told of news by its origin and cannot be asked, or does not run.</exception>
    Task<int> PollSourceAsync(string source, CancellationToken cancellationToken);

    /// <summary>Connects a communicator that was stopped; returns after its first try, which may have failed: its status says why.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task StartCommunicatorAsync(string communicator, CancellationToken cancellationToken);

    /// <summary>Ends the connection of a communicator after the sends in progress, until it is started again, or the process is. Its messages wait.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task StopCommunicatorAsync(string communicator, CancellationToken cancellationToken);

    /// <summary>Sends a message by a communicator the way every other goes, and waits up to 30 s for what becomes of it.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="to">A recipient of it, with or without its name in front.</param>
    /// <param name="text">The text; null for one that says it is a test.</param>
    /// <param name="cancellationToken">Ends the wait; the message goes on.</param>
    /// <returns>The receipt, or why it was not delivered, or the state in which it still waits.</returns>
    /// <exception cref="ArgumentException">It is no recipient of this communicator.</exception>
    Task<EmitOutcome> TestCommunicatorAsync(string communicator, string to, string? text, CancellationToken cancellationToken);

    /// <summary>Calls a method of a communicator; a failure is a result.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="method">The method.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="timeout">How long to wait, at most 10 minutes; null for 30 s.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    ValueTask<RemoteCallResult> CallAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken);

    /// <summary>Stores one copy per matching communicator and returns after the commit; delivery follows by itself.</summary>
    /// <param name="message">What to send.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="AddressException">Nothing can take it and the policy is to reject.</exception>
    ValueTask<EmitResult> SendAsync(OutgoingMessage message, CancellationToken cancellationToken);

    /// <summary>Shows a signal, such as typing. It is never stored, and lost when the service cannot be reached.</summary>
    /// <param name="signal">The signal; its address names the communicator.</param>
    void Show(Signal signal);
}

/// <summary>The messages of one contact.</summary>
/// <param name="Open">Those that wait or are worked on.</param>
/// <param name="Finished">Those that have ended.</param>
public readonly record struct ContactMessages(long Open, long Finished);

/// <summary>What a handler would do with a message.</summary>
/// <param name="Outcome">The state that the message would get: <c>acked</c>, <c>pending</c> for another try, or <c>failed</c>.</param>
/// <param name="Error">Why it would not be acknowledged; null otherwise.</param>
/// <param name="Staged">The messages that would be stored with the outcome.</param>
public sealed record DryRunResult(string Outcome, string? Error, IReadOnlyList<Envelope> Staged);

/// <summary>A message has no handler that may be run without effect.</summary>
/// <param name="message">Which, and what to do.</param>
public sealed class DryRunUnsupportedException(string message) : Exception(message);

/// <summary>What was asked of a runtime is not possible in the state it is in.</summary>
/// <param name="message">What stands in the way, and what to do.</param>
public sealed class RuntimeConflictException(string message) : Exception(message);
