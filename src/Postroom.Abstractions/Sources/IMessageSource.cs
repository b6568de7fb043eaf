namespace Postroom;

/// <summary>Brings messages in from outside and acknowledges their origin once they are stored.</summary>
/// <remarks>
/// A source translates; it has no retry loop and swallows no exception: the supervisor restarts it with backoff and pauses it
/// when its queue is full.
/// </remarks>
public interface IMessageSource
{
    /// <summary>The configured name.</summary>
    string Name { get; }

    /// <summary>How it stands.</summary>
    SourceStatus Status { get; }

    /// <summary>
    /// Whether its origin waits for an answer: its sink then refuses with <see cref="IntakeClosedException"/> where it would make another
    /// source wait. False unless said otherwise.
    /// </summary>
    bool AnswersAtOnce => false;

    /// <summary>It was added and is not started, because an operator had stopped the one that it takes the place of. Nothing unless implemented.</summary>
    void LeaveStopped()
    {
    }

    /// <summary>Runs until cancelled, pushing what it reads.</summary>
    /// <param name="sink">Takes messages durably. Only after it returned may the origin be told.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    Task RunAsync(IMessageSink sink, CancellationToken cancellationToken);
}

/// <summary>Optional for a source that can look for news at once.</summary>
public interface IPollNow
{
    /// <summary>Looks now.</summary>
    /// <returns>How many messages were new.</returns>
    ValueTask<int> PollNowAsync(CancellationToken cancellationToken);
}

/// <summary>Optional for a source whose origin is told after the work.</summary>
/// <remarks>
/// A message that was handed over with <see cref="SourceMessage.OriginKey"/> appends a <c>source.mark</c> message to the queue <c>mark.{source}</c> in the
/// transaction that ends it; a lane of that name calls this, several at a time, with the retry policy of lanes. An end that happens outside an attempt, such as an
/// expiry, a discard or a message that killed its process too often, appends none: a source asks <see cref="IMessageSink.StateOfAsync"/> for those.
/// </remarks>
public interface IMarkOrigin
{
    /// <summary>
    /// Completes once the origin can be told; a new one each time it went away. Marks wait for it, so that they are told as soon as the origin is there. Completed
    /// unless a source says otherwise.
    /// </summary>
    Task Reachable => Task.CompletedTask;

    /// <summary>Tells the origin. Marking twice is harmless.</summary>
    /// <param name="request">What it is told.</param>
    /// <param name="cancellationToken">Ends the attempt; it is made again.</param>
    /// <exception cref="OriginUnavailableException">The origin cannot be reached now; it is tried again, without counting an attempt.</exception>
    ValueTask MarkAsync(MarkRequest request, CancellationToken cancellationToken);
}

/// <summary>The origin of a source cannot be reached now; nothing is wrong with what it was to be told or asked.</summary>
/// <param name="message">What happened, without secrets.</param>
/// <param name="innerException">The cause; null for none.</param>
public sealed class OriginUnavailableException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>The origin of a source refuses its credentials. The source is started again after ever longer waits, up to 15 minutes, since asking too often locks accounts.</summary>
/// <param name="message">What happened, without secrets.</param>
/// <param name="innerException">The cause; null for none.</param>
public sealed class OriginRefusedException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>What a source shall tell its origin.</summary>
/// <param name="Source">The source.</param>
/// <param name="Key">What the source knows the message by.</param>
/// <param name="Outcome">What became of it: <see cref="Seen"/>, <see cref="Failed"/>, or a word that a handler chose.</param>
public sealed record MarkRequest(string Source, string Key, string Outcome)
{
    /// <summary>The outcome of a message that was acknowledged.</summary>
    public const string Seen = "seen";

    /// <summary>The outcome of a message that was given up.</summary>
    public const string Failed = "failed";
}

/// <summary>Takes messages durably.</summary>
public interface IMessageSink
{
    /// <summary>Stores a batch and returns after the commit.</summary>
    /// <param name="batch">What came in, in order.</param>
    /// <param name="checkpoint">Where the source stands after these; stored in the same transaction. Null for none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>One result per message.</returns>
    /// <exception cref="IntakeClosedException">Nothing was stored; try again later.</exception>
    ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken);

    /// <summary>Reads the checkpoint stored last; null at first.</summary>
    ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken);

    /// <summary>How a message stands that was handed over before; null when it is not kept any more.</summary>
    /// <param name="id">Its id, from <see cref="AcceptResult.Id"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<MessageState?> StateOfAsync(MessageId id, CancellationToken cancellationToken);
}

