namespace Postroom;

/// <summary>How a delivery failed, as the communicator classified it. Closed; the lane decides what follows.</summary>
public abstract record DeliveryFailure
{
    private DeliveryFailure()
    {
    }

    /// <summary>Worth another try.</summary>
    /// <param name="ServiceWide">True when the service cannot be reached at all: the lane waits and no attempt is counted.</param>
    public sealed record Transient(bool ServiceWide = false) : DeliveryFailure;

    /// <summary>The service asks to wait; no attempt is counted.</summary>
    /// <param name="Until">When to try again.</param>
    /// <param name="Lane">True when the whole lane waits; false when only this recipient does.</param>
    /// <param name="IsTold">Whether the service named the instant; false for a usual wait, from which nothing can be learnt of its limit.</param>
    public sealed record RateLimited(DateTimeOffset Until, bool Lane = false, bool IsTold = true) : DeliveryFailure
    {
        /// <summary>Whether this message waits and no other to the same recipient; false unless set.</summary>
        public bool OnlyMessage { get; init; }

        /// <summary>Whether it is only supposed that the whole lane is meant: it waits, and nothing is learnt of its limit; false unless set.</summary>
        public bool IsGuess { get; init; }
    }

    /// <summary>The service said no; there is no retry.</summary>
    /// <param name="Code">The service's code.</param>
    public sealed record Refused(string Code) : DeliveryFailure;

    /// <summary>Nobody was found to send it to; there is no retry.</summary>
    public sealed record Unroutable : DeliveryFailure;

    /// <summary>The credentials are refused; messages wait until they are mended.</summary>
    public sealed record Unauthorized : DeliveryFailure;

    /// <summary>The request left and no answer came: nobody can tell whether it arrived.</summary>
    public sealed record Uncertain : DeliveryFailure;
}

/// <summary>A delivery that did not succeed, classified by its communicator.</summary>
public sealed class DeliveryException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="failure">What kind of failure it is.</param>
    /// <param name="message">What the service said, without secrets.</param>
    /// <param name="innerException">The cause; null for none.</param>
    public DeliveryException(DeliveryFailure failure, string message, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>What kind of failure it is.</summary>
    public DeliveryFailure Failure { get; }
}
