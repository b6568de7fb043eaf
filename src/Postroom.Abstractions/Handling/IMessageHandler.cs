namespace Postroom;

/// <summary>Application code for one payload type.</summary>
/// <remarks>A singleton unless registered otherwise, so safe for concurrent use. It may run again for the same message; what it stages exists once.</remarks>
/// <typeparam name="T">The payload.</typeparam>
public interface IMessageHandler<in T>
{
    /// <summary>Handles one message.</summary>
    /// <param name="message">The decoded payload.</param>
    /// <param name="context">Which message this is, and the verbs that stage effects.</param>
    /// <param name="cancellationToken">Cancelled when the handler's time is over, or the runtime stops and the drain limit is near.</param>
    ValueTask<HandlerResult> HandleAsync(T message, HandlerContext context, CancellationToken cancellationToken);
}

/// <summary>Takes what no handler of the queue takes.</summary>
public interface IFallbackHandler
{
    /// <summary>Handles one message of any type.</summary>
    ValueTask<HandlerResult> HandleAsync(Envelope message, HandlerContext context, CancellationToken cancellationToken);
}

/// <summary>Goes on with the next middleware, or with the handler itself.</summary>
public delegate ValueTask<HandlerResult> HandlerStep(HandlerContext context, CancellationToken cancellationToken);

/// <summary>Wraps handler calls; the first one added is outermost.</summary>
public interface IHandlerMiddleware
{
    /// <summary>Runs around the handler.</summary>
    /// <param name="context">Which message this is.</param>
    /// <param name="next">Goes on inwards.</param>
    /// <param name="cancellationToken">As for the handler.</param>
    ValueTask<HandlerResult> InvokeAsync(HandlerContext context, HandlerStep next, CancellationToken cancellationToken);
}

/// <summary>Rewrites the body of a former payload version.</summary>
public interface IUpcaster
{
    /// <summary>The type it reads.</summary>
    string FromType { get; }

    /// <summary>The type it writes.</summary>
    string ToType { get; }

    /// <summary>Rewrites one body.</summary>
    ReadOnlyMemory<byte> Upcast(ReadOnlyMemory<byte> body);
}

/// <summary>A failure that no retry can mend: the message fails at once.</summary>
public sealed class PermanentException : Exception
{
    /// <summary>Makes the exception.</summary>
    public PermanentException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>A failure that is over after a known time: the message waits exactly that long.</summary>
public sealed class RetryAfterException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="delay">How long to wait; at most 7 days.</param>
    /// <param name="message">Why, for the record.</param>
    public RetryAfterException(TimeSpan delay, string message)
        : base(message) => Delay = delay;

    /// <summary>How long to wait.</summary>
    public TimeSpan Delay { get; }
}
