namespace Postroom.Testing;

/// <summary>How a <see cref="RecordingCommunicator"/> answers one send. Closed.</summary>
public abstract record SendOutcome
{
    private SendOutcome()
    {
    }

    /// <summary>The service takes it.</summary>
    /// <param name="OutsideId">The service's id; null for one made from the count of sends.</param>
    public sealed record Succeeds(string? OutsideId = null) : SendOutcome;

    /// <summary>The service does not take it; the failure is classified.</summary>
    /// <param name="Failure">What kind of failure it is.</param>
    /// <param name="Message">What the service says.</param>
    public sealed record Fails(DeliveryFailure Failure, string Message = "refused by the test") : SendOutcome;

    /// <summary>The send ends with an exception that nobody classified.</summary>
    /// <param name="Exception">The exception.</param>
    public sealed record Throws(Exception Exception) : SendOutcome;

    /// <summary>The send takes time on the communicator's clock, then ends another way.</summary>
    /// <param name="By">How long.</param>
    /// <param name="Then">How it ends; null for success.</param>
    public sealed record Takes(TimeSpan By, SendOutcome? Then = null) : SendOutcome;

    /// <summary>No answer comes until the send is cancelled.</summary>
    /// <param name="BytesLeft">Whether the request had left, so that its end is uncertain.</param>
    public sealed record Hangs(bool BytesLeft = true) : SendOutcome;
}

/// <summary>One send as a <see cref="RecordingCommunicator"/> saw it.</summary>
/// <param name="Message">What was to be sent.</param>
/// <param name="MessageId">The id of the delivery.</param>
/// <param name="Attempt">The number of the try.</param>
/// <param name="At">When, on the communicator's clock.</param>
public sealed record RecordedSend(OutgoingMessage Message, MessageId MessageId, int Attempt, DateTimeOffset At)
{
    /// <summary>Whether it may repeat an earlier send.</summary>
    public bool Redelivered { get; init; }

    /// <summary>Who gets it; null when label and settings decide.</summary>
    public Address? Recipient { get; init; }

    /// <summary>The conversation; null for none.</summary>
    public string? Conversation { get; init; }

    /// <summary>The key given to a service that recognises repeats.</summary>
    public required string IdempotencyKey { get; init; }

    /// <summary>The parts that earlier tries delivered.</summary>
    public IReadOnlyList<string> Progress { get; init; } = [];

    /// <summary>How it was answered.</summary>
    public required SendOutcome Outcome { get; init; }
}

/// <summary>One signal as a <see cref="RecordingCommunicator"/> saw it.</summary>
/// <param name="Signal">The signal.</param>
/// <param name="MessageId">The id of the delivery.</param>
/// <param name="At">When, on the communicator's clock.</param>
public sealed record RecordedSignal(Signal Signal, MessageId MessageId, DateTimeOffset At);
