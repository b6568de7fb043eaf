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

/// <summary>What was asked of a runtime is not possible in the state it is in.</summary>
/// <param name="message">What stands in the way, and what to do.</param>
public sealed class RuntimeConflictException(string message) : Exception(message);
