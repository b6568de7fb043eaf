namespace Postroom;

/// <summary>The lease ended before it was settled; another attempt decides the outcome, and nothing was stored.</summary>
public sealed class LeaseLostException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="id">The message.</param>
    /// <param name="fence">The fence that was refused.</param>
    /// <param name="why">What became of the message meanwhile.</param>
    public LeaseLostException(MessageId id, long fence, string why)
        : base($"The lease of message {id} (fence {fence}) was lost: {why} Nothing of this settlement was stored.")
    {
        Id = id;
        Fence = fence;
    }

    /// <summary>The message.</summary>
    public MessageId Id { get; }

    /// <summary>The fence that was refused.</summary>
    public long Fence { get; }
}

/// <summary>The store cannot write now; nothing was stored, and the call may be repeated.</summary>
public sealed class StoreUnavailableException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What, why, and what to do.</param>
    /// <param name="innerException">The cause; null for none.</param>
    public StoreUnavailableException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>Why a store did not open.</summary>
public enum StoreOpenFailure
{
    /// <summary>Another process owns it.</summary>
    InUse,

    /// <summary>It was written by a newer version.</summary>
    Newer,

    /// <summary>It is damaged or cannot be read.</summary>
    Damaged,

    /// <summary>It holds fewer messages than were acknowledged.</summary>
    Loss,

    /// <summary>It cannot be written.</summary>
    NotWritable,
}

/// <summary>The store did not open; nothing was changed in it.</summary>
public sealed class StoreOpenException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="failure">Why, as a closed choice.</param>
    /// <param name="message">What, why, and what to do.</param>
    /// <param name="innerException">The cause; null for none.</param>
    public StoreOpenException(StoreOpenFailure failure, string message, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>Why.</summary>
    public StoreOpenFailure Failure { get; }

    /// <summary>For <see cref="StoreOpenFailure.Loss"/>, how many messages are missing; 0 otherwise.</summary>
    public long Missing { get; init; }
}