/// <summary>One message as a source hands it over.</summary>
/// <param name="Queue">The queue it goes to.</param>
/// <param name="Type">Its payload type.</param>
/// <param name="Body">The payload's bytes.</param>
public sealed record SourceMessage(string Queue, string Type, ReadOnlyMemory<byte> Body)
{
    /// <summary>The body's media type.</summary>
    public string ContentType { get; init; } = "application/json";

    /// <summary>Who sent it; null when nobody can be named.</summary>
    public Address? From { get; init; }

    /// <summary>The conversation; null for a new one.</summary>
    public string? Conversation { get; init; }

    /// <summary>Reveals a repeat; null for none.</summary>
    public string? DedupKey { get; init; }

    /// <summary>What the source knows the message by, so that <see cref="IMarkOrigin"/> is called when it ends; at most 512 characters. Null, the default, when nobody is to be told.</summary>
    public string? OriginKey { get; init; }

    /// <summary>Headers; empty unless set.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Files; empty unless set.</summary>
    public IReadOnlyList<Attachment> Attachments { get; init; } = [];

    /// <summary>What it says of earlier sends, such as the report of a mail server that could not deliver; stored with it. Empty unless set.</summary>
    public IReadOnlyList<LateReceipt> Receipts { get; init; } = [];

    /// <summary>No handling before this instant; null for at once.</summary>
    public DateTimeOffset? NotBefore { get; init; }
}

/// <summary>What became of a message that came in.</summary>
/// <param name="Id">Its id, or the id of the message it repeats.</param>
/// <param name="Duplicate">Whether it repeats one that is already stored.</param>
/// <param name="SameBody">For a duplicate, whether the bodies are equal, and the files by name and content.</param>
public readonly record struct AcceptResult(MessageId Id, bool Duplicate, bool SameBody = true);

/// <summary>Why intake does not take a message now.</summary>
public enum IntakeRefusal
{
    /// <summary>The runtime starts, stops or restarts.</summary>
    NotRunning,

    /// <summary>The store cannot write.</summary>
    StoreUnavailable,

    /// <summary>The queue is above its high-water mark.</summary>
    HighWater,

    /// <summary>Too many messages of one sender wait.</summary>
    TooManyPerKey,

    /// <summary>The source is paused or stopped by an operator.</summary>
    Paused,
}

/// <summary>Intake does not take messages now; nothing was stored.</summary>
public sealed class IntakeClosedException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="refusal">Why, as a closed choice.</param>
    /// <param name="retryAfter">When to try again.</param>
    /// <param name="message">Why, in words.</param>
    /// <param name="innerException">The cause; null for none.</param>
    public IntakeClosedException(IntakeRefusal refusal, TimeSpan retryAfter, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Refusal = refusal;
        RetryAfter = retryAfter;
    }

    /// <summary>Why.</summary>
    public IntakeRefusal Refusal { get; }

    /// <summary>When to try again.</summary>
    public TimeSpan RetryAfter { get; }
}

/// <summary>What a source does now.</summary>
public enum SourceState
{
    /// <summary>Does not run.</summary>
    Stopped,

    /// <summary>Connects.</summary>
    Starting,

    /// <summary>Brings messages in.</summary>
    Running,

    /// <summary>Held back; acknowledges nothing.</summary>
    Paused,

    /// <summary>Failed and waits before the next try.</summary>
    Backoff,

    /// <summary>Given up.</summary>
    Failed,
}

/// <summary>How a source stands.</summary>
public sealed record SourceStatus
{
    /// <summary>What it does now.</summary>
    public SourceState State { get; init; }

    /// <summary>Since when; null before the first start.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>When something last worked; null for never.</summary>
    public DateTimeOffset? LastSuccessAt { get; init; }

    /// <summary>The last error, also when it is over; null for none.</summary>
    public string? LastError { get; init; }

    /// <summary>When the last error was; null for none. Later than <see cref="LastSuccessAt"/>, it still holds.</summary>
    public DateTimeOffset? LastErrorAt { get; init; }

    /// <summary>How often something should succeed: the time between two looks; null when the origin is not asked.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Messages stored.</summary>
    public long Produced { get; init; }

    /// <summary>Messages that were repeats.</summary>
    public long Duplicates { get; init; }

    /// <summary>Messages that were refused.</summary>
    public long Refused { get; init; }

    /// <summary>How far behind its origin it is; null when it cannot tell.</summary>
    public TimeSpan? Lag { get; init; }

    /// <summary>Where it stands, as text; null for nowhere.</summary>
    public string? Checkpoint { get; init; }
}
