namespace Postroom;

/// <summary>Sends outgoing messages to one service, and may receive from it.</summary>
/// <remarks>
/// A communicator translates and classifies; order, retries, rate limits, claims and receipts are the lane's.
/// An implementation is ready when it passes <c>CommunicatorConformance</c>. Safe for concurrent sends.
/// </remarks>
public interface ICommunicator
{
    /// <summary>The configured name; see <see cref="Names.IsCommunicatorName"/>.</summary>
    string Name { get; }

    /// <summary>True only after <see cref="StartAsync"/> succeeded and before <see cref="StopAsync"/>.</summary>
    bool IsStarted { get; }

    /// <summary>What the service can do.</summary>
    CommunicatorCapabilities Capabilities { get; }

    /// <summary>Connects. Does nothing when already started.</summary>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Waits for the send in progress and disconnects. Does nothing when not started.</summary>
    Task StopAsync(CancellationToken cancellationToken);

    /// <summary>Hands one message to the service.</summary>
    /// <param name="message">What to send.</param>
    /// <param name="context">Which delivery this is, and what earlier attempts already did.</param>
    /// <param name="cancellationToken">Ends the attempt; whatever has left, or may have, is then uncertain.</param>
    /// <exception cref="DeliveryException">
    /// The service did not take it; the failure is classified. Any other exception counts as transient. One that is cancelled and knows that nothing had left says so as
    /// <see cref="DeliveryFailure.Transient"/>, with the cancellation as the inner exception: a time limit then makes it go again, and a stop leaves it as it was.
    /// </exception>
    ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken);
}

/// <summary>Optional for a communicator that can show typing, presence or reactions.</summary>
public interface ISignals
{
    /// <summary>Shows the signal.</summary>
    /// <exception cref="DeliveryException">The service did not take it.</exception>
    ValueTask SignalAsync(Signal signal, DeliveryContext context, CancellationToken cancellationToken);
}

/// <summary>Optional for a communicator whose sends need something that may take a while to get, such as one of a few connections.</summary>
/// <remarks>
/// The lane asks for it before it stores that a send begins. Whatever ends until then, the process included, has certainly sent nothing, and never counts as a send without
/// an answer (LN-8).
/// </remarks>
public interface IPreparesSends
{
    /// <summary>Gets what one send needs.</summary>
    /// <param name="message">What is to be sent.</param>
    /// <param name="context">Which delivery it is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Given to the send as <see cref="DeliveryContext.Prepared"/>, and disposed of once what became of it is handed over; null for nothing. A failure of that changes no outcome.</returns>
    /// <exception cref="DeliveryException">It cannot be had; the failure is classified.</exception>
    ValueTask<IAsyncDisposable?> PrepareAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken);
}

/// <summary>What a service can do; messages are changed to fit before they are sent.</summary>
public sealed record CommunicatorCapabilities
{
    /// <summary>The longest text, in UTF-16 units; <see cref="int.MaxValue"/> for no limit.</summary>
    public int TextLimit { get; init; } = int.MaxValue;

    /// <summary>Formats besides plain text; none unless set.</summary>
    public IReadOnlyList<TextFormat> Formats { get; init; } = [];

    /// <summary>Takes files; false unless set.</summary>
    public bool Attachments { get; init; }

    /// <summary>Shows reply buttons; false unless set.</summary>
    public bool Buttons { get; init; }

    /// <summary>Shows lists to choose from; false unless set.</summary>
    public bool Lists { get; init; }

    /// <summary>Shows link buttons; false unless set.</summary>
    public bool Links { get; init; }

    /// <summary>Shows typing; false unless set.</summary>
    public bool Typing { get; init; }

    /// <summary>How often typing is shown again while a handler that asked for it runs. 4 s unless set.</summary>
    public TimeSpan TypingInterval { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>Shows reactions; false unless set.</summary>
    public bool Reactions { get; init; }

    /// <summary>Shows presence; false unless set.</summary>
    public bool Presence { get; init; }

    /// <summary>Receives messages; false unless set.</summary>
    public bool Receiving { get; init; }

    /// <summary>Recognises a repeat by its idempotency key; false unless set.</summary>
    public bool Idempotent { get; init; }

    /// <summary>Can be asked whether a send arrived; false unless set.</summary>
    public bool CanBeAsked { get; init; }

    /// <summary>Takes a recipient from outside its configuration; true unless set.</summary>
    public bool TakesRecipients { get; init; } = true;

    /// <summary>Cuts a text over its limit itself; false unless set, and the lane cuts it.</summary>
    public bool SplitsText { get; init; }
}

/// <summary>Which delivery a send belongs to.</summary>
public abstract class DeliveryContext
{
    /// <summary>The message's id.</summary>
    public abstract MessageId MessageId { get; }

    /// <summary>1 on the first try.</summary>
    public abstract int Attempt { get; }

    /// <summary>Whether an earlier send left without an answer, so this one may be a repeat.</summary>
    public abstract bool Redelivered { get; }

    /// <summary>Who gets it; null when the message's label and the communicator's settings decide.</summary>
    public abstract Address? Recipient { get; }

    /// <summary>The conversation it belongs to; null for none.</summary>
    public abstract string? Conversation { get; }

    /// <summary>The key to give to a service that recognises repeats: the message id.</summary>
    public abstract string IdempotencyKey { get; }

    /// <summary>The message as it is stored.</summary>
    public abstract Envelope Envelope { get; }

    /// <summary>The service's ids of the parts that earlier attempts delivered, in order; empty at first.</summary>
    public abstract IReadOnlyList<string> Progress { get; }

    /// <summary>Stores durably that one more part is delivered, so that a retry goes on behind it.</summary>
    /// <param name="outsideId">The service's id of the part.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public abstract ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken);

    /// <summary>
    /// Waits until the limits of <see cref="IRateLimits"/> allow a further request. For a communicator that sends one message in several requests: before each but the
    /// first of an attempt, with the progress stored. Does nothing unless a lane overrides it.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DeliveryException">The turn comes later: let it pass, and the next attempt goes on there.</exception>
    public virtual ValueTask WaitForTurnAsync(CancellationToken cancellationToken) => default;

    /// <summary>What <see cref="IPreparesSends"/> got for this send; null for nothing. The lane disposes of it.</summary>
    public IAsyncDisposable? Prepared { get; set; }

    /// <summary>Says that bytes have left: an exception that is not classified then counts as uncertain.</summary>
    public bool BytesLeft { get; set; }
}
