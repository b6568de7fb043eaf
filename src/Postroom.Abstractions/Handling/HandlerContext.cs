namespace Postroom;

/// <summary>What a handler knows of its message, and the verbs that stage its effects.</summary>
/// <remarks>
/// Staged messages and checkpoints are stored in the transaction that acknowledges the input, and only then: a crash repeats the
/// work, never its effects. One attempt uses one context; it is not safe for concurrent use.
/// </remarks>
public abstract class HandlerContext
{
    /// <summary>The message as it is stored.</summary>
    public abstract Envelope Envelope { get; }

    /// <summary>The message's id.</summary>
    public MessageId MessageId => Envelope.Id;

    /// <summary>The conversation; null for none.</summary>
    public string? Conversation => Envelope.Conversation;

    /// <summary>Who sent it; null when nobody outside did.</summary>
    public Address? From => Envelope.From;

    /// <summary>The number of this attempt, from 1.</summary>
    public abstract int Attempt { get; }

    /// <summary>How many failures the message may have.</summary>
    public int MaxAttempts => Envelope.MaxAttempts;

    /// <summary>Whether an earlier attempt began and ended without an outcome.</summary>
    public abstract bool Redelivered { get; }

    /// <summary>
    /// Whether this is a dry run: what is staged is shown to an operator and not stored, signals are not shown, and calls answer <c>unavailable</c>. Whatever else the handler
    /// would change, it leaves. False unless overridden.
    /// </summary>
    public virtual bool IsDryRun => false;

    /// <summary>The trace this attempt belongs to; null when there is none.</summary>
    public abstract string? TraceId { get; }

    /// <summary>Services of this attempt's scope.</summary>
    public abstract IServiceProvider Services { get; }

    /// <summary>Stages a message: by label, or direct when <see cref="OutgoingMessage.To"/> is set.</summary>
    /// <exception cref="AddressException">The label or recipient cannot be reached and the policy is to reject; the text names what exists.</exception>
    public abstract void Send(OutgoingMessage message);

    /// <summary>Stages a text for a label.</summary>
    public void Send(string label, string text) => Send(new OutgoingMessage(label, text));

    /// <summary>Stages an answer: same channel, chat, topic and conversation as the input.</summary>
    public void Reply(string text) => Reply(new OutgoingMessage(text));

    /// <summary>Stages an answer: same channel, chat, topic and conversation as the input.</summary>
    public abstract void Reply(OutgoingMessage message);

    /// <summary>Stages a message on another queue; the conversation is inherited or new, never another's.</summary>
    /// <typeparam name="T">The payload, declared with <c>AddPayload</c> or <c>AddHandler</c>.</typeparam>
    /// <exception cref="AddressException">The queue is not declared; the text names the nearest one.</exception>
    /// <exception cref="InvalidOperationException">The type is not declared; the text names the call that declares it.</exception>
    public abstract void Publish<T>(string queue, string type, T payload, PublishOptions? options = null);

    /// <summary>Stages a message that is stored only if this attempt ends the message as failed.</summary>
    public abstract void SendOnFailure(OutgoingMessage message);

    /// <summary>Calls a method that a communicator offers beyond sending (GW-12), at once and without staging: a retry of this message calls it again. A failure is a result, not an exception.</summary>
    /// <param name="communicator">Its name.</param>
    /// <param name="method">One of its <see cref="IRemoteCalls.Methods"/>.</param>
    /// <param name="arguments">Its arguments, an object.</param>
    /// <param name="timeout">How long to wait, at most 10 minutes; null for 30 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is not above zero, or above 10 minutes.</exception>
    public abstract ValueTask<RemoteCallResult> CallAsync(string communicator, string method, System.Text.Json.JsonElement arguments, TimeSpan? timeout = null, CancellationToken cancellationToken = default);

    /// <summary>Opens a file of this message, and fetches it from the service that keeps it where it came as a reference. At most 20 MiB; length and hash are verified.</summary>
    /// <param name="attachment">One of <see cref="Envelope.Attachments"/>.</param>
    /// <param name="cancellationToken">Ends the fetch.</param>
    /// <exception cref="AddressException">The communicator that it came by is gone, or fetches no files.</exception>
    /// <exception cref="DeliveryException">The service does not give it now, or not any more.</exception>
    /// <exception cref="InvalidDataException">It is not the file that the message says, or too long.</exception>
    public abstract ValueTask<Stream> OpenAsync(Attachment attachment, CancellationToken cancellationToken = default);

    /// <summary>Shows presence at once, stages a reaction, or shows typing until the handler has returned; typing with a time of zero hides it again. Typing and presence are never stored.</summary>
    public abstract void Signal(Signal signal);

    /// <summary>Stages a value of this conversation, at most 64 KiB, committed with the acknowledgement.</summary>
    public abstract void Checkpoint(string name, ReadOnlyMemory<byte> value);

    /// <summary>Reads a value of this conversation; null when there is none.</summary>
    public abstract ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(string name, CancellationToken cancellationToken);

    /// <summary>Stages what the source shall tell its origin.</summary>
    public abstract void CompleteOrigin(MarkRequest request);
}

/// <summary>A recipient, label, queue or channel cannot be reached; the text names what exists.</summary>
public sealed class AddressException : Exception
{
    /// <summary>Makes the exception.</summary>
    public AddressException(string message)
        : base(message)
    {
    }
}
