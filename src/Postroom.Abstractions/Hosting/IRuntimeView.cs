namespace Postroom;

/// <summary>What adapters see of the runtime: its status, its journal, and the way in for what they receive.</summary>
public interface IRuntimeView
{
    /// <summary>The runtime now.</summary>
    ValueTask<RuntimeStatus> GetStatusAsync(CancellationToken cancellationToken);

    /// <summary>Where it stands, without looking at the store.</summary>
    RuntimeState State { get; }

    /// <summary>Whether messages from outside are stored now: while it runs, and while a hot restart drains (SPEC WH-8).</summary>
    bool TakesMessages => State == RuntimeState.Running;

    /// <summary>Completed, except in a generation that a hot restart began: there once it is ready, or will not be. Requests wait for it, since they were left to it.</summary>
    Task Opened => Task.CompletedTask;

    /// <summary>Whether a restart is under way, so that connections end after their next answer.</summary>
    bool IsBeingReplaced => false;

    /// <summary>What operators may do to it.</summary>
    IRuntimeControl Control { get; }

    /// <summary>The store's record.</summary>
    IJournal Journal { get; }

    /// <summary>The store's small named values.</summary>
    IFacts Facts { get; }

    /// <summary>The health of all parts for one question.</summary>
    ValueTask<HealthReport> CheckHealthAsync(HealthViews view, CancellationToken cancellationToken);

    /// <summary>All instruments of the runtime in the text format 0.0.4 of Prometheus; empty when it has none.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<string> WriteMetricsAsync(CancellationToken cancellationToken) => new("");

    /// <summary>The latest spans of a trace that were given to a trace transport, oldest first, as far as <c>tracing.keep</c> keeps them; empty without a transport.</summary>
    /// <param name="traceId">The trace, as 32 lower-case hexadecimal digits; null for all traces.</param>
    IReadOnlyList<TraceSpan> KeptSpans(string? traceId) => [];

    /// <summary>Calls a method of a communicator; a failure is a result.</summary>
    /// <param name="communicator">Its name.</param>
    /// <param name="method">The method.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="timeout">How long the caller waits, at most 10 minutes; null for 30 s.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    ValueTask<RemoteCallResult> CallAsync(string communicator, string method, System.Text.Json.JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken);

    /// <summary>
    /// The registered communicators that answer requests of their service at a path; empty when none does. Several may: a service posts the messages of all numbers of one
    /// app to one path.
    /// </summary>
    /// <param name="path">The path of the request.</param>
    IReadOnlyList<IWebhookReceiver> FindReceivers(string path);

    /// <summary>Whether a communicator of this name or kind is enabled; null when none is.</summary>
    string? FindChannel(string clientType);

    /// <summary>The kind of a communicator, such as <c>whatsapp</c>; null when there is none of this name.</summary>
    string? KindOf(string communicator) => null;

    /// <summary>A way in for one source.</summary>
    /// <param name="source">The source's name, for the record.</param>
    IMessageSink OpenSink(string source);

    /// <summary>Puts a message on a queue at an operator's word.</summary>
    ValueTask<PublishResult> InjectAsync(Envelope envelope, CancellationToken cancellationToken);

    /// <summary>Fires a schedule once, now, whatever its times are; it is recorded as manual.</summary>
    /// <param name="schedule">Its name.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The message.</returns>
    /// <exception cref="KeyNotFoundException">There is no such schedule; the text names those there are.</exception>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was stored.</exception>
    ValueTask<MessageId> RunScheduleAsync(string schedule, CancellationToken cancellationToken) => throw new KeyNotFoundException($"There is no schedule '{Names.Shorten(schedule)}'.");

    /// <summary>Changes facts outside a message.</summary>
    ValueTask WriteFactsAsync(IReadOnlyList<FactChange> facts, CancellationToken cancellationToken);

    /// <summary>Adds later receipts and audit rows.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was stored.</exception>
    ValueTask WriteNotesAsync(IReadOnlyList<StoreNote> notes, CancellationToken cancellationToken);

    /// <summary>What holds for a declared queue now; null for one that is not declared.</summary>
    QueueOptions? FindQueue(string queue) => null;

    /// <summary>Tells of receipts that come after the outcome of a send, once they are stored.</summary>
    /// <param name="observer">Is called for each, on the thread that stored it; it must not wait.</param>
    /// <returns>Ends it when disposed; null where there are none.</returns>
    IDisposable? ObserveReceipts(Action<StoredReceipt> observer) => null;

    /// <summary>Counts a connection or request that was refused before anything of it was looked at, for metrics.</summary>
    /// <param name="reason">Why, a word of the program's own: <c>connections</c>, <c>key</c>, <c>code</c> or <c>rate</c>.</param>
    void CountRefused(string reason)
    {
    }
}

/// <summary>A receipt that came after the outcome of its send.</summary>
/// <param name="MessageId">The message.</param>
/// <param name="Queue">Its queue.</param>
/// <param name="Conversation">Its conversation; null for none.</param>
/// <param name="Receipt">What the service said.</param>
public sealed record StoredReceipt(MessageId MessageId, string Queue, string? Conversation, DeliveryReceipt Receipt);

/// <summary>The health of all parts.</summary>
/// <param name="State">The worst of all.</param>
/// <param name="Checks">One entry per part.</param>
public sealed record HealthReport(HealthState State, IReadOnlyList<HealthCheck> Checks);

/// <summary>The health of one part.</summary>
/// <param name="Name">The part.</param>
/// <param name="Result">How it is.</param>
/// <param name="Duration">How long the check took.</param>
public sealed record HealthCheck(string Name, HealthResult Result, TimeSpan Duration);
